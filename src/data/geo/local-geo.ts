import type { GeoSource } from '../../model/geo.ts';
import { geoipLiteSource } from './geoip-lite.ts';
import type { GeoLevel } from './manifest.ts';
import { noGeo } from './no-geo.ts';
import { type FetchShard, readAllShards, shardedGeo, shardMemory } from './shards.ts';
import { buildFingerprint, readBuiltFile } from './shards-file.ts';

/** The source of a service on Node. */
export interface WatchedGeo {
  /** Always the data in force; hold on to it, it changes underneath. */
  readonly geo: GeoSource;
  /** Takes over what is built now. Rejects when that cannot be used; the data in force goes on. */
  reload(): Promise<void>;
  /** Stops watching. */
  close(): void;
}

/** What the settings say. */
export interface LocalGeoOptions {
  /** `GEO_DATA` */
  readonly data: GeoLevel | 'none';
  /** `GEO_DIR` */
  readonly dir: string;
  /** `GEO_MAX_AGE_DAYS` */
  readonly maxAgeDays?: number;
  /** How often the directory is looked at. Default 5,000 ms. */
  readonly intervalMs?: number;
  readonly onReload?: () => void;
  /** Called when what was built cannot be used; the data in force goes on. */
  readonly onProblem?: (error: Error) => void;
}

/**
 * Places from the data built in a directory, all of it in memory, so that every look-up answers at once. What is rebuilt is
 * taken over without a restart. Data that is damaged when the service starts answers `bad_database` where it is damaged, and
 * `status` names it. Until something is built, the data of geoip-lite answers. Does not keep the process alive.
 */
export async function openLocalGeo({
  data,
  dir,
  maxAgeDays = Number.POSITIVE_INFINITY,
  intervalMs = 5_000,
  onReload,
  onProblem,
}: LocalGeoOptions): Promise<WatchedGeo> {
  if (data === 'none') return { geo: noGeo(), reload: async () => undefined, close: () => undefined };
  const fetchShard: FetchShard = (name) => readBuiltFile(dir, name);
  let seen = await buildFingerprint(dir);
  let current: GeoSource;
  const readAll = async (): Promise<{ geo: GeoSource; error: Error | null }> => {
    const memory = shardMemory(Number.MAX_SAFE_INTEGER);
    const error = await readAllShards(memory, fetchShard).then(() => null, asError);
    return { geo: shardedGeo({ memory, fetchShard, level: data, maxAgeDays }), error };
  };
  if (seen === null) current = geoipLiteSource({ city: data === 'city', maxAgeDays });
  else {
    const { geo, error } = await readAll();
    current = geo;
    if (error !== null) onProblem?.(error);
  }
  const reload = async (): Promise<void> => {
    const now = await buildFingerprint(dir);
    if (now === seen || now === null) return;
    const { geo, error } = await readAll();
    seen = now;
    if (error !== null) throw error;
    current = geo;
    onReload?.();
  };
  let running: Promise<void> = Promise.resolve();
  const inTurn = (): Promise<void> => {
    const next = running.then(reload);
    // The queue goes on after a failed reload; whoever asked for that reload gets its error.
    running = next.catch(() => undefined);
    return next;
  };
  const timer = setInterval(() => {
    inTurn().catch((error: unknown) => onProblem?.(asError(error)));
  }, intervalMs);
  timer.unref();
  return {
    geo: { locate: (address) => current.locate(address), status: (nowMs) => current.status(nowMs) },
    reload: inTurn,
    close: () => clearInterval(timer),
  };
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
