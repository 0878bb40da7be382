import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Baseline } from '../../../src/model/baseline.ts';
import { NO_FAMILIARITY } from '../../../src/model/familiarity.ts';
import { StoreError } from '../../../src/model/store-error.ts';
import {
  COUNTERS_OF,
  type Counted,
  type Counts,
  type NamedCounter,
  NOTHING_SEEN,
} from '../../../src/store/counters.ts';
import type { Attempt, History, Store } from '../../../src/store/store.ts';

/** 2025-03-10T12:00:00Z in epoch seconds. */
const NOON = 1_741_608_000;

/** Opens a store for one suite; `close` ends it and whatever stands behind it. */
export type OpenStore = () => Promise<{ readonly store: Store; readonly close: () => Promise<void> }>;

/** What every driver of the store has to do. */
export function storeContract(driver: string, open: OpenStore): void {
  describe(`the store, driver ${driver}`, () => {
    let store: Store;
    let close: () => Promise<void>;
    beforeAll(async () => {
      ({ store, close } = await open());
    });
    afterAll(() => close());

    let names = 0;
    /** A name that no other test uses. */
    const fresh = (kind: string): string => {
      names += 1;
      return `${kind}-${names}`;
    };

    const subjectAt = async (
      subject: string,
      second: number,
      address: string | null = null,
      country: string | null = null,
    ) => read((await store.recordAttempt(attemptBy({ subject }, second, { address, country }))).subject);
    const addressAt = async (key: string, network: string, second: number, subject: string | null = null) =>
      read((await store.recordAttempt(attemptBy({ address: key, network }, second, { subject }))).address);
    const deviceAt = async (key: string, second: number, subject: string | null) =>
      read((await store.recordAttempt(attemptBy({ device: key }, second, { subject }))).device);
    const outcome = (
      kind: 'failure' | 'deny',
      second: number,
      subject: string | null,
      address: string,
      network: string,
    ) => store.recordOutcome({ kind, atMs: second * 1000, keys: { ...NOBODY, subject, address, network } });

    describe('attempts', () => {
      test('A first attempt counts itself and finds nothing else', async () => {
        const subject = fresh('subject');
        const keys = { subject, address: fresh('address'), network: fresh('network'), device: fresh('device') };
        const history = await store.recordAttempt(attemptBy(keys, NOON, { ...keys, country: 'NL' }));
        const value = { baseline: null, ...firstCounts('subject') };
        expect(history).toEqual<History>({
          subject: { state: 'read', value },
          address: { state: 'read', value: { ...firstCounts('address'), network: firstCounts('network') } },
          device: { state: 'read', value: firstCounts('device') },
        });
      });

      test('A slot that was not asked for is null', async () => {
        expect(await store.recordAttempt(attemptBy({}, NOON))).toEqual({
          subject: null,
          address: null,
          device: null,
        });
      });

      test('100 attempts at once count 100, and each sees a count of its own', async () => {
        const subject = fresh('subject');
        const seen = await Promise.all(Array.from({ length: 100 }, () => subjectAt(subject, NOON)));
        expect(seen.map(({ attempts1m }) => attempts1m).sort((a, b) => a - b)).toEqual(
          Array.from({ length: 100 }, (_, i) => i + 1),
        );
      });

      /** @see https://github.com/peterkhayes/rolling-rate-limiter/issues/11 */
      test('Twenty attempts in the same millisecond are twenty', async () => {
        const subject = fresh('subject');
        for (let i = 0; i < 19; i += 1)
          await store.recordAttempt({ ...attemptBy({ subject }, 0), atMs: 1_741_608_000_123 });
        const last = await store.recordAttempt({ ...attemptBy({ subject }, 0), atMs: 1_741_608_000_123 });
        expect(read(last.subject).attempts1m).toBe(20);
      });

      /** @see https://github.com/block/buzz/pull/3477 */
      test('Sixty attempts on either side of a full minute are 120 in one minute', async () => {
        const subject = fresh('subject');
        const minute = NOON - (NOON % 60);
        for (let i = 0; i < 60; i += 1) await subjectAt(subject, minute + 59);
        for (let i = 0; i < 59; i += 1) await subjectAt(subject, minute + 60);
        expect((await subjectAt(subject, minute + 60)).attempts1m).toBe(120);
      });

      test('An attempt is out of the minute 61 seconds later', async () => {
        const subject = fresh('subject');
        await subjectAt(subject, NOON);
        expect((await subjectAt(subject, NOON + 59)).attempts1m).toBe(2);
        expect((await subjectAt(subject, NOON + 61)).attempts1m).toBe(2);
      });

      test('A dry run is judged as if it were counted and leaves nothing behind', async () => {
        const subject = fresh('subject');
        await subjectAt(subject, NOON, 'a', 'NL');
        const dry = await store.recordAttempt({
          ...attemptBy({ subject }, NOON, { address: 'b', country: 'BR' }),
          write: false,
        });
        expect(read(dry.subject)).toMatchObject({ attempts1m: 2, addresses1h: 2, countries24h: 2 });
        expect(await subjectAt(subject, NOON, 'a', 'NL')).toMatchObject({
          attempts1m: 2,
          addresses1h: 1,
          countries24h: 1,
        });
      });

      /** @see https://github.com/sourcegraph/sourcegraph-public-snapshot/pull/56826 */
      test('Two callers whose clocks are ten seconds apart share one count', async () => {
        const subject = fresh('subject');
        expect((await subjectAt(subject, NOON)).attempts1m).toBe(1);
        expect((await subjectAt(subject, NOON - 10)).attempts1m).toBe(2);
        expect((await subjectAt(subject, NOON)).attempts1m).toBe(3);
      });

      test('What a clock that is a year ahead has stored keeps nobody else from being counted', async () => {
        const subject = fresh('subject');
        await subjectAt(subject, NOON + 365 * 86_400, 'b');
        await subjectAt(subject, NOON, 'a');
        expect(await subjectAt(subject, NOON, 'c')).toMatchObject({ attempts1m: 2, addresses1h: 2 });
      });

      test('Recorded traffic that is played again is counted among its own neighbours', async () => {
        const subject = fresh('subject');
        await subjectAt(subject, NOON, 'today');
        const monthAgo = NOON - 30 * 86_400;
        await subjectAt(subject, monthAgo, 'a');
        expect(await subjectAt(subject, monthAgo + 5, 'b')).toMatchObject({ attempts1m: 2, addresses1h: 2 });
        expect(await subjectAt(subject, NOON + 5, 'today')).toMatchObject({ attempts1m: 2, addresses1h: 1 });
      });
    });

    describe('distinct sets', () => {
      test('Addresses and countries of a subject count once each, within an hour and a day', async () => {
        const subject = fresh('subject');
        await subjectAt(subject, NOON, 'a', 'NL');
        await subjectAt(subject, NOON + 1, 'a', 'NL');
        expect(await subjectAt(subject, NOON + 2, 'b', 'BR')).toMatchObject({ addresses1h: 2, countries24h: 2 });
        expect(await subjectAt(subject, NOON + 3700, 'c', 'BR')).toMatchObject({ addresses1h: 1, countries24h: 2 });
        expect(await subjectAt(subject, NOON + 90_000, 'c', 'BR')).toMatchObject({ addresses1h: 1, countries24h: 1 });
      });

      test('A request without address and country adds none', async () => {
        expect(await subjectAt(fresh('subject'), NOON)).toMatchObject({ addresses1h: 0, countries24h: 0 });
      });

      test('Subjects of an address and of a device count once each; an anonymous request adds none', async () => {
        const [address, network, device] = [fresh('address'), fresh('network'), fresh('device')];
        await addressAt(address, network, NOON, 'alice');
        await addressAt(address, network, NOON, 'alice');
        await addressAt(address, network, NOON, null);
        expect((await addressAt(address, network, NOON, 'bob')).subjects1h).toBe(2);
        await deviceAt(device, NOON, 'alice');
        expect((await deviceAt(device, NOON + 3600, 'bob')).subjects24h).toBe(2);
        expect((await deviceAt(device, NOON + 3600, null)).subjects24h).toBe(2);
      });

      test('A set saturates at its cap, and the member seen longest ago gives way', async () => {
        const subject = fresh('subject');
        for (let i = 0; i < 40; i += 1) await subjectAt(subject, NOON + i, `address-${i}`);
        expect((await subjectAt(subject, NOON + 40, 'address-39')).addresses1h).toBe(32);
        // The eight oldest are gone: what is left runs out with the ninth.
        expect((await subjectAt(subject, NOON + 3600 + 30, 'address-39')).addresses1h).toBe(10);
      });
    });

    describe('outcomes', () => {
      test('A failure counts against subject, address and network; a neighbour in the network sees the last', async () => {
        const [subject, address, network] = [fresh('subject'), fresh('address'), fresh('network')];
        await outcome('failure', NOON, subject, address, network);
        await outcome('failure', NOON + 1, null, address, network);
        expect((await subjectAt(subject, NOON + 2)).failures10m).toBe(1);
        expect(await addressAt(address, network, NOON + 2)).toMatchObject({
          failures10m: 2,
          network: { failures10m: 2 },
        });
        expect(await addressAt(fresh('address'), network, NOON + 2)).toMatchObject({
          failures10m: 0,
          network: { failures10m: 2 },
        });
      });

      test('A deny counts against the address only', async () => {
        const [subject, address, network] = [fresh('subject'), fresh('address'), fresh('network')];
        await outcome('deny', NOON, subject, address, network);
        expect(await addressAt(address, network, NOON)).toMatchObject({
          denies1h: 1,
          failures10m: 0,
          network: { failures10m: 0 },
        });
        expect((await subjectAt(subject, NOON)).failures10m).toBe(0);
      });

      /** @see https://github.com/marcosbarbero/spring-cloud-zuul-ratelimit/issues/162 */
      test('Failures are forgotten after ten minutes', async () => {
        const [subject, address, network] = [fresh('subject'), fresh('address'), fresh('network')];
        for (let i = 0; i < 60; i += 1) await outcome('failure', NOON, subject, address, network);
        expect((await subjectAt(subject, NOON + 599)).failures10m).toBe(60);
        expect((await subjectAt(subject, NOON + 611)).failures10m).toBe(0);
      });

      /** @see https://github.com/Southclaws/swirl/pull/3 */
      test('The end of the first hit takes no later hit with it', async () => {
        const [address, network] = [fresh('address'), fresh('network')];
        await outcome('deny', NOON, null, address, network);
        for (let i = 0; i < 8; i += 1) await outcome('deny', NOON + 3540, null, address, network);
        expect((await addressAt(address, network, NOON + 3660)).denies1h).toBe(8);
        for (let i = 0; i < 9; i += 1) await outcome('deny', NOON + 3660, null, address, network);
        expect((await addressAt(address, network, NOON + 3660)).denies1h).toBe(17);
      });
    });

    describe('baselines', () => {
      test('A change is stored and read with the next attempt', async () => {
        const subject = fresh('subject');
        const stored = await store.updateBaseline(subject, (before) => {
          expect(before).toBeNull();
          return BASELINE;
        });
        expect(stored).toEqual(BASELINE);
        expect((await subjectAt(subject, NOON)).baseline?.value).toEqual(BASELINE);
      });

      test('A change that answers null leaves the store as it is', async () => {
        const subject = fresh('subject');
        expect(await store.updateBaseline(subject, () => null)).toBeNull();
        expect(await store.readSubject(subject, NOON * 1000)).toBeNull();
        await store.updateBaseline(subject, () => BASELINE);
        expect(await store.updateBaseline(subject, () => null)).toEqual(BASELINE);
      });

      test('A change that starts from a baseline which is no longer the newest loses nothing', async () => {
        const subject = fresh('subject');
        const { baseline: none } = await subjectAt(subject, NOON);
        await store.updateBaseline(subject, learnOnce, none);
        const { baseline: first } = await subjectAt(subject, NOON);
        for (let i = 0; i < 3; i += 1) await store.updateBaseline(subject, learnOnce, first);
        expect((await store.updateBaseline(subject, learnOnce, none))?.learned).toBe(5);
        expect((await store.updateBaseline(subject, () => null, first))?.learned).toBe(5);
        expect((await store.updateBaseline(subject, () => null, none))?.learned).toBe(5);
        const elsewhere = { value: BASELINE, text: 'what another writer left' };
        expect((await store.updateBaseline(subject, learnOnce, elsewhere))?.learned).toBe(6);
        await store.forgetSubject(subject);
        expect((await store.updateBaseline(subject, learnOnce, first))?.learned).toBe(1);
      });

      test('100 writers at once lose nothing', async () => {
        const subject = fresh('subject');
        await Promise.all(Array.from({ length: 100 }, () => store.updateBaseline(subject, learnOnce)));
        expect((await store.readSubject(subject, NOON * 1000))?.baseline?.value.learned).toBe(100);
      });

      test('A change that throws fails alone', async () => {
        const subject = fresh('subject');
        const [first, second, third] = await Promise.allSettled([
          store.updateBaseline(subject, learnOnce),
          store.updateBaseline(subject, () => {
            throw new RangeError('no such change');
          }),
          store.updateBaseline(subject, learnOnce),
        ]);
        expect([first.status, second.status, third.status]).toEqual(['fulfilled', 'rejected', 'fulfilled']);
        expect((await store.updateBaseline(subject, learnOnce))?.learned).toBe(3);
      });
    });

    describe('the support desk', () => {
      test('The support desk reads baseline and counters without counting', async () => {
        const subject = fresh('subject');
        await subjectAt(subject, NOON, 'a', 'NL');
        const counters = { baseline: null, attempts1m: 1, failures10m: 0, addresses1h: 1, countries24h: 1 };
        expect(await store.readSubject(subject, NOON * 1000)).toMatchObject(counters);
        expect(await store.readSubject(subject, NOON * 1000)).toMatchObject(counters);
      });

      test('The support desk erases all that is stored about a subject and nothing of another', async () => {
        const [subject, other] = [fresh('subject'), fresh('subject')];
        for (const key of [subject, other]) {
          await subjectAt(key, NOON, 'a', 'NL');
          await store.updateBaseline(key, () => BASELINE);
        }
        await store.forgetSubject(subject);
        expect(await store.readSubject(subject, NOON * 1000)).toBeNull();
        expect((await store.readSubject(other, NOON * 1000))?.baseline?.value).toEqual(BASELINE);
      });
    });

    describe('proofs', () => {
      test('Of fifty that spend one proof at once, one succeeds', async () => {
        const proof = fresh('proof');
        const spent = await Promise.all(Array.from({ length: 50 }, () => store.spendProof(proof, 600)));
        expect(spent.filter(Boolean)).toHaveLength(1);
        expect(await store.spendProof(proof, 600)).toBe(false);
        expect(await store.spendProof(fresh('proof'), 0.2)).toBe(true);
      });

      test.each([0, -1, Number.NaN])('A proof cannot be spent for %d seconds', async (ttl) => {
        await expect(store.spendProof(fresh('proof'), ttl)).rejects.toSatisfy(
          (error) => error instanceof StoreError && error.code === 'rejected',
        );
      });
    });

    test('Keys that look alike stay apart', async () => {
      const keys = ['a', 'a}', 'a}:tally', '{a', 'a:b', 'a%007d', 'ä', ''];
      for (const key of keys) await subjectAt(key, NOON);
      for (const key of keys) expect((await subjectAt(key, NOON)).attempts1m).toBe(2);
      expect((await addressAt('x:y', 'n', NOON, 'alice')).subjects1h).toBe(1);
      expect((await addressAt('y', 'n:a:x', NOON, 'bob')).subjects1h).toBe(1);
    });

    test(`The store, driver ${driver} answers a ping`, async () => {
      await store.ping();
    });
  });
}

