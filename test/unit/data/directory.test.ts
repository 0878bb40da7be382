import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { type ContainerKind, encodeContainer, openContainer } from '../../../src/data/container.ts';
import { publish, readBytes, replaceFile, versionOf } from '../../../src/data/directory.ts';
import { MANIFEST_FILE, type ManifestKind, manifestOf, readListed, readManifest } from '../../../src/data/manifest.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'stepgate-directory-'));
});
afterEach(() => rm(dir, { recursive: true }));

const KIND: ContainerKind = { magic: 0x54534554, what: 'a test file', code: 'test', command: 'make' };
const MANIFEST: ManifestKind<{ name: string }> = { about: z.strictObject({ name: z.string() }), command: 'make' };
const fileOf = (text: string): Uint8Array => encodeContainer(KIND, [new TextEncoder().encode(text)]);
const read = (name: string) => readBytes(join(dir, name));

/** What readers find: the texts of all files that the manifest lists. */
async function published(): Promise<readonly string[]> {
  const { files } = await readManifest(read, MANIFEST);
  const texts = files.map(async (file) => openContainer(await readListed(read, file, KIND), KIND)(Uint8Array));
  return (await Promise.all(texts)).map((bytes) => new TextDecoder().decode(bytes));
}

describe('A file that is replaced', () => {
  test('A file that is replaced is the old one until the new one is whole, and nothing is left beside it when that fails', async () => {
    await replaceFile(join(dir, 'a'), 'old');
    await replaceFile(join(dir, 'a'), 'new');
    expect(await readFile(join(dir, 'a'), 'utf8')).toBe('new');
    await mkdir(join(dir, 'folder/inner'), { recursive: true });
    await expect(replaceFile(join(dir, 'folder'), 'a directory stands here')).rejects.toThrow();
    expect((await readdir(dir)).sort()).toEqual(['a', 'folder']);
  });
});

describe('A published directory', () => {
  test('A published directory is the old one as a whole when publishing is cut off, and the next time removes what was left', async () => {
    const before = [['a.sgip', fileOf('a1')] as const, ['b.sgip', fileOf('b1')] as const];
    await publish(dir, before, manifestOf({ name: 'first' }, before));
    const after = [['a-2.sgip', fileOf('a2')] as const, ['c.sgip', fileOf('c2')] as const];
    function* cutOff(): Generator<readonly [string, Uint8Array]> {
      yield* after.slice(0, 1);
      throw new Error('killed');
    }
    await expect(publish(dir, cutOff(), manifestOf({ name: 'second' }, after))).rejects.toThrow('killed');
    expect(await published()).toEqual(['a1', 'b1']);
    await publish(dir, after, manifestOf({ name: 'second' }, after));
    expect(await published()).toEqual(['a2', 'c2']);
    expect((await readdir(dir)).sort()).toEqual(['a-2.sgip', 'c.sgip', MANIFEST_FILE]);
  });

  test('A published directory misses a file that is gone, and refuses one of another build or of another size', async () => {
    const files = [['a.sgip', fileOf('a1')] as const];
    await publish(dir, files, manifestOf({ name: 'it' }, files));
    await writeFile(join(dir, 'a.sgip'), fileOf('a2'));
    await expect(published()).rejects.toMatchObject({
      code: 'test_foreign',
      message: expect.stringContaining('`make`'),
    });
    await writeFile(join(dir, 'a.sgip'), fileOf('longer than it was'));
    await expect(published()).rejects.toMatchObject({ code: 'test_truncated' });
    await rm(join(dir, 'a.sgip'));
    await expect(published()).rejects.toMatchObject({ code: 'test_missing' });
    await rm(join(dir, MANIFEST_FILE));
    await expect(published()).rejects.toMatchObject({ code: 'manifest_missing' });
  });
});

describe('The version of a directory', () => {
  const isText = (name: string): boolean => name.endsWith('.txt');
  const version = () => versionOf(dir, isText);

  test('The version of a directory is null where nothing wanted is, also where there is no directory', async () => {
    await writeFile(join(dir, 'other'), '');
    expect(await version()).toBeNull();
    expect(await versionOf(join(dir, 'nowhere'), isText)).toBeNull();
  });

  test('The version of a directory changes with every file that is wanted, and with no other', async () => {
    await writeFile(join(dir, 'a.txt'), 'one');
    const first = await version();
    await writeFile(join(dir, 'other'), 'x');
    expect(await version()).toBe(first);
    await replaceFile(join(dir, 'a.txt'), 'two');
    const second = await version();
    expect(second).not.toBe(first);
    const { mode } = await stat(join(dir, 'a.txt'));
    await chmod(join(dir, 'a.txt'), mode ^ 0o100);
    expect(await version()).not.toBe(second);
    await writeFile(join(dir, 'b.txt'), 'two');
    const both = await version();
    await rm(join(dir, 'a.txt'));
    expect(await version()).not.toBe(both);
  });
});
