import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { messageOf } from '../../model/error-text.ts';
import { CITY_ACCURACY_KM, COUNTRY_ACCURACY_KM, coordinates, countryCode } from '../../model/geo.ts';
import { DataError } from '../data-error.ts';
import { isMissingFile } from '../directory.ts';
import { NO_PLACE, type PlaceSteps, type PlaceTable, placeList, stepList } from './place-steps.ts';

/**
 * Reads the data files of geoip-lite. Tables of ranges are in big-endian order, one record each:
 *
 *     geoip-city.dat      u32 first · u32 last · u32 name · i32 lat · i32 lon · u32 radius in km
 *     geoip-city6.dat     16 bytes first · 16 bytes last · the same
 *     geoip-country.dat   u32 first · u32 last · two letters
 *     geoip-country6.dat  16 bytes first · 16 bytes last · two letters
 *     geoip-city-names.dat  2 bytes country · 3 region · 4 metro · 1 EU · 32 time zone · 46 city, each padded with zeros
 *
 * Degrees are in ten-thousandths; 0xffffffff means no name.
 *
 * @see https://github.com/geoip-lite/node-geoip/blob/main/scripts/updatedb.js
 * @throws DataError `geo_source_damaged`
 */
export function readGeoipLite(directory: string, city: boolean): PlaceTable {
  const files = city ? CITY_FILES : COUNTRY_FILES;
  const { list, placeAt } = city ? cityPlaces(readTable(directory, CITY_NAMES)) : countryPlaces();
  // Sequential, so that the first table can be collected while the second is read.
  const v4 = readSteps4(readTable(directory, files.v4), placeAt);
  const v6 = readSteps6(readTable(directory, files.v6), placeAt);
  return { v4, v6, places: list.places };
}

/** One of geoip-lite's files. */
interface DataFile {
  readonly file: string;
  readonly recordBytes: number;
  /** Offset of the last address in a record, and the minimum for the last record of a complete file. */
  readonly end?: { readonly offset: number; readonly atLeast: number };
}

interface Table extends DataFile {
  readonly path: string;
  readonly bytes: Buffer;
  /** A view of the same bytes that reads faster. */
  readonly view: DataView;
}

/** The highest addresses assigned are 223.255.255.255 and those of 2c0f::/16: a file that ends earlier is truncated. */
const END_V4 = { offset: 4, atLeast: 0xdf000000 };
const END_V6 = { offset: 16, atLeast: 0x2a000000 };

const CITY_NAMES: DataFile = { file: 'geoip-city-names.dat', recordBytes: 88 };
const CITY_FILES = {
  v4: { file: 'geoip-city.dat', recordBytes: 24, end: END_V4 },
  v6: { file: 'geoip-city6.dat', recordBytes: 48, end: END_V6 },
};
const COUNTRY_FILES = {
  v4: { file: 'geoip-country.dat', recordBytes: 10, end: END_V4 },
  v6: { file: 'geoip-country6.dat', recordBytes: 34, end: END_V6 },
};

/** Names of all data files. */
export function dataFiles(city: boolean): readonly string[] {
  const { v4, v6 } = city ? CITY_FILES : COUNTRY_FILES;
  return [...(city ? [CITY_NAMES.file] : []), v4.file, v6.file];
}

/** Directory of the data inside geoip-lite; null if the package is not installed. */
export function bundledDirectory(): string | null {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('geoip-lite/package.json')), 'data');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND') return null;
    throw error;
  }
}

function readTable(directory: string, data: DataFile): Table {
  const path = join(directory, data.file);
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw damaged(`${path} could not be read (${messageOf(error)})`);
  }
  const { recordBytes, end } = data;
  if (bytes.length === 0) throw damaged(`${path} is empty`);
  if (bytes.length % recordBytes !== 0) {
    throw damaged(`${path} has ${bytes.length} bytes, which is not a multiple of ${recordBytes}`);
  }
  if (end !== undefined && bytes.readUInt32BE(bytes.length - recordBytes + end.offset) < end.atLeast) {
    throw damaged(`${path} ends before the last address in use, so it is truncated`);
  }
  return { ...data, path, bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}

const damaged = (found: string): DataError =>
  new DataError('geo_source_damaged', `${found}; reinstall or update the data`);

/** The number of a record's place; the part after the addresses begins at `at`. */
type PlaceAt = (table: Table, at: number) => number;

/** Numbers the places of the country tables. */
function countryPlaces(): { readonly list: PlaceList; readonly placeAt: PlaceAt } {
  const list = placeList();
  const numbers = new Map<number, number>();
  return {
    list,
    placeAt({ bytes }, at) {
      const letters = bytes.readUInt16BE(at);
      const known = numbers.get(letters);
      if (known !== undefined) return known;
      const country = countryCode(bytes.toString('latin1', at, at + 2));
      const coarse = { region: null, city: null, lat: null, lon: null, accuracyKm: COUNTRY_ACCURACY_KM };
      const number = list.number(country === null ? null : { country, ...coarse });
      numbers.set(letters, number);
      return number;
    },
  };
}

