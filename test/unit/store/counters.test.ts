import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  bucketSeconds,
  CLOCK_SKEW_SECONDS,
  COUNTED,
  COUNTERS,
  COUNTERS_OF,
  type Counted,
  type CounterRecord,
  countEvent,
  type EventCounter,
  NOTHING_SEEN,
} from '../../../src/store/counters.ts';

const NOON = 1_741_608_000;

/** Every counter of events with what it belongs to and its place among those counters. */
const EVENT_COUNTERS = COUNTED.flatMap((of) =>
  COUNTERS_OF[of].flatMap((counter, place) => ('event' in counter ? [{ of, place, ...counter }] : [])),
);

function counted(of: Counted, offsets: readonly number[], event: EventCounter['event']): CounterRecord {
  return offsets.reduce<CounterRecord>(
    (record, offset) => countEvent(of, record, event, NOTHING_SEEN, NOON + offset).record,
    {},
  );
}

test('A count is never below the events of the window and never above those of the window and one bucket', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...EVENT_COUNTERS),
      fc.array(fc.integer({ min: 0, max: 7200 }), { minLength: 1, maxLength: 200 }),
      ({ of, place, ...counter }, offsets) => {
        let record: CounterRecord = {};
        const seen: number[] = [];
        for (const offset of offsets.sort((a, b) => a - b)) {
          const at = NOON + offset;
          seen.push(at);
          const after = countEvent(of, record, counter.event, NOTHING_SEEN, at);
          record = after.record;
          const within = (seconds: number): number => seen.filter((event) => event > at - seconds).length;
          expect(after.counts[place]).toBeGreaterThanOrEqual(within(counter.windowSeconds));
          expect(after.counts[place]).toBeLessThanOrEqual(within(counter.windowSeconds + bucketSeconds(counter)));
        }
      },
    ),
  );
});

test('A counter never keeps more than two windows of buckets, whatever the clocks say', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...EVENT_COUNTERS),
      fc.array(fc.integer({ min: 0, max: 10_000_000 }), { maxLength: 300 }),
      ({ of, name, event }, offsets) => {
        const record = counted(of, offsets, event);
        expect(Object.keys(record[name] ?? {}).length).toBeLessThanOrEqual(2 * 61 + CLOCK_SKEW_SECONDS);
      },
    ),
  );
});

test('A counter of values never exceeds its cap, and always holds the value just seen', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 7200 }), fc.integer({ min: 0, max: 60 })), { maxLength: 200 }),
      (sightings) => {
        let record: CounterRecord = {};
        for (const [offset, n] of sightings) {
          const address = `a${n}`;
          const after = countEvent('subject', record, 'attempt', { ...NOTHING_SEEN, address }, NOON + offset);
          record = after.record;
          const kept = record.addresses1h ?? {};
          expect(Object.keys(kept).length).toBeLessThanOrEqual(COUNTERS.subject.addresses1h.cap);
          expect(kept).toHaveProperty(address);
          expect(after.counts[2]).toBeGreaterThanOrEqual(1);
          expect(after.counts[2]).toBeLessThanOrEqual(Object.keys(kept).length);
        }
      },
    ),
  );
});

test('An entry ahead of the clock counts up to a minute, and not beyond', () => {
  const record = counted('subject', [0], 'attempt');
  const countAt = (at: number) => countEvent('subject', record, null, NOTHING_SEEN, at).counts[0];
  expect(countAt(NOON - CLOCK_SKEW_SECONDS)).toBe(1);
  expect(countAt(NOON - CLOCK_SKEW_SECONDS - 1)).toBe(0);
});

test('Counting leaves the record before untouched, and reading answers with that very record', () => {
  const before = counted('subject', [0], 'attempt');
  const copy = structuredClone(before);
  countEvent('subject', before, 'attempt', { ...NOTHING_SEEN, country: 'NL' }, NOON);
  expect(before).toEqual(copy);
  expect(countEvent('subject', before, null, NOTHING_SEEN, NOON).record).toBe(before);
});

test('A stored name is a name for Lua and JSON alike', () => {
  for (const of of COUNTED) for (const { name } of COUNTERS_OF[of]) expect(name).toMatch(/^[a-z]+\d+[mhd]$/);
});
