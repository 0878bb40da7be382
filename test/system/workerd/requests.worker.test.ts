import { request } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { keysWith } from '../../support/servers/keys.ts';
import { type RedisServer, startRedis } from '../../support/servers/redis.ts';
import { KEY, post, shippedRules, type Workshop, workshop } from '../../support/servers/stepgate.ts';
import { workerCode } from '../../support/servers/worker.ts';
import { startWorkerd, type Workerd } from '../../support/servers/workerd.ts';
import { until } from '../../support/until.ts';

const LOGIN = { action: 'login', ip: '81.2.69.160' };
/** Wide enough that a slow machine connects in time. */
const BUDGET_MS = 10_000;

const WAYS = [
  { way: 'a connection for each request', durableObjects: {} },
  { way: 'a pool of Durable Objects', durableObjects: { REDIS_POOL: 'RedisPool' } },
];

let code: string;
let redis: RedisServer;
let shop: Workshop;

beforeAll(async () => {
  shop = await workshop();
  [code, redis] = await Promise.all([workerCode(await shippedRules(shop.dir)), startRedis()]);
});

afterAll(async () => {
  await redis?.stop();
  await shop.close();
});

describe.each(WAYS)('the Worker, with $way', ({ durableObjects }) => {
  let worker: Workerd;

  const start = async (more: { readonly [name: string]: string } = {}): Promise<void> => {
    const vars = {
      API_KEYS: keysWith('tester', KEY),
      PRIVACY_KEY: 'p'.repeat(32),
      DEVICE_TOKEN_SECRET: 'd'.repeat(32),
      REDIS_URL: redis.url,
      STORE_TIMEOUT_MS: String(BUDGET_MS),
    };
    worker = await startWorkerd(code, { vars: { ...vars, ...more }, durableObjects });
  };

  beforeEach(async () => {
    await redis.start().catch(() => undefined);
    await redis.admin.flushall();
  });

  afterEach(async () => {
    redis.thaw();
    await worker.stop();
    expect(worker.output()).not.toMatch(/Unhandled|unhandled|uncaught|Uncaught|hung|different request/);
  });

  async function checked(body: object): Promise<{ decision: string; degraded: { why: string }[] }> {
    const { status, text } = await post(`${worker.url}/v1/risk-check`, JSON.stringify({ ...LOGIN, ...body }));
    expect(status, text).toBe(200);
    return JSON.parse(text);
  }

  /** Connections to Redis beside that of the test itself. */
  async function connections(): Promise<number> {
    const list = String(await redis.admin.client('LIST'));
    return list.trim().split('\n').length - 1;
  }

  /** @see https://github.com/unjs/db0/issues/253 */
  test('The Worker answers the first request of an isolate and those after it, one by one and together', async () => {
    await start();
    expect((await checked({ subject: 'a' })).degraded).toEqual([]);
    expect((await checked({ subject: 'a' })).degraded).toEqual([]);
    const together = await Promise.all([checked({ subject: 'b' }), checked({ subject: 'c' })]);
    expect(together.map(({ degraded }) => degraded)).toEqual([[], []]);
  });

  test('The Worker answers 200 first requests that come at once to a cold isolate, and counts each of them', async () => {
    await start();
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => checked({ subject: `s-${i % 2}` })));
    expect(answers.flatMap(({ degraded }) => degraded)).toEqual([]);
    const stored = await Promise.all(
      [0, 1].map(async (i) => {
        const response = await fetch(`${worker.url}/v1/subjects/s-${i}`, {
          headers: { Authorization: `Bearer ${KEY}` },
        });
        return (await response.json()).counters.attempts_1m;
      }),
    );
    expect(stored).toEqual([100, 100]);
  });

  test('The Worker leaves no more connections behind than it is meant to', async () => {
    await start();
    await Promise.all(Array.from({ length: 50 }, (_, i) => checked({ subject: `s-${i}` })));
    const meant = 'REDIS_POOL' in durableObjects ? 4 : 0;
    await until(async () => (await connections()) <= meant);
  });

  test('The Worker learns after the answer: what follows finds it', async () => {
    await start();
    const seen = { subject: 'ann', ip: LOGIN.ip, device: { fingerprint: 'f'.repeat(32) } };
    const learned = async (): Promise<number | undefined> => {
      const response = await fetch(`${worker.url}/v1/subjects/ann`, { headers: { Authorization: `Bearer ${KEY}` } });
      return (await response.json()).baseline?.learned;
    };
    const told = await post(`${worker.url}/v1/events`, JSON.stringify({ type: 'login.succeeded', ...seen }));
    expect(told.status, told.text).toBe(202);
    expect(await learned()).toBe(1);
    expect((await checked({ ...seen, action: 'order.view' })).decision).toBe('allow');
    await expect.poll(learned).toBe(2);
  });

  test('The Worker answers within its budget while Redis is away, and in full once it is back', async () => {
    await start({ STORE_TIMEOUT_MS: '200' });
    await checked({ subject: 'ann' });
    await redis.kill();
    const away = await Promise.all(Array.from({ length: 20 }, (_, i) => checked({ subject: `s-${i}` })));
    for (const { decision, degraded } of away) {
      expect(decision).not.toBe('allow');
      expect(degraded.length).toBeGreaterThan(0);
    }
    await redis.start();
    await until(async () => (await checked({ subject: 'ann' })).degraded.length === 0);
  });

  test('The Worker answers within its budget while Redis takes connections and says nothing, and in full once it speaks', async () => {
    await start({ STORE_TIMEOUT_MS: '200' });
    await checked({ subject: 'ann' });
    redis.freeze();
    const stalled: string[] = [];
    for (let i = 0; i < 12; i += 1) stalled.push(...(await checked({ subject: 'ann' })).degraded.map(({ why }) => why));
    // A connection that stays silent is given up in the end, and is then unreachable.
    expect(['timeout', 'unreachable', 'circuit_open']).toEqual(expect.arrayContaining([...new Set(stalled)]));
    expect(stalled).toContain('circuit_open');
    redis.thaw();
    await until(async () => (await checked({ subject: 'ann' })).degraded.length === 0);
  });

  test('The Worker tries Redis again although the client of the one request that was let through went away', async () => {
    await start({ STORE_TIMEOUT_MS: '300' });
    redis.freeze();
    const isOpen = async () => (await checked({ subject: 'ann' })).degraded.some(({ why }) => why === 'circuit_open');
    await until(isOpen);
    // From a second later on the next request is the one that is let through.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await leave(`${worker.url}/v1/risk-check`, JSON.stringify({ ...LOGIN, subject: 'ann' }));
    redis.thaw();
    await until(async () => (await checked({ subject: 'ann' })).degraded.length === 0);
  });
});

/** Sends a request and goes away before the answer. */
function leave(url: string, body: string): Promise<void> {
  return new Promise((resolve) => {
    const sent = request(url, {
      method: 'POST',
      agent: false,
      headers: { Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json' },
    });
    sent.on('error', () => undefined);
    sent.on('close', () => resolve());
    sent.end(body, () => setTimeout(() => sent.destroy(), 50));
  });
}
