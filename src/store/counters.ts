/**
 * The table of counters, and the arithmetic of their sliding windows. A counter is one row; a signal turns its count
 * into a fact. Everything else about counters (the script in Redis, the embedded store, the calls of the Durable
 * Object, `GET /v1/subjects/{id}`) derives from the table.
 *
 * All times are epoch seconds.
 */

/** What happens and may be counted. */
export const COUNTED_EVENTS = ['attempt', 'failure', 'deny'] as const;
export type CountedEvent = (typeof COUNTED_EVENTS)[number];

/** What attempts have, and of which different values may be counted. */
export const SEEN_VALUES = ['subject', 'address', 'network', 'device', 'country'] as const;
export type SeenValue = (typeof SEEN_VALUES)[number];

/** What one attempt shows; null for what must not be counted. */
export type Seen = { readonly [value in SeenValue]: string | null };

/** Shown by anything that is not an attempt. */
export const NOTHING_SEEN: Seen = { subject: null, address: null, network: null, device: null, country: null };

/** Counts events. */
export interface EventCounter {
  readonly event: CountedEvent;
  readonly windowSeconds: number;
}

/** Counts different values of attempts. */
export interface DistinctCounter {
  readonly distinct: SeenValue;
  readonly windowSeconds: number;
  /** Most values kept; the one seen longest ago gives way. The count saturates here. */
  readonly cap: number;
}

/** Every counter, by what it belongs to and by the name under which it is stored. A stored name never changes its meaning. */
export const COUNTERS = {
  subject: {
    attempts1m: { event: 'attempt', windowSeconds: 60 },
    failures10m: { event: 'failure', windowSeconds: 600 },
    addresses1h: { distinct: 'address', windowSeconds: 3600, cap: 32 },
    countries24h: { distinct: 'country', windowSeconds: 86_400, cap: 16 },
  },
  address: {
    failures10m: { event: 'failure', windowSeconds: 600 },
    denies1h: { event: 'deny', windowSeconds: 3600 },
    subjects1h: { distinct: 'subject', windowSeconds: 3600, cap: 128 },
  },
  /** A /24 or /48, so that rotating inside one network does not start from zero. */
  network: {
    failures10m: { event: 'failure', windowSeconds: 600 },
  },
  device: {
    subjects24h: { distinct: 'subject', windowSeconds: 86_400, cap: 64 },
  },
} as const satisfies { readonly [of: string]: { readonly [name: string]: EventCounter | DistinctCounter } };

/** What counters belong to. */
export type Counted = keyof typeof COUNTERS;

/** The counts of one subject, address, network or device. Those of an attempt include the attempt itself. */
export type Counts<Of extends Counted> = { readonly [name in keyof (typeof COUNTERS)[Of]]: number };

/** One counter with its name. */
export type NamedCounter = (EventCounter | DistinctCounter) & { readonly name: string };

/** Everything that has counters, in the order of the table. */
export const COUNTED = Object.keys(COUNTERS) as readonly Counted[];

/** The counters of the table as lists. */
export const COUNTERS_OF = Object.fromEntries(
  Object.entries(COUNTERS).map(([of, counters]) => [
    of,
    Object.entries<EventCounter | DistinctCounter>(counters).map(([name, counter]) => ({ name, ...counter })),
  ]),
) as unknown as { readonly [of in Counted]: readonly NamedCounter[] };

/** How far ahead of the attempt an entry may lie and still count: application clocks differ a little. */
export const CLOCK_SKEW_SECONDS = 60;

/**
 * Length of one bucket of a counter of events: a sixtieth of its window, so that at most the limit fits into any stretch of
 * that length, wherever it starts. A count is never too low, and too high by one bucket at most.
 */
export function bucketSeconds({ windowSeconds }: EventCounter): number {
  return windowSeconds / 60;
}

/** How far back an entry counts: a bucket counts while any moment in it can lie within the window. */
export function reachSeconds(counter: EventCounter | DistinctCounter): number {
  return counter.windowSeconds + ('event' in counter ? bucketSeconds(counter) : 1);
}

/** How long stored counters outlive their last change, in ms: as long as their newest entry can count. */
export const COUNTERS_TTL_MS = Object.fromEntries(
  COUNTED.map((of) => {
    const longest = Math.max(...COUNTERS_OF[of].map(({ windowSeconds }) => windowSeconds));
    return [of, (longest + longest / 60 + CLOCK_SKEW_SECONDS) * 1000];
  }),
) as { readonly [of in Counted]: number };

