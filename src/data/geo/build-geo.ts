import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissingFile } from '../missing-file.ts';
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
import { type BuiltGeo, builtGeoOf, readBuiltGeo } from './shards-file.ts';

/** What is built. */
export interface GeoBuild {
  /** A MaxMind-format file, or a directory with the files of geoip-lite; null takes the data that geoip-lite brings along. */
  readonly source: string | null;
  /** Where the shards go. */
  readonly out: string;
  readonly level: GeoLevel;
}

/** What became of a build. */
export interface GeoBuilt extends BuiltGeo {
  /** False when the same data had been built already. */
  readonly built: boolean;
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
    return { built: false, ...builtGeoOf(before) };
  }
  const { table, name, dataAtMs } = await opened.read();
  const about = { name, sha256: opened.sha256, data_at: new Date(dataAtMs).toISOString() };
  const { manifest, files } = compileShards(table, { level, source: about });
  await mkdir(out, { recursive: true });
  for (const [file, bytes] of files) await replace(out, file, bytes);
  await replace(out, MANIFEST_FILE, formatManifest(manifest));
  await removeOthers(out, files);
  return { built: true, ...builtGeoOf(manifest) };
}

/**
 * Copies what is built in a directory to another one, in the same order as {@link buildGeo}, and leaves what is there already.
 *
 * @throws GeoDataError when a file of it cannot be used; what was there before stays
 */
export async function copyGeo(from: string, out: string): Promise<GeoBuilt | null> {
  const whole = await readBuiltGeo(from);
  if (whole === null) return null;
  const { manifest } = whole;
  const before = await builtManifest(out);
  if (before?.checksum === manifest.checksum && (await isWhole(out, before))) return { built: false, ...whole };
  const files = new Set(shardIndex(manifest).shards.map(({ name }) => name));
  await mkdir(out, { recursive: true });
  for (const file of [...files, MANIFEST_FILE]) await replace(out, file, await readFile(join(from, file)));
  await removeOthers(out, files);
  return { built: true, ...whole };
}

const SHARD_FILE = /^v[46]-\d{4,}-[0-9a-f]{8}\.bin$/;
const TEMPORARY_FILE = /\.[0-9a-f]{12}\.tmp$/;

/** Removes the shards of older builds, and what one that was cut off left behind: another may be at work on younger files. */
async function removeOthers(out: string, files: { has(file: string): boolean }): Promise<void> {
  const { mtimeMs: nowMs } = await stat(join(out, MANIFEST_FILE));
  for (const file of await readdir(out)) {
    const path = join(out, file);
    if (SHARD_FILE.test(file) && !files.has(file)) await rm(path, { force: true });
    else if (TEMPORARY_FILE.test(file)) {
      const age = await stat(path).then(({ mtimeMs }) => nowMs - mtimeMs, ignoreMissing);
      if (age !== null && age > LEFTOVER_MS) await rm(path, { force: true });
    }
  }
}

const LEFTOVER_MS = 3_600_000;

function ignoreMissing(error: unknown): null {
  if (isMissingFile(error)) return null;
  throw error;
}

async function replace(dir: string, file: string, content: string | Uint8Array): Promise<void> {
  const temporary = join(dir, `${file}.${randomBytes(6).toString('hex')}.tmp`);
  await writeFile(temporary, content);
  await rename(temporary, join(dir, file));
}

/** The manifest of a directory; null where there is none that can be used. */
async function builtManifest(dir: string): Promise<Manifest | null> {
  try {
    return parseManifest(await readFile(join(dir, MANIFEST_FILE), 'utf8'));
  } catch (error) {
    if (error instanceof GeoDataError || isMissingFile(error)) return null;
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
    if (isMissingFile(error)) return false;
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
    if (!isMissingFile(error)) throw error;
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
      if (!isMissingFile(error)) throw error;
      throw new GeoDataError(
        'geo_source_missing',
        `${path} is missing; name a .mmdb file or a directory of geoip-lite`,
      );
    }
  }
  return hash.digest('hex');
}
