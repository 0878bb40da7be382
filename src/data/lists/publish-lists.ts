import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissingFile } from '../missing-file.ts';
import { COMPILED_SUFFIX } from './compiled-list.ts';
import { formatListIndex, LIST_INDEX_FILE } from './list-index.ts';
import type { ListMeta } from './lists.ts';
import { compiledNames, readCompiled } from './lists-file.ts';

/**
 * Puts the compiled lists of a directory, and an index of them, where a Worker finds them. Lists that were there before and
 * are no longer built are removed. What is there already is not written again.
 *
 * @throws ListError when a compiled list is damaged: better no deploy than one that lost a list
 */
export async function publishLists(dir: string, out: string): Promise<readonly ListMeta[]> {
  const names = await compiledNames(dir);
  const metas: ListMeta[] = [];
  await mkdir(out, { recursive: true });
  for (const name of names) {
    const path = join(dir, `${name}${COMPILED_SUFFIX}`);
    metas.push((await readCompiled(path, name)).meta);
    await put(out, `${name}${COMPILED_SUFFIX}`, await readFile(path));
  }
  const files = names.map((name) => `${name}${COMPILED_SUFFIX}`);
  await put(out, LIST_INDEX_FILE, Buffer.from(formatListIndex(files)));
  for (const file of await readdir(out)) {
    if (file.endsWith(COMPILED_SUFFIX) && !files.includes(file)) await rm(join(out, file), { force: true });
  }
  return metas;
}

async function put(out: string, file: string, content: Buffer): Promise<void> {
  const path = join(out, file);
  if ((await readIfThere(path))?.equals(content)) return;
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, content);
  await rename(temporary, path);
}

async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissingFile(error)) return null;
    throw error;
  }
}
