import type { Located } from '../../model/geo.ts';
import { crc32 } from '../crc32.ts';
import { NO_PLACE, type PlaceSteps, type StoredPlace } from './place-steps.ts';

/**
 * The file of one shard: a stretch of addresses with the places that occur in it, little-endian.
 *
 *     u32 × 8  magic "SGEO" · format version · words of a start (1, 2 or 4) · starts · points · names · strings ·
 *              1 when coordinates are 64-bit floats, 0 when they are whole ten-thousandths of a degree
 *     lat × points · lon × points          f64 or i32; NaN or the least integer where a place has no coordinates
 *     start × starts                       u32 words, big-endian order; IPv6 starts on a /64 border need two words
 *     end of each string                   u32
 *     point of each start                  u16; 0 for no place, else the point's position plus one
 *     accuracy in km × points              u16
 *     name × points                        u16
 *     country, region, city × names        u16 each: two ASCII letters; 0 for none, else the string's position plus one
 *     strings                              UTF-8
 *
 * The checksum of the file stands in the manifest, so that a file of another build is found out as well.
 */
const MAGIC = 0x4f454753;
const HEADER_WORDS = 8;

/** Version of the shard files and the manifest. */
export const SHARD_FORMAT = 1;

/** A start takes a bit more than two bytes beside its words, so this makes files of 30 to 110 KB. */
export const STARTS_PER_SHARD = 4096;

const NO_COORDINATE = -0x80000000;

