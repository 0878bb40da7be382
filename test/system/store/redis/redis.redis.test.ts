import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { StoreError } from '../../../../src/model/store-error.ts';
import { COUNTED, COUNTED_EVENTS, type CounterRecord, countEvent } from '../../../../src/store/counters.ts';
import { callOf } from '../../../../src/store/redis/commands.ts';
import { redisStore } from '../../../../src/store/redis/redis.ts';
import { SCRIPT } from '../../../../src/store/redis/script.ts';
import { parseRedisUrl } from '../../../../src/store/redis/url.ts';
import type { Attempt, Store } from '../../../../src/store/store.ts';
import { attemptBy, BASELINE, learnOnce, NOBODY, read, storeContract } from '../../../contract/store/store-suite.ts';
import { startProxy } from '../../../support/servers/proxy.ts';
import {
  makeCertificates,
  ownerAndOther,
  type RedisCluster,
  type RedisServer,
  startRedis,
  startRedisCluster,
} from '../../../support/servers/redis.ts';
import { until } from '../../../support/until.ts';

const NOON = 1_741_608_000;

storeContract('redis', async () => {
  const server = await startRedis();
  const store = await opened(server.url);
  return { store, close: () => closed(store, server) };
});

storeContract('redis with a password', async () => {
  const server = await startRedis({ password: 'p@ss,w/rd:1' });
  const store = await opened(server.url);
  return { store, close: () => closed(store, server) };
});

storeContract('redis over TLS', async () => {
  const certificates = await makeCertificates();
  const server = await startRedis({ tls: certificates, password: 'secret' });
  const store = redisStore({ url: server.url, tls: { ca: readFileSync(certificates.ca) }, timeoutMs: 5000 });
  await store.ping();
  return {
    store,
    close: async () => {
      await closed(store, server);
      certificates.remove();
    },
  };
});

storeContract('redis cluster', async () => {
  const cluster = await startRedisCluster();
  const store = await opened(cluster.url);
  return { store, close: () => closed(store, cluster) };
});

/** @see https://github.com/otovo/redis-rate-limiters/pull/11 */
storeContract('redis where TIME is not allowed', async () => {
  const server = await startRedis();
  await server.admin.acl('SETUSER', 'stepgate', 'on', '>secret', '~sg:*', '+@all', '-time');
  const store = await opened(`redis://stepgate:secret@127.0.0.1:${server.port}`);
  return { store, close: () => closed(store, server) };
});

storeContract('redis with a user that may do what SECURITY.md says', async () => {
  const [, rights = ''] = /an ACL user of its own \(`([^`]+)`\)/.exec(readFileSync('SECURITY.md', 'utf8')) ?? [];
  const server = await startRedis();
  await server.admin.acl('SETUSER', 'stepgate', 'on', '>secret', ...rights.split(' '));
  const store = await opened(`redis://stepgate:secret@127.0.0.1:${server.port}`);
  return { store, close: () => closed(store, server) };
});

