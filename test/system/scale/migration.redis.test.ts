import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addressCountersKey, baselineKey, networkCountersKey, subjectCountersKey } from '../../../src/store/keys.ts';
import { redisStore } from '../../../src/store/redis/redis.ts';
import type { Attempt, Store } from '../../../src/store/store.ts';
import { attemptBy, learnOnce, NOBODY, read } from '../../contract/store/store-suite.ts';
import { type ClusterNode, ownerAndOther, type RedisCluster, startRedisCluster } from '../../support/servers/redis.ts';

const NOON = 1_741_608_000;
/** A time limit that a slow machine does not reach. */
const TIMEOUT_MS = 5000;

let cluster: RedisCluster;
let rebuilds = 0;
let store: Store;

beforeAll(async () => {
  cluster = await startRedisCluster();
  store = redisStore({ url: cluster.url, timeoutMs: TIMEOUT_MS, onRebuild: () => (rebuilds += 1) });
  await store.ping();
});

afterAll(async () => {
  await store.close();
  await cluster.stop();
});

const attemptOf = (subject: string): Attempt => attemptBy({ subject }, NOON, { address: 'a', country: 'NL' });
const attempts1m = async (subject: string): Promise<number> =>
  read((await store.recordAttempt(attemptOf(subject))).subject).attempts1m;

/** Begins to move the slot of a key and leaves it half-way, with these keys moved. */
async function beginMove(key: string, moved: readonly string[]): Promise<readonly [ClusterNode, ClusterNode, number]> {
  const slot = await admin().cluster('KEYSLOT', key);
  const [from, to] = await ownerAndOther(cluster, slot);
  await to.server.admin.cluster('SETSLOT', slot, 'IMPORTING', from.id);
  await from.server.admin.cluster('SETSLOT', slot, 'MIGRATING', to.id);
  for (const one of moved) await from.server.admin.migrate('127.0.0.1', to.server.port, one, 0, TIMEOUT_MS);
  return [from, to, slot];
}

async function endMove([from, to, slot]: readonly [ClusterNode, ClusterNode, number]): Promise<void> {
  const rest = await from.server.admin.cluster('GETKEYSINSLOT', slot, 1000);
  for (const key of rest) await from.server.admin.migrate('127.0.0.1', to.server.port, String(key), 0, TIMEOUT_MS);
  await to.server.admin.cluster('SETSLOT', slot, 'NODE', to.id);
  await from.server.admin.cluster('SETSLOT', slot, 'NODE', to.id);
}

function admin() {
  const [first] = cluster.nodes;
  if (first === undefined) throw new Error('the cluster has no node');
  return first.admin;
}

describe('while a slot is half moved, a command that needs several of its keys is refused by Redis (TRYAGAIN), and', () => {
  test.each([
    ['its counters have moved and its baseline has not', (s: string) => [subjectCountersKey(s)]],
    ['its baseline has moved and its counters have not', (s: string) => [baselineKey(s)]],
    ['both have moved', (s: string) => [subjectCountersKey(s), baselineKey(s)]],
    ['neither has moved', () => []],
  ])('A subject is counted once and keeps its baseline where %s', async (what, movedOf) => {
    const subject = `half ${what}`;
    await store.updateBaseline(subject, learnOnce);
    expect(await attempts1m(subject)).toBe(1);
    const move = await beginMove(subjectCountersKey(subject), movedOf(subject));
    for (let i = 2; i <= 4; i += 1) {
      const history = await store.recordAttempt(attemptOf(subject));
      expect(read(history.subject)).toMatchObject({ attempts1m: i, baseline: { value: { learned: i - 1 } } });
      expect((await store.updateBaseline(subject, learnOnce))?.learned).toBe(i);
    }
    await endMove(move);
    expect(await attempts1m(subject)).toBe(5);
    expect(rebuilds).toBe(0);
  });

  test('A subject that comes for the first time is counted, learned and erased', async () => {
    const subject = 'newcomer';
    const move = await beginMove(subjectCountersKey(subject), []);
    expect(await attempts1m(subject)).toBe(1);
    expect(await attempts1m(subject)).toBe(2);
    expect((await store.updateBaseline(subject, learnOnce))?.learned).toBe(1);
    await store.forgetSubject(subject);
    expect(await store.readSubject(subject, NOON * 1000)).toBeNull();
    expect(await attempts1m(subject)).toBe(1);
    await endMove(move);
    expect(await attempts1m(subject)).toBe(2);
    expect(rebuilds).toBe(0);
  });

  test('A known network takes new addresses, and its failures go on counting', async () => {
    const network = 'half-network';
    const failed = (key: string) =>
      store.recordOutcome({ kind: 'failure', atMs: NOON * 1000, keys: { ...NOBODY, address: key, network } });
    const seen = async (key: string) => {
      const { address } = await store.recordAttempt(attemptBy({ address: key, network }, NOON, { subject: 'alice' }));
      return read(address);
    };
    await failed('old');
    const move = await beginMove(networkCountersKey(network), [addressCountersKey(network, 'old')]);
    await failed('new');
    expect(await seen('old')).toMatchObject({ failures10m: 1, network: { failures10m: 2 }, subjects1h: 1 });
    expect(await seen('new')).toMatchObject({ failures10m: 1, network: { failures10m: 2 }, subjects1h: 1 });
    await endMove(move);
    expect(await seen('new')).toMatchObject({ failures10m: 1, network: { failures10m: 2 }, subjects1h: 1 });
    expect(rebuilds).toBe(0);
  });

  test('A proof is spent once, wherever it lies', async () => {
    const move = await beginMove('sg:{p:half-proof}:spent', []);
    expect(await store.spendProof('half-proof', 600)).toBe(true);
    expect(await store.spendProof('half-proof', 600)).toBe(false);
    await endMove(move);
    expect(await store.spendProof('half-proof', 600)).toBe(false);
  });

  test('No key is left without an expiry', async () => {
    for (const { admin } of await cluster.masters()) {
      for (const key of await admin.keys('*')) expect(await admin.pttl(key), key).toBeGreaterThan(0);
    }
  });
});
