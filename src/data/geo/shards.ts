import { LRUCache } from 'lru-cache';
import type { Address } from '../../model/address.ts';
import { countryOf, type GeoSource, type Located, whyUnlocatable } from '../../model/geo.ts';
import { type GeoLevel, MANIFEST_FILE, parseManifest, type ShardIndex, shardIndex } from './manifest.ts';
import { decodeShard, GeoDataError, locateIn, type Shard } from './shard.ts';

/** Brings one file of the built data; null when there is none of that name. Rejects when it cannot be had now. */
export type FetchShard = (name: string) => Promise<ArrayBuffer | null>;

/** What is kept of the data: plain memory, so that it outlives the request that fetched it. */
export interface ShardMemory {
  /** Null until the manifest has been read. */
  index: ShardIndex | null;
  /** By position in the index. */
  readonly shards: LRUCache<number, Shard>;
  /** What was last wrong with the data; null after the file in question has been read well. */
  problem: { readonly file: string; readonly message: string } | null;
}

/** Bytes of shards that an isolate keeps: with the index and what is on its way, well below 32 MB. */
const DEFAULT_MEMORY_BYTES = 16 * 2 ** 20;

/** Memory for at most `maxBytes` of shards, those least recently used leave first. */
export function shardMemory(maxBytes = DEFAULT_MEMORY_BYTES): ShardMemory {
  return {
    index: null,
    shards: new LRUCache<number, Shard>({ maxSize: maxBytes, sizeCalculation: ({ byteLength }) => byteLength }),
    problem: null,
  };
}

/** How shards are read. */
export interface ShardedGeoOptions {
  /** May be shared by sources; on Workers by all requests of an isolate. */
  readonly memory: ShardMemory;
  readonly fetchShard: FetchShard;
  /** How long a look-up may wait for its shard, in milliseconds. Default 250. What comes later is kept for the next one. */
  readonly timeoutMs?: number;
  /** Takes what still runs when the time was up, for `waitUntil`. It never rejects. */
  readonly onLate?: (rest: Promise<unknown>) => void;
  /** Told what is wrong with a file, once until something else is. */
  readonly onProblem?: (problem: string) => void;
  /** `country` leaves out what the data says beyond countries. Default `city`. */
  readonly level?: GeoLevel;
  /** Older data goes on answering, and `status` says that it is old. In days; default: no age is too old. */
  readonly maxAgeDays?: number;
}

/**
 * Places from shards, fetching the one that holds the address where it is not in memory. Look-ups that wait for
 * the same file share one fetch within this source. On Workers nothing may wait for what another request has
 * begun: make one source for each request, around one memory.
 *
 * A file that is missing or damaged answers `bad_database`, one that does not come in time `source_unavailable`. Neither is
 * remembered: the next look-up tries again.
 */
export function shardedGeo({
  memory,
  fetchShard,
  timeoutMs = DEFAULT_TIMEOUT_MS,
  onLate = () => undefined,
  onProblem = () => undefined,
  level = 'city',
  maxAgeDays = Number.POSITIVE_INFINITY,
}: ShardedGeoOptions): GeoSource {
  const read = sharedReads(memory, fetchShard, onProblem);
  const locateWithin = (shard: Shard, address: Address): Located => {
    const located = locateIn(shard, address.words);
    return level === 'country' && located.known ? { known: true, place: countryOf(located.place) } : located;
  };

  const locateByFetch = async (address: Address): Promise<Located> => {
    try {
      const index = memory.index ?? (await read.index());
      const position = index.positionOf(address);
      if (position < 0) return { known: false, why: 'not_found' };
      return locateWithin(memory.shards.get(position) ?? (await read.shard(index, position)), address);
    } catch (error) {
      return { known: false, why: error instanceof GeoDataError ? 'bad_database' : 'source_unavailable' };
    }
  };

  return {
    locate(address) {
      const why = whyUnlocatable(address);
      if (why !== null) return { known: false, why };
      const shard = memory.index === null ? undefined : memory.shards.get(memory.index.positionOf(address));
      if (shard !== undefined) return locateWithin(shard, address);
      return within(timeoutMs, locateByFetch(address), onLate);
    },
    status: (nowMs) => statusOf(memory, nowMs, { level, maxAgeDays }),
  };
}

const DEFAULT_TIMEOUT_MS = 250;

