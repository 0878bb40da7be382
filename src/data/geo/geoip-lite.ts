import {
  closeSync,
  copyFileSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  CITY_ACCURACY_KM,
  COUNTRY_ACCURACY_KM,
  coordinates,
  countryCode,
  type LocalGeoSource,
  type Located,
  whyUnlocatable,
} from '../../model/geo.ts';
import { isMissingFile } from '../missing-file.ts';

/** How much of the data is loaded, and how old it may be. */
export interface GeoipLiteOptions {
  /** Where the `.dat` files lie; default: the data that geoip-lite brings along. */
  readonly directory?: string;
  /** False loads the country tables only: about 8 MB in memory, no coordinates, hence no travel. Default true. */
  readonly city?: boolean;
  /** Older data goes on answering, and `status` says that it is old. In days; default: no age is too old. */
  readonly maxAgeDays?: number;
}

/**
 * Places from the geoip-lite data files, read into memory once (about 115 MB with cities). Data that is
 * missing, cut or damaged does not stop the service: the source then answers `bad_database`, and `status` says what is
 * wrong with which file.
 */
export function geoipLiteSource({
  directory,
  city = true,
  maxAgeDays = Number.POSITIVE_INFINITY,
}: GeoipLiteOptions = {}): LocalGeoSource {
  const name = 'geoip-lite';
  const from = directory ?? bundledDirectory();
  let problem = from === null ? 'bad_database: geoip-lite is not installed; run npm ci' : problemOf(from, city);
  let library: GeoipLite | null = null;
  let dataAtMs: number | null = null;
  if (from !== null && problem === null) {
    try {
      library = city ? load(from) : loadCountries(from);
      dataAtMs = dateOf(from, city);
    } catch (error) {
      problem = `bad_database: ${from} could not be loaded (${messageOf(error)}); reinstall or update the data`;
    }
  }

  return {
    locate(address) {
      const why = whyUnlocatable(address);
      if (why !== null) return { known: false, why };
      if (library === null) return { known: false, why: 'bad_database' };
      try {
        return locatedFrom(library.lookup(address.text));
      } catch (error) {
        // The first damaged record tells that files do not belong together; the rest of the data still answers.
        problem ??= `bad_database: a record in ${from} could not be read (${messageOf(error)}); reinstall or update the data`;
        return { known: false, why: 'bad_database' };
      }
    },
    status: (nowMs) => {
      const ageDays = dataAtMs === null ? null : Math.max(0, (nowMs - dataAtMs) / 86_400_000);
      const isOld = ageDays !== null && ageDays > maxAgeDays;
      return { name, ageDays, problem: problem ?? (isOld ? tooOld(ageDays, maxAgeDays) : null) };
    },
  };
}

function tooOld(ageDays: number, maxAgeDays: number): string {
  return `data_old: the geo data is ${Math.floor(ageDays)} days old, more than ${maxAgeDays}, and places move; install a newer geoip-lite or run its updatedb`;
}

interface GeoipLite {
  lookup(address: string): GeoipRecord | null;
}

interface GeoipRecord {
  readonly country?: string;
  readonly region?: string;
  readonly city?: string;
  readonly ll?: readonly [number | null, number | null];
  readonly area?: number;
}

function locatedFrom(record: GeoipRecord | null): Located {
  const country = countryCode(record?.country);
  if (record === null || country === null) return { known: false, why: 'not_found' };
  const city = record.city || null;
  // Without a city the coordinates are the middle of the country, whatever radius stands beside them.
  const point = city === null ? null : coordinates(record.ll?.[0], record.ll?.[1]);
  return {
    known: true,
    place: {
      lat: point?.lat ?? null,
      lon: point?.lon ?? null,
      accuracyKm: point === null ? COUNTRY_ACCURACY_KM : record.area || CITY_ACCURACY_KM,
      country,
      region: record.region || null,
      city,
      source: 'geoip-lite',
    },
  };
}

/** Where the data that geoip-lite brings along lies; null when the package is not installed. */
export function bundledDirectory(): string | null {
  try {
    return join(dirname(require.resolve('geoip-lite/package.json')), 'data');
  } catch (error) {
    if (isMissingModule(error)) return null;
    throw error;
  }
}

const require = createRequire(import.meta.url);

/** The library keeps its tables in its module and finds them through a global, so each source gets a module of its own. */
function load(directory: string): GeoipLite {
  const file = require.resolve('geoip-lite');
  delete require.cache[file];
  Reflect.set(globalThis, 'geodatadir', directory);
  try {
    return require(file);
  } finally {
    Reflect.deleteProperty(globalThis, 'geodatadir');
    delete require.cache[file];
  }
}

