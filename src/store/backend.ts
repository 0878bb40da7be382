import type { Counted, CountedEvent, Seen } from './counters.ts';

/** Counters to change and read, and values to read, in one atomic step. Their keys share one hash tag. */
export interface CounterRead {
  /** Epoch seconds. */
  readonly at: number;
  /** False: answer as if counted, write nothing. */
  readonly write: boolean;
  /** What is counted; null: nothing, only read. */
  readonly event: CountedEvent | null;
  readonly seen: Seen;
  readonly counters: readonly { readonly of: Counted; readonly key: string }[];
  /** Keys of values. */
  readonly values: readonly string[];
}

/** What was found. */
export interface CountersFound {
  /**
   * In the order of the request: the counts in the order of the table, including the event; null if nothing is stored.
   */
  readonly counts: readonly (readonly number[] | null)[];
  readonly values: readonly (string | null)[];
}

/** A value to write if the key still has what the writer read. */
export interface Swap {
  readonly key: string;
  /** Null: nothing. */
  readonly expected: string | null;
  readonly next: string;
  readonly ttlMs: number;
}

/** Whether a value was written, and what was found in its place. */
export type Swapped = { readonly written: true } | { readonly written: false; readonly found: string | null };

/**
 * What a store is made over: atomic steps, each on keys of one hash tag. `over-backend.ts` makes the store of the domain out of
 * them. Every method rejects with `StoreError` and nothing else.
 */
export interface Backend {
  /** Counts and reads in one atomic step and one network wait. */
  read(read: CounterRead): Promise<CountersFound>;
  /** Writes `next` if the key still has `expected`. */
  swap(swap: Swap): Promise<Swapped>;
  /** The text of a value or a claim. */
  get(key: string): Promise<string | null>;
  /** True for the first caller within the time to live, whose `note` is kept. */
  claim(key: string, ttlSeconds: number, note: string): Promise<boolean>;
  remove(keys: readonly string[]): Promise<void>;
  ping(): Promise<void>;
  close(): Promise<void>;
}
