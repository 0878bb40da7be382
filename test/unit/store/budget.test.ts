import { describe, expect, test, vi } from 'vitest';
import { StoreError, type StoreFailure } from '../../../src/model/store-error.ts';
import type { Timer } from '../../../src/net/within.ts';
import { type StoreBreakerOptions, storeBreaker } from '../../../src/store/breaker.ts';
import { type Budget, budgetedStore } from '../../../src/store/budget.ts';
import { memoryStore } from '../../../src/store/memory.ts';
import type { Attempt, PartwiseStore, Reading } from '../../../src/store/store.ts';
import { attemptBy, BASELINE, NOBODY, storeContract } from '../../contract/store/store-suite.ts';

const NOON = 1_741_608_000_000;

storeContract('memory, within a budget', async () => {
  const store = budgetedStore(memoryStore({ now: () => NOON }), { timeoutMs: 5000, breaker: breakerWith({}) });
  return { store, close: () => store.close() };
});

/** A closed circuit by the real clock. */
function breakerWith(options: Partial<StoreBreakerOptions>) {
  return storeBreaker({ elapsedMs: () => performance.now(), ...options });
}

/** Time that stands still until a test moves it. */
function handTimer() {
  const pending = new Set<{ run: () => void; ms: number }>();
  const timer: Timer = (run, ms) => {
    const entry = { run, ms };
    pending.add(entry);
    return () => void pending.delete(entry);
  };
  return {
    timer,
    pending: () => [...pending].map(({ ms }) => ms),
    ring() {
      for (const entry of [...pending]) {
        pending.delete(entry);
        entry.run();
      }
    },
  };
}

/** A memory store whose answers can be held back, or replaced by a failure, for a slot or for all. */
function faultyStore(budget: Partial<Budget> = {}) {
  const inner = memoryStore({ now: () => NOON });
  const fault: { asked: number; hang: (keys: Attempt['keys']) => boolean; fail: StoreFailure | null } = {
    asked: 0,
    hang: () => false,
    fail: null,
  };
  const store: PartwiseStore = {
    ...inner,
    beginAttempt(attempt) {
      fault.asked += 1;
      const begun = inner.beginAttempt(attempt);
      const faulty = <T>(
        part: Promise<Reading<T>> | null,
        keys: Partial<Attempt['keys']>,
      ): Promise<Reading<T>> | null => {
        if (fault.hang({ ...NOBODY, ...keys })) return new Promise(() => undefined);
        if (fault.fail === null) return part;
        return part && Promise.resolve({ state: 'failed', why: fault.fail });
      };
      const { subject, address, network, device } = attempt.keys;
      return {
        subject: faulty(begun.subject, { subject }),
        address: faulty(begun.address, { address, network }),
        device: faulty(begun.device, { device }),
      };
    },
    spendProof() {
      fault.asked += 1;
      return new Promise(() => undefined);
    },
  };
  const clock = handTimer();
  return { fault, clock, store: budgetedStore(store, { timer: clock.timer, breaker: breakerWith({}), ...budget }) };
}

const KEYS = { subject: 'alice', address: 'a', network: 'n', device: 'd' };
const attempt = attemptBy(KEYS, NOON / 1000, { ...KEYS, country: 'NL' });
const attemptWithoutDevice: Attempt = { ...attempt, keys: { ...KEYS, device: null } };

describe('the budget', () => {
  test('A slot that does not answer in time fails alone, and the others are kept', async () => {
    const { store, fault, clock } = faultyStore({ timeoutMs: 50 });
    fault.hang = ({ address }) => address !== null;
    const answer = store.recordAttempt(attempt);
    await settled();
    expect(clock.pending()).toEqual([50]);
    clock.ring();
    expect(await answer).toMatchObject({
      subject: { state: 'read', value: { attempts1m: 1 } },
      address: { state: 'failed', why: 'timeout' },
      device: { state: 'read' },
    });
  });

  test('No timer is left when all has been answered', async () => {
    const { store, clock } = faultyStore();
    await store.recordAttempt(attempt);
    await store.updateBaseline('alice', () => BASELINE);
    expect(clock.pending()).toEqual([]);
  });

  test('Spending a proof takes what the check has left, and never more than the whole', async () => {
    const { store, clock } = faultyStore({ timeoutMs: 50 });
    const spending = [store.spendProof('p', 600), store.spendProof('p', 600, 38), store.spendProof('p', 600, -5)];
    expect(clock.pending()).toEqual([50, 12, 50]);
    clock.ring();
    for (const one of spending) await expect(one).rejects.toSatisfy(hasCode('timeout'));
  });

  test('A check that has waited long enough refuses its proof without spending it', async () => {
    const { store, fault, clock } = faultyStore({ timeoutMs: 50 });
    for (const waitedMs of [50, 900]) {
      await expect(store.spendProof('p', 600, waitedMs)).rejects.toSatisfy(hasCode('timeout'));
    }
    expect(fault.asked).toBe(0);
    expect(clock.pending()).toEqual([]);
  });
});

