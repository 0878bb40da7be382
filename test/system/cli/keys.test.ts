import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadKeys } from '../../../src/node/keys-file.ts';
import { stepgate } from '../../support/cli.ts';
import { keysWith } from '../../support/servers/keys.ts';

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'stepgate-cli-keys-'));
  path = join(dir, 'keys.json');
});
afterEach(() => rm(dir, { recursive: true }));

const keys = (...args: string[]) => stepgate(['keys', ...args], { env: { API_KEYS_FILE: path } });

test('A key is made with its rights, its secret printed once and stored as a digest, and taken out again', async () => {
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
});

test('Keys are listed without what would help to guess them, and one is taken out alone', async () => {
  const entries = ['gateway', 'desk'].map((name, i) => ({ name, sha256: `${i}`.repeat(64), rights: ['check'] }));
  await writeFile(path, JSON.stringify({ version: 1, keys: entries }));
  const listed = await keys('list');
  expect(listed.stdout).toBe('CALLER   RIGHTS\ngateway  check\ndesk     check\n');
  expect((await keys('revoke', 'gateway')).code).toBe(0);
  expect((await loadKeys(path)).map(({ name }) => name)).toEqual(['desk']);
});

test.each([
  [['add', 'desk', '--rights', 'check'], 'has a key of desk already'],
  [['add', 'other', '--rights', 'check,erase'], '"erase" must be one of check, events'],
  [['add', 'other'], "required option '--rights"],
  [['add', 'a b', '--rights', 'check'], 'is not a caller name'],
  [['revoke', 'nobody'], 'has no key of nobody; it has desk'],
])('%j cannot be done: it changes nothing, says what is allowed and exits 2', async (args, said) => {
  const before = keysWith('desk', 'the-secret-of-the-desk', ['subjects.read']);
  await writeFile(path, before);
  const { code, stderr, stdout } = await keys(...args);
  expect(stderr).toContain(said);
  expect(stdout).toBe('');
  expect(code).toBe(2);
  expect(await readFile(path, 'utf8')).toBe(before);
});

test('A file that is no keys file is left as it is', async () => {
  await writeFile(path, '{"version": 2}');
  const { code, stderr } = await keys('add', 'desk', '--rights', 'check');
  expect(stderr).toContain('.version');
  expect(code).toBe(2);
  expect(await readFile(path, 'utf8')).toBe('{"version": 2}');
});

test('stepgate keys says how to name a file when none is set', async () => {
  const { code, stderr } = await stepgate(['keys', 'list']);
  expect(stderr).toContain('API_KEYS_FILE');
  expect(code).toBe(2);
});
