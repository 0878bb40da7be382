import type { Tally, TallyChange } from './windows.ts';

/** One tally to change and read. */
export interface TallyCell {
  readonly key: string;
  /** Time to live in ms, set whenever the tally is written. */
  readonly ttlMs: number;
  /** Empty: only read. */
  readonly changes: readonly TallyChange[];
}

/** All that one slot asks: its tallies, and values that are only read. The keys share one hash tag. */
export interface Touch {
  /** Epoch seconds. */
  readonly at: number;
  /** False: answer as if changed, write nothing. */
  readonly write: boolean;
  readonly tallies: readonly TallyCell[];
  readonly values: readonly string[];
}

/** A value to write where the key still holds what the writer read. */
export interface Swap {
  readonly key: string;
  /** Null: nothing. */
  readonly expected: string | null;
  readonly next: string;
  readonly ttlMs: number;
}

/** What was found. */
export interface Touched {
  /** As changed, in the order asked. */
  readonly tallies: readonly Tally[];
  readonly values: readonly (string | null)[];
}

/**
 * What a driver does: atomic steps on single keys. `slots.ts` makes the store of the domain out of them. Every method
 * rejects with `StoreError` and nothing else.
 */
export interface Cells {
  /** Changes and reads one slot in one atomic step and one network wait. */
  touch(touch: Touch): Promise<Touched>;
  /** Of a value or a claim. */
  get(key: string): Promise<string | null>;
  /** Writes `next` where the key still holds `expected`; otherwise tells what it holds. */
  swap(swap: Swap): Promise<Swapped>;
  /** True for the first caller within the time to live, whose `note` is kept. */
  claim(key: string, ttlSeconds: number, note: string): Promise<boolean>;
  remove(keys: readonly string[]): Promise<void>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** Whether a value was written, and what stood in its way. */
export type Swapped = { readonly written: true } | { readonly written: false; readonly found: string | null };