describe('the circuit', () => {
  test('The circuit opens after failures in a row and asks the store no more', async () => {
    const { store, fault } = faultyStore({ breaker: breakerWith({ failuresToOpen: 3 }) });
    fault.fail = 'unreachable';
    for (let i = 0; i < 3; i += 1) await store.recordAttempt(attempt);
    const asked = fault.asked;
    const open = { state: 'failed', why: 'circuit_open' };
    expect(await store.recordAttempt(attemptWithoutDevice)).toEqual({
      subject: open,
      address: open,
      device: null,
    });
    await expect(store.updateBaseline('alice', () => BASELINE)).rejects.toSatisfy(hasCode('circuit_open'));
    expect(fault.asked).toBe(asked);
  });

  test('A success in between starts the count anew', async () => {
    const { store, fault } = faultyStore({ breaker: breakerWith({ failuresToOpen: 3 }) });
    for (let i = 0; i < 10; i += 1) {
      fault.fail = i % 3 === 2 ? null : 'unreachable';
      await store.recordAttempt(attempt);
    }
    fault.fail = null;
    expect(await store.recordAttempt(attempt)).toMatchObject({ subject: { state: 'read' } });
  });

  test('The circuit stays closed while some slots are read, and while a store that is there refuses', async () => {
    const { store, fault, clock } = faultyStore({ breaker: breakerWith({ failuresToOpen: 2 }) });
    fault.hang = ({ address }) => address !== null;
    for (let i = 0; i < 5; i += 1) {
      const answer = store.recordAttempt(attempt);
      await settled();
      clock.ring();
      expect(await answer).toMatchObject({ subject: { state: 'read' }, address: { why: 'timeout' } });
    }
    fault.hang = () => false;
    fault.fail = 'rejected';
    for (let i = 0; i < 5; i += 1) {
      expect(await store.recordAttempt(attempt)).toMatchObject({ subject: { state: 'failed', why: 'rejected' } });
    }
  });

  test('The circuit lets one attempt through when its time is over, refuses the others meanwhile, and closes when that one succeeds', async () => {
    const { store, fault, clock } = faultyStore({ breaker: breakerWith({ failuresToOpen: 1, retryAfterMs: 0 }) });
    fault.fail = 'timeout';
    await store.recordAttempt(attempt);

    fault.fail = null;
    fault.hang = ({ subject }) => subject === 'probe';
    const probe = store.recordAttempt({ ...attempt, keys: { ...KEYS, subject: 'probe' } });
    await settled();
    expect(await store.recordAttempt(attempt)).toMatchObject({ subject: { state: 'failed', why: 'circuit_open' } });
    clock.ring();
    await probe;
    expect(await store.recordAttempt(attempt)).toMatchObject({ subject: { state: 'read' } });
  });

  test.each([
    ['back', -3_600_000],
    ['forward', 3_600_000],
  ])(
    'The circuit tries the store again after its time, however far the wall clock steps %s meanwhile',
    async (_how, stepMs) => {
      let elapsedMs = 0;
      const breaker = breakerWith({ failuresToOpen: 1, retryAfterMs: 1000, elapsedMs: () => elapsedMs });
      const { store, fault } = faultyStore({ breaker });
      const fate = async () => (await store.recordAttempt(attempt)).subject;
      fault.fail = 'unreachable';
      vi.useFakeTimers({ toFake: ['Date'] });
      try {
        // The second opening is that of a try in vain.
        for (let opening = 0; opening < 2; opening += 1) {
          expect(await fate()).toMatchObject({ why: 'unreachable' });
          vi.setSystemTime(Date.now() + stepMs);
          elapsedMs += 999;
          expect(await fate()).toMatchObject({ why: 'circuit_open' });
          elapsedMs += 1;
        }
        fault.fail = null;
        expect(await fate()).toMatchObject({ state: 'read' });
      } finally {
        vi.useRealTimers();
      }
    },
  );

  test('The circuit is one for all the stores that share it: each may live no longer than a request', async () => {
    const breaker = breakerWith({ failuresToOpen: 3 });
    for (let i = 0; i < 3; i += 1) {
      const { store, fault } = faultyStore({ breaker });
      fault.fail = 'unreachable';
      await store.recordAttempt(attempt);
    }
    const { store, fault } = faultyStore({ breaker });
    expect(await store.recordAttempt(attempt)).toMatchObject({ subject: { state: 'failed', why: 'circuit_open' } });
    expect(fault.asked).toBe(0);
  });

  test('The circuit tells every failure with its operation', async () => {
    const seen: string[] = [];
    const { store, fault } = faultyStore({
      breaker: breakerWith({ failuresToOpen: 1 }),
      onFailure: (operation, code) => seen.push(`${operation} ${code}`),
    });
    fault.fail = 'unreachable';
    await store.recordAttempt(attemptWithoutDevice);
    await expect(store.forgetSubject('alice')).rejects.toSatisfy(hasCode('circuit_open'));
    expect(seen).toEqual(['recordAttempt unreachable', 'recordAttempt unreachable', 'forgetSubject circuit_open']);
  });
});

function hasCode(code: StoreFailure) {
  return (error: unknown): boolean => error instanceof StoreError && error.code === code;
}

/** Lets everything run that waits for nothing but its turn. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
