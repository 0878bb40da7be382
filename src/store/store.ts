import type { Baseline } from '../model/baseline.ts';

/**
 * A pseudonym: a keyed hash of a subject, address or device. Store keys and set members hold nothing else, so that a
 * stolen dump of the store names nobody.
 */
export type Pseudonym = string;

/** Why a slot could not be read in time. */
export type StoreFailure = 'timeout' | 'unreachable' | 'circuit_open' | 'rejected';

/** One slot of a reading: its value, or why it failed. */
export type Slot<T> =
  | { readonly state: 'read'; readonly value: T }
  | { readonly state: 'failed'; readonly why: StoreFailure };

/** What one attempt touches. A part that does not apply to the request is null and is not asked for. */
export interface Attempt {
  /** Moment of the check in epoch milliseconds: windows are laid from here. */
  readonly atMs: number;
  /** False for a dry run: everything is read and judged as if it were counted, nothing is written. */
  readonly write: boolean;
  readonly subject: {
    readonly key: Pseudonym;
    /** Counter key of the address, for `addresses1h`. */
    readonly address: Pseudonym | null;
    /** ISO country, for `countries24h`. */
    readonly country: string | null;
  } | null;
  readonly address: {
    readonly key: Pseudonym;
    readonly network: Pseudonym;
    /** For `subjects1h`. */
    readonly subject: Pseudonym | null;
  } | null;
  readonly device: {
    readonly key: Pseudonym;
    /** For `subjects24h`. */
    readonly subject: Pseudonym | null;
  } | null;
}

/** Counts include the attempt that is being made. */
export interface SubjectSlot {
  readonly baseline: Baseline | null;
  readonly attempts1m: number;
  readonly failures10m: number;
  readonly addresses1h: number;
  readonly countries24h: number;
}

/** What is counted of an address and of its network. */
export interface AddressSlot {
  readonly failures10m: number;
  readonly denies1h: number;
  readonly subjects1h: number;
  /** The same over the /24 or /48, so that rotating inside one network does not start from zero. */
  readonly networkFailures10m: number;
}

/** What is counted of a device. */
export interface DeviceSlot {
  readonly subjects24h: number;
}

/** What the store knew at the moment of the attempt. A slot that was not asked for is null. */
export interface History {
  readonly subject: Slot<SubjectSlot> | null;
  readonly address: Slot<AddressSlot> | null;
  readonly device: Slot<DeviceSlot> | null;
}

/** What is asked for one attempt: each slot settles by itself and none rejects. A slot that was not asked for is null. */
export interface Asked {
  readonly subject: Promise<Slot<SubjectSlot>> | null;
  readonly address: Promise<Slot<AddressSlot>> | null;
  readonly device: Promise<Slot<DeviceSlot>> | null;
}

/** A bad end of an attempt: a failure counts against subject and address, a deny against the address alone. */
export interface Outcome {
  readonly kind: 'failure' | 'deny';
  readonly atMs: number;
  readonly subject: Pseudonym | null;
  readonly address: { readonly key: Pseudonym; readonly network: Pseudonym } | null;
}

/**
 * The store, in the words of the domain. Two drivers, `memory` and `redis`, pass one contract suite. Every key expires.
 * Methods reject with {@link StoreError}; `recordAttempt` never rejects, since each of its slots fails by itself.
 */
export interface Store {
  readonly driver: 'memory' | 'redis';
  /** Counts the attempt and reads all that the check needs: every slot is asked in the same tick, one network wait. */
  recordAttempt(attempt: Attempt): Promise<History>;
  /** Counts a failed log-in, a forged proof or a deny. */
  recordOutcome(outcome: Outcome): Promise<void>;
  /** The stored baseline and counters without counting anything; for the support desk. Null when nothing is stored. */
  readSubject(subject: Pseudonym, atMs: number): Promise<SubjectSlot | null>;
  /**
   * Reads, changes and writes one baseline so that racing writers lose nothing: `change` may run several times and must
   * be pure. Returning null leaves the store as it is. Answers with what is stored afterwards. `seen` is the baseline that
   * the store has just told of the subject, null for none: where it is still the newest, it is not read again.
   */
  updateBaseline(
    subject: Pseudonym,
    change: (before: Baseline | null) => Baseline | null,
    seen?: Baseline | null,
  ): Promise<Baseline | null>;
  /** Erases baseline and counters of a subject. */
  forgetSubject(subject: Pseudonym): Promise<void>;
  /**
   * Spends a proof: true exactly once per id within `ttlSeconds` (> 0), over all processes that share the store.
   * Rejects when the spending could not be recorded; the proof must then be refused. `waitedMs` is how long the check has
   * waited for the store already, for a driver that keeps a budget; default 0. `atMs` is what {@link spentAt} will tell.
   */
  spendProof(id: Pseudonym, ttlSeconds: number, waitedMs?: number, atMs?: number): Promise<boolean>;
  /** When a proof was spent, epoch milliseconds; null where it was not, or where that was not told. */
  spentAt(id: Pseudonym): Promise<number | null>;
  /** Resolves when the store answers; for `/readyz`. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** A store whose slots can be waited for one by one, for whoever keeps a budget. */
export interface SlotStore extends Store {
  /** As `recordAttempt`: every slot is asked before it returns. */
  ask(attempt: Attempt): Asked;
}

/** The store did not do what was asked. `code` is stable; the message never holds a key or a value. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreFailure;
  constructor(code: StoreFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
