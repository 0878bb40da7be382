import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { StoreError, type StoreFailure } from '../../../src/model/store-error.ts';
import { storeBreaker } from '../../../src/store/breaker.ts';
import { budgetedStore, type StoreOperation } from '../../../src/store/budget.ts';
import { redisStore } from '../../../src/store/redis/redis.ts';
import type { Attempt, History, Store } from '../../../src/store/store.ts';
import { attemptBy, BASELINE, learnOnce, read } from '../../contract/store/store-suite.ts';
import { type RedisCluster, type RedisServer, startRedis, startRedisCluster } from '../../support/servers/redis.ts';
import { until } from '../../support/until.ts';

const NOON = 1_741_608_000;

/** Wide enough that a slow machine reaches a healthy server in time. */
const TIMEOUT_MS = 400;
const BREAKER = { failuresToOpen: 3, retryAfterMs: 100, elapsedMs: () => performance.now() };

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** What became of one attempt: why its slots failed, `read` where they did not. */
type Fate = StoreFailure | 'read';

describe('a redis server that fails', () => {
  let server: RedisServer;
  let store: Store;
  let failures: [StoreOperation, StoreFailure][];
  beforeAll(async () => {
    server = await startRedis();
  });
  // A test that fails must not leave the others a frozen server.
  afterEach(() => server.thaw());
  afterAll(() => server.stop());

  const open = async (): Promise<void> => {
    failures = [];
    store = budgetedStore(redisStore({ url: server.url, timeoutMs: 1000 }), {
      timeoutMs: TIMEOUT_MS,
      breaker: storeBreaker(BREAKER),
      onFailure: (operation, code) => failures.push([operation, code]),
    });
    await store.ping();
  };

  /** @see https://github.com/redis/ioredis/issues/76 */
  test('While the server is stopped every attempt is decided, the circuit opens, nothing queues up, and a new server is used at once', async () => {
    await open();
    expect(await fate(store)).toBe('read');
    await server.kill();

    const fates: Fate[] = [];
    for (let i = 0; i < 200; i += 1) fates.push(await fate(store));
    expect(new Set(fates.slice(0, 3))).toEqual(new Set(['unreachable']));
    expect(fates.slice(3, 20)).toContain('circuit_open');
    await expect(store.spendProof('proof', 600)).rejects.toBeInstanceOf(StoreError);
    await expect(store.updateBaseline('alice', learnOnce)).rejects.toBeInstanceOf(StoreError);
    await expect(store.ping()).rejects.toBeInstanceOf(StoreError);
    expect(failures).toContainEqual(['recordAttempt', 'unreachable']);
    expect(failures).toContainEqual(['recordAttempt', 'circuit_open']);

    await server.start();
    await until(async () => (await fate(store)) === 'read');
    expect((await store.updateBaseline('alice', learnOnce))?.learned).toBe(1);
    await store.close();
  });

  /** @see https://github.com/redis/ioredis/issues/1604 */
  test.each([
    ['frozen', () => server.freeze(), () => server.thaw()],
    ['paused', () => server.admin.client('PAUSE', 4000, 'ALL'), () => undefined],
  ])(
    '%s: a thousand calls are decided, all but the first few at once, and it recovers by itself',
    async (_how, stall, resume) => {
      await open();
      expect(await fate(store)).toBe('read');
      await stall();

      const first = await Promise.all(Array.from({ length: 3 }, () => fate(store)));
      expect(first).toEqual(['timeout', 'timeout', 'timeout']);
      const next = await Promise.all(Array.from({ length: 1000 }, () => fate(store)));
      expect(next.filter((one) => one === 'circuit_open').length).toBeGreaterThanOrEqual(999);

      await resume();
      await until(async () => (await fate(store)) === 'read');
      await store.close();
    },
  );

  test('While the server restarts under load every call is answered, and none throws', async () => {
    await open();
    const fates = new Map<Fate, number>();
    let running = true;
    const load = Array.from({ length: 8 }, async () => {
      while (running) {
        const one = await fate(store);
        fates.set(one, (fates.get(one) ?? 0) + 1);
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    await until(() => (fates.get('read') ?? 0) > 50);
    await server.kill();
    await until(() => (fates.get('circuit_open') ?? 0) > 50);
    await server.start();
    const before = fates.get('read') ?? 0;
    await until(() => (fates.get('read') ?? 0) > before + 50);
    running = false;
    await Promise.all(load);
    expect([...fates.keys()].filter((one) => one === 'rejected')).toEqual([]);
    await store.close();
  });

  /** @see https://github.com/redis/ioredis/issues/76 */
  test.each([
    ['frozen', async () => server.freeze(), async () => server.thaw()],
    ['gone', () => server.kill(), () => server.start()],
  ])('Memory stays flat while the server is %s and calls go on', async (_how, fail, heal) => {
    await open();
    await fail();
    const call = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i += 1) await Promise.all(Array.from({ length: 100 }, () => fate(store)));
    };
    await call(20);
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    await call(300);
    collectGarbage();
    const grown = process.memoryUsage().heapUsed - before;
    // 30,000 calls that were kept would hold more than 30 MB.
    expect(grown).toBeLessThan(20 * 1024 * 1024);
    await heal();
    await until(async () => (await fate(store)) === 'read');
    await store.close();
  });

  test('An answer that came in time counts, though this process was too busy to read it', async () => {
    await open();
    // The server then knows the scripts, so that one question is enough.
    expect(await fate(store)).toBe('read');
    const pending = fate(store);
    // Twice round the event loop, so that the question is on its way.
    for (let round = 0; round < 2; round += 1) await new Promise((resolve) => setImmediate(resolve));
    const until = performance.now() + 2 * TIMEOUT_MS;
    while (performance.now() < until);
    expect(await pending).toBe('read');
    await store.close();
  });

  test('What was given up is not counted later by a server that comes back empty', async () => {
    await open();
    await server.kill();
    for (let i = 0; i < 50; i += 1) await fate(store, 'replayed');
    await server.start();
    await until(async () => (await fate(store, 'other')) === 'read');
    const history = await store.recordAttempt(attemptOf('replayed'));
    expect(read(history.subject).attempts1m).toBe(1);
    await store.close();
  });

  test('Over its memory limit the circuit stays closed and what can be read is read', async () => {
    await open();
    await store.updateBaseline('full', () => BASELINE);
    await server.admin.config('SET', 'maxmemory', '1');
    for (let i = 0; i < 10; i += 1) expect(await fate(store, 'full')).toBe('rejected');
    expect((await store.readSubject('full', NOON * 1000))?.baseline?.value).toEqual(BASELINE);
    await server.admin.config('SET', 'maxmemory', '0');
    expect(await fate(store, 'full')).toBe('read');
    await store.close();
  });
});

describe('a redis cluster that fails', () => {
  let cluster: RedisCluster;
  let store: Store;
  beforeAll(async () => {
    cluster = await startRedisCluster();
    store = budgetedStore(redisStore({ url: cluster.url }), { timeoutMs: TIMEOUT_MS, breaker: storeBreaker(BREAKER) });
    await store.ping();
  });
  afterAll(async () => {
    await store.close();
    await cluster.stop();
  });

  test('One node frozen: slots on the other nodes are read', async () => {
    expect(await fate(store)).toBe('read');
    cluster.nodes[0]?.freeze();
    const seen = new Set<string>();
    for (let i = 0; i < 8; i += 1) {
      const { subject, address, device } = await store.recordAttempt(attemptOf(`s${i}`, `n${i}`, `d${i}`));
      for (const slot of [subject, address, device]) if (slot) seen.add(slot.state);
    }
    cluster.nodes[0]?.thaw();
    expect([...seen].sort()).toEqual(['failed', 'read']);
    await until(async () => {
      const fates = await Promise.all(Array.from({ length: 8 }, (_, i) => fate(store, `s${i}`)));
      return fates.every((one) => one === 'read');
    });
  });

  /** @see https://github.com/redis/ioredis/issues/1604 */
  test('All nodes frozen: a thousand calls are decided within the budget of their own timer', async () => {
    for (const node of cluster.nodes) node.freeze();
    await Promise.all(Array.from({ length: 3 }, () => fate(store)));
    const fates = await Promise.all(Array.from({ length: 1000 }, () => fate(store)));
    expect(fates).not.toContain('read');
    expect(fates.filter((one) => one === 'circuit_open').length).toBeGreaterThanOrEqual(999);
    for (const node of cluster.nodes) node.thaw();
    await until(async () => (await fate(store)) === 'read');
  });
});

function attemptOf(subject: string, network = 'network', device = 'device'): Attempt {
  const keys = { subject, address: 'address', network, device };
  return attemptBy(keys, NOON, { ...keys, country: 'NL' });
}

async function fate(store: Store, subject = 'alice'): Promise<Fate> {
  const history: History = await store.recordAttempt(attemptOf(subject));
  const states = [history.subject, history.address, history.device].map((slot) =>
    slot?.state === 'failed' ? slot.why : 'read',
  );
  return states.find((state) => state !== 'read') ?? 'read';
}
