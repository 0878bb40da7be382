import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DATA_SUFFIX } from './container.ts';
import { formatManifest, MANIFEST_FILE, type Manifest } from './manifest.ts';

/** True when Node says that a file or directory does not exist (`ENOENT`). */
export function isMissingFile(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function nullWhenMissing(error: unknown): null {
  if (isMissingFile(error)) return null;
  throw error;
}

/** The bytes of a file in its own buffer; null if it does not exist. */
export async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer> | null> {
  const bytes = await readFile(path).catch(nullWhenMissing);
  // Small files come out of a shared pool.
  return bytes && (bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes));
}

/** Whether a path does not exist. */
export async function isMissing(path: string): Promise<boolean> {
  return (await stat(path).catch(nullWhenMissing)) === null;
}

/** Names of the wanted files of a directory, sorted; none if it does not exist. */
export async function fileNames(dir: string, isWanted: (name: string) => boolean): Promise<readonly string[]> {
  const names = await readdir(dir).catch(nullWhenMissing);
  return names?.filter(isWanted).sort() ?? [];
}

/**
 * Identifies the version of some files of a directory. Changes when one of them is written, added or removed, when the directory is
 * replaced, and when a symbolic link on its path changes. Needs no file system events, which network and container mounts do not
 * send. Null if none of the files exists.
 */
export async function versionOf(dir: string, isWanted: (name: string) => boolean): Promise<string | null> {
  const names = await fileNames(dir, isWanted);
  if (names.length === 0) return null;
  const stats = names.map(async (name) => {
    const found = await stat(join(dir, name)).catch(nullWhenMissing);
    return found && [name, found.ino, found.size, found.mtimeMs, found.ctimeMs];
  });
  return JSON.stringify([await realpath(dir).catch(nullWhenMissing), ...(await Promise.all(stats))]);
}

const TEMPORARY = /\.[0-9a-f]{12}\.tmp$/;

/**
 * Replaces a file atomically: writes a temporary file, then renames it. Readers see the old or the new file. With a flush, which takes
 * as long as the disk needs, that also holds after a power failure.
 */
export async function replaceFile(
  path: string,
  content: string | Uint8Array,
  { flush = true }: { readonly flush?: boolean } = {},
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'w');
    try {
      await file.writeFile(content);
      if (flush) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/**
 * Publishes files and their manifest in a directory, the manifest last: readers see the old or the new set. Existing files are not
 * written again. Removes data files that the manifest does not list, and temporary files older than an hour.
 */
export async function publish(
  dir: string,
  files: Iterable<readonly [string, Uint8Array]>,
  manifest: Manifest<unknown>,
): Promise<void> {
  await mkdir(dir, { recursive: true });
  // Not flushed, as there may be many large files: one that a power failure truncates does not match the manifest.
  for (const [name, bytes] of files) await replaceIfOther(join(dir, name), bytes, { flush: false });
  const listing = join(dir, MANIFEST_FILE);
  await replaceIfOther(listing, Buffer.from(formatManifest(manifest)), { flush: true });
  const { mtimeMs: nowMs } = await stat(listing);
  const listed = new Set(manifest.files.map(([name]) => name));
  for (const name of await readdir(dir)) {
    const path = join(dir, name);
    if (isDataFile(name) && !listed.has(name)) await rm(path, { force: true });
    else if (TEMPORARY.test(name)) {
      const found = await stat(path).catch(nullWhenMissing);
      if (found !== null && nowMs - found.mtimeMs > LEFTOVER_MS) await rm(path, { force: true });
    }
  }
}

/** Newer ones may belong to another running process. */
const LEFTOVER_MS = 3_600_000;

/** Includes the names that format 1 of the geo data used. */
const isDataFile = (name: string): boolean =>
  name.endsWith(DATA_SUFFIX) || /^v[46]-\d{4,}-[0-9a-f]{8}\.bin$/.test(name);

async function replaceIfOther(path: string, content: Uint8Array, options: { readonly flush: boolean }): Promise<void> {
  const before = await readFile(path).catch(nullWhenMissing);
  if (before === null || !before.equals(content)) await replaceFile(path, content, options);
}
