import { LRUCache } from 'lru-cache';
import { DataError } from '../data/data-error.ts';
import { GEO_MANIFEST, type ShardIndex, shardIndex } from '../data/geo/geo-manifest.ts';
import { decodedShard, geoStatus, type PlacesOptions, placeIn, problemText } from '../data/geo/places.ts';
import { SHARD, type Shard } from '../data/geo/shard.ts';
import { MANIFEST_FILE, type ReadFile, readListed, readManifest } from '../data/manifest.ts';
import type { Address } from '../model/address.ts';
import { type GeoSource, type Located, whyUnlocatable } from '../model/geo.ts';
import { within } from '../net/within.ts';
import { DEFAULT_TIMEOUT_MS } from './wait.ts';

/** What an isolate keeps of the data: plain memory, so that it outlives the request that fetched it. */
export interface PlaceMemory {
  /** Null until the manifest has been read. */
  index: ShardIndex | null;
  /** By position in the index. */
  readonly shards: LRUCache<number, Shard>;
  /** What was last wrong with the data; null after the file in question has been read well. */
  problem: { readonly file: string; readonly message: string } | null;
}

/** Bytes of shards that an isolate keeps: with the index and what is being fetched, well below 32 MB. */
const DEFAULT_MEMORY_BYTES = 16 * 2 ** 20;

/** Memory for at most `maxBytes` of shards; those least recently used leave first. */
export function placeMemory(maxBytes = DEFAULT_MEMORY_BYTES): PlaceMemory {
  return {
    index: null,
    shards: new LRUCache<number, Shard>({
      maxSize: maxBytes,
      sizeCalculation: ({ starts }) => starts.buffer.byteLength,
    }),
    problem: null,
  };
}

/** How shards are fetched. */
export interface FetchedPlacesOptions extends PlacesOptions {
  /** May be shared by sources; on Workers by all requests of an isolate. */
  readonly memory: PlaceMemory;
  readonly read: ReadFile;
  /** Time that a look-up waits for its shard, in milliseconds. Default 250. What comes later is kept for the next one. */
  readonly timeoutMs?: number;
  /** Takes what still runs when the time was up, for `waitUntil`. It never rejects. */
  readonly keepAlive?: (rest: Promise<unknown>) => void;
  /** Called with what is wrong with a file, once until something else is. */
  readonly onProblem?: (problem: string) => void;
}

/**
 * Places from shards, fetching the one that holds the address where it is not in memory. Look-ups that wait for
 * the same file share one fetch within this source. On Workers nothing may wait for what another request has
 * begun: make one source for each request, around one memory.
 *
 * A file that is missing or damaged answers `bad_database`, one that does not come in time `source_unavailable`. Neither is
 * remembered: the next look-up tries again.
 */
export function fetchedPlaces(options: FetchedPlacesOptions): GeoSource {
  const { memory, read, timeoutMs = DEFAULT_TIMEOUT_MS, keepAlive, onProblem = () => undefined } = options;
  const reading = new Map<string, Promise<unknown>>();

  /** Reads a file unless that is under way, and keeps in the memory what is wrong with it until it has been read well. */
  const shared = <T>(file: string, readFile: () => Promise<T>): Promise<T> => {
    const running = reading.get(file);
    if (running !== undefined) return running as Promise<T>;
    const begun = readFile()
      .then(
        (value) => {
          if (memory.problem?.file === file) memory.problem = null;
          return value;
        },
        (error: unknown) => {
          const message = problemText(file, error);
          if (memory.problem?.message !== message) onProblem(message);
          memory.problem = { file, message };
          throw error;
        },
      )
      .finally(() => reading.delete(file));
    reading.set(file, begun);
    return begun;
  };
  const readIndex = (): Promise<ShardIndex> =>
    shared(MANIFEST_FILE, async () => {
      const index = shardIndex(await readManifest(read, GEO_MANIFEST));
      memory.shards.clear();
      memory.index = index;
      return index;
    });
  const readShard = async (index: ShardIndex, position: number): Promise<Shard> => {
    const file = index.shards[position];
    if (file === undefined) throw new RangeError(`there is no shard ${position}`);
    const [name] = file;
    try {
      return await shared(name, async () => {
        const shard = decodedShard(name, await readListed(read, file, SHARD));
        // Another index counts its shards otherwise.
        if (memory.index === index) memory.shards.set(position, shard);
        return shard;
      });
    } catch (error) {
      // Perhaps the files belong to a newer build: its manifest is read next.
      if (memory.index === index) memory.index = null;
      throw error;
    }
  };
  const fetched = async (address: Address): Promise<Located> => {
    try {
      const index = memory.index ?? (await readIndex());
      const position = index.positionOf(address);
      if (position < 0) return { known: false, why: 'not_found' };
      return placeIn(memory.shards.get(position) ?? (await readShard(index, position)), address, options);
    } catch (error) {
      return { known: false, why: error instanceof DataError ? 'bad_database' : 'source_unavailable' };
    }
  };

  return {
    locate(address) {
      const why = whyUnlocatable(address);
      if (why !== null) return { known: false, why };
      const shard = memory.index === null ? undefined : memory.shards.get(memory.index.positionOf(address));
      if (shard !== undefined) return placeIn(shard, address, options);
      const located = fetched(address);
      return within<Located, Located>(timeoutMs, located, () => {
        keepAlive?.(located);
        return { known: false, why: 'source_unavailable' };
      });
    },
    status: (nowMs) =>
      geoStatus({ about: memory.index?.about ?? null, problem: memory.problem?.message ?? null }, nowMs, options),
  };
}
