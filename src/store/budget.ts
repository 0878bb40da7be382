import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
  type IBackoffFactory,
} from 'cockatiel';
import {
  type Asked,
  type Attempt,
  type History,
  type Slot,
  type SlotStore,
  type Store,
  StoreError,
  type StoreFailure,
} from './store.ts';

/** Runs something later; the answer cancels it. */
export type Timer = (run: () => void, ms: number) => () => void;

/** How long the store may take, and whom to tell when it fails. */
export interface Budget {
  /** What one check may wait for the store, in ms; `STORE_TIMEOUT_MS`, default 50. */
  readonly timeoutMs?: number;
  /** What work beside a check (events, learning, the support desk) may wait, in ms; default 1000. */
  readonly backgroundTimeoutMs?: number;
  /** Default: a {@link storeBreaker} of its own. Several stores that lead to one server share one. */
  readonly breaker?: StoreBreaker;
  readonly timer?: Timer;
  /** Hears of every failure, of `recordAttempt` once per slot; for metrics. */
  readonly onFailure?: (operation: StoreOperation, code: StoreFailure) => void;
}

/** Leaves a store alone that was not there several times in a row. */
export type StoreBreaker = CircuitBreakerPolicy;

/** When to open, and for how long. */
export interface StoreBreakerOptions {
  /** So many operations in a row that found no store open the circuit; default 5. */
  readonly failuresToOpen?: number;
  /** How long an open circuit waits before one operation tries the store again, in ms; default 1000. */
  readonly retryAfterMs?: number;
  /** A clock that only goes forward, in ms; default: the wall clock, which a machine may set back. */
  readonly elapsedMs?: () => number;
}

/** A closed circuit. */
export function storeBreaker({
  failuresToOpen = 5,
  retryAfterMs = 1000,
  elapsedMs,
}: StoreBreakerOptions = {}): StoreBreaker {
  return circuitBreaker(handleWhen(isOutage), {
    halfOpenAfter: elapsedMs === undefined ? retryAfterMs : pauseBy(elapsedMs, retryAfterMs),
    breaker: new ConsecutiveBreaker(failuresToOpen),
  });
}

/**
 * cockatiel compares the wall clock of now and of the opening with a duration. Set back by an hour, it would leave a store
 * alone for an hour: so the duration is endless until the pause is over, and then less than any.
 */
function pauseBy(elapsedMs: () => number, pauseMs: number): IBackoffFactory<unknown> {
  return {
    next() {
      const overMs = elapsedMs() + pauseMs;
      return {
        ...this,
        get duration() {
          return elapsedMs() < overMs ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
        },
      };
    },
  };
}

/** What can be asked of the store. */
export type StoreOperation = Exclude<keyof Store, 'driver' | 'close'>;

/**
 * A store that answers in time or says that it did not. Each operation has a timer of its own, whatever the client below
 * does; slots that were read in time are kept when another was not. After several operations in a row that found no
 * store, the circuit opens and the next ones fail at once with `circuit_open`, until one that is let through succeeds.
 * A store that answers with a refusal (`rejected`) is there, and does not open it.
 */
