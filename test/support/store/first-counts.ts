import { COUNTERS_OF, type Counted, type Counts } from '../../../src/store/counters.ts';

/** The counts of a first attempt that shows every value: 1 of all that attempts count, 0 of failures and denials. */
export function firstCounts<Of extends Counted>(of: Of): Counts<Of> {
  return Object.fromEntries(
    COUNTERS_OF[of].map((counter) => [counter.name, 'distinct' in counter || counter.event === 'attempt' ? 1 : 0]),
  ) as Counts<Of>;
}
