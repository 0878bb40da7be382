import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissingFile } from '../missing-file.ts';
import { MANIFEST_FILE, type Manifest } from './manifest.ts';
import { readAllShards, shardMemory } from './shards.ts';

/** What is built in a directory. */
export interface BuiltGeo {
  readonly manifest: Manifest;
  readonly files: number;
  readonly bytes: number;
  readonly largestBytes: number;
}

/** Counts what a manifest lists. */
export function builtGeoOf(manifest: Manifest): BuiltGeo {
  const bytes = [...manifest.shards.v4, ...manifest.shards.v6].map(([, size]) => size);
  return {
    manifest,
    files: bytes.length,
    bytes: bytes.reduce((sum, size) => sum + size, 0),
    largestBytes: Math.max(0, ...bytes),
  };
}

/**
 * Reads all that is built in a directory; null where nothing is.
 *
 * @throws GeoDataError at the first file that cannot be used
 */
export async function readBuiltGeo(dir: string): Promise<BuiltGeo | null> {
  if ((await buildFingerprint(dir)) === null) return null;
  const memory = shardMemory(Number.MAX_SAFE_INTEGER);
  await readAllShards(memory, (name) => readBuiltFile(dir, name));
  return memory.index === null ? null : builtGeoOf(memory.index.manifest);
}

/** Changes with every build; null while there is none. */
export async function buildFingerprint(dir: string): Promise<string | null> {
  try {
    const { ino, size, mtimeMs } = await stat(join(dir, MANIFEST_FILE));
    return `${ino} ${size} ${mtimeMs}`;
  } catch (error) {
    if (isMissingFile(error)) return null;
    throw error;
  }
}

/** One file of a directory of built data. */
export async function readBuiltFile(dir: string, name: string): Promise<ArrayBuffer | null> {
  try {
    const { buffer, byteOffset, byteLength } = await readFile(join(dir, name));
    // A file of its own buffer is kept as it is; small ones may come out of a shared pool.
    return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);
  } catch (error) {
    if (isMissingFile(error)) return null;
    throw error;
  }
}