export function budgetedStore(store: SlotStore, budget: Budget = {}): Store {
  const { timeoutMs = 50, backgroundTimeoutMs = 1000, breaker = storeBreaker(), timer = realTimer, onFailure } = budget;

  /** Rejects with `circuit_open` or with what `run` rejects with. */
  async function throughBreaker<T>(run: () => Promise<T>): Promise<T> {
    // While one operation tries the store, cockatiel would let the others wait for its outcome.
    if (breaker.state === CircuitState.HalfOpen) throw circuitOpen();
    try {
      return await breaker.execute(run);
    } catch (error) {
      throw error instanceof BrokenCircuitError ? circuitOpen() : error;
    }
  }

  async function bounded<T>(operation: StoreOperation, ms: number, run: () => Promise<T>): Promise<T> {
    try {
      return await throughBreaker(() => within(timer, ms, run));
    } catch (error) {
      if (error instanceof StoreError) onFailure?.(operation, error.code);
      throw error;
    }
  }

  async function readSlots(attempt: Attempt): Promise<History> {
    const history = await inTime(timer, timeoutMs, store.ask(attempt));
    const slots = slotsOf(history);
    if (slots.length > 0 && slots.every((slot) => slot.state === 'failed' && OUTAGES.has(slot.why))) {
      throw new NoSlotRead(history);
    }
    return history;
  }

  return {
    driver: store.driver,

    async recordAttempt(attempt) {
      let history: History;
      try {
        history = await throughBreaker(() => readSlots(attempt));
      } catch (error) {
        if (error instanceof NoSlotRead) history = error.history;
        else if (error instanceof StoreError) history = allFailed(attempt, error.code);
        else throw error;
      }
      for (const slot of slotsOf(history)) if (slot.state === 'failed') onFailure?.('recordAttempt', slot.why);
      return history;
    },

    spendProof: (id, ttlSeconds, waitedMs = 0, atMs) => {
      const leftMs = timeoutMs - Math.max(waitedMs, 0);
      // With nothing left the store is not asked: a proof marked as spent but refused would be lost to its holder.
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
        await within(timer, backgroundTimeoutMs, () => store.ping());
      } catch (error) {
        if (error instanceof StoreError) onFailure?.('ping', error.code);
        throw error;
      }
    },
    close: () => store.close(),
  };
}

const OUTAGES: ReadonlySet<StoreFailure> = new Set(['timeout', 'unreachable', 'circuit_open']);

/** Carries a history through the breaker as a failure. */
class NoSlotRead extends Error {
  readonly history: History;
  constructor(history: History) {
    super('no slot could be read');
    this.history = history;
  }
}

function isOutage(error: unknown): boolean {
  return error instanceof NoSlotRead || (error instanceof StoreError && OUTAGES.has(error.code));
}

function circuitOpen(): StoreError {
  return new StoreError('circuit_open', 'the store failed several times in a row and is left alone for a moment');
}

function slotsOf({ subject, address, device }: History): Slot<unknown>[] {
  return [subject, address, device].filter((slot) => slot !== null);
}

function allFailed({ subject, address, device }: Attempt, why: StoreFailure): History {
  const failed = { state: 'failed', why } as const;
  return { subject: subject && failed, address: address && failed, device: device && failed };
}

const LATE = { state: 'failed', why: 'timeout' } as const;

/** A slot that answers within `ms` is kept, whatever becomes of the others. */
function inTime(timer: Timer, ms: number, asked: Asked): Promise<History> {
  return new Promise((resolve) => {
    const history = { subject: asked.subject && LATE, address: asked.address && LATE, device: asked.device && LATE };
    let waiting = slotsOf(history).length;
    if (waiting === 0) {
      resolve(history);
      return;
    }
    const cancel = timer(() => resolve({ ...history }), ms);
    const keep = (part: Partial<History>) => {
      Object.assign(history, part);
      waiting -= 1;
      if (waiting > 0) return;
      cancel();
      resolve(history);
    };
    void asked.subject?.then((subject) => keep({ subject }));
    void asked.address?.then((address) => keep({ address }));
    void asked.device?.then((device) => keep({ device }));
  });
}

function lateAnswer(ms: number): StoreError {
  return new StoreError('timeout', `the store did not answer within ${ms} ms`);
}

/** Settles with `run`, or rejects with `timeout` after `ms`; the timer is gone as soon as either happened. */
function within<T>(timer: Timer, ms: number, run: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = timer(() => reject(lateAnswer(ms)), Math.max(ms, 0));
    run().then(resolve, reject).finally(cancel);
  });
}

const realTimer: Timer = (run, ms) => {
  let atLast: NodeJS.Immediate | undefined;
  const handle = setTimeout(() => {
    // An answer that came while this process was busy lies in the socket: it is read before the wait counts as over.
    atLast = setImmediate(run);
  }, ms);
  return () => {
    clearTimeout(handle);
    clearImmediate(atLast);
  };
};
