import type { PlaceColumns, PlaceSteps, PlaceTable } from '../../src/data/geo/place-steps.ts';

/**
 * A database in MaxMind's format that says what a table says, for readers of that format: records of 32 bits, IPv4 below
 * `::/96`.
 * @see https://maxmind.github.io/MaxMind-DB/
 */
export function mmdbOf(table: PlaceTable): Buffer {
  const { starts, places } = stepsOfBoth(table);
  const tree = treeOf(starts, places);
  const nodes = tree.length / 2;
  const data = Array.from(table.places.nameOf, (_, place) => recordOf(table.places, place));
  const offsets: number[] = [];
  let offset = 0;
  for (const record of data) {
    offsets.push(offset);
    offset += record.length;
  }
  const searchTree = Buffer.alloc(tree.length * 4);
  for (const [i, value] of tree.entries()) {
    const place = value - LEAF;
    const written = value < LEAF ? value : place === 0 ? nodes : nodes + SEPARATOR + (offsets[place - 1] ?? 0);
    searchTree.writeUInt32BE(written, i * 4);
  }
  return Buffer.concat([searchTree, Buffer.alloc(SEPARATOR), ...data, METADATA_MARK, metadataOf(nodes)]);
}

const SEPARATOR = 16;
const METADATA_MARK = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1');
/** Values from here on are places, 0 for none; below they are nodes. */
const LEAF = 0x80000000;
const BITS = 128n;

/** Steps of the whole space of IPv6, that of IPv4 within it. */
function stepsOfBoth({ v4, v6 }: PlaceTable): { readonly starts: bigint[]; readonly places: number[] } {
  const starts: bigint[] = [];
  const places: number[] = [];
  const add = (steps: PlaceSteps, from: bigint): void => {
    for (const [i, place] of steps.places.entries()) {
      let start = 0n;
      for (let word = 0; word < steps.stride; word++) {
        start = (start << 32n) | BigInt(steps.starts[i * steps.stride + word] ?? 0);
      }
      starts.push(start < from ? from : start);
      places.push(place);
    }
  };
  add(v4, 0n);
  add(v6, 1n << 32n);
  return { starts, places };
}

/** Two values a node, the root first. */
function treeOf(starts: readonly bigint[], places: readonly number[]): Uint32Array {
  let tree = new Uint32Array(1 << 20);
  let nodes = 0;
  /** The value for the block of this many bits from `first` on, in which the steps from `low` to `high` begin or continue. */
  const childOf = (first: bigint, bits: bigint, low: number, high: number): number => {
    if (low === high) return LEAF + (places[low] ?? 0);
    const node = nodes++;
    if (nodes * 2 > tree.length) {
      const larger = new Uint32Array(tree.length * 2);
      larger.set(tree);
      tree = larger;
    }
    const half = bits - 1n;
    const middle = first + (1n << half);
    // The last step that begins at the middle or before it.
    let from = low;
    let to = high;
    while (from < to) {
      const at = (from + to + 1) >>> 1;
      if ((starts[at] ?? 0n) <= middle) from = at;
      else to = at - 1;
    }
    const left = (starts[from] ?? 0n) === middle ? from - 1 : from;
    const zero = childOf(first, half, low, left);
    const one = childOf(middle, half, from, high);
    tree[node * 2] = zero;
    tree[node * 2 + 1] = one;
    return node;
  };
  childOf(0n, BITS, 0, starts.length - 1);
  return tree.slice(0, nodes * 2);
}

type Value = string | { readonly double: number } | { readonly uint: number } | readonly Value[] | Fields;
interface Fields {
  readonly [name: string]: Value;
}

const STRING = 2;
const DOUBLE = 3;
const UINT32 = 6;
const MAP = 7;
const ARRAY = 11;

function recordOf(places: PlaceColumns, place: number): Buffer {
  const { country, region, city } = places.names[places.nameOf[place] ?? 0] ?? {
    country: '',
    region: null,
    city: null,
  };
  const lat = places.lat[place] ?? Number.NaN;
  const lon = places.lon[place] ?? Number.NaN;
  const accuracyKm = places.accuracyKm[place] ?? 0;
  const hasPoint = !Number.isNaN(lat) && !Number.isNaN(lon);
  return encoded({
    country: { iso_code: country },
    ...(region !== null && { subdivisions: [{ iso_code: region }] }),
    ...(city !== null && { city: { names: { en: city } } }),
    ...(hasPoint && {
      location: { latitude: { double: lat }, longitude: { double: lon }, accuracy_radius: { uint: accuracyKm } },
    }),
  });
}

function metadataOf(nodes: number): Buffer {
  return encoded({
    node_count: { uint: nodes },
    record_size: { uint: 32 },
    ip_version: { uint: 6 },
    database_type: 'GeoLite2-City',
    languages: ['en'],
    binary_format_major_version: { uint: 2 },
    binary_format_minor_version: { uint: 0 },
    build_epoch: { uint: 0 },
    description: { en: 'made for a bench' },
  });
}

function encoded(value: Value): Buffer {
  if (typeof value === 'string') return Buffer.concat([control(STRING, Buffer.byteLength(value)), Buffer.from(value)]);
  if (isList(value)) return Buffer.concat([control(ARRAY, value.length), ...value.map(encoded)]);
  if ('double' in value && typeof value.double === 'number') {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(value.double);
    return Buffer.concat([control(DOUBLE, 8), bytes]);
  }
  if ('uint' in value && typeof value.uint === 'number') {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value.uint);
    return Buffer.concat([control(UINT32, 4), bytes]);
  }
  const fields = Object.entries(value as Fields);
  return Buffer.concat([
    control(MAP, fields.length),
    ...fields.flatMap(([name, inner]) => [encoded(name), encoded(inner)]),
  ]);
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** Type and size; types from 8 on take their own byte, and so do sizes from 29 on. */
function control(type: number, size: number): Buffer {
  const first = (type < 8 ? type << 5 : 0) | Math.min(size, 29);
  return Buffer.from([first, ...(type < 8 ? [] : [type - 7]), ...(size < 29 ? [] : [size - 29])]);
}