describe('one redis server', () => {
  let server: RedisServer;
  let store: Store;
  beforeAll(async () => {
    server = await startRedis();
    store = await opened(server.url);
  });
  afterAll(() => closed(store, server));

  /** @see https://github.com/marcosbarbero/spring-cloud-zuul-ratelimit/issues/162 */
  test('Every key expires, and one found without expiry gets one with the next touch', async () => {
    await store.recordAttempt(fullAttempt('alice', 'address', 'network', 'device'));
    await store.recordOutcome(failure('alice', 'address', 'network'));
    await store.updateBaseline('alice', () => BASELINE);
    await store.spendProof('proof', 600);
    const keys = await server.admin.keys('*');
    expect(keys.sort()).toEqual([
      'sg:{d:device}:tally',
      'sg:{n:network}:a:address',
      'sg:{n:network}:tally',
      'sg:{p:proof}:spent',
      'sg:{s:alice}:baseline',
      'sg:{s:alice}:tally',
    ]);
    for (const key of keys) expect(await server.admin.pttl(key), key).toBeGreaterThan(0);

    await server.admin.persist('sg:{s:alice}:tally');
    await store.recordAttempt(fullAttempt('alice', 'address', 'network', 'device'));
    expect(await server.admin.pttl('sg:{s:alice}:tally')).toBeGreaterThan(86_000_000);
  });

  test('What is learned in the turn in which others ask goes out with their questions, as one command', async () => {
    await store.updateBaseline('learner', () => BASELINE);
    const calls = async () => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await server.admin.info('commandstats'))?.[1]);
    const before = await calls();
    const [history, stored] = await Promise.all([
      store.recordAttempt(fullAttempt('learner', 'learner', 'learner', 'learner')),
      store.updateBaseline('learner', () => ({ ...BASELINE, learned: 7 }), null),
      store.updateBaseline('other', () => BASELINE, null),
    ]);
    // The one that took `learner` for a stranger is told what is there, and writes once more.
    expect((await calls()) - before).toBe(2);
    expect(history.subject).toMatchObject({
      state: 'read',
      value: { attempts1m: 1, baseline: { value: { learned: BASELINE.learned } } },
    });
    expect(stored?.learned).toBe(7);
  });

  /** @see https://github.com/Southclaws/swirl/pull/3 */
  test('Each touch of a sliding window puts its end off', async () => {
    const key = 'sg:{d:late}:tally';
    await store.recordAttempt(fullAttempt('late', 'late', 'late', 'late'));
    await server.admin.pexpire(key, 5000);
    await store.recordAttempt(fullAttempt('late', 'late', 'late', 'late'));
    expect(await server.admin.pttl(key)).toBeGreaterThan(86_000_000);
  });

  test('A dry run creates no key', async () => {
    await server.admin.flushall();
    await store.recordAttempt({ ...fullAttempt('dry', 'dry', 'dry', 'dry'), write: false });
    expect(await server.admin.keys('*')).toEqual([]);
  });

  test('Scripts that the server has forgotten are sent again, and nothing is counted twice', async () => {
    for (let i = 1; i <= 20; i += 1) {
      if (i % 5 === 0) await server.admin.script('FLUSH');
      const history = await store.recordAttempt(fullAttempt('forgetful', 'f', 'f', 'f'));
      expect(read(history.subject).attempts1m).toBe(i);
    }
    await server.admin.script('FLUSH');
    expect((await store.updateBaseline('forgetful', learnOnce))?.learned).toBe(1);
  });

  test('A server that knows no script is told them as soon as it is connected', async () => {
    await server.admin.script('FLUSH');
    const other = await opened(server.url);
    const evals = async () => /cmdstat_eval:calls=(\d+)/.exec(await server.admin.info('commandstats'))?.[1] ?? '0';
    const before = await evals();
    await other.recordAttempt(fullAttempt('first', 'f', 'f', 'f'));
    await other.updateBaseline('first', learnOnce);
    expect(await evals()).toBe(before);
    await other.close();
  });

  test('Writers in two processes lose nothing to each other', async () => {
    const other = await opened(server.url);
    const writers = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? store : other));
    await Promise.all(writers.map((writer) => writer.updateBaseline('shared', learnOnce)));
    await Promise.all(writers.map((writer) => writer.recordAttempt(fullAttempt('shared', 's', 's', 's'))));
    const subject = await store.readSubject('shared', NOON * 1000);
    expect(subject).toMatchObject({ attempts1m: 100, baseline: { value: { learned: 100 } } });
    const spent = await Promise.all(writers.map((writer) => writer.spendProof('shared', 600)));
    expect(spent.filter(Boolean)).toHaveLength(1);
    await other.close();
  });

  test.each([
    ['no JSON', '{'],
    ['another version', JSON.stringify([99, 1, 2, 3])],
    ['another shape', '{"places":[]}'],
  ])('A baseline that cannot be read (%s) fails its slot and is never taken for a stranger', async (_what, raw) => {
    await server.admin.set('sg:{s:broken}:baseline', raw);
    const history = await store.recordAttempt(fullAttempt('broken', 'b', 'b', 'b'));
    expect(history).toMatchObject({
      subject: { state: 'failed', why: 'rejected' },
      address: { state: 'read' },
      device: { state: 'read' },
    });
    await expect(store.updateBaseline('broken', learnOnce)).rejects.toSatisfy(hasCode('rejected'));
    expect(await server.admin.get('sg:{s:broken}:baseline')).toBe(raw);
  });

  test('A tally of a foreign type fails its slot, and the message names neither key nor value', async () => {
    await server.admin.lpush('sg:{d:foreign}:tally', 'x');
    const history = await store.recordAttempt(fullAttempt('foreign', 'fo', 'fo', 'foreign'));
    expect(history).toMatchObject({ subject: { state: 'read' }, device: { state: 'failed', why: 'rejected' } });
    await server.admin.lpush('sg:{s:foreign2}:tally', 'x');
    const error = await store.readSubject('foreign2', NOON * 1000).catch((e: unknown) => e);
    expect(error).toSatisfy(hasCode('rejected'));
    expect(String(error)).not.toContain('foreign2');
  });

  test.each(['{', '3', '{"attempts1m":3}', '{"attempts1m":{"x":"y"}}'])(
    'A tally that cannot be read (%s) fails its own slot alone, whoever else is counted at the moment',
    async (raw) => {
      await server.admin.del('sg:{s:torn}:tally');
      await server.admin.set('sg:{s:torn}:tally', raw);
      const subjects = Array.from({ length: 40 }, (_, i) => (i === 7 ? 'torn' : `whole-${i}`));
      const histories = await Promise.all(subjects.map((one) => store.recordAttempt(fullAttempt(one, one, one, one))));
      histories.forEach(({ subject, address, device }, i) => {
        expect(subject?.state).toBe(i === 7 ? 'failed' : 'read');
        expect([address?.state, device?.state]).toEqual(['read', 'read']);
      });
      expect(await server.admin.get('sg:{s:torn}:tally')).toBe(raw);
    },
  );

  /** @see https://github.com/redis/redis/issues/2746 */
  test('Over its memory limit the server refuses counts: they fail, and what can be read is read', async () => {
    await store.updateBaseline('full', () => BASELINE);
    await server.admin.config('SET', 'maxmemory', '1');
    try {
      const history = await store.recordAttempt(fullAttempt('full', 'fu', 'fu', 'fu'));
      const refused = { state: 'failed', why: 'rejected' };
      expect(history).toEqual({ subject: refused, address: refused, device: refused });
      await expect(store.spendProof('full', 600)).rejects.toSatisfy(hasCode('rejected'));
      expect((await store.readSubject('full', NOON * 1000))?.baseline?.value).toEqual(BASELINE);
      const anonymous = await store.recordAttempt(attemptBy({ address: 'fu', network: 'fu' }, NOON));
      expect(anonymous.address?.state).toBe('read');
    } finally {
      await server.admin.config('SET', 'maxmemory', '0');
    }
    const after = await store.recordAttempt(fullAttempt('full', 'fu', 'fu', 'fu'));
    expect(read(after.subject)).toMatchObject({ attempts1m: 1, baseline: { value: BASELINE } });
  });

  test('The script and the memory driver count alike, whatever the order and the clocks', async () => {
    const value = fc.option(
      fc.integer({ min: 0, max: 40 }).map((n) => `value-${n}`),
      { freq: 3 },
    );
    const step = fc.record({
      offset: fc.oneof(fc.integer({ min: 0, max: 90 }), fc.integer({ min: 0, max: 200_000 })),
      event: fc.constantFrom(...COUNTED_EVENTS, null),
      write: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.constant(false)),
      seen: fc.record({ subject: value, address: value, network: value, device: value, country: value }),
    });
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...COUNTED), fc.array(step, { maxLength: 60 }), async (of, steps) => {
        runs += 1;
        const key = `counters-${runs}`;
        let stored: CounterRecord = {};
        for (const { offset, event, write, seen } of steps) {
          const at = NOON + offset;
          const { record, counts } = countEvent(of, stored, event, seen, at);
          const isThere = record !== stored || Object.keys(stored).length > 0;
          if (write) stored = record;
          const { args } = callOf([{ at, write, event, seen, counters: [{ of, key }], values: [] }]);
          expect(await server.admin.eval(SCRIPT, 1, key, ...args)).toEqual([[isThere ? counts.join(' ') : null]]);
          expect(JSON.parse((await server.admin.get(key)) ?? '{}')).toEqual(stored);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('network waits', () => {
  test('An attempt with all its slots waits for the network once', async () => {
    const server = await startRedis();
    const proxy = await startProxy(server.port, { countsTurns: true });
    const store = await opened(`redis://127.0.0.1:${proxy.port}`);
    await store.updateBaseline('alice', () => BASELINE);
    await store.recordAttempt(fullAttempt('alice', 'address', 'network', 'device'));

    const before = proxy.turns();
    const history = await store.recordAttempt(fullAttempt('alice', 'address', 'network', 'device'));
    expect(read(history.subject)).toMatchObject({ attempts1m: 2, baseline: { value: BASELINE } });
    expect(history).toMatchObject({ address: { state: 'read' }, device: { state: 'read' } });
    expect(proxy.turns() - before).toBe(1);

    await store.spendProof('proof', 600);
    expect(proxy.turns() - before).toBe(2);
    await proxy.stop();
    await closed(store, server);
  });
});

describe('a redis cluster', () => {
  let cluster: RedisCluster;
  let rebuilds = 0;
  let store: Store;
  beforeAll(async () => {
    cluster = await startRedisCluster();
    store = redisStore({ url: cluster.url, onRebuild: () => (rebuilds += 1) });
    await store.ping();
  });
  afterAll(() => closed(store, cluster));

  /** @see https://github.com/spring-cloud/spring-cloud-gateway/issues/248 */
  test('The keys of one script share a slot, and those of different slots lie on all three nodes', async () => {
    for (let i = 0; i < 30; i += 1) {
      const history = await store.recordAttempt(fullAttempt(`s${i}`, `a${i}`, `n${i}`, `d${i}`));
      expect(history).toMatchObject({
        subject: { state: 'read' },
        address: { state: 'read' },
        device: { state: 'read' },
      });
    }
    for (const { admin } of cluster.nodes) expect(await admin.dbsize()).toBeGreaterThan(0);
  });

  /** @see https://github.com/redis/ioredis/issues/2075 */
  test('While a slot moves to another node every attempt is counted once', async () => {
    const [u1, u2] = await twoSlotsOfOneNode(cluster, 'mover');
    const attempt = (subject: string) =>
      store.recordAttempt(attemptBy({ subject, address: 'm', network: 'm' }, NOON, { subject, address: 'm' }));
    await attempt(u1.subject);
    await attempt(u2.subject);
    await moveSlot(cluster, u2.slot, u2.key);
    for (let i = 2; i <= 6; i += 1) {
      const [first, second] = await Promise.all([attempt(u1.subject), attempt(u2.subject)]);
      expect([read(first.subject).attempts1m, read(second.subject).attempts1m]).toEqual([i, i]);
    }
  });

  /** @see https://github.com/redis/ioredis/issues/1865 */
  test('A command that is sent round in circles is a failure, and after five the client starts anew and recovers', async () => {
    const [{ subject, slot }] = await twoSlotsOfOneNode(cluster, 'circle');
    const attempt = () => store.recordAttempt(attemptBy({ subject }, NOON, { address: 'c', country: 'NL' }));
    const [a, b] = await ownerAndOther(cluster, slot);
    // Each of the two believes that the other one serves the slot.
    await a.server.admin.cluster('SETSLOT', slot, 'NODE', b.id);
    await b.server.admin.cluster('SETSLOT', slot, 'NODE', a.id);
    for (let i = 0; i < 5; i += 1) {
      expect(await attempt()).toMatchObject({ subject: { state: 'failed', why: 'rejected' } });
    }
    expect(rebuilds).toBe(1);

    await a.server.admin.cluster('SETSLOT', slot, 'NODE', a.id);
    await until(async () => (await attempt()).subject?.state === 'read');
  });
});

/** @see https://github.com/redis/ioredis/issues/144 */
test('Writes to a server that became a replica fail, and succeed again when it is a master, without a restart', async () => {
  const [server, master] = await Promise.all([startRedis(), startRedis()]);
  const store = await opened(server.url);
  const attempt = () => store.recordAttempt(fullAttempt('alice', 'a', 'n', 'd'));
  await attempt();
  await server.admin.replicaof('127.0.0.1', master.port);
  await until(async () => (await server.admin.info('replication')).includes('master_link_status:up'));
  const ids = await clientIds(server);
  const refused = await attempt();
  expect(refused).toMatchObject({
    subject: { state: 'failed' },
    address: { state: 'failed' },
    device: { state: 'failed' },
  });
  // The connection is given up, so that a name behind which the master moved is looked up anew.
  await until(async () => !(await clientIds(server)).some((id) => ids.includes(id)));

  await server.admin.replicaof('NO', 'ONE');
  await until(async () => (await attempt()).subject?.state === 'read');
  await closed(store, server);
  await master.stop();
});

/** @see https://github.com/redis/ioredis/issues/1535 */
test('No timer outlives its command, and the process ends as soon as the store is closed', async () => {
  const server = await startRedis();
  const program = `
    import { redisStore } from './src/store/redis/redis.ts';
    import { storeBreaker } from './src/store/breaker.ts';
    import { budgetedStore } from './src/store/budget.ts';
    const breaker = storeBreaker({ elapsedMs: () => performance.now() });
    const store = budgetedStore(redisStore({ url: '${server.url}', timeoutMs: 50_000 }), { timeoutMs: 10_000, breaker });
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    await store.ping();
    const before = timers();
    for (let i = 0; i < 100; i += 1) {
      await Promise.all(Array.from({ length: 50 }, (_, j) => store.spendProof('p' + i + '-' + j, 60)));
    }
    console.log('timers left', timers() - before);
    await store.close();`;
  const node = ['--input-type=module-typescript', '-e', program];
  // The time limit is a fifth of what a timer that is left would keep the process alive.
  const { stdout } = await promisify(execFile)(process.execPath, node, { timeout: 9000 });
  expect(stdout).toContain('timers left 0');
  await server.stop();
});

test('A wrong password is a failure with a reason that holds no password', async () => {
  const server = await startRedis({ password: 'right' });
  const messages: string[] = [];
  const store = redisStore({
    url: `redis://:wrong-one@127.0.0.1:${server.port}`,
    timeoutMs: 300,
    onConnectionError: (message) => messages.push(message),
  });
  await expect(store.ping()).rejects.toSatisfy(hasCode('unreachable'));
  expect(messages).toContain('Redis refused a command: WRONGPASS');
  expect(messages.join()).not.toContain('wrong-one');
  await closed(store, server);
});

test('A certificate of an unknown authority is refused', async () => {
  const certificates = await makeCertificates();
  const server = await startRedis({ tls: certificates });
  const store = redisStore({ url: server.url, timeoutMs: 300 });
  await expect(store.ping()).rejects.toSatisfy(hasCode('unreachable'));
  await closed(store, server);
  certificates.remove();
});

test('The master is found through its sentinels', async () => {
  const server = await startRedis();
  const sentinel = await startRedis({
    sentinel: `sentinel monitor mymaster 127.0.0.1 ${server.port} 1\n`,
  });
  const url = `redis+sentinel://127.0.0.1:${sentinel.port}/mymaster`;
  expect(parseRedisUrl(url).kind).toBe('sentinel');
  const store = await opened(url);
  expect(read((await store.recordAttempt(fullAttempt('alice', 'a', 'n', 'd'))).subject).attempts1m).toBe(1);
  await store.close();
  await Promise.all([server.stop(), sentinel.stop()]);
});

function fullAttempt(subject: string, address: string, network: string, device: string): Attempt {
  const keys = { subject, address, network, device };
  return attemptBy(keys, NOON, { ...keys, country: 'NL' });
}

function failure(subject: string, address: string, network: string) {
  return { kind: 'failure', atMs: NOON * 1000, keys: { ...NOBODY, subject, address, network } } as const;
}

/** A time limit that a slow machine does not reach. */
async function opened(url: string): Promise<Store> {
  const store = redisStore({ url, timeoutMs: 5000 });
  await store.ping();
  return store;
}

async function closed(store: Store, behind: { stop(): Promise<void> }): Promise<void> {
  await store.close();
  await behind.stop();
}

function hasCode(code: string) {
  return (error: unknown): boolean => error instanceof StoreError && error.code === code;
}

async function clientIds({ admin }: RedisServer): Promise<string[]> {
  const own = `id=${await admin.client('ID')} `;
  const clients = String(await admin.call('CLIENT', 'LIST', 'TYPE', 'normal')).split('\n');
  return clients.filter((line) => line !== '' && !line.startsWith(own)).map((line) => line.split(' ')[0] ?? '');
}

interface Slotted {
  readonly subject: string;
  readonly key: string;
  readonly slot: number;
}

/** Two subjects whose slots differ and lie on the first node. */
async function twoSlotsOfOneNode({ nodes }: RedisCluster, prefix: string): Promise<[Slotted, Slotted]> {
  const admin = nodes[0]?.admin;
  if (admin === undefined) throw new Error('the cluster has no node');
  const found: Slotted[] = [];
  for (let i = 0; found.length < 2; i += 1) {
    const key = `sg:{s:${prefix}-${i}}:tally`;
    const slot = await admin.cluster('KEYSLOT', key);
    const here = await admin.get(key).then(
      () => true,
      () => false,
    );
    if (here) found.push({ subject: `${prefix}-${i}`, key, slot });
  }
  const [first, second] = found;
  if (first === undefined || second === undefined) throw new Error('no two slots found');
  return [first, second];
}

async function moveSlot(cluster: RedisCluster, slot: number, key: string): Promise<void> {
  const [from, to] = await ownerAndOther(cluster, slot);
  await to.server.admin.cluster('SETSLOT', slot, 'IMPORTING', from.id);
  await from.server.admin.cluster('SETSLOT', slot, 'MIGRATING', to.id);
  await from.server.admin.migrate('127.0.0.1', to.server.port, key, 0, 5000);
  await to.server.admin.cluster('SETSLOT', slot, 'NODE', to.id);
  await from.server.admin.cluster('SETSLOT', slot, 'NODE', to.id);
}