/** The library loads cities wherever it finds them, so it is shown a directory that has none. */
function loadCountries(directory: string): GeoipLite {
  const bare = mkdtempSync(join(tmpdir(), 'stepgate-geo-'));
  try {
    for (const { file } of COUNTRY_FILES) copyFileSync(join(directory, file), join(bare, file));
    return load(bare);
  } finally {
    rmSync(bare, { recursive: true });
  }
}

/** One of the library's files. */
interface DataFile {
  readonly file: string;
  readonly recordBytes: number;
  /** Where the last address of a record stands, and the least that the last record of a whole file ends with. */
  readonly end?: { readonly offset: number; readonly atLeast: number };
}

/** The highest addresses handed out are 223.255.255.255 and those of 2c0f::/16: a file that ends before was cut. */
const END_V4 = 0xdf000000;
const END_V6 = 0x2a000000;

const CITY_V4: DataFile = { file: 'geoip-city.dat', recordBytes: 24, end: { offset: 4, atLeast: END_V4 } };
const CITY_V6: DataFile = { file: 'geoip-city6.dat', recordBytes: 48, end: { offset: 16, atLeast: END_V6 } };
const COUNTRY_V4: DataFile = { file: 'geoip-country.dat', recordBytes: 10, end: { offset: 4, atLeast: END_V4 } };
const COUNTRY_V6: DataFile = { file: 'geoip-country6.dat', recordBytes: 34, end: { offset: 16, atLeast: END_V6 } };

const CITY_FILES: readonly DataFile[] = [{ file: 'geoip-city-names.dat', recordBytes: 88 }, CITY_V4, CITY_V6];
const COUNTRY_FILES: readonly DataFile[] = [COUNTRY_V4, COUNTRY_V6];

/** The tables of ranges, by address family. */
export function tableFiles(city: boolean): { readonly 4: DataFile; readonly 6: DataFile } {
  return city ? { 4: CITY_V4, 6: CITY_V6 } : { 4: COUNTRY_V4, 6: COUNTRY_V6 };
}

/** The names of all files of the data. */
export function dataFiles(city: boolean): readonly string[] {
  return (city ? CITY_FILES : COUNTRY_FILES).map(({ file }) => file);
}

/** What is wrong with the files, in a sentence that begins with `bad_database`; null when nothing is. */
function problemOf(directory: string, city: boolean): string | null {
  for (const data of city ? CITY_FILES : COUNTRY_FILES) {
    const path = join(directory, data.file);
    try {
      const problem = damageOf(path, data);
      if (problem !== null) return `bad_database: ${path} ${problem}; reinstall or update the data`;
    } catch (error) {
      return `bad_database: ${path} could not be read (${messageOf(error)}); reinstall or update the data`;
    }
  }
  return null;
}

function damageOf(path: string, { recordBytes, end }: DataFile): string | null {
  const handle = openSync(path, 'r');
  try {
    const { size } = fstatSync(handle);
    if (size === 0) return 'is empty';
    if (size % recordBytes !== 0) return `holds ${size} bytes, which is no multiple of ${recordBytes}`;
    if (end === undefined) return null;
    const last = Buffer.alloc(recordBytes);
    readSync(handle, last, 0, recordBytes, size - recordBytes);
    return last.readUInt32BE(end.offset) < end.atLeast ? 'ends before the last address in use, so it was cut' : null;
  } finally {
    closeSync(handle);
  }
}

/**
 * The data carries no date and npm gives files the time of their installation, so the data that comes with the library is
 * dated by the library's release; other files by their own time.
 */
export function dateOf(directory: string, city: boolean): number {
  const kind = city ? 'city' : 'country';
  try {
    const sum = readFileSync(join(directory, `${kind}.checksum`), 'utf8').trim();
    if (sum === RELEASED_DATA[kind]) return RELEASED_DATA.atMs;
  } catch (error) {
    if (!isMissingFile(error)) throw error;
  }
  const files = city ? CITY_FILES : COUNTRY_FILES;
  return Math.min(...files.map(({ file }) => statSync(join(directory, file)).mtimeMs));
}

/** The data inside geoip-lite 2.0.3, released on 8 July 2026. */
const RELEASED_DATA = {
  city: '738794f02b34c28847582790e570b533',
  country: '480b2d18f8423ae1f9370722fb6d12d8',
  atMs: Date.UTC(2026, 6, 8),
};

function isMissingModule(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND';
}

function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  // geoip-lite throws plain objects that hold a code.
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error);
}