type PlaceList = ReturnType<typeof placeList>;

const NO_NAME = 0xffffffff;
/** Marks missing degrees. */
const NO_DEGREES = 0x7fffffff;

/** Numbers the places of the city tables: equal name, coordinates and radius are one place. */
function cityPlaces(names: Table): { readonly list: PlaceList; readonly placeAt: PlaceAt } {
  const list = placeList();
  const numberOf = addNames(list, names);
  const rows = hashTable();
  /** Indexed by row. */
  const placeOf: number[] = [];
  const number = (name: number, lat: number, lon: number, radiusKm: number): number => {
    const row = rows.number(name, lat, lon, radiusKm);
    const before = placeOf[row];
    if (before !== undefined) return before;
    const point = coordinates(lat / 1e4, lon / 1e4);
    const accuracyKm = point === null ? COUNTRY_ACCURACY_KM : radiusKm || CITY_ACCURACY_KM;
    const isPlain = accuracyKm === radiusKm && (point !== null || lat === NO_DEGREES);
    const place = isPlain
      ? list.add(name, point?.lat ?? Number.NaN, point?.lon ?? Number.NaN, accuracyKm)
      : number(name, point === null ? NO_DEGREES : lat, point === null ? NO_DEGREES : lon, accuracyKm);
    placeOf[row] = place;
    return place;
  };
  return {
    list,
    placeAt({ path, view }, at) {
      const record = view.getUint32(at);
      if (record === NO_NAME) return NO_PLACE;
      const name = numberOf[record];
      if (name === undefined) {
        throw damaged(
          `a record in ${path} refers to place ${record} of ${numberOf.length}, so the files do not belong together`,
        );
      }
      if (name === NAMES_NO_COUNTRY) return NO_PLACE;
      // Without a city the coordinates are the middle of the country, regardless of the stated radius.
      return name < 0
        ? number(~name, NO_DEGREES, NO_DEGREES, COUNTRY_ACCURACY_KM)
        : number(name, view.getInt32(at + 4), view.getInt32(at + 8), view.getUint32(at + 12));
    },
  };
}

const NAMES_NO_COUNTRY = 0x7fffffff;

/** Adds the names of all records and returns their numbers; those without a city as the complement. */
function addNames(list: PlaceList, { bytes, recordBytes }: Table): Int32Array {
  const numbers = new Map<string, number>();
  const numberOf = new Int32Array(bytes.length / recordBytes);
  const text = (from: number, to: number): string => {
    let end = from;
    while (end < to && bytes[end] !== 0) end++;
    return bytes.toString('utf8', from, end);
  };
  for (let record = 0; record < numberOf.length; record++) {
    const at = record * recordBytes;
    const country = countryCode(text(at, at + 2));
    const region = text(at + 2, at + 5);
    const city = text(at + 42, at + recordBytes);
    const key = `${country}\0${region}\0${city}`;
    // Records that differ only in their time zone share a name.
    const known = numbers.get(key);
    if (country === null) numberOf[record] = NAMES_NO_COUNTRY;
    else if (known !== undefined) numberOf[record] = known;
    else {
      const number = list.addName({ country, region: region || null, city: city || null });
      numberOf[record] = city === '' ? ~number : number;
      numbers.set(key, city === '' ? ~number : number);
    }
  }
  return numberOf;
}

/** Numbers rows of four integers from 1. Open addressing over plain words, because a Map of keys would take seconds. */
function hashTable(): { number(a: number, b: number, c: number, d: number): number } {
  let mask = 2 ** 16 - 1;
  let slots = new Uint32Array(mask + 1);
  let rows = new Int32Array(4 * 2 ** 15);
  let count = 0;
  const slotOf = (a: number, b: number, c: number, d: number): number => {
    const sum =
      Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b) ^ Math.imul(c, 0xc2b2ae35) ^ Math.imul(d, 0x27d4eb2f);
    const mixed = Math.imul(sum ^ (sum >>> 15), 0x7feb352d);
    let slot = (mixed ^ (mixed >>> 16)) & mask;
    for (let row = slots[slot] ?? 0; row !== 0; row = slots[slot] ?? 0) {
      const at = (row - 1) * 4;
      if (rows[at] === a && rows[at + 1] === b && rows[at + 2] === c && rows[at + 3] === d) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  };
  const grow = (): void => {
    const larger = new Int32Array(rows.length * 2);
    larger.set(rows);
    rows = larger;
    mask = mask * 2 + 1;
    slots = new Uint32Array(mask + 1);
    for (let row = 1; row <= count; row++) {
      const at = (row - 1) * 4;
      slots[slotOf(rows[at] ?? 0, rows[at + 1] ?? 0, rows[at + 2] ?? 0, rows[at + 3] ?? 0)] = row;
    }
  };
  return {
    number(a, b, c, d) {
      const slot = slotOf(a, b, c, d);
      const known = slots[slot] ?? 0;
      if (known !== 0) return known;
      const at = count * 4;
      rows[at] = a;
      rows[at + 1] = b;
      rows[at + 2] = c;
      rows[at + 3] = d;
      count += 1;
      slots[slot] = count;
      if (count * 4 === rows.length) grow();
      return count;
    },
  };
}

