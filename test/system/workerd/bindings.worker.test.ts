import { afterAll, beforeAll, expect, test } from 'vitest';
import { RULES_KEY } from '../../../src/worker/rules-kv.ts';
import { type RedisServer, startRedis } from '../../support/servers/redis.ts';
import { post } from '../../support/servers/stepgate.ts';
import { startWorker, type WorkerServer } from '../../support/servers/worker.ts';

/** How seldom requests look at the namespace. */
const RULES_KV_SECONDS = 1;

interface Bound {
  readonly RULES_KV: { put(key: string, value: string): Promise<void>; delete(key: string): Promise<void> };
}

let redis: RedisServer;
let worker: WorkerServer;

beforeAll(async () => {
  redis = await startRedis();
  worker = await startWorker({
    allBindings: true,
    vars: { REDIS_URL: redis.url, RULES_KV_SECONDS, STORE_TIMEOUT_MS: 5000 },
  });
});

afterAll(async () => {
  await worker?.stop();
  await redis?.stop();
});

async function checked(subject: string) {
  const body = JSON.stringify({ subject, action: 'catalogue.browse', ip: '81.2.69.160' });
  const { status, text } = await post(`${worker.url}/v1/risk-check`, body);
  expect(status, text).toBe(200);
  return JSON.parse(text);
}

async function rulesNow(): Promise<{ revision: string; problem: string | null }> {
  return (await (await fetch(`${worker.url}/readyz`)).json()).rules;
}

async function namespace(): Promise<Bound['RULES_KV']> {
  return (await worker.harness.getWorker<Bound>().getEnv()).RULES_KV;
}

const DENY_ROOT = JSON.stringify([
  {
    name: 'default.json',
    text: '{"version":1,"rules":[{"id":"no-root","when":{"subject.id":"root"},"then":{"decision":"deny","reason":"root_refused"}}]}',
  },
]);

const soon = { timeout: 20_000, interval: 200 };

test('A Worker with every binding of wrangler.toml answers over the pool', async () => {
  expect(await checked('ann')).toMatchObject({ degraded: [] });
  const ready = await (await fetch(`${worker.url}/readyz`)).json();
  expect(ready.store).toEqual({ driver: 'redis', reachable: true, problem: null });
});

test('Rules in the namespace are taken over without a deploy, broken ones refused, deleted ones left', async () => {
  const bundled = await rulesNow();
  const kv = await namespace();
  await kv.put(RULES_KEY, DENY_ROOT);
  await expect.poll(async () => (await checked('root')).decision, soon).toBe('deny');
  const taken = await rulesNow();
  expect(taken.revision).not.toBe(bundled.revision);

  await kv.put(RULES_KEY, '[{"name":"default.json","text":"{}"}]');
  await expect.poll(async () => (await rulesNow()).problem, soon).toContain('default.json');
  expect((await checked('root')).decision).toBe('deny');
  expect((await rulesNow()).revision).toBe(taken.revision);
  expect(worker.lines().some((line) => line.includes('"level":50') && line.includes('were rejected'))).toBe(true);

  await kv.delete(RULES_KEY);
  await expect.poll(async () => (await rulesNow()).revision, soon).toBe(bundled.revision);
  expect(await rulesNow()).toMatchObject({ problem: null });
}, 90_000);
