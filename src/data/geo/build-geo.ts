import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../data-error.ts';
import { isMissingFile, publish, readBytes } from '../directory.ts';
import { MANIFEST_FILE, parseManifest, readListed, readManifest } from '../manifest.ts';
import { compileShards, GEO_MANIFEST, type GeoFiles, type GeoLevel, type GeoManifest } from './geo-manifest.ts';
import { bundledDirectory, dataFiles, dateOf, readGeoipLite } from './geoip-lite.ts';
import { readMmdb } from './mmdb-table.ts';
import { decodedShard } from './places.ts';
import { SHARD } from './shard.ts';

/** Built geo data. */
export interface BuiltGeo {
  readonly manifest: GeoManifest;
  readonly files: number;
  readonly bytes: number;
  readonly largestBytes: number;
}

/** The result of a build. */
export interface GeoBuilt extends BuiltGeo {
  /** False if the same data had already been built. */
  readonly built: boolean;
}

function builtGeoOf(manifest: GeoManifest): BuiltGeo {
  const bytes = manifest.files.map(([, size]) => size);
  return {
    manifest,
    files: bytes.length,
    bytes: bytes.reduce((sum, size) => sum + size, 0),
    largestBytes: Math.max(0, ...bytes),
  };
}

/** What to build. */
export interface GeoBuild {
  /** A MaxMind-format file, or a directory with geoip-lite's files; null uses the data inside geoip-lite. */
  readonly source: string | null;
  /** Output directory. */
  readonly out: string;
  readonly level: GeoLevel;
}

/**
 * Compiles a source into shards and publishes them. The same source gives the same files; if they exist, nothing is done.
 *
 * @throws DataError if the source is unusable; existing data stays
 */
export async function buildGeo({ source, out, level }: GeoBuild): Promise<GeoBuilt> {
  const opened = await openSource(source, level);
  const before = await builtManifest(out);
  const isSame = before?.about.source.sha256 === opened.sha256 && before.about.level === level;
  if (isSame && (await isWhole(out, before))) return { built: false, ...builtGeoOf(before) };
  const { manifest, files } = opened.compile();
  await publish(out, files, manifest);
  return { built: true, ...builtGeoOf(manifest) };
}

/**
 * Publishes the built data of a directory in another one; null if nothing is built.
 *
 * @throws DataError if one of its files is unusable; existing data stays
 */
export async function copyGeo(from: string, out: string): Promise<GeoBuilt | null> {
  const whole = await readBuilt(from);
  if (whole === null) return null;
  const before = await builtManifest(out);
  const isThere = before?.checksum === whole.manifest.checksum && (await isWhole(out, before));
  if (!isThere) await publish(out, whole.files, whole.manifest);
  return { built: !isThere, ...builtGeoOf(whole.manifest) };
}

/**
 * Reads and checks all built data of a directory; null if nothing is built.
 *
 * @throws DataError for the first unusable file
 */
export async function readBuiltGeo(dir: string): Promise<BuiltGeo | null> {
  const whole = await readBuilt(dir);
  return whole && builtGeoOf(whole.manifest);
}

async function readBuilt(dir: string): Promise<GeoFiles | null> {
  if ((await readBytes(join(dir, MANIFEST_FILE))) === null) return null;
  const read = (name: string) => readBytes(join(dir, name));
  const manifest = await readManifest(read, GEO_MANIFEST);
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const file of manifest.files) {
    const [name] = file;
    const bytes = new Uint8Array(await readListed(read, file, SHARD));
    decodedShard(name, bytes);
    files.set(name, bytes);
  }
  return { manifest, files };
}

/** The manifest of a directory; null if there is no usable one. */
async function builtManifest(dir: string): Promise<GeoManifest | null> {
  try {
    return parseManifest(await readFile(join(dir, MANIFEST_FILE), 'utf8'), GEO_MANIFEST);
  } catch (error) {
    if (error instanceof DataError || isMissingFile(error)) return null;
    throw error;
  }
}

async function isWhole(dir: string, { files }: GeoManifest): Promise<boolean> {
  const sizes = await Promise.all(
    files.map(([name, bytes]) =>
      stat(join(dir, name)).then(
        ({ size }) => size === bytes,
        (error: unknown) => !isMissingFile(error) && Promise.reject(error),
      ),
    ),
  );
  return sizes.every(Boolean);
}

interface OpenedSource {
  readonly sha256: string;
  compile(): GeoFiles;
}

async function openSource(source: string | null, level: GeoLevel): Promise<OpenedSource> {
  const from = source ?? bundledDirectory();
  if (from === null)
    throw new DataError('geo_source_missing', 'geoip-lite is not installed; run npm ci or name a file');
  const missing = (path: string): DataError =>
    new DataError('geo_source_missing', `${path} does not exist; name a .mmdb file or a directory of geoip-lite`);
  const isDirectory = await stat(from).then(
    (found) => found.isDirectory(),
    (error: unknown) => Promise.reject(isMissingFile(error) ? missing(from) : error),
  );
  const hash = createHash('sha256');
  for (const path of isDirectory ? dataFiles(level === 'city').map((file) => join(from, file)) : [from]) {
    try {
      for await (const chunk of createReadStream(path)) hash.update(chunk);
    } catch (error) {
      throw isMissingFile(error) ? missing(path) : error;
    }
  }
  const sha256 = hash.digest('hex');
  const city = level === 'city';
  if (isDirectory) {
    return {
      sha256,
      compile: () => compileShards(readGeoipLite(from, city), aboutOf(level, 'geoip-lite', sha256, dateOf(from, city))),
    };
  }
  const bytes = await readFile(from);
  return {
    sha256,
    compile: () => {
      const { table, name, builtAtMs } = readMmdb(bytes, city);
      return compileShards(table, aboutOf(level, name, sha256, builtAtMs));
    },
  };
}

const aboutOf = (level: GeoLevel, name: string, sha256: string, dataAtMs: number) => ({
  level,
  source: { name, sha256, data_at: new Date(dataAtMs).toISOString() },
});
