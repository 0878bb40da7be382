import type { Located, Place } from '../../model/geo.ts';
import { type ContainerKind, encodeContainer, faultOf, openContainer } from '../container.ts';
import { lastAtOrBelow } from '../ranges.ts';
import { NO_PLACE, type PlaceColumns, type PlaceName, type PlaceSteps } from './place-steps.ts';

/** Command that builds geo data. */
export const GEO_COMMAND = 'stepgate geo build';

/**
 * The file of one shard: a stretch of addresses with the places that occur in it. Its sections:
 *
 *     start × starts                       u32 words, big-endian order; IPv6 starts on a /64 border need two words
 *     point of each start                  u16; 0 for no place, else the point's position plus one
 *     lat × points · lon × points          i32 in ten-thousandths of a degree, or f64 where these are not exact; the least
 *                                          integer or NaN where a place has no coordinates
 *     accuracy in km × points              u16
 *     name × points                        u16
 *     country, region, city × names        u16 each: two ASCII letters; 0 for none, else the string's position plus one
 *     end of each string                   u32
 *     strings                              UTF-8
 */
export const SHARD: ContainerKind = {
  magic: 0x4f454753,
  what: 'a shard of geo data',
  code: 'shard',
  command: GEO_COMMAND,
};

/** A start takes a little over two bytes in addition to its words, so files have 30 to 110 KB. */
export const STARTS_PER_SHARD = 4096;

const NO_COORDINATE = -0x80000000;

/** A shard in memory. After reading, its arrays are views of the file's bytes. */
export interface Shard {
  readonly stride: number;
  readonly starts: Uint32Array;
  readonly pointOf: Uint16Array;
  readonly lat: Int32Array | Float64Array;
  readonly lon: Int32Array | Float64Array;
  readonly accuracyKm: Uint16Array;
  readonly nameOf: Uint16Array;
  readonly names: Uint16Array;
  readonly stringEnds: Uint32Array;
  readonly strings: Uint8Array;
}

/** Buffers for numbering the contents of a shard; all 0 between two shards, and reused. */
export interface ShardRoom {
  /** For each place or name, its number in the shard. */
  readonly pointAt: Uint16Array;
  readonly nameAt: Uint16Array;
}

/** Buffers for the places of a table. */
export function shardRoom({ nameOf, names }: PlaceColumns): ShardRoom {
  return { pointAt: new Uint16Array(nameOf.length + 1), nameAt: new Uint16Array(names.length) };
}

/** Makes a shard of the steps from `from` up to, not including, `to`. At most 65,535 steps. */
export function cutShard(
  steps: PlaceSteps,
  places: PlaceColumns,
  from: number,
  to: number,
  { pointAt, nameAt }: ShardRoom = shardRoom(places),
): Shard {
  const points: number[] = [];
  const pointOf = new Uint16Array(to - from);
  for (let index = 0; index < pointOf.length; index++) {
    const place = steps.places[from + index] ?? NO_PLACE;
    if (place !== NO_PLACE && pointAt[place] === 0) pointAt[place] = points.push(place);
    pointOf[index] = pointAt[place] ?? 0;
  }
  const names: number[] = [];
  const nameOf = new Uint16Array(points.length);
  const accuracyKm = new Uint16Array(points.length);
  const exact = { lat: new Int32Array(points.length), lon: new Int32Array(points.length) };
  let isWide = false;
  for (let index = 0; index < points.length; index++) {
    const place = points[index] ?? NO_PLACE;
    pointAt[place] = 0;
    const name = places.nameOf[place - 1];
    if (name === undefined) throw new RangeError(`there is no place ${place} among ${places.nameOf.length}`);
    if (nameAt[name] === 0) nameAt[name] = names.push(name);
    nameOf[index] = (nameAt[name] ?? 0) - 1;
    accuracyKm[index] = places.accuracyKm[place - 1] ?? 0;
    const lat = places.lat[place - 1] ?? Number.NaN;
    const lon = places.lon[place - 1] ?? Number.NaN;
    exact.lat[index] = wholeDegrees(lat);
    exact.lon[index] = wholeDegrees(lon);
    isWide ||= !isExact(lat) || !isExact(lon);
  }
  for (const name of names) nameAt[name] = 0;
  const wide = (degrees: Float64Array): Float64Array =>
    Float64Array.from(points, (place) => degrees[place - 1] ?? Number.NaN);
  const { lat, lon } = isWide ? { lat: wide(places.lat), lon: wide(places.lon) } : exact;
  const { flat, texts } = stringsOf(names.map((name) => places.names[name] ?? NAMELESS));
  const [stringEnds, strings] = textsOf(texts);
  const starts = startsOf(steps, from, to);
  const stride = starts.length / pointOf.length;
  return { stride, starts, pointOf, lat, lon, accuracyKm, nameOf, names: flat, stringEnds, strings };
}

export function encodeShard(shard: Shard): Uint8Array<ArrayBuffer> {
  const { starts, pointOf, lat, lon, accuracyKm, nameOf, names, stringEnds, strings } = shard;
  return encodeContainer(SHARD, [starts, pointOf, lat, lon, accuracyKm, nameOf, names, stringEnds, strings]);
}