/** IPv4 records must be in order and disjoint. */
function readSteps4(table: Table, placeAt: PlaceAt): PlaceSteps {
  const { path, bytes, view, recordBytes } = table;
  const steps = stepList(1);
  let next = 0;
  for (let at = 0; at < bytes.length; at += recordBytes) {
    const first = view.getUint32(at);
    const last = view.getUint32(at + 4);
    if (first < next || last < first) throw damaged(`record ${at / recordBytes} of ${path} is out of order`);
    if (first > next) steps.pushWords(next, 0, NO_PLACE);
    steps.pushWords(first, 0, placeAt(table, at + 8));
    next = last + 1;
  }
  if (next < 2 ** 32) steps.pushWords(next, 0, NO_PLACE);
  return steps.steps();
}

/**
 * IPv6 records overlap in the 64 bits that geoip-lite compares, and some are out of order, so its bisection decides which record an
 * address belongs to. Between two borders of records the result is constant, so each border is searched as the library does.
 */
function readSteps6(table: Table, placeAt: PlaceAt): PlaceSteps {
  const { bytes, view, recordBytes } = table;
  const count = bytes.length / recordBytes;
  const borders = new BigUint64Array(count * 2 + 1);
  /** First two words of the first and of the last address of each record. */
  const words = new Uint32Array(count * 4);
  for (let record = 0; record < count; record++) {
    const at = record * recordBytes;
    borders[record * 2 + 1] = view.getBigUint64(at);
    borders[record * 2 + 2] = view.getBigUint64(at + 16) + 1n;
    words[record * 4] = view.getUint32(at);
    words[record * 4 + 1] = view.getUint32(at + 4);
    words[record * 4 + 2] = view.getUint32(at + 16);
    words[record * 4 + 3] = view.getUint32(at + 20);
  }
  borders.sort();
  const steps = stepList(4);
  let before: bigint | null = null;
  for (const border of borders) {
    if (border === before) continue;
    before = border;
    const first = Number(border >> 32n);
    const second = Number(border & 0xffffffffn);
    const record = recordOf(words, first, second);
    steps.pushWords(first, second, record < 0 ? NO_PLACE : placeAt(table, record * recordBytes + 32));
  }
  return steps.steps();
}

/**
 * The record that geoip-lite finds for an address; -1 if none.
 *
 * @see https://github.com/geoip-lite/node-geoip/blob/main/lib/geoip.js
 */
function recordOf(words: Uint32Array, first: number, second: number): number {
  /** Below, equal to or above 0 as the border at `at` is below, equal to or above the address. */
  const compare = (at: number): number => (words[at] ?? 0) - first || (words[at + 1] ?? 0) - second;
  let low = 0;
  let high = words.length / 4 - 1;
  if (compare(0) > 0 || compare(high * 4 + 2) < 0) return -1;
  for (;;) {
    const record = (low + high) >>> 1;
    const isStarted = compare(record * 4) <= 0;
    if (isStarted && compare(record * 4 + 2) >= 0) return record;
    if (low === high) return -1;
    if (low === high - 1) {
      if (record === low) low = high;
      else high = low;
    } else if (isStarted) low = record;
    else high = record;
  }
}

/**
 * The date of the data. The files carry none, and npm sets their time to that of the installation, so data inside the library has the
 * date of its release; other files have their own.
 */
export function dateOf(directory: string, city: boolean): number {
  const kind = city ? 'city' : 'country';
  try {
    const sum = readFileSync(join(directory, `${kind}.checksum`), 'utf8').trim();
    if (sum === RELEASED_DATA[kind]) return RELEASED_DATA.atMs;
  } catch (error) {
    if (!isMissingFile(error)) throw error;
  }
  return Math.min(...dataFiles(city).map((file) => statSync(join(directory, file)).mtimeMs));
}

/** The data inside geoip-lite 2.0.3, released on 8 July 2026. */
const RELEASED_DATA = {
  city: '738794f02b34c28847582790e570b533',
  country: '480b2d18f8423ae1f9370722fb6d12d8',
  atMs: Date.UTC(2026, 6, 8),
};
