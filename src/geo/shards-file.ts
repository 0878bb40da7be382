import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GeoSource } from './geo.ts';
import { bundledDirectory, dataFiles, dateOf } from './geoip-lite.ts';
import { readGeoipLite } from './geoip-lite-table.ts';
import {
  compileShards,
  formatManifest,
  type GeoLevel,
  MANIFEST_FILE,
  type Manifest,
  parseManifest,
  shardIndex,
} from './manifest.ts';
import { readMmdb } from './mmdb-table.ts';
import type { PlaceTable } from './place-steps.ts';
import { GeoDataError } from './shard.ts';
import { type FetchShard, readAllShards, type ShardedGeoOptions, shardedGeo, shardMemory } from './shards.ts';

/** What is built. */
export interface GeoBuild {
  /** A MaxMind-format file, or a directory with the files of geoip-lite; null takes the data that geoip-lite brings along. */
  readonly source: string | null;
  /** Where the shards go. */
  readonly out: string;
  readonly level: GeoLevel;
}

/** What became of a build. */
export interface GeoBuilt {
  /** False when the same data had been built already. */
  readonly built: boolean;
  readonly manifest: Manifest;
  readonly files: number;
  readonly bytes: number;
  readonly largestBytes: number;
}

/**
 * Compiles a source into shards. The same source gives the same files; where they are there already, nothing is done. Shards are
 * written beside those in use and the manifest is replaced in one step, last: whoever reads meanwhile, or after a build that was
 * cut off, sees the old data or the new.
 *
 * @throws GeoDataError when the source cannot be used; what was built before stays
 */
export async function buildGeo({ source, out, level }: GeoBuild): Promise<GeoBuilt> {
  const opened = await openSource(source, level);
  const before = await builtManifest(out);
  if (
    before !== null &&
    before.source.sha256 === opened.sha256 &&
    before.level === level &&
    (await isWhole(out, before))
  ) {
    return { built: false, ...sizesOf(before) };
  }
  const { table, name, dataAtMs } = await opened.read();
  const about = { name, sha256: opened.sha256, data_at: new Date(dataAtMs).toISOString() };
  const { manifest, files } = compileShards(table, { level, source: about });
  await mkdir(out, { recursive: true });
  for (const [file, bytes] of files) await replace(out, file, bytes);
  await replace(out, MANIFEST_FILE, formatManifest(manifest));
  for (const file of await readdir(out)) {
    if (!files.has(file) && file !== MANIFEST_FILE && OUR_FILE.test(file)) await rm(join(out, file));
  }
  return { built: true, ...sizesOf(manifest) };
}

/** Shards, and what a build that was cut off left behind. */
const OUR_FILE = /^(?:v[46]-\d{4,}-[0-9a-f]{8}\.bin|manifest\.json)(?:\.[0-9a-f]{12}\.tmp)?$/;

async function replace(dir: string, file: string, content: string | Uint8Array): Promise<void> {
  const temporary = join(dir, `${file}.${randomBytes(6).toString('hex')}.tmp`);
  await writeFile(temporary, content, { flush: true });
  await rename(temporary, join(dir, file));
}

function sizesOf(manifest: Manifest) {
  const bytes = [...manifest.shards.v4, ...manifest.shards.v6].map(([, size]) => size);
  return {
    manifest,
    files: bytes.length,
    bytes: bytes.reduce((sum, size) => sum + size, 0),
    largestBytes: Math.max(0, ...bytes),
  };
}

/** The manifest of a directory; null where there is none that can be used. */
async function builtManifest(dir: string): Promise<Manifest | null> {
  try {
    return parseManifest(await readFile(join(dir, MANIFEST_FILE), 'utf8'));
  } catch (error) {
    if (error instanceof GeoDataError || isMissing(error)) return null;
    throw error;
  }
}

