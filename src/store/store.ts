import type { Baseline } from '../model/baseline.ts';
import type { StoreFailure } from '../model/store-error.ts';
import type { CountedEvent, Counts, Seen } from './counters.ts';

/**
 * A pseudonym: a keyed hash of a subject, address or device. Store keys and counted values contain nothing else, so
 * that a stolen dump identifies no one.
 */
export type Pseudonym = string;

/** One part of a history: what was read, or why it failed. */
export type Reading<T> =
  | { readonly state: 'read'; readonly value: T }
  | { readonly state: 'failed'; readonly why: StoreFailure };

/** Owners of counters; null: none. An address comes with its network. */
export interface CounterKeys {
  readonly subject: Pseudonym | null;
  readonly address: Pseudonym | null;
  readonly network: Pseudonym | null;
  readonly device: Pseudonym | null;
}

/** What one attempt counts and reads. */
export interface Attempt {
  /** Moment of the check in epoch milliseconds: windows end here. */
  readonly atMs: number;
  /** False for a dry run: everything is read and judged as if it were counted, nothing is written. */
  readonly write: boolean;
  readonly keys: CounterKeys;
  /** What the counters of different values see. */
  readonly seen: Seen;
}

/** A value with the text it was read from: a write expects that text to be unchanged. */
export interface Stored<T> {
  readonly value: T;
  readonly text: string;
}

/** What is stored about a subject. */
export interface SubjectRecord extends Counts<'subject'> {
  readonly baseline: Stored<Baseline> | null;
}

/** What is counted of an address and of its network. */
export interface AddressRecord extends Counts<'address'> {
  readonly network: Counts<'network'>;
}

/** What is counted of a device. */
export interface DeviceRecord extends Counts<'device'> {}

/** What the store knew at the time of the attempt; null for what was not requested. Counts include the attempt. */
export interface History {
  readonly subject: Reading<SubjectRecord> | null;
  readonly address: Reading<AddressRecord> | null;
  readonly device: Reading<DeviceRecord> | null;
}

/** A history in progress: each part settles by itself and none rejects. */
export type PendingHistory = { readonly [part in keyof History]: Promise<NonNullable<History[part]>> | null };

/** A bad end of an attempt. Which counters it changes is the table's business. */
export interface Outcome {
  readonly kind: Exclude<CountedEvent, 'attempt'>;
  readonly atMs: number;
  readonly keys: CounterKeys;
}

/** A pure change of a baseline; null leaves it as it is. */
export type BaselineChange = (before: Baseline | null) => Baseline | null;

/**
 * The store, in domain terms. Two drivers, `memory` and `redis`, pass one contract suite. Every key expires. Methods
 * reject with {@link StoreError}; `recordAttempt` never rejects, since each part of its history fails by itself.
 */
export interface Store {
  readonly driver: 'memory' | 'redis';
  /** Counts the attempt and reads everything the check needs in the same tick: one network wait. */
  recordAttempt(attempt: Attempt): Promise<History>;
  /** Counts a failed log-in, a forged proof or a deny. */
  recordOutcome(outcome: Outcome): Promise<void>;
  /** Baseline and counts without counting anything; for the support desk. Null when nothing is stored. */
  readSubject(subject: Pseudonym, atMs: number): Promise<SubjectRecord | null>;
  /**
   * Reads, changes and writes one baseline so that racing writers lose nothing: `change` may run several times. Resolves
   * with the baseline as it is afterwards. `seen` is what an attempt has just read of the subject, null for nothing: while
   * that is the newest, the baseline is not read again.
   */
  updateBaseline(subject: Pseudonym, change: BaselineChange, seen?: Stored<Baseline> | null): Promise<Baseline | null>;
  /** Erases baseline and counters of a subject. */
  forgetSubject(subject: Pseudonym): Promise<void>;
  /**
   * Spends a proof: true exactly once per id within `ttlSeconds` (> 0), over all processes that share the store.
   * Rejects if that cannot be recorded; the proof must then be refused. `waitedMs` is how long the check has already
   * waited for the store, for a driver with a budget; default 0. `atMs` is the result of {@link spentAt}.
   */
  spendProof(id: Pseudonym, ttlSeconds: number, waitedMs?: number, atMs?: number): Promise<boolean>;
  /** When a proof was spent, epoch milliseconds; null if it was not, or if that is unknown. */
  spentAt(id: Pseudonym): Promise<number | null>;
  /** Resolves when the store answers; for `/readyz`. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** A store whose history can be awaited in parts, so that a time budget can be kept. */
export interface PartwiseStore extends Store {
  /** Like `recordAttempt`: everything is requested before it returns. */
  beginAttempt(attempt: Attempt): PendingHistory;
}