const NAMELESS: PlaceName = { country: '', region: null, city: null };

/** Country, region and city of each name: two letters, and string numbers. */
function stringsOf(names: readonly PlaceName[]): { readonly flat: Uint16Array; readonly texts: readonly string[] } {
  const flat = new Uint16Array(names.length * 3);
  const texts: string[] = [];
  const numbers = new Map<string, number>();
  const numberOf = (text: string | null): number => {
    if (text === null) return 0;
    const number = numbers.get(text) ?? texts.push(text);
    numbers.set(text, number);
    return number;
  };
  for (const [index, { country, region, city }] of names.entries()) {
    flat[index * 3] = country.charCodeAt(0) | (country.charCodeAt(1) << 8);
    flat[index * 3 + 1] = numberOf(region);
    flat[index * 3 + 2] = numberOf(city);
  }
  return { flat, texts };
}

/** The end offset of each string, and all strings as UTF-8. */
function textsOf(strings: readonly string[]): readonly [Uint32Array, Uint8Array] {
  const encoder = new TextEncoder();
  const text = new Uint8Array(3 * strings.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  const ends = Uint32Array.from(strings, (each) => {
    end += encoder.encodeInto(each, text.subarray(end)).written;
    return end;
  });
  return [ends, text.slice(0, end)];
}

/** The starts from `from` up to, not including, `to`. IPv6 starts that are all on /64 borders keep only their first two words. */
function startsOf({ stride, starts }: PlaceSteps, from: number, to: number): Uint32Array {
  const cut = starts.subarray(from * stride, to * stride);
  const isFine = (_: number, at: number): boolean => at % 4 > 1 && cut[at] !== 0;
  return stride === 1 || cut.some(isFine) ? cut.slice() : cut.filter((_, at) => at % 4 < 2);
}

/** Whether the degrees are exact in ten-thousandths. */
function isExact(degrees: number): boolean {
  return Number.isNaN(degrees) || Math.round(degrees * 1e4) / 1e4 === degrees;
}

function wholeDegrees(degrees: number): number {
  return Number.isNaN(degrees) ? NO_COORDINATE : Math.round(degrees * 1e4);
}

/**
 * Opens the bytes of a shard and checks all of them.
 *
 * @throws DataError `shard_foreign`, `shard_version`, `shard_truncated` or `shard_damaged`
 */
export function decodeShard(bytes: Uint8Array): Shard {
  const next = openContainer(bytes, SHARD);
  const starts = next(Uint32Array);
  const pointOf = next(Uint16Array);
  const shard = {
    stride: pointOf.length === 0 ? 1 : starts.length / pointOf.length,
    starts,
    pointOf,
    lat: next<Int32Array | Float64Array>(Int32Array, Float64Array),
    lon: next<Int32Array | Float64Array>(Int32Array, Float64Array),
    accuracyKm: next(Uint16Array),
    nameOf: next(Uint16Array),
    names: next(Uint16Array),
    stringEnds: next(Uint32Array),
    strings: next(Uint8Array),
  };
  if (![1, 2, 4].includes(shard.stride)) throw faultOf(SHARD, 'damaged', 'its starts are not as many as its points');
  return shard;
}

/** The place of an address in the shard. Never throws. */
export function locateIn(shard: Shard, words: readonly number[], source: Place['source']): Located {
  const position = lastAtOrBelow(shard.starts, shard.stride, words);
  const point = (shard.pointOf[position] ?? 0) - 1;
  if (point < 0) return NOT_FOUND;
  const lat = degreesOf(shard.lat, point);
  const lon = degreesOf(shard.lon, point);
  const name = (shard.nameOf[point] ?? 0) * 3;
  const country = shard.names[name] ?? 0;
  return {
    known: true,
    place: {
      lat,
      lon,
      accuracyKm: shard.accuracyKm[point] ?? 0,
      country: String.fromCharCode(country & 255, country >> 8),
      region: textOf(shard, shard.names[name + 1] ?? 0),
      city: textOf(shard, shard.names[name + 2] ?? 0),
      source,
    },
  };
}

const NOT_FOUND: Located = { known: false, why: 'not_found' };

function degreesOf(degrees: Int32Array | Float64Array, point: number): number | null {
  const stored = degrees[point] ?? Number.NaN;
  if (degrees instanceof Float64Array) return Number.isNaN(stored) ? null : stored;
  return stored === NO_COORDINATE ? null : stored / 1e4;
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });

function textOf({ stringEnds, strings }: Shard, number: number): string | null {
  if (number === 0) return null;
  const from = number === 1 ? 0 : (stringEnds[number - 2] ?? 0);
  const to = stringEnds[number - 1] ?? from;
  let text = '';
  for (let at = from; at < to; at++) {
    const byte = strings[at] ?? 0;
    // For a short ASCII name, calling a decoder takes longer than reading it here.
    if (byte > 127) return UTF8.decode(strings.subarray(from, to));
    text += String.fromCharCode(byte);
  }
  return text;
}
