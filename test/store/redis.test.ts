import fc from 'fast-check';
import { expect, test } from 'vitest';
import { reconnectDelayMs } from '../../src/store/redis.ts';

const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test('the wait before another try to connect lies between half and all of what grows with each try, up to a second', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), chance, (tries, fraction) => {
      const longest = Math.min(50 * tries, 1000);
      const delay = reconnectDelayMs(tries, () => fraction);
      expect(delay).toBeGreaterThanOrEqual(longest / 2);
      expect(delay).toBeLessThanOrEqual(longest);
    }),
  );
});

test('a hundred processes that lost one server come back at moments of their own', () => {
  const delays = Array.from({ length: 100 }, (_, i) => reconnectDelayMs(20, () => i / 100));
  expect(new Set(delays).size).toBe(100);
});

test('without a source of chance the wait is the longest', () => {
  expect([1, 2, 20, 21].map((tries) => reconnectDelayMs(tries))).toEqual([50, 100, 1000, 1000]);
});
