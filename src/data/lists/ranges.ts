/** A range with a value, inclusive at both ends. IPv4 counts in `number`, IPv6 in `bigint`. */
export interface Span<T extends number | bigint> {
  readonly start: T;
  readonly end: T;
  /** What the range says: an AS number; 0 where only membership matters. */
  readonly value: number;
}

/** Ranges sorted by start, never overlapping. Eight bytes each, twelve with values. */
export interface V4Ranges {
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly values: Uint32Array | null;
}

/**
 * As {@link V4Ranges}, with four words per start and end: 32 bytes each, 36 with values. Start and end of a range lie side by
 * side, where one look at memory finds both.
 */
export interface V6Ranges {
  readonly bounds: Uint32Array;
  readonly values: Uint32Array | null;
}

/** Words of an IPv6 range: its start, then its end. */
export const V6_WORDS = 8;

/** Ranges of both families with the first-level index that makes a look-up a few comparisons. */
export interface RangeSet {
  readonly v4: V4Ranges;
  readonly v6: V6Ranges;
  readonly index4: FirstLevel;
  readonly index6: FirstLevel;
}

/** For each bucket of leading bits, the position of the first range that starts in it or later. */
interface FirstLevel {
  readonly base: number;
  readonly shift: number;
  readonly buckets: Uint32Array;
}

/** At most two mebibytes per family, and never more buckets than ranges: at most four bytes a range. */
const MAX_INDEX_BITS = 19;

/**
 * Sorts ranges and makes them disjoint: neighbours and overlaps with the same value become one; where values differ, the range
 * that starts later (the more specific network) wins inside the wider one.
 */
export function flatten<T extends number | bigint>(
  spans: readonly Span<T>[],
  step: { next(at: T): T; previous(at: T): T },
): Span<T>[] {
  const sorted = [...spans].sort((a, b) =>
    a.start < b.start ? -1 : a.start > b.start ? 1 : a.end > b.end ? -1 : a.end < b.end ? 1 : 0,
  );
  const flat: { start: T; end: T; value: number }[] = [];
  const emit = (start: T, end: T, value: number): void => {
    if (start > end) return;
    const last = flat.at(-1);
    if (last !== undefined && last.value === value && step.next(last.end) >= start) {
      if (end > last.end) last.end = end;
    } else flat.push({ start, end, value });
  };
  const open: Span<T>[] = [];
  let cursor: T | null = null;
  const closeBefore = (limit: T | null): void => {
    for (let top = open.at(-1); top !== undefined && (limit === null || top.end < limit); top = open.at(-1)) {
      open.pop();
      if (cursor !== null && cursor <= top.end) {
        emit(cursor, top.end, top.value);
        cursor = step.next(top.end);
      }
    }
  };
  for (const span of sorted) {
    closeBefore(span.start);
    const top = open.at(-1);
    if (top !== undefined && cursor !== null && cursor < span.start) emit(cursor, step.previous(span.start), top.value);
    cursor = span.start;
    open.push(span);
  }
  closeBefore(null);
  return flat;
}

const STEP_NUMBER = { next: (at: number): number => at + 1, previous: (at: number): number => at - 1 };
const STEP_BIGINT = { next: (at: bigint): bigint => at + 1n, previous: (at: bigint): bigint => at - 1n };

/** Compiles IPv4 spans (unsigned 32-bit words). With `valued` false the values are left out. */
export function compileV4(spans: readonly Span<number>[], valued: boolean): V4Ranges {
  const flat = flatten(spans, STEP_NUMBER);
  return {
    starts: Uint32Array.from(flat, (span) => span.start),
    ends: Uint32Array.from(flat, (span) => span.end),
    values: valued ? Uint32Array.from(flat, (span) => span.value) : null,
  };
}

function writeWords(target: Uint32Array, at: number, value: bigint): void {
  for (let word = 0; word < 4; word++) target[at + word] = Number((value >> BigInt(96 - 32 * word)) & 0xffffffffn);
}

/** Compiles IPv6 spans (unsigned 128-bit). With `valued` false the values are left out. */
export function compileV6(spans: readonly Span<bigint>[], valued: boolean): V6Ranges {
  const flat = flatten(spans, STEP_BIGINT);
  const bounds = new Uint32Array(flat.length * V6_WORDS);
  flat.forEach((span, index) => {
    writeWords(bounds, index * V6_WORDS, span.start);
    writeWords(bounds, index * V6_WORDS + 4, span.end);
  });
  return { bounds, values: valued ? Uint32Array.from(flat, (span) => span.value) : null };
}

