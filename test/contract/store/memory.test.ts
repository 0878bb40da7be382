import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { StoreError } from '../../../src/model/store-error.ts';
import { COUNTERS } from '../../../src/store/counters.ts';
import { memoryStore } from '../../../src/store/memory.ts';
import { attemptBy, BASELINE, read, storeContract } from './store-suite.ts';

const NOON = 1_741_608_000_000;

storeContract('memory', async () => {
  const store = memoryStore({ now: () => NOON });
  return { store, close: () => store.close() };
});

const attemptFrom = (address: string, subject = 'alice') =>
  attemptBy({ address, network: 'net' }, NOON / 1000, { subject });

test('What is stored expires', async () => {
  let now = NOON;
  const store = memoryStore({ now: () => now });
  await store.updateBaseline('alice', () => BASELINE);
  await store.spendProof('proof', 600);
  await store.recordAttempt(attemptFrom('a'));

  now += 601_000;
  expect(await store.spendProof('proof', 600)).toBe(true);
  now += 399 * 86_400_000;
  expect((await store.readSubject('alice', now))?.baseline?.value).toEqual(BASELINE);
  now += 2 * 86_400_000;
  expect(await store.readSubject('alice', now)).toBeNull();
});

test('A flood of addresses pushes out addresses, but no baseline', async () => {
  const store = memoryStore({ now: () => NOON, maxKeys: 10 });
  await store.updateBaseline('alice', () => BASELINE);
  for (const kind of ['first', ...Array.from({ length: 50 }, (_, i) => `address-${i}`)]) {
    await store.recordAttempt(attemptFrom(kind));
  }
  const first = await store.recordAttempt({ ...attemptFrom('first'), write: false });
  expect(read(first.address).subjects1h).toBe(1);
  expect((await store.readSubject('alice', NOON))?.baseline?.value).toEqual(BASELINE);
});

test('A flood of addresses that share many subjects is bounded in bytes, loses what is oldest, and is told', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage: () => void = runInNewContext('gc');
  const maxBytes = 4 * 1024 * 1024;
  const evicted = { tally: 0, baseline: 0 };
  const store = memoryStore({ now: () => NOON, maxBytes, onEvict: (kind) => (evicted[kind] += 1) });
  await store.updateBaseline('alice', () => BASELINE);
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let address = 0; address < 400; address += 1) {
    for (let subject = 0; subject < COUNTERS.address.subjects1h.cap; subject += 1) {
      await store.recordAttempt(attemptFrom(`address-${address}`, `${address}-${subject}`));
    }
  }
  collectGarbage();
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(maxBytes);
  expect(evicted.tally).toBeGreaterThan(200);
  expect(evicted.baseline).toBe(0);
  expect((await store.readSubject('alice', NOON))?.baseline?.value).toEqual(BASELINE);
  const last = await store.recordAttempt({ ...attemptFrom('address-399'), write: false });
  expect(read(last.address).subjects1h).toBe(COUNTERS.address.subjects1h.cap);
});

test('A spent proof never gives way: spending is refused when no more can be kept, and works again when some expired', async () => {
  let now = NOON;
  const store = memoryStore({ now: () => now, maxKeys: 2 });
  await store.spendProof('one', 600);
  await store.spendProof('two', 600);
  await expect(store.spendProof('three', 600)).rejects.toSatisfy(
    (error) => error instanceof StoreError && error.code === 'rejected',
  );
  expect(await store.spendProof('one', 600)).toBe(false);
  now += 600_000;
  expect(await store.spendProof('three', 600)).toBe(true);
});

test('No timer is running', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  const store = memoryStore({ now: () => NOON });
  await store.updateBaseline('alice', () => BASELINE);
  await store.recordAttempt(attemptFrom('a'));
  await store.spendProof('proof', 600);
  expect(timers()).toBe(before);
});
