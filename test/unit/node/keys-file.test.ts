import { mkdtemp, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadKeys, type WatchedKeys, watchKeys } from '../../../src/node/keys-file.ts';
import { keysWith } from '../../support/servers/keys.ts';
import { type Workshop, workshop } from '../../support/servers/stepgate.ts';

const FIRST = keysWith('gateway', 'the-secret-of-the-gateway', ['check']);
const SECOND = keysWith('desk', 'the-secret-of-the-desk', ['subjects.read', 'subjects.erase']);

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'stepgate-keys-'));
  path = join(dir, 'keys.json');
});
afterEach(() => rm(dir, { recursive: true }));

describe('a keys file', () => {
  const digest = 'ab'.repeat(32);
  const key = { name: 'a', sha256: digest, rights: ['check'] };
  const file = (...keys: object[]) => JSON.stringify({ version: 1, keys });

  test('A keys file may be empty of keys: whoever takes out the last one means it', async () => {
    await writeFile(path, file());
    expect(await loadKeys(path)).toEqual([]);
  });

  test.each([
    ['is no JSON', '{"version": 1, "keys": [', 'is not valid JSON'],
    ['has no version', '{"keys": []}', '.version'],
    ['has a secret in clear', file({ ...key, secret: 'hunter2-hunter2' }), '.keys[0]'],
    ['has no digest', file({ name: 'a', rights: ['check'] }), '.keys[0].sha256 is missing'],
    ['has a digest cut short', file({ ...key, sha256: 'abcd' }), '.keys[0].sha256 must have 64 hexadecimal digits'],
    [
      'has a right that is none',
      file({ ...key, rights: ['erase'] }),
      '.keys[0].rights[0] must be one of check, events',
    ],
    ['gives no rights', file({ ...key, rights: [] }), '.keys[0].rights must name at least one of check'],
    ['names a caller twice', file(key, { ...key, sha256: 'cd'.repeat(32) }), '.keys[1].name names the caller a again'],
    ['gives one key two names', file(key, { ...key, name: 'b' }), '.keys[1].sha256 is the key of a already'],
    ['names a caller of API_KEYS', file({ ...key, name: 'nginx' }), 'nginx is in API_KEYS too'],
  ])('A keys file that %s is refused, with the place', async (_what, text, message) => {
    await writeFile(path, text);
    const refused = loadKeys(path, ['nginx']);
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.not.toThrow('hunter2');
  });

  test('A keys file that is missing is refused with what makes one', async () => {
    await expect(loadKeys(path)).rejects.toThrow('stepgate keys add');
  });
});

describe('a keys file under watch', () => {
  let watched: WatchedKeys;
  let said: string[];
  const names = (): string[] => watched.keys.map(({ name }) => name);
  beforeEach(async () => {
    said = [];
    await writeFile(path, FIRST);
    watched = await watchKeys(path, {
      intervalMs: 3_600_000,
      onSwap: (keys) => said.push(`live: ${keys.map(({ name }) => name).join()}`),
      onRefused: ({ message }) => said.push(message),
    });
  });
  afterEach(() => watched.close());

  test('A keys file under watch is taken over when it changed, and only then', async () => {
    await watched.reload();
    expect(said).toEqual([]);
    await writeFile(path, SECOND);
    await watched.reload();
    await watched.reload();
    expect(names()).toEqual(['desk']);
    expect(said).toEqual(['live: desk']);
  });

  test('A keys file under watch that is broken or gone leaves the old keys in force, and is told of once', async () => {
    await writeFile(path, '{');
    await watched.reload();
    await watched.reload();
    expect(said).toEqual([expect.stringContaining('is not valid JSON')]);
    await unlink(path);
    await watched.reload();
    expect(said).toEqual([expect.anything(), expect.stringContaining('cannot be read')]);
    expect(names()).toEqual(['gateway']);
    await writeFile(path, SECOND);
    await watched.reload();
    expect(names()).toEqual(['desk']);
  });

  test('A keys file under watch is looked at by itself', async () => {
    watched.close();
    watched = await watchKeys(path, { intervalMs: 5, onSwap: () => undefined, onRefused: () => undefined });
    await writeFile(path, SECOND);
    await expect.poll(names).toEqual(['desk']);
  });
});

describe('a service with a keys file', () => {
  let shop: Workshop;
  beforeEach(async () => {
    shop = await workshop();
  });
  afterEach(() => shop.close());

  const statusOf = async (url: string, secret: string, method = 'GET') =>
    (await fetch(`${url}/v1/subjects/nobody`, { method, headers: { Authorization: `Bearer ${secret}` } })).status;

  test('A service with a keys file knows its callers beside those of API_KEYS, forgets a revoked one, and survives a broken file', async () => {
    await writeFile(path, SECOND);
    const environment = { API_KEYS_FILE: path, API_KEYS: 'gateway:the-secret-of-the-gateway' };
    const { server, lines } = await shop.start(environment);
    expect(await statusOf(server.url, 'the-secret-of-the-desk', 'DELETE')).toBe(204);
    expect(await statusOf(server.url, 'the-secret-of-the-gateway', 'DELETE')).toBe(403);
    expect(await (await fetch(`${server.url}/metrics`)).text()).toContain(
      'stepgate_rights_refused_total{caller="gateway",right="subjects.erase"} 1',
    );

    await writeFile(path, '{');
    await server.reload();
    expect(await statusOf(server.url, 'the-secret-of-the-desk')).toBe(404);
    expect(lines.some((line) => line.includes('a changed keys file was refused'))).toBe(true);

    await writeFile(path, JSON.stringify({ version: 1, keys: [] }));
    await server.reload();
    expect(await statusOf(server.url, 'the-secret-of-the-desk')).toBe(401);
    expect(await statusOf(server.url, 'the-secret-of-the-gateway')).toBe(403);
  });

  test('A service with a keys file needs no API_KEYS, and makes no key', async () => {
    await writeFile(path, FIRST);
    expect(shop.settings({ API_KEYS: '', API_KEYS_FILE: path })).toMatchObject({ apiKeys: [], apiKeysFile: path });
    const production = { NODE_ENV: 'production', DEVICE_TOKEN_SECRET: 'x'.repeat(48), PRIVACY_KEY: 'x'.repeat(48) };
    expect(shop.settings({ ...production, API_KEYS: '', API_KEYS_FILE: path }).made).toEqual([]);
  });

  test('A service with a keys file does not start without it', async () => {
    await expect(shop.start({ API_KEYS_FILE: path })).rejects.toMatchObject({
      code: 'invalid_settings',
      faults: [{ name: 'API_KEYS_FILE', message: expect.stringContaining('cannot be read') }],
    });
  });
});
