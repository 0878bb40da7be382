import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadKeys } from '../../src/keys-file.ts';
import { stepgate } from './run.ts';

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'stepgate-cli-keys-'));
  path = join(dir, 'keys.json');
});
afterEach(() => rm(dir, { recursive: true }));

const keys = (...args: string[]) => stepgate(['keys', ...args], { env: { API_KEYS_FILE: path } });

test('a key is made with its rights, its secret printed once and stored as a digest, and taken out again', async () => {
  const added = await keys('add', 'gateway', '--rights', 'events, check');
  expect(added).toMatchObject({ code: 0, stderr: '' });
  const secret = added.stdout.trim();
  expect(secret).toMatch(/^[\w-]{43}$/);
  expect(await readFile(path, 'utf8')).not.toContain(secret);
  expect(await loadKeys(path)).toEqual([
    {
      name: 'gateway',
      rights: ['check', 'events'],
      kind: 'sha256',
      hex: createHash('sha256').update(secret).digest('hex'),
    },
  ]);

  await keys('add', 'desk', '--rights', 'subjects.read', '--json');
  const listed = await keys('list', '--json');
  expect(JSON.parse(listed.stdout)).toEqual([
    { name: 'gateway', rights: ['check', 'events'] },
    { name: 'desk', rights: ['subjects.read'] },
  ]);
  expect((await keys('revoke', 'gateway')).code).toBe(0);
  expect((await loadKeys(path)).map(({ name }) => name)).toEqual(['desk']);
});

test('what cannot be done changes nothing and exits 2 with what is allowed', async () => {
  await keys('add', 'desk', '--rights', 'subjects.read');
  const before = await readFile(path, 'utf8');
  for (const [args, said] of [
    [['add', 'desk', '--rights', 'check'], 'has a key of desk already'],
    [['add', 'other', '--rights', 'check,erase'], '"erase" is none of check, events'],
    [['add', 'other', '--rights', ''], 'is none of check, events'],
    [['add', 'other'], "required option '--rights"],
    [['add', 'a b', '--rights', 'check'], 'is no name of a caller'],
    [['revoke', 'nobody'], 'has no key of nobody; it has desk'],
  ] as const) {
    const { code, stderr, stdout } = await keys(...args);
    expect(stderr).toContain(said);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  }
  expect(await readFile(path, 'utf8')).toBe(before);
});

test('a file that is no keys file is left as it is', async () => {
  await writeFile(path, '{"version": 2}');
  const { code, stderr } = await keys('add', 'desk', '--rights', 'check');
  expect(stderr).toContain('.version');
  expect(code).toBe(2);
  expect(await readFile(path, 'utf8')).toBe('{"version": 2}');
});

test('without a file it says how to name one', async () => {
  const { code, stderr } = await stepgate(['keys', 'list']);
  expect(stderr).toContain('API_KEYS_FILE');
  expect(code).toBe(2);
});
