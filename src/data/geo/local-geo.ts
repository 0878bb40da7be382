import { join } from 'node:path';
import type { LocalGeoSource } from '../../model/geo.ts';
import { DataError } from '../data-error.ts';
import { readBytes, versionOf } from '../directory.ts';
import { type Live, live } from '../live.ts';
import { MANIFEST_FILE, type ReadFile } from '../manifest.ts';
import { cutShards, type GeoLevel } from './geo-manifest.ts';
import { bundledDirectory, dateOf, readGeoipLite } from './geoip-lite.ts';
import { noGeo } from './no-geo.ts';
import { type PlacesOptions, placesInMemory, type ReadPlaces, readPlaces } from './places.ts';

/** Which data of geoip-lite is compiled. */
export interface GeoipLiteOptions {
  /** Directory of the `.dat` files. Default: the data inside geoip-lite. */
  readonly directory?: string;
  /** False compiles the country tables only: no coordinates, hence no travel. Default true. */
  readonly city?: boolean;
  /** As in {@link PlacesOptions}. */
  readonly maxAgeDays?: number;
}

/**
 * Places from the data of geoip-lite, compiled into memory (about 50 MB with cities, in a second or two). Missing, truncated or damaged
 * data does not stop the service: the source answers `bad_database`, and `status` names the file and the fault.
 */
export function geoipLiteSource({ directory, city = true, ...options }: GeoipLiteOptions = {}): LocalGeoSource {
  const level = city ? 'city' : 'country';
  return placesInMemory(compiledPlaces(directory ?? bundledDirectory(), level), {
    ...options,
    level,
    source: 'geoip-lite',
  });
}

function compiledPlaces(directory: string | null, level: GeoLevel): ReadPlaces {
  try {
    if (directory === null) throw new DataError('geo_source_missing', 'geoip-lite is not installed; run npm ci');
    const city = level === 'city';
    const table = readGeoipLite(directory, city);
    // Data that stays in memory is never compared, so its files need no hash.
    const source = { name: 'geoip-lite', sha256: '', data_at: new Date(dateOf(directory, city)).toISOString() };
    return { ...cutShards(table, { level, source }), problem: null };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return { index: null, shards: [], problem: `bad_database: ${error.message}` };
  }
}

/** Settings of the geo data. */
export interface LocalGeoOptions {
  readonly data: GeoLevel | 'none';
  /** `GEO_DIR` */
  readonly dir: string;
  /** `GEO_MAX_AGE_DAYS` */
  readonly maxAgeDays?: number;
  /** Poll interval for the directory. Default 5,000 ms. */
  readonly intervalMs?: number;
  readonly onReload?: () => void;
  /** Called when built data is unusable; the active data stays. */
  readonly onProblem?: (error: Error) => void;
}

/** Places that follow a directory. `geo` is always the active data. */
export type LiveGeo = Pick<Live<unknown>, 'problem' | 'reload' | 'close'> & { readonly geo: LocalGeoSource };

const isManifest = (name: string): boolean => name === MANIFEST_FILE;
const readerOf =
  (dir: string): ReadFile =>
  (name) =>
    readBytes(join(dir, name));

/**
 * Places from the data built in a directory, all in memory. Rebuilt data takes effect without a restart, as a whole or not at all.
 * Data that is damaged at start answers `bad_database` for the damaged part, and `status` names it. Until something is built, the data
 * of geoip-lite is used. Does not keep the process alive.
 */
export async function openLocalGeo(options: LocalGeoOptions): Promise<LiveGeo> {
  const { data, dir, maxAgeDays, intervalMs = 5_000, onReload, onProblem } = options;
  if (data === 'none') {
    const nothing = async (): Promise<void> => undefined;
    return { geo: noGeo(), problem: () => null, reload: nothing, close: () => undefined };
  }
  const places: PlacesOptions = { level: data, ...(maxAgeDays !== undefined && { maxAgeDays }) };
  const version = await versionOf(dir, isManifest);
  const first = version === null ? null : await readPlaces(readerOf(dir));
  const following = live<LocalGeoSource, string | null>({
    version: () => versionOf(dir, isManifest),
    load: async (found, current) => {
      // Data whose files were removed stays in memory.
      if (found === null) return current;
      const read = await readPlaces(readerOf(dir));
      if (read.problem !== null) throw new DataError('geo_data_unusable', read.problem);
      return placesInMemory(read, places);
    },
    first: {
      version,
      value:
        first === null
          ? geoipLiteSource({ city: data === 'city', ...(maxAgeDays !== undefined && { maxAgeDays }) })
          : placesInMemory(first, places),
    },
    intervalMs,
    ...(onReload && { onSwap: onReload }),
    ...(onProblem && { onProblem }),
  });
  if (first !== null && first.problem !== null) onProblem?.(new DataError('geo_data_unusable', first.problem));
  return {
    geo: {
      locate: (address) => following.current().locate(address),
      status: (nowMs) => {
        const status = following.current().status(nowMs);
        return { ...status, problem: following.problem()?.message ?? status.problem };
      },
    },
    problem: following.problem,
    reload: following.reload,
    close: following.close,
  };
}
