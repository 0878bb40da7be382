import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DAY_MS, EPOCH_MS, HOUR_MS } from '../../../../src/cli/simulate/browser.ts';
import { chanceOf } from '../../../../src/cli/simulate/chance.ts';
import {
  FREQUENCIES,
  FREQUENCY_NAMES,
  gapOf,
  localHour,
  visitTimes,
} from '../../../../src/cli/simulate/frequencies.ts';

describe.each(FREQUENCY_NAMES)('people who come %s', (frequency) => {
  const meanMs = FREQUENCIES[frequency].meanDays * DAY_MS;

  it('People stay away for the mean time on average, mostly for less, and at times for far longer', () => {
    const chance = chanceOf(`gaps/${frequency}`);
    const gaps = Array.from({ length: 20_000 }, () => gapOf(frequency, chance)).sort((a, b) => a - b);
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    expect(mean / meanMs).toBeGreaterThan(0.94);
    expect(mean / meanMs).toBeLessThan(1.06);
    expect((gaps[gaps.length / 2] ?? 0) / meanMs).toBeCloseTo(0.61, 1);
    const long = gaps.filter((gap) => gap > 4 * meanMs).length / gaps.length;
    expect(long).toBeGreaterThan(0.015);
    expect(long).toBeLessThan(0.045);
  });

  it('People make about as many visits as their frequency says', () => {
    const days = 400 * FREQUENCIES[frequency].meanDays;
    const toMs = EPOCH_MS + days * DAY_MS;
    const visits = visitTimes(frequency, 10, EPOCH_MS, toMs, chanceOf(`visits/${frequency}`)).length;
    expect(visits).toBeGreaterThan(320);
    expect(visits).toBeLessThan(480);
  });

  it('People come in order of time, awake, and within the time that is asked for', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.integer({ min: -180, max: 180 }),
        fc.integer({ min: 1, max: 400 }),
        (seed, lon, days) => {
          const toMs = EPOCH_MS + days * DAY_MS;
          const times = visitTimes(frequency, lon, EPOCH_MS, toMs, chanceOf(seed));
          for (const [index, atMs] of times.entries()) {
            expect(atMs).toBeGreaterThanOrEqual(EPOCH_MS);
            expect(atMs).toBeLessThan(toMs);
            expect(atMs).toBeGreaterThan(times[index - 1] ?? 0);
            const hour = localHour(atMs, lon);
            expect(hour >= 6.99 && hour <= 23.01, `${hour} o'clock`).toBe(true);
          }
        },
      ),
      { numRuns: 25 },
    );
  });
});

it('The hour of the day follows the sun', () => {
  expect(localHour(12 * HOUR_MS, 0)).toBe(12);
  expect(localHour(12 * HOUR_MS, 90)).toBe(18);
  expect(localHour(12 * HOUR_MS, -180)).toBe(0);
});