/** The value of a slot; fails the test when the slot failed. */
export function read<T>(slot: { state: 'read'; value: T } | { state: 'failed'; why: string } | null): T {
  if (slot?.state !== 'read') throw new Error(`the slot was not read: ${slot === null ? 'not asked' : slot.why}`);
  return slot.value;
}

/** The counts of an attempt that is the first of all, and shows every value. */
function firstCounts<Of extends Counted>(of: Of): Counts<Of> {
  const isChanged = (counter: NamedCounter): boolean => !('event' in counter) || counter.event === 'attempt';
  return Object.fromEntries(COUNTERS_OF[of].map((counter) => [counter.name, Number(isChanged(counter))])) as Counts<Of>;
}

/** The keys of nobody. */
export const NOBODY = { subject: null, address: null, network: null, device: null } as const;

/** An attempt of these, at a second, that shows these values. */
export function attemptBy(
  keys: Partial<Attempt['keys']>,
  second: number,
  seen: Partial<Attempt['seen']> = {},
): Attempt {
  return { atMs: second * 1000, write: true, keys: { ...NOBODY, ...keys }, seen: { ...NOTHING_SEEN, ...seen } };
}

export const BASELINE: Baseline = {
  firstSeen: NOON - 86_400 * 20,
  lastSeen: NOON,
  learned: 12,
  places: [
    {
      at: NOON,
      lat: 52.374,
      lon: 4.89,
      accuracyKm: 20,
      country: 'NL',
      city: 'Amsterdam',
      visits: [NOON - 7200, NOON],
    },
    { at: NOON - 86_400, lat: -23.548, lon: -46.636, accuracyKm: 0.5, country: 'BR', city: 'São Paulo', visits: [] },
    { at: NOON - 90_000, lat: 0, lon: -0.001, accuracyKm: 1000, country: null, city: null, visits: [NOON - 90_000] },
  ],
  countries: [
    { code: 'NL', lastSeen: NOON },
    { code: 'BR', lastSeen: NOON - 86_400 },
  ],
  networks: [
    { key: 'network-one', lastSeen: NOON, address: 'addr' },
    { key: 'network-two', lastSeen: NOON - 5 },
  ],
  devices: [
    {
      id: 'd-first',
      fingerprint: 'print-1',
      components: { c1: 'v1', c2: 'v2' },
      firstSeen: NOON - 86_400,
      lastSeen: NOON,
      trustedUntil: NOON + 30 * 86_400,
      renewableUntil: NOON + 90 * 86_400,
      unstable: ['fingerprint', 'c2'],
      generations: { current: 40, parent: 38, at: NOON - 3600, seen: false },
      reused: false,
      revokedAt: null,
      client: 'chrome/windows',
      sighting: { at: NOON, lat: 52.374, lon: 4.89, accuracyKm: 20 },
    },
    {
      id: 'd-second',
      fingerprint: null,
      components: { c3: 'v3' },
      firstSeen: NOON - 86_400,
      lastSeen: NOON - 86_400,
      trustedUntil: null,
      renewableUntil: null,
      unstable: [],
      generations: { current: 0, parent: 0, at: 0, seen: true },
      reused: false,
      revokedAt: NOON - 4000,
      client: null,
      sighting: null,
    },
  ],
  sessions: [
    {
      key: 'session-1',
      startedAt: NOON - 60,
      lastSeen: NOON,
      networks: ['network-two', 'network-three'],
      device: 'd-second',
      country: 'NL',
    },
    { key: 'session-2', startedAt: NOON - 90, lastSeen: NOON - 80, networks: [], device: 'print-9', country: null },
    { key: 'session-3', startedAt: NOON - 90, lastSeen: NOON - 80, networks: [], device: null, country: null },
  ],
  familiarity: NO_FAMILIARITY,
  trustNotBefore: 0,
  proofsNotBefore: 0,
};

/** A change that can be counted. */
export function learnOnce(before: Baseline | null): Baseline {
  const baseline = before ?? { ...BASELINE, learned: 0 };
  return { ...baseline, learned: baseline.learned + 1 };
}
