import { StoreError, type StoreFailure } from '../model/store-error.ts';
import { type Timer, within } from '../net/within.ts';
import { isOutage, type StoreBreaker } from './breaker.ts';
import type { Attempt, History, PartwiseStore, PendingHistory, Reading, Store } from './store.ts';

/** How long the store may take, and what is called when it fails. */
export interface Budget {
  readonly breaker: StoreBreaker;
  /** What one check may wait for the store, in ms; `STORE_TIMEOUT_MS`, default 50. */
  readonly timeoutMs?: number;
  /** Time that work outside checks (events, learning, support desk) may wait, in ms; default 1000. */
  readonly backgroundTimeoutMs?: number;
  readonly timer?: Timer;
  /** Called for every failure, of `recordAttempt` once for each part of the history; for metrics. */
  readonly onFailure?: (operation: StoreOperation, code: StoreFailure) => void;
}

export type StoreOperation = Exclude<keyof Store, 'driver' | 'close'>;

/**
 * A store that answers in time or rejects. Each operation has its own timer, independent of the client; parts of a
 * history that were read in time are kept if others were not. While the circuit is open, operations fail at once with
 * `circuit_open`.
 */
export function budgetedStore(store: PartwiseStore, budget: Budget): Store {
  const { timeoutMs = 50, backgroundTimeoutMs = 1000, breaker, timer = realTimer, onFailure } = budget;

  async function bounded<T>(operation: StoreOperation, ms: number, run: () => Promise<T>): Promise<T> {
    const leave = breaker.enter();
    try {
      if (leave === null) throw circuitOpen();
      const answer = await inBudget(timer, ms, run());
      leave(true);
      return answer;
    } catch (error) {
      leave?.(!isOutage(error));
      if (error instanceof StoreError) onFailure?.(operation, error.code);
      throw error;
    }
  }

  return {
    driver: store.driver,

    async recordAttempt(attempt) {
      if (isNobodys(attempt)) return NOTHING_ASKED;
      const leave = breaker.enter();
      const history = leave === null ? allFailed(attempt) : await inTime(timer, timeoutMs, store.beginAttempt(attempt));
      leave?.(!isNowhere(history));
      if (onFailure !== undefined) {
        for (const part of partsOf(history)) if (part.state === 'failed') onFailure('recordAttempt', part.why);
      }
      return history;
    },

    spendProof: (id, ttlSeconds, waitedMs = 0, atMs) => {
      const leftMs = timeoutMs - Math.max(waitedMs, 0);
      // Without time left the store is not called: a proof marked as spent but refused would be lost to its holder.
      return bounded('spendProof', leftMs, () =>
        leftMs > 0 ? store.spendProof(id, ttlSeconds, 0, atMs) : Promise.reject(lateAnswer(timeoutMs)),
      );
    },
    spentAt: (id) => bounded('spentAt', backgroundTimeoutMs, () => store.spentAt(id)),
    recordOutcome: (outcome) => bounded('recordOutcome', backgroundTimeoutMs, () => store.recordOutcome(outcome)),
    readSubject: (subject, atMs) => bounded('readSubject', backgroundTimeoutMs, () => store.readSubject(subject, atMs)),
    updateBaseline: (subject, change, seen) =>
      bounded('updateBaseline', backgroundTimeoutMs, () => store.updateBaseline(subject, change, seen)),
    forgetSubject: (subject) => bounded('forgetSubject', backgroundTimeoutMs, () => store.forgetSubject(subject)),

    // Readiness is the truth about the store, not about the circuit.
    async ping() {
      try {
        await inBudget(timer, backgroundTimeoutMs, store.ping());
      } catch (error) {
        if (error instanceof StoreError) onFailure?.('ping', error.code);
        throw error;
      }
    },
    close: () => store.close(),
  };
}

const NOTHING_ASKED: History = { subject: null, address: null, device: null };

/** Proves nothing about the store, so it must not close the circuit. */
function isNobodys({ keys }: Attempt): boolean {
  return keys.subject === null && keys.address === null && keys.device === null;
}

function circuitOpen(): StoreError {
  return new StoreError('circuit_open', 'the store failed several times in a row and is left alone for a moment');
}

function allFailed({ keys }: Attempt): History {
  const failed = { state: 'failed', why: 'circuit_open' } as const;
  return {
    subject: keys.subject === null ? null : failed,
    address: keys.address === null ? null : failed,
    device: keys.device === null ? null : failed,
  };
}

function partsOf({ subject, address, device }: History): Reading<unknown>[] {
  return [subject, address, device].filter((part) => part !== null);
}

/** Whether every part failed, and none because the store refused it. */
function isNowhere(history: History): boolean {
  const parts = partsOf(history);
  return parts.every((part) => part.state === 'failed' && part.why !== 'rejected');
}

const LATE = { state: 'failed', why: 'timeout' } as const;

/** A part that is read within `ms` is kept, independent of the others. */
function inTime(timer: Timer, ms: number, { subject, address, device }: PendingHistory): Promise<History> {
  return new Promise((resolve) => {
    const history = { subject: subject && LATE, address: address && LATE, device: device && LATE };
    let waiting = partsOf(history).length;
    const cancel = timer(() => resolve({ ...history }), ms);
    const keep = (part: Partial<History>) => {
      Object.assign(history, part);
      waiting -= 1;
      if (waiting > 0) return;
      cancel();
      resolve(history);
    };
    void subject?.then((read) => keep({ subject: read }));
    void address?.then((read) => keep({ address: read }));
    void device?.then((read) => keep({ device: read }));
  });
}

function lateAnswer(ms: number): StoreError {
  return new StoreError('timeout', `the store did not answer within ${ms} ms`);
}

/** Settles with `work`, or rejects with `timeout` after `ms`. */
function inBudget<T>(timer: Timer, ms: number, work: Promise<T>): Promise<T> {
  return within<T, never>(ms, work, () => Promise.reject(lateAnswer(ms)), timer);
}

const realTimer: Timer = (run, ms) => {
  let atLast: NodeJS.Immediate | undefined;
  const handle = setTimeout(() => {
    // An answer that arrived while this process was busy is in the socket: it is read before the wait ends.
    atLast = setImmediate(run);
  }, ms);
  return () => {
    clearTimeout(handle);
    clearImmediate(atLast);
  };
};