/** A decoded shard: views on the bytes of its file. */
export interface Shard {
  /** Size of the file, which is what the shard takes in memory. */
  readonly byteLength: number;
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

/** What the manifest says of one file. */
export interface ShardEntry {
  readonly bytes: number;
  readonly crc32: number;
}

/** Something is wrong with geo data. `code` is stable, the message says what to do. */
export class GeoDataError extends Error {
  override readonly name = 'GeoDataError';
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const sizes = (stride: number, starts: number, points: number, names: number, strings: number, wide: boolean) => ({
  coordinates: points * (wide ? 16 : 8),
  words: starts * stride * 4 + strings * 4,
  halves: (starts + points * 2 + names * 3) * 2,
});

/** Writes the steps from `from` to before `to` as a shard. At most 65,535 of them. */
export function encodeShard(
  steps: PlaceSteps,
  places: readonly StoredPlace[],
  from: number,
  to: number,
): Uint8Array<ArrayBuffer> {
  const strings = numbering<string>((text) => text);
  const names = numbering<StoredPlace>(({ country, region, city }) => JSON.stringify([country, region, city]));
  const points = numbering<number>((place) => place);
  const pointOf = Array.from({ length: to - from }, (_, index) => {
    const place = steps.places[from + index] ?? NO_PLACE;
    return place === NO_PLACE ? 0 : points.number(place) + 1;
  });
  const stored = points.values.map((number) => storedAt(places, number));
  const nameOf = stored.map((place) => names.number(place));
  const namesFlat = names.values.flatMap(({ country, region, city }) => [
    country.charCodeAt(0) | (country.charCodeAt(1) << 8),
    region === null ? 0 : strings.number(region) + 1,
    city === null ? 0 : strings.number(city) + 1,
  ]);
  const stride = strideOf(steps, from, to);
  const wide = stored.some(({ lat, lon }) => !isExact(lat) || !isExact(lon));
  const utf8 = strings.values.map((text) => new TextEncoder().encode(text));
  const textBytes = utf8.reduce((sum, { length }) => sum + length, 0);

  const size = sizes(stride, pointOf.length, stored.length, names.values.length, utf8.length, wide);
  const bytes = new Uint8Array(HEADER_WORDS * 4 + size.coordinates + size.words + size.halves + textBytes);
  const header = [MAGIC, SHARD_FORMAT, stride, pointOf.length, stored.length, names.values.length, utf8.length];
  new Uint32Array(bytes.buffer, 0, HEADER_WORDS).set([...header, wide ? 1 : 0]);
  const shard = viewsOf(bytes.buffer, textBytes);
  stored.forEach(({ lat, lon }, index) => {
    shard.lat[index] = storedDegrees(lat, wide);
    shard.lon[index] = storedDegrees(lon, wide);
  });
  for (let index = 0; index < pointOf.length; index++) {
    for (let word = 0; word < stride; word++) {
      shard.starts[index * stride + word] = steps.starts[(from + index) * steps.stride + word] ?? 0;
    }
  }
  let end = 0;
  utf8.forEach((text, index) => {
    shard.strings.set(text, end);
    end += text.length;
    shard.stringEnds[index] = end;
  });
  shard.pointOf.set(pointOf);
  shard.accuracyKm.set(stored.map(({ accuracyKm }) => accuracyKm));
  shard.nameOf.set(nameOf);
  shard.names.set(namesFlat);
  return bytes;
}

function storedAt(places: readonly StoredPlace[], number: number): StoredPlace {
  const place = places[number - 1];
  if (place === undefined) throw new RangeError(`there is no place ${number} among ${places.length}`);
  return place;
}

function numbering<T>(keyOf: (value: T) => string | number) {
  const values: T[] = [];
  const numbers = new Map<string | number, number>();
  return {
    values,
    number(value: T): number {
      const key = keyOf(value);
      const known = numbers.get(key);
      if (known !== undefined) return known;
      numbers.set(key, values.length);
      return values.push(value) - 1;
    },
  };
}

/** IPv6 starts that all lie on /64 borders are told apart by their first two words. */
function strideOf({ stride, starts }: PlaceSteps, from: number, to: number): 1 | 2 | 4 {
  if (stride === 1) return 1;
  for (let index = from; index < to; index++) {
    if (starts[index * 4 + 2] !== 0 || starts[index * 4 + 3] !== 0) return 4;
  }
  return 2;
}

/** Whether the degrees survive being stored as whole ten-thousandths. */
function isExact(degrees: number | null): boolean {
  return degrees === null || Math.round(degrees * 1e4) / 1e4 === degrees;
}

function storedDegrees(degrees: number | null, wide: boolean): number {
  if (wide) return degrees ?? Number.NaN;
  return degrees === null ? NO_COORDINATE : Math.round(degrees * 1e4);
}

/** Lays the views over a file whose header and length fit each other. */
function viewsOf(buffer: ArrayBuffer, textBytes: number): Shard {
  const [, , stride = 0, starts = 0, points = 0, names = 0, strings = 0, wide = 0] = new Uint32Array(
    buffer,
    0,
    HEADER_WORDS,
  );
  let at = HEADER_WORDS * 4;
  const take = (bytes: number): number => {
    at += bytes;
    return at - bytes;
  };
  const degrees = (): Int32Array | Float64Array =>
    wide === 1 ? new Float64Array(buffer, take(points * 8), points) : new Int32Array(buffer, take(points * 4), points);
  const words = (length: number): Uint32Array => new Uint32Array(buffer, take(length * 4), length);
  const halves = (length: number): Uint16Array => new Uint16Array(buffer, take(length * 2), length);
  return {
    byteLength: buffer.byteLength,
    stride,
    lat: degrees(),
    lon: degrees(),
    starts: words(starts * stride),
    stringEnds: words(strings),
    pointOf: halves(starts),
    accuracyKm: halves(points),
    nameOf: halves(points),
    names: halves(names * 3),
    strings: new Uint8Array(buffer, take(textBytes), textBytes),
  };
}

/**
 * Reads the bytes of a shard and checks all of them against the manifest.
 *
 * @throws GeoDataError `shard_damaged` (other bytes than were written) or `shard_version` (written by another version)
 */
export function decodeShard(buffer: ArrayBuffer, name: string, entry: ShardEntry): Shard {
  if (buffer.byteLength !== entry.bytes) {
    throw new GeoDataError('shard_damaged', `${name} holds ${buffer.byteLength} bytes, not ${entry.bytes}; ${REBUILD}`);
  }
  if (crc32(new Uint8Array(buffer)) !== entry.crc32) {
    throw new GeoDataError('shard_damaged', `the checksum of ${name} does not match its content; ${REBUILD}`);
  }
  const header = new Uint32Array(buffer, 0, Math.min(HEADER_WORDS, buffer.byteLength >> 2));
  const [magic, version, stride = 0, starts = 0, points = 0, names = 0, strings = 0, wide = 0] = header;
  if (magic !== MAGIC || version !== SHARD_FORMAT) {
    throw new GeoDataError('shard_version', `${name} is no shard of format ${SHARD_FORMAT}; ${REBUILD}`);
  }
  const size = sizes(stride, starts, points, names, strings, wide === 1);
  const textBytes = buffer.byteLength - HEADER_WORDS * 4 - size.coordinates - size.words - size.halves;
  if (textBytes < 0) throw new GeoDataError('shard_damaged', `${name} is shorter than its header says; ${REBUILD}`);
  return viewsOf(buffer, textBytes);
}

const REBUILD = 'build it again with `stepgate geo build`';

/** The place of an address that lies in the shard. Never throws. */
export function locateIn(shard: Shard, words: readonly number[]): Located {
  const point = (shard.pointOf[lastAtOrBelow(shard.starts, shard.stride, words)] ?? 0) - 1;
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
      source: 'shards',
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
    // A decoder takes longer to call than a short ASCII name takes to read.
    if (byte > 127) return UTF8.decode(strings.subarray(from, to));
    text += String.fromCharCode(byte);
  }
  return text;
}

/**
 * Position of the last start that is not above the address; -1 when all are. Starts stand `stride` words apart; where that is
 * less than the address has, the first words decide.
 */
export function lastAtOrBelow(starts: Uint32Array, stride: number, words: readonly number[]): number {
  const first = words[0] ?? 0;
  let low = 0;
  let high = starts.length / stride;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const start = starts[middle * stride] ?? 0;
    if (start < first || (start === first && isAtOrBelow(starts, middle * stride, stride, words))) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Compares the words after the first, which is the same on both sides. */
function isAtOrBelow(starts: Uint32Array, at: number, stride: number, words: readonly number[]): boolean {
  for (let word = 1; word < stride; word++) {
    const difference = (starts[at + word] ?? 0) - (words[word] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return true;
}
