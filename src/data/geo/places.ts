import type { Address } from '../../model/address.ts';
import { messageOf } from '../../model/error-text.ts';
import {
  countryOf,
  type GeoSource,
  type LocalGeoSource,
  type Located,
  type Place,
  whyUnlocatable,
} from '../../model/geo.ts';
import { DataError } from '../data-error.ts';
import { type ReadFile, readListed, readManifest } from '../manifest.ts';
import { type AboutGeo, GEO_MANIFEST, type GeoLevel, type ShardIndex, shardIndex } from './geo-manifest.ts';
import { decodeShard, GEO_COMMAND, locateIn, SHARD, type Shard } from './shard.ts';

/** How shards answer. */
export interface PlacesOptions {
  /** `country` drops everything beyond the country. Default `city`. */
  readonly level?: GeoLevel;
  /** In days. Older data is still used, but `status` reports it. Default: no limit. */
  readonly maxAgeDays?: number;
  /** The source that is reported: `geoip-lite` if its data was compiled at start. Default `shards`. */
  readonly source?: Place['source'];
}

/** Shards in memory. */
export interface ReadPlaces {
  /** Null if the manifest could not be read. */
  readonly index: Pick<ShardIndex, 'about' | 'positionOf'> | null;
  /** By index; null for an unusable shard. */
  readonly shards: readonly (Shard | null)[];
  /** The first problem; null if there is none. */
  readonly problem: string | null;
}

/** Reads all shards into memory. An unusable file only affects its part of the addresses. Never rejects. */
export async function readPlaces(read: ReadFile): Promise<ReadPlaces> {
  let problem: string | null = null;
  const orNull = async <T>(file: string, value: Promise<T>): Promise<T | null> =>
    value.catch((error: unknown) => {
      problem ??= problemText(file, error);
      return null;
    });
  const manifest = await orNull('the manifest', readManifest(read, GEO_MANIFEST));
  if (manifest === null) return { index: null, shards: [], problem };
  const shards: (Shard | null)[] = [];
  for (const file of manifest.files) {
    const [name] = file;
    shards.push(
      await orNull(
        name,
        readListed(read, file, SHARD).then((bytes) => decodedShard(name, bytes)),
      ),
    );
  }
  return { index: shardIndex(manifest), shards, problem };
}

/** Opens a shard; errors name its file. */
export function decodedShard(name: string, bytes: Uint8Array): Shard {
  try {
    return decodeShard(bytes);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    throw new DataError(error.code, `${name}: ${error.message}`, { cause: error });
  }
}

/** A problem with a file, for `status`: damage is permanent, a failed read may be temporary. */
export function problemText(file: string, error: unknown): string {
  if (error instanceof DataError) return `bad_database: ${error.message}`;
  return `source_unavailable: ${file} could not be read (${messageOf(error)})`;
}

/** Places from shards in memory: every look-up answers at once. */
export function placesInMemory({ index, shards, problem }: ReadPlaces, options: PlacesOptions = {}): LocalGeoSource {
  return {
    locate(address) {
      const why = whyUnlocatable(address);
      if (why !== null) return { known: false, why };
      const position = index?.positionOf(address);
      if (position === -1) return { known: false, why: 'not_found' };
      const shard = position === undefined ? null : shards[position];
      return shard ? placeIn(shard, address, options) : { known: false, why: 'bad_database' };
    },
    status: (nowMs) => geoStatus({ about: index?.about ?? null, problem }, nowMs, options),
  };
}

/** The place of an address whose shard is loaded. */
export function placeIn(shard: Shard, { words }: Address, { level, source = 'shards' }: PlacesOptions): Located {
  const located = locateIn(shard, words, source);
  return level === 'country' && located.known ? { known: true, place: countryOf(located.place) } : located;
}

/** Status of the data as a whole. */
export function geoStatus(
  { about, problem }: { readonly about: AboutGeo | null; readonly problem: string | null },
  nowMs: number,
  { level = 'city', maxAgeDays = Number.POSITIVE_INFINITY, source = 'shards' }: PlacesOptions,
): ReturnType<GeoSource['status']> {
  if (about === null) return { name: source, ageDays: null, problem };
  const ageDays = Math.max(0, (nowMs - Date.parse(about.source.data_at)) / 86_400_000);
  const name = source === 'shards' ? `shards of ${about.source.name}` : source;
  const poor = level === 'city' && about.level === 'country' ? COUNTRIES_ONLY : null;
  const old = ageDays > maxAgeDays ? tooOld(ageDays, maxAgeDays, source) : null;
  return { name, ageDays, problem: problem ?? poor ?? old };
}

function tooOld(ageDays: number, maxAgeDays: number, source: Place['source']): string {
  const cure =
    source === 'shards'
      ? `update its source and run \`${GEO_COMMAND}\``
      : 'install a newer geoip-lite or run its updatedb';
  return `data_old: the geo data is ${Math.floor(ageDays)} days old, more than ${maxAgeDays}, and places move; ${cure}`;
}

const COUNTRIES_ONLY =
  'countries_only: the geo data was built with --country-only, so there is no travel; build it without, or set GEO_DATA=country';