/** What each belongs to whose counters an event changes. */
export const COUNTED_BY: { readonly [event in CountedEvent]: readonly Counted[] } = {
  attempt: countedBy('attempt'),
  failure: countedBy('failure'),
  deny: countedBy('deny'),
};

function countedBy(event: CountedEvent): readonly Counted[] {
  return COUNTED.filter((of) => COUNTERS_OF[of].some((counter) => isChangedBy(counter, event)));
}

/** Whether an event of this kind can change a counter. */
function isChangedBy(counter: EventCounter | DistinctCounter, event: CountedEvent | null): boolean {
  return 'event' in counter ? counter.event === event : event === 'attempt';
}

/**
 * Stored counters of one subject, address, network or device: name to entries. An entry of a counter of events is
 * `start of bucket -> count`, one of a counter of values `value -> second when last seen`.
 */
export interface CounterRecord {
  readonly [name: string]: { readonly [entry: string]: number };
}

/** A record after an event, and its counts in the order of the table. */
export interface Counting {
  /** The same object if nothing has changed. */
  readonly record: CounterRecord;
  readonly counts: readonly number[];
}

/**
 * Counts one event (none if null), and reads every counter at the second `at`. Pure. The script in Redis does the same
 * step by step.
 *
 * An entry stays while it can matter to this time or to the newest one stored: recorded traffic that is replayed later
 * is judged by its own neighbours, and entries from a clock that was ahead displace nothing.
 */
export function countEvent(
  of: Counted,
  record: CounterRecord,
  event: CountedEvent | null,
  seen: Seen,
  at: number,
): Counting {
  let after = record;
  const counts = COUNTERS_OF[of].map((counter) => {
    const entry = entryOf(counter, event, seen, at);
    const before = record[counter.name];
    if (entry === null) return before === undefined ? 0 : countIn(counter, before, at, null);
    const entries = withEntry(counter, before ?? {}, entry, at);
    after = { ...after, [counter.name]: entries };
    return countIn(counter, entries, at, entry);
  });
  return { record: after, counts };
}

/** The entry that an event changes; null if none. */
function entryOf(counter: NamedCounter, event: CountedEvent | null, seen: Seen, at: number): string | null {
  if (!isChangedBy(counter, event)) return null;
  return 'event' in counter ? String(at - (at % bucketSeconds(counter))) : seen[counter.distinct];
}

interface Entries {
  [entry: string]: number;
}

function withEntry(counter: NamedCounter, before: Readonly<Entries>, entry: string, at: number): Entries {
  const isEvents = 'event' in counter;
  const entries: Entries = { ...before };
  entries[entry] = isEvents ? (entries[entry] ?? 0) + 1 : Math.max(at, entries[entry] ?? at);
  const reach = reachSeconds(counter);
  const positionOf = (one: string): number => (isEvents ? Number(one) : (entries[one] ?? 0));
  let newest = at;
  // A record is parsed or made here: all that is enumerable is its own.
  for (const one in entries) newest = Math.max(newest, positionOf(one));
  let size = 0;
  for (const one in entries) {
    const position = positionOf(one);
    if (one !== entry && position <= newest - reach && !liesWithin(position, at, reach)) delete entries[one];
    else size += 1;
  }
  for (; !isEvents && size > counter.cap; size -= 1) delete entries[oldestBut(entries, entry)];
  return entries;
}

function oldestBut(entries: Readonly<Entries>, kept: string): string {
  let oldest = '';
  for (const one in entries) {
    if (one === kept) continue;
    const [seen, least] = [entries[one] ?? 0, entries[oldest] ?? Number.POSITIVE_INFINITY];
    if (seen < least || (seen === least && one < oldest)) oldest = one;
  }
  return oldest;
}

/** The count at `at`, including entries of clocks that are slightly ahead; a value seen now always counts. */
function countIn(counter: NamedCounter, entries: Readonly<Entries>, at: number, seenNow: string | null): number {
  const reach = reachSeconds(counter);
  const isEvents = 'event' in counter;
  let count = 0;
  for (const entry in entries) {
    const value = entries[entry] ?? 0;
    if (isEvents) count += liesWithin(Number(entry), at, reach) ? value : 0;
    else if (entry === seenNow || liesWithin(value, at, reach)) count += 1;
  }
  return count;
}

function liesWithin(position: number, at: number, reach: number): boolean {
  return position > at - reach && position <= at + CLOCK_SKEW_SECONDS;
}