/** Reads every file into the memory, which has to be large enough. Rejects at the first that cannot be used. */
export async function readAllShards(memory: ShardMemory, fetchShard: FetchShard): Promise<void> {
  const read = sharedReads(memory, fetchShard, () => undefined);
  const index = await read.index();
  for (const position of index.shards.keys()) await read.shard(index, position);
}

/** Reads files into the memory. Reads of the same file at the same time are one. */
function sharedReads(memory: ShardMemory, fetchShard: FetchShard, onProblem: (problem: string) => void) {
  let runningIndex: Promise<ShardIndex> | null = null;
  const runningShards = new Map<string, Promise<Shard>>();

  /** Keeps in the memory what is wrong with a file, until it has been read well. */
  const recorded = async <T>(file: string, read: (bytes: ArrayBuffer) => T): Promise<T> => {
    try {
      const bytes = await fetchShard(file);
      if (bytes === null) throw new GeoDataError('shard_missing', `there is no ${file}; run \`stepgate geo build\``);
      const value = read(bytes);
      if (memory.problem?.file === file) memory.problem = null;
      return value;
    } catch (error) {
      const message = problemText(file, error);
      if (memory.problem?.message !== message) onProblem(message);
      memory.problem = { file, message };
      throw error;
    }
  };

  const readIndex = async (): Promise<ShardIndex> => {
    const index = await recorded(MANIFEST_FILE, (bytes) => shardIndex(parseManifest(new TextDecoder().decode(bytes))));
    memory.shards.clear();
    memory.index = index;
    return index;
  };
  const readShard = async (index: ShardIndex, position: number): Promise<Shard> => {
    const entry = index.shards[position];
    if (entry === undefined) throw new RangeError(`there is no shard ${position}`);
    try {
      const shard = await recorded(entry.name, (bytes) => decodeShard(bytes, entry.name, entry));
      // Another index counts its shards otherwise.
      if (memory.index === index) memory.shards.set(position, shard);
      return shard;
    } catch (error) {
      // Perhaps the files belong to a newer build: its manifest is read next.
      if (memory.index === index) memory.index = null;
      throw error;
    }
  };

  return {
    index(): Promise<ShardIndex> {
      runningIndex ??= readIndex().finally(() => {
        runningIndex = null;
      });
      return runningIndex;
    },
    shard(index: ShardIndex, position: number): Promise<Shard> {
      const file = index.shards[position]?.name ?? '';
      const running = runningShards.get(file);
      if (running !== undefined) return running;
      const reading = readShard(index, position).finally(() => runningShards.delete(file));
      runningShards.set(file, reading);
      return reading;
    },
  };
}

function problemText(file: string, error: unknown): string {
  if (error instanceof GeoDataError) return `bad_database: ${error.message}`;
  return `source_unavailable: ${file} could not be read (${error instanceof Error ? error.message : String(error)})`;
}

/** The answer, or `source_unavailable` once the time is up. */
function within(
  timeoutMs: number,
  answer: Promise<Located>,
  onLate: (rest: Promise<unknown>) => void,
): Promise<Located> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      onLate(answer);
      resolve({ known: false, why: 'source_unavailable' });
    }, timeoutMs);
    void answer.then((located) => {
      clearTimeout(timer);
      resolve(located);
    });
  });
}

function statusOf(
  { index, problem }: ShardMemory,
  nowMs: number,
  { level, maxAgeDays }: { readonly level: GeoLevel; readonly maxAgeDays: number },
): ReturnType<GeoSource['status']> {
  if (index === null) return { name: 'shards', ageDays: null, problem: problem?.message ?? null };
  const { source, level: builtLevel } = index.manifest;
  const ageDays = Math.max(0, (nowMs - Date.parse(source.data_at)) / 86_400_000);
  const old = ageDays > maxAgeDays ? tooOld(ageDays, maxAgeDays) : null;
  const poor = level === 'city' && builtLevel === 'country' ? COUNTRIES_ONLY : null;
  return { name: `shards of ${source.name}`, ageDays, problem: problem?.message ?? poor ?? old };
}

function tooOld(ageDays: number, maxAgeDays: number): string {
  return `data_old: the geo data is ${Math.floor(ageDays)} days old, more than ${maxAgeDays}, and places move; update its source and run \`stepgate geo build\``;
}

const COUNTRIES_ONLY =
  'countries_only: the geo data was built with --country-only, so there is no travel; build it without, or set GEO_DATA=country';