async function isWhole(dir: string, manifest: Manifest): Promise<boolean> {
  try {
    const sizes = await Promise.all(
      shardIndex(manifest).shards.map(async ({ name, bytes }) => (await stat(join(dir, name))).size === bytes),
    );
    return sizes.every(Boolean);
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

interface OpenedSource {
  readonly sha256: string;
  read(): Promise<{ readonly table: PlaceTable; readonly name: string; readonly dataAtMs: number }>;
}

async function openSource(source: string | null, level: GeoLevel): Promise<OpenedSource> {
  const city = level === 'city';
  const from = source ?? bundledDirectory();
  if (from === null)
    throw new GeoDataError('geo_source_missing', 'geoip-lite is not installed; run npm ci or name a file');
  const isDirectory = await existing(from);
  if (isDirectory) {
    return {
      sha256: await sha256Of(dataFiles(city).map((file) => join(from, file))),
      read: async () => ({ table: readGeoipLite(from, city), name: 'geoip-lite', dataAtMs: dateOf(from, city) }),
    };
  }
  return {
    sha256: await sha256Of([from]),
    read: async () => {
      const { table, name, builtAtMs } = readMmdb(await readFile(from), city);
      return { table, name, dataAtMs: builtAtMs };
    },
  };
}

/** Whether the path is a directory. */
async function existing(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new GeoDataError(
      'geo_source_missing',
      `${path} does not exist; name a .mmdb file or a directory of geoip-lite`,
    );
  }
}

async function sha256Of(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths) {
    try {
      for await (const chunk of createReadStream(path)) hash.update(chunk);
    } catch (error) {
      if (!isMissing(error)) throw error;
      throw new GeoDataError(
        'geo_source_missing',
        `${path} is missing; name a .mmdb file or a directory of geoip-lite`,
      );
    }
  }
  return hash.digest('hex');
}

/**
 * Reads all that is built in a directory; null where nothing is.
 *
 * @throws GeoDataError at the first file that cannot be used
 */
export async function readBuiltGeo(dir: string): Promise<Omit<GeoBuilt, 'built'> | null> {
  if ((await fingerprint(dir)) === null) return null;
  const memory = shardMemory(Number.MAX_SAFE_INTEGER);
  await readAllShards(memory, (name) => readIfThere(join(dir, name)));
  return memory.index === null ? null : sizesOf(memory.index.manifest);
}

/** A source that follows a directory of built data. */
export interface WatchedGeo {
  /** Always the data in force; hold on to it, it changes underneath. */
  readonly geo: GeoSource;
  /** Takes over what is built now. Rejects when that cannot be used; the data in force goes on. */
  reload(): Promise<void>;
  /** Stops watching. */
  close(): void;
}

/** How a directory of built data is followed. */
export interface WatchGeoOptions extends Pick<ShardedGeoOptions, 'level' | 'maxAgeDays'> {
  /** Answers until something is built in the directory. */
  readonly otherwise: () => GeoSource;
  /** How often the directory is looked at. Default 5,000 ms. */
  readonly intervalMs?: number;
  readonly onReload?: () => void;
  /** Called when what was built cannot be used; the data in force goes on. */
  readonly onProblem?: (error: Error) => void;
}

/**
 * Places from the data built in a directory, all of it in memory, so that every look-up answers at once. What is rebuilt is
 * taken over without a restart. Data that is damaged when the service starts answers `bad_database` where it is damaged, and
 * `status` names it. Does not keep the process alive.
 */
export async function watchGeo(
  dir: string,
  { otherwise, intervalMs = 5_000, onReload, onProblem, ...options }: WatchGeoOptions,
): Promise<WatchedGeo> {
  const fetchShard: FetchShard = (name) => readIfThere(join(dir, name));
  let seen = await fingerprint(dir);
  let current: GeoSource;
  const readAll = async (): Promise<{ geo: GeoSource; error: Error | null }> => {
    const memory = shardMemory(Number.MAX_SAFE_INTEGER);
    const error = await readAllShards(memory, fetchShard).then(() => null, asError);
    return { geo: shardedGeo({ memory, fetchShard, ...options }), error };
  };
  if (seen === null) current = otherwise();
  else {
    const { geo, error } = await readAll();
    current = geo;
    if (error !== null) onProblem?.(error);
  }
  const reload = async (): Promise<void> => {
    const now = await fingerprint(dir);
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

/** Changes with every build; null while there is none. */
async function fingerprint(dir: string): Promise<string | null> {
  try {
    const { ino, size, mtimeMs } = await stat(join(dir, MANIFEST_FILE));
    return `${ino} ${size} ${mtimeMs}`;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

async function readIfThere(path: string): Promise<ArrayBuffer | null> {
  try {
    const { buffer, byteOffset, byteLength } = await readFile(path);
    // A file of its own buffer is kept as it is; small ones may come out of a shared pool.
    return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
