/**
 * Sliding windows. Counters keep sparse buckets of a sixtieth of their window, so that at most the limit fits into any
 * stretch of that length, wherever it starts: a count is never too low and too high by one bucket at most. Distinct
 * sets keep when each member was last seen. All times are epoch seconds.
 */

/** How far ahead of the attempt an entry may lie and still count: application clocks differ a little. */
export const CLOCK_SKEW_SECONDS = 60;

/** A count of events over a sliding window. */
export interface CounterWindow {
  readonly windowSeconds: number;
  readonly bucketSeconds: number;
}

/** A count of different values over a sliding window. */
export interface SetWindow {
  readonly windowSeconds: number;
  /** Most members kept; the one seen longest ago gives way. The count saturates here. */
  readonly cap: number;
}

/** Every counter by the name under which it is stored. */
export const COUNTERS = {
  attempts1m: { windowSeconds: 60, bucketSeconds: 1 },
  failures10m: { windowSeconds: 600, bucketSeconds: 10 },
  denies1h: { windowSeconds: 3600, bucketSeconds: 60 },
} as const satisfies { readonly [name: string]: CounterWindow };

/** Every distinct set by the name under which it is stored. */
export const SETS = {
  addresses1h: { windowSeconds: 3600, cap: 32 },
  countries24h: { windowSeconds: 86_400, cap: 16 },
  subjects1h: { windowSeconds: 3600, cap: 128 },
  subjects24h: { windowSeconds: 86_400, cap: 64 },
} as const satisfies { readonly [name: string]: SetWindow };

export type CounterName = keyof typeof COUNTERS;
export type SetName = keyof typeof SETS;

/**
 * Stored counters of one subject, address, network or device: name to entries. An entry of a counter is
 * `start of bucket -> count`, one of a set `member -> second when last seen`.
 */
export interface Tally {
  readonly [name: string]: { readonly [entry: string]: number };
}

/** One change of a tally: count one more, or see a member. */
export type TallyChange = { readonly count: CounterName } | { readonly see: SetName; readonly member: string };

/**
 * The tally after `change` at `at`. An entry stays while it can still matter to this moment or to the newest one
 * stored: recorded traffic that is played again long after it happened is judged by its own neighbours, and what a wrong
 * clock has stored ahead of time pushes nothing out.
 */
export function changeTally(tally: Tally, change: TallyChange, at: number): Tally {
  if ('count' in change) {
    const { windowSeconds, bucketSeconds } = COUNTERS[change.count];
    const entries = new Map(Object.entries(tally[change.count] ?? {}));
    const bucket = String(at - (at % bucketSeconds));
    entries.set(bucket, (entries.get(bucket) ?? 0) + 1);
    dropOld(entries, at, windowSeconds + bucketSeconds, (bucket) => Number(bucket));
    return { ...tally, [change.count]: Object.fromEntries(entries) };
  }
  const { windowSeconds, cap } = SETS[change.see];
  const entries = new Map(Object.entries(tally[change.see] ?? {}));
  entries.set(change.member, Math.max(at, entries.get(change.member) ?? at));
  dropOld(entries, at, windowSeconds + 1, (_member, seen) => seen, change.member);
  dropOverCap(entries, cap, change.member);
  return { ...tally, [change.see]: Object.fromEntries(entries) };
}

/** Sum over the window that ends at `at`, entries of clocks that run a little ahead included. */
export function countIn(tally: Tally, name: CounterName, at: number): number {
  const { windowSeconds, bucketSeconds } = COUNTERS[name];
  const entries = tally[name];
  let sum = 0;
  // A tally is a parsed record: all that is enumerable is its own.
  for (const bucket in entries) {
    if (liesWithin(Number(bucket), at, windowSeconds + bucketSeconds)) sum += entries[bucket] ?? 0;
  }
  return sum;
}

/** Number of members seen within the window that ends at `at`; `seenNow` counts in any case. */
export function membersIn(tally: Tally, name: SetName, at: number, seenNow: string | null = null): number {
  const { windowSeconds } = SETS[name];
  const entries = tally[name];
  let members = 0;
  for (const member in entries) {
    if (member === seenNow || liesWithin(entries[member] ?? 0, at, windowSeconds + 1)) members += 1;
  }
  return members;
}

/** `reach` is the window and one bucket: a bucket counts while any moment in it can lie within the window. */
function liesWithin(position: number, at: number, reach: number): boolean {
  return position > at - reach && position <= at + CLOCK_SKEW_SECONDS;
}

function dropOld(
  entries: Map<string, number>,
  at: number,
  reach: number,
  positionOf: (entry: string, value: number) => number,
  keep: string | null = null,
): void {
  let newest = at;
  for (const [entry, value] of entries) newest = Math.max(newest, positionOf(entry, value));
  for (const [entry, value] of entries) {
    const position = positionOf(entry, value);
    if (entry !== keep && position <= newest - reach && !liesWithin(position, at, reach)) entries.delete(entry);
  }
}

function dropOverCap(entries: Map<string, number>, cap: number, keep: string): void {
  while (entries.size > cap) {
    let oldest: readonly [string, number] | null = null;
    for (const entry of entries) {
      if (
        entry[0] !== keep &&
        (oldest === null || entry[1] < oldest[1] || (entry[1] === oldest[1] && entry[0] < oldest[0]))
      )
        oldest = entry;
    }
    if (oldest === null) return;
    entries.delete(oldest[0]);
  }
}
