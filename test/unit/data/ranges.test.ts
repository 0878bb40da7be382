import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bigintToWords,
  bytesOf,
  compileV4,
  compileV6,
  findRange,
  flatten,
  type Ranges,
  type Span,
} from '../../../src/data/ranges.ts';

const has4 = (ranges: Ranges, word: number): boolean => findRange(ranges, [word]) >= 0;
const has6 = (ranges: Ranges, value: bigint): boolean => findRange(ranges, bigintToWords(value)) >= 0;

const spans = (max: number): fc.Arbitrary<Span<number>[]> =>
  fc.array(
    fc
      .tuple(
        fc.integer({ min: 0, max }),
        fc.integer({ min: 0, max: Math.ceil(max / 8) }),
        fc.integer({ min: 1, max: 3 }),
      )
      .map(([start, length, value]) => ({ start, end: Math.min(max, start + length), value })),
    { maxLength: 60 },
  );

describe('a set of ranges', () => {
  it('A set of ranges holds exactly the IPv4 addresses of its ranges, up to both ends of the space', () => {
    fc.assert(
      fc.property(spans(0xffffffff), fc.array(fc.integer({ min: 0, max: 0xffffffff })), (list, others) => {
        const ranges = compileV4(list, false);
        const edges = list.flatMap(({ start, end }) => [start - 1, start, end, end + 1]);
        for (const probe of [...edges, ...others, 0, 0xffffffff]) {
          if (probe < 0 || probe > 0xffffffff) continue;
          expect(has4(ranges, probe)).toBe(list.some(({ start, end }) => start <= probe && probe <= end));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('A set of ranges holds exactly the IPv6 addresses of its ranges', () => {
    const start6 = fc.oneof(
      fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }),
      // Close together, so that the words compared differ in the last only.
      fc.bigInt({ min: 0n, max: 40n }).map((low) => (0x2a00145000000000n << 64n) + low),
    );
    const span6 = fc.tuple(start6, fc.constantFrom(0n, 1n, 7n, 1n << 64n)).map(([start, length]) => {
      const end = start + length;
      return { start, end: end >> 128n === 0n ? end : (1n << 128n) - 1n, value: 0 };
    });
    fc.assert(
      fc.property(fc.array(span6, { maxLength: 40 }), fc.array(start6), (list, others) => {
        const ranges = compileV6(list, false);
        const edges = list.flatMap(({ start, end }) => [start - 1n, start, end, end + 1n]);
        for (const probe of [...edges, ...others]) {
          if (probe < 0n || probe >> 128n !== 0n) continue;
          expect(has6(ranges, probe)).toBe(list.some(({ start, end }) => start <= probe && probe <= end));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('A set of ranges answers with the value of the range that starts last among those that hold the address', () => {
    fc.assert(
      fc.property(spans(200), (list) => {
        const ranges = compileV4(list, true);
        for (let probe = 0; probe <= 200; probe++) {
          const holding = list.filter(({ start, end }) => start <= probe && probe <= end);
          const start = Math.max(...holding.map((span) => span.start));
          // Among ranges with one start the shorter is the more specific.
          const end = Math.min(...holding.filter((span) => span.start === start).map((span) => span.end));
          const allowed = holding.filter((span) => span.start === start && span.end === end).map((span) => span.value);
          const position = findRange(ranges, [probe]);
          if (holding.length === 0) expect(position).toBe(-1);
          else expect(allowed).toContain(ranges.values?.[position]);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('A set of ranges is kept sorted, disjoint and as short as it can be', () => {
    const step = { next: (at: number): number => at + 1, previous: (at: number): number => at - 1 };
    expect(
      flatten(
        [
          { start: 5, end: 9, value: 0 },
          { start: 1, end: 4, value: 0 },
          { start: 2, end: 3, value: 0 },
          { start: 11, end: 11, value: 0 },
        ],
        step,
      ),
    ).toEqual([
      { start: 1, end: 9, value: 0 },
      { start: 11, end: 11, value: 0 },
    ]);
    expect(
      flatten(
        [
          { start: 0, end: 100, value: 1 },
          { start: 10, end: 19, value: 2 },
          { start: 12, end: 13, value: 3 },
        ],
        step,
      ),
    ).toEqual([
      { start: 0, end: 9, value: 1 },
      { start: 10, end: 11, value: 2 },
      { start: 12, end: 13, value: 3 },
      { start: 14, end: 19, value: 2 },
      { start: 20, end: 100, value: 1 },
    ]);
  });

  it('A set of ranges takes at most 16 bytes an IPv4 range and 40 an IPv6 range, values included', () => {
    const count = 50_000;
    const v4 = Array.from({ length: count }, (_, index) => ({
      start: index * 80_000,
      end: index * 80_000 + 1,
      value: index,
    }));
    const v6 = v4.map(({ start, value }) => {
      const low = BigInt(0x20000000 + value * 4_000) << 96n;
      return { start: low, end: low + BigInt(start), value };
    });
    // The index ends with one bucket more.
    expect(bytesOf(compileV4(v4, true))).toBeLessThanOrEqual(16 * count + 8);
    expect(bytesOf(compileV6(v6, true))).toBeLessThanOrEqual(40 * count + 8);
  });
});
