/** A range with a value, inclusive at both ends. IPv4 counts in `number`, IPv6 in `bigint`. */
export interface Span<T extends number | bigint> {
  readonly start: T;
  readonly end: T;
  /** Value of the range: an AS number; 0 if only membership matters. */
  readonly value: number;
}

/** Ranges of one address family, sorted and never overlapping. */
export interface Ranges {
  /** 32-bit words of an address: one for IPv4, four for IPv6. */
  readonly words: 1 | 4;
  /** First and last address of each range, big-endian words, adjacent so that one memory access reads both. */
  readonly bounds: Uint32Array;
  /** Value of each range; null if only membership matters. */
  readonly values: Uint32Array | null;
  readonly index: FirstLevel;
}

/** Ranges of both families. */
export interface RangeSet {
  readonly v4: Ranges;
  readonly v6: Ranges;
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
export function compileV4(spans: readonly Span<number>[], valued: boolean): Ranges {
  const flat = flatten(spans, STEP_NUMBER);
  const bounds = new Uint32Array(flat.length * 2);
  flat.forEach(({ start, end }, index) => {
    bounds[index * 2] = start;
    bounds[index * 2 + 1] = end;
  });
  return indexed(1, bounds, valued ? Uint32Array.from(flat, ({ value }) => value) : null);
}

/** Compiles IPv6 spans (unsigned 128-bit). With `valued` false the values are left out. */
export function compileV6(spans: readonly Span<bigint>[], valued: boolean): Ranges {
  const flat = flatten(spans, STEP_BIGINT);
  const bounds = new Uint32Array(flat.length * 8);
  flat.forEach(({ start, end }, index) => {
    bounds.set(bigintToWords(start), index * 8);
    bounds.set(bigintToWords(end), index * 8 + 4);
  });
  return indexed(4, bounds, valued ? Uint32Array.from(flat, ({ value }) => value) : null);
}

/** An unsigned 128-bit number as four words. */
export function bigintToWords(value: bigint): number[] {
  return [96n, 64n, 32n, 0n].map((shift) => Number((value >> shift) & 0xffffffffn));
}

/** Four words as one unsigned 128-bit number. */
export function wordsToBigint(words: readonly number[]): bigint {
  return words.reduce((sum, word) => (sum << 32n) | BigInt(word), 0n);
}

/** Adds the index that makes a look-up a few comparisons: by the first word of each range's first address. */
export function indexed(words: 1 | 4, bounds: Uint32Array, values: Uint32Array | null): Ranges {
  const stride = words * 2;
  const count = bounds.length / stride;
  if (count === 0) return { words, bounds, values, index: { base: 0, shift: 0, buckets: new Uint32Array(2) } };
  const base = at(bounds, 0);
  const span = at(bounds, (count - 1) * stride) - base;
  const indexBits = Math.min(MAX_INDEX_BITS, Math.floor(Math.log2(count)));
  const shift = Math.max(0, 32 - Math.clz32(span) - indexBits);
  const buckets = new Uint32Array((span >>> shift) + 2);
  let position = 0;
  for (let bucket = 0; bucket < buckets.length - 1; bucket++) {
    buckets[bucket] = position;
    while (position < count && (at(bounds, position * stride) - base) >>> shift === bucket) position++;
  }
  buckets[buckets.length - 1] = count;
  return { words, bounds, values, index: { base, shift, buckets } };
}

/** An array element that is known to exist; saves a check for `undefined` in the look-up's loop. */
function at(array: Uint32Array, index: number): number {
  return array[index] as number;
}

/** True when first and last addresses are in order and no two ranges overlap. */
export function isInOrder({ words, bounds }: Pick<Ranges, 'words' | 'bounds'>): boolean {
  for (let offset = words; offset < bounds.length; offset += words) {
    let word = 0;
    while (word < words - 1 && bounds[offset + word] === bounds[offset + word - words]) word += 1;
    const difference = at(bounds, offset + word) - at(bounds, offset + word - words);
    const isFirst = offset % (words * 2) === 0;
    if (difference < 0 || (isFirst && difference === 0)) return false;
  }
  return bounds.length % (words * 2) === 0;
}

/** Index of the range that contains the address, in words like the ranges; -1 if none. */
export function findRange({ words, bounds, index }: Ranges, address: readonly number[]): number {
  const first = address[0] ?? 0;
  if (bounds.length === 0 || first < index.base) return -1;
  const bucket = Math.min((first - index.base) >>> index.shift, index.buckets.length - 2);
  const from = at(index.buckets, bucket);
  const to = at(index.buckets, bucket + 1);
  if (words === 1) {
    const position = lastWordAtOrBelow(bounds, 2, first, from, to);
    return position >= 0 && at(bounds, position * 2 + 1) >= first ? position : -1;
  }
  const position = lastWordsAtOrBelow(bounds, 8, 4, address, from, to);
  if (position < 0) return -1;
  const order = orderAt(bounds, position * 8 + 4, 4, first, address[1] ?? 0, address[2] ?? 0, address[3] ?? 0);
  return order >= 0 ? position : -1;
}

/**
 * Index of the last start at or below the address; -1 if none. Starts are `stride` words apart; if that is less than
 * the address has, its first words decide.
 */
export function lastAtOrBelow(starts: Uint32Array, stride: number, address: readonly number[]): number {
  const count = starts.length / stride;
  return stride === 1
    ? lastWordAtOrBelow(starts, 1, address[0] ?? 0, 0, count)
    : lastWordsAtOrBelow(starts, stride, stride, address, 0, count);
}

function lastWordAtOrBelow(starts: Uint32Array, stride: number, word: number, from: number, to: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at(starts, middle * stride) <= word) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** As {@link lastWordAtOrBelow} for addresses of four words, of which the first `compared` decide. */
function lastWordsAtOrBelow(
  starts: Uint32Array,
  stride: number,
  compared: number,
  address: readonly number[],
  from: number,
  to: number,
): number {
  // By index, because destructuring uses an iterator and costs more than the search.
  const a = address[0] ?? 0;
  const b = address[1] ?? 0;
  const c = address[2] ?? 0;
  const d = address[3] ?? 0;
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (orderAt(starts, middle * stride, compared, a, b, c, d) <= 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** -1, 0 or 1 if the words at `offset` are below the others, equal, or above. */
function orderAt(
  words: Uint32Array,
  offset: number,
  compared: number,
  a: number,
  b: number,
  c: number,
  d: number,
): -1 | 0 | 1 {
  const first = at(words, offset);
  if (first !== a) return first < a ? -1 : 1;
  const second = at(words, offset + 1);
  if (second !== b) return second < b ? -1 : 1;
  if (compared === 2) return 0;
  const third = at(words, offset + 2);
  if (third !== c) return third < c ? -1 : 1;
  const fourth = at(words, offset + 3);
  return fourth === d ? 0 : fourth < d ? -1 : 1;
}

/** Bytes of the ranges, index included. */
export function bytesOf({ bounds, values, index }: Ranges): number {
  return bounds.byteLength + (values?.byteLength ?? 0) + index.buckets.byteLength;
}
