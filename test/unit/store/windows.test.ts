import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  CLOCK_SKEW_SECONDS,
  COUNTERS,
  changeTally,
  countIn,
  membersIn,
  SETS,
  type Tally,
} from '../../../src/store/windows.ts';

const NOON = 1_741_608_000;
const counters = Object.keys(COUNTERS) as (keyof typeof COUNTERS)[];

test('a count is never below the events of the window and never above those of the window and one bucket', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...counters),
      fc.array(fc.integer({ min: 0, max: 7200 }), { minLength: 1, maxLength: 200 }),
      (name, offsets) => {
        const { windowSeconds, bucketSeconds } = COUNTERS[name];
        let tally: Tally = {};
        const seen: number[] = [];
        for (const offset of offsets.sort((a, b) => a - b)) {
          const at = NOON + offset;
          seen.push(at);
          tally = changeTally(tally, { count: name }, at);
          const within = (seconds: number): number => seen.filter((event) => event > at - seconds).length;
          const count = countIn(tally, name, at);
          expect(count).toBeGreaterThanOrEqual(within(windowSeconds));
          expect(count).toBeLessThanOrEqual(within(windowSeconds + bucketSeconds));
        }
      },
    ),
  );
});

test('a counter never keeps more than two windows of buckets, whatever the clocks say', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...counters),
      fc.array(fc.integer({ min: 0, max: 10_000_000 }), { maxLength: 300 }),
      (name, offsets) => {
        const tally = offsets.reduce<Tally>(
          (before, offset) => changeTally(before, { count: name }, NOON + offset),
          {},
        );
        expect(Object.keys(tally[name] ?? {}).length).toBeLessThanOrEqual(2 * 61 + CLOCK_SKEW_SECONDS);
      },
    ),
  );
});

test('a set never exceeds its cap, and always holds the member just seen', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 7200 }), fc.integer({ min: 0, max: 60 })), { maxLength: 200 }),
      (sightings) => {
        let tally: Tally = {};
        for (const [offset, n] of sightings) {
          const member = `m${n}`;
          tally = changeTally(tally, { see: 'addresses1h', member }, NOON + offset);
          const members = tally.addresses1h ?? {};
          expect(Object.keys(members).length).toBeLessThanOrEqual(SETS.addresses1h.cap);
          expect(members).toHaveProperty(member);
          expect(membersIn(tally, 'addresses1h', NOON + offset, member)).toBeGreaterThanOrEqual(1);
        }
      },
    ),
  );
});

test('an entry ahead of the clock counts up to a minute, and not beyond', () => {
  const tally = changeTally({}, { count: 'attempts1m' }, NOON);
  expect(countIn(tally, 'attempts1m', NOON - CLOCK_SKEW_SECONDS)).toBe(1);
  expect(countIn(tally, 'attempts1m', NOON - CLOCK_SKEW_SECONDS - 1)).toBe(0);
});

test('changing a tally leaves the one before untouched', () => {
  const before = changeTally({}, { count: 'attempts1m' }, NOON);
  const copy = structuredClone(before);
  changeTally(before, { count: 'attempts1m' }, NOON);
  expect(before).toEqual(copy);
});