/** Four words as one unsigned 128-bit number. */
export function wordsToBigint(words: readonly number[]): bigint {
  return words.reduce((sum, word) => (sum << 32n) | BigInt(word), 0n);
}

/** Indexes the ranges by the leading word of their starts, which stand `stride` words apart. */
function firstLevel(starts: Uint32Array, stride: number): FirstLevel {
  const count = starts.length / stride;
  if (count === 0) return { base: 0, shift: 0, buckets: new Uint32Array(2) };
  const base = at(starts, 0);
  const span = at(starts, (count - 1) * stride) - base;
  const indexBits = Math.min(MAX_INDEX_BITS, Math.floor(Math.log2(count)));
  const shift = Math.max(0, 32 - Math.clz32(span) - indexBits);
  const buckets = new Uint32Array((span >>> shift) + 2);
  let position = 0;
  for (let bucket = 0; bucket < buckets.length - 1; bucket++) {
    buckets[bucket] = position;
    while (position < count && (at(starts, position * stride) - base) >>> shift === bucket) position++;
  }
  buckets[buckets.length - 1] = count;
  return { base, shift, buckets };
}

/** Element of an array that is known to be long enough: the look-up's loop bears no check for `undefined`. */
function at(array: Uint32Array, index: number): number {
  return array[index] as number;
}

/** Puts the first-level index beside the ranges. */
export function indexRanges(v4: V4Ranges, v6: V6Ranges): RangeSet {
  return { v4, v6, index4: firstLevel(v4.starts, 1), index6: firstLevel(v6.bounds, V6_WORDS) };
}

/** Position of the range that holds the IPv4 address, an unsigned 32-bit word; -1 when none does. */
export function findV4(set: RangeSet, word: number): number {
  const { starts, ends } = set.v4;
  const { base, shift, buckets } = set.index4;
  if (starts.length === 0 || word < base) return -1;
  const bucket = Math.min((word - base) >>> shift, buckets.length - 2);
  let low = at(buckets, bucket);
  let high = at(buckets, bucket + 1);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at(starts, middle) <= word) low = middle + 1;
    else high = middle;
  }
  return low > 0 && at(ends, low - 1) >= word ? low - 1 : -1;
}

/** True when the four words at `offset` are no greater than the address. */
function isAtMost(words: Uint32Array, offset: number, a: number, b: number, c: number, d: number): boolean {
  const first = at(words, offset);
  if (first !== a) return first < a;
  const second = at(words, offset + 1);
  if (second !== b) return second < b;
  const third = at(words, offset + 2);
  if (third !== c) return third < c;
  return at(words, offset + 3) <= d;
}

/** True when the four words at `offset` are no less than the address. */
function isAtLeast(words: Uint32Array, offset: number, a: number, b: number, c: number, d: number): boolean {
  const first = at(words, offset);
  if (first !== a) return first > a;
  const second = at(words, offset + 1);
  if (second !== b) return second > b;
  const third = at(words, offset + 2);
  if (third !== c) return third > c;
  return at(words, offset + 3) >= d;
}

/** Position of the range that holds the IPv6 address, given as four unsigned 32-bit words; -1 when none does. */
export function findV6(set: RangeSet, words: readonly number[]): number {
  const { bounds } = set.v6;
  const { base, shift, buckets } = set.index6;
  // Reading by index, for destructuring walks an iterator and costs more than the search itself.
  const a = words[0] ?? 0;
  const b = words[1] ?? 0;
  const c = words[2] ?? 0;
  const d = words[3] ?? 0;
  if (bounds.length === 0 || a < base) return -1;
  const bucket = Math.min((a - base) >>> shift, buckets.length - 2);
  let low = at(buckets, bucket);
  let high = at(buckets, bucket + 1);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isAtMost(bounds, middle * V6_WORDS, a, b, c, d)) low = middle + 1;
    else high = middle;
  }
  return low > 0 && isAtLeast(bounds, (low - 1) * V6_WORDS + 4, a, b, c, d) ? low - 1 : -1;
}

/** Bytes that a set takes, index included, by family. */
export function bytesOf(set: RangeSet): { readonly v4: number; readonly v6: number } {
  const { v4, v6, index4, index6 } = set;
  return {
    v4: v4.starts.byteLength + v4.ends.byteLength + (v4.values?.byteLength ?? 0) + index4.buckets.byteLength,
    v6: v6.bounds.byteLength + (v6.values?.byteLength ?? 0) + index6.buckets.byteLength,
  };
}
