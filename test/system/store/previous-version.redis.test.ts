import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectedRedis } from '../../../src/cli/redis.ts';
import { check } from '../../../src/engine/check.ts';
import { deviceTokens } from '../../../src/engine/device-token-jose.ts';
import { checkRequestOf } from '../../../src/http/wire.ts';
import type { Store } from '../../../src/store/store.ts';
import { NOW_MS, scene } from '../../support/scene.ts';
import { type RedisServer, startRedis } from '../../support/servers/redis.ts';

/** What version 0.1.0 left in Redis after one log-in of `Ann@Example.com`, and the device token that it gave out. */
const STORED = {
  key: 'sg:{s:W8djLzNmh-AOrVY2VeQzBU}:baseline',
  baseline:
    '[1,1795572000,1795572000,1,0,"0 14a0 b4 1e GB 0 Newmarket","GB 0","bV8yLykpR0m0 0 fyHM","d-laptop Zeg3GlzBQrS-  0 0 -1jk00   0 14a0 b4 1e","jDZt2B2CiA5p 0 0 0 #0 GB",""]',
  token:
    'eyJhbGciOiJIUzI1NiIsInR5cCI6InN0ZXBnYXRlLWRldmljZStqd3QifQ.eyJkZXZpY2UiOiJkLWxhcHRvcCIsImlzcyI6InN0ZXBnYXRlIiwiYXVkIjoic3RlcGdhdGUtZGV2aWNlIiwic3ViIjoiVzhkakx6Tm1oLUFPclZZMlZlUXpCVSIsImlhdCI6MTc5NTU3MjAwMCwiZXhwIjoxNzk4MTY0MDAwfQ.GTC_0Eos1BKf_y-iQ9-hqUGxIXxCLliqQ8UyPHQNVLM',
};

/** Signed the device token. The privacy key is that of every scene. */
const SECRET = new Uint8Array(32).fill(7);

const RULES = { version: 1, rules: [{ id: 'all', when: {}, then: { decision: 'allow', reason: 'all' } }] };

let redis: RedisServer;
let store: Store;

beforeAll(async () => {
  redis = await startRedis();
  store = await connectedRedis(redis.url);
  await redis.admin.set(STORED.key, STORED.baseline, 'EX', 3600);
});

afterAll(async () => {
  await store.close();
  await redis.stop();
});

async function deviceOf(which: object, spaces: readonly string[] = ['default']) {
  const { engine } = scene({ rules: RULES, store, deviceTokens: deviceTokens({ secrets: [SECRET] }) });
  const device = { fingerprint: 'b1946ac92492d2347c6235b4d2611184', token: STORED.token };
  const request = checkRequestOf(
    { subject: 'ann@example.com', action: 'login', ip: '81.2.69.160', device, ...which },
    { nowMs: NOW_MS, trust: { trusted: { kind: 'none' }, declared: null }, spaces },
  );
  const { result } = await check(engine, { ...request, dryRun: true });
  return result.signals.device?.facts['device.state'];
}

test('A baseline and a device token of the version before are those of the user in the default space', async () => {
  expect(await deviceOf({})).toBe('trusted');
  expect(await deviceOf({ subject_type: 'user' })).toBe('trusted');
  expect(await deviceOf({ subject_space: 'default' }, ['bank', 'default'])).toBe('trusted');
});

test('A baseline and a device token of the version before belong to no other subject with the same id', async () => {
  expect(await deviceOf({ subject_type: 'service' })).toBe('mismatch');
  expect(await deviceOf({ subject_space: 'bank' }, ['bank', 'default'])).toBe('mismatch');
  expect(await deviceOf({}, ['bank'])).toBe('mismatch');
});
