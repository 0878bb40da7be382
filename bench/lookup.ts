import ipaddr from 'ipaddr.js';
import { parseAddress } from '../src/net/ip.ts';
import { bytesOf, compileV4, compileV6, findV4, findV6, indexRanges, type Span } from '../src/reputation/ranges.ts';
import { bar } from './bar.ts';

/** A seeded generator (mulberry32): every run measures the same ranges and addresses. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

const RANGES = 1_000_000;
const PROBES = 1 << 20;

/** Rate of the median and of the best round per second of processor time: what one core does, whatever else runs beside it. */
function rates(rounds: number, run: () => number): { readonly median: number; readonly best: number } {
  run();
  const seconds: number[] = [];
  let hits = 0;
  for (let round = 0; round < rounds; round++) {
    const start = process.cpuUsage();
    hits += run();
    seconds.push(process.cpuUsage(start).user / 1e6);
  }
  // The sum keeps the loops from being optimised away.
  if (hits === 0) throw new Error('no probe was found: the benchmark measures nothing');
  seconds.sort((a, b) => a - b);
  return { median: PROBES / (seconds[rounds >> 1] ?? 0), best: PROBES / (seconds[0] ?? 0) };
}

const million = ({ median, best }: { median: number; best: number }): string =>
  `${(median / 1e6).toFixed(1)} million/s (best round ${(best / 1e6).toFixed(1)})`;

/** Measures address look-ups at one million ranges and prints what the bars of the design ask for. */
export function benchLookup(print: (line: string) => void): void {
  const random = seeded(7);
  // Disjoint ranges with gaps, unevenly spread as real lists are: half of them crowd into a sixteenth of the space.
  const v4: Span<number>[] = [];
  const v4Starts = new Set<number>();
  while (v4Starts.size < RANGES) {
    const word = random();
    v4Starts.add((v4Starts.size % 2 === 0 ? (0x50000000 | (word >>> 4)) >>> 0 : word) & ~1);
  }
  for (const start of v4Starts) v4.push({ start: start >>> 0, end: start >>> 0, value: 0 });
  const v6: Span<bigint>[] = [];
  for (let index = 0; index < RANGES; index++) {
    const high = 0x20000000 + (random() >>> 4);
    const start = (BigInt(high) << 96n) | (BigInt(random() >>> 0) << 64n);
    v6.push({ start, end: start + 0xffffffffffffffffn - 1n, value: 0 });
  }
  const set = indexRanges(compileV4(v4, false), compileV6(v6, false));
  const bytes = bytesOf(set);
  const counts = { v4: set.v4.starts.length, v6: set.v6.starts.length / 4 };
  const probes4 = Uint32Array.from({ length: PROBES }, (_, index) =>
    index % 2 === 0 ? (set.v4.starts[random() % counts.v4] ?? 0) : random(),
  );
  const probes6 = new Uint32Array(PROBES * 4);
  for (let index = 0; index < PROBES; index++) {
    const known = (random() % counts.v6) * 4;
    const start = set.v6.starts.subarray(known, known + 4);
    probes6.set(index % 2 === 0 ? start : [0x20000000 + (random() >>> 4), random(), 0, 1], index * 4);
  }

  const v4Rate = rates(9, () => {
    let hits = 0;
    for (let index = 0; index < PROBES; index++) if (findV4(set, probes4[index] ?? 0) >= 0) hits++;
    return hits;
  });
  const v6Rate = rates(9, () => {
    let hits = 0;
    const probe = [0, 0, 0, 0];
    for (let index = 0; index < PROBES * 4; index += 4) {
      for (let word = 0; word < 4; word++) probe[word] = probes6[index + word] ?? 0;
      if (findV6(set, probe) >= 0) hits++;
    }
    return hits;
  });
  const asMap = new Map(v4.map((span) => [span.start, 0]));
  const mapRate = rates(9, () => {
    let hits = 0;
    for (let index = 0; index < PROBES; index++) if (asMap.has(probes4[index] ?? 0)) hits++;
    return hits;
  });
  print(`IPv4 look-up, ${counts.v4} ranges: ${million(v4Rate)}, ${(bytes.v4 / counts.v4).toFixed(1)} bytes a range`);
  print(`IPv6 look-up, ${counts.v6} ranges: ${million(v6Rate)}, ${(bytes.v6 / counts.v6).toFixed(1)} bytes a range`);
  print(
    `Map of the same addresses (no ranges): ${million(mapRate)}; ranges / Map = ${(v4Rate.median / mapRate.median).toFixed(2)}`,
  );

  for (const [family, rate] of [
    ['IPv4', v4Rate],
    ['IPv6', v6Rate],
  ] as const) {
    bar(`${family} look-ups a second on one core`, million(rate), rate.median >= 5e6, 'at least 5 million/s');
  }
  const size = { v4: bytes.v4 / counts.v4, v6: bytes.v6 / counts.v6 };
  bar('bytes of an IPv4 range', size.v4.toFixed(1), size.v4 <= 16, 'at most 16');
  bar('bytes of an IPv6 range', size.v6.toFixed(1), size.v6 <= 40, 'at most 40');

  const texts4 = Array.from({ length: PROBES }, () => {
    const word = random();
    return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
  });
  const texts6 = texts4.map(() => `2a00:1450:${(random() & 0xffff).toString(16)}::${(random() & 0xffff).toString(16)}`);
  for (const [family, texts] of [
    ['IPv4', texts4],
    ['IPv6', texts6],
  ] as const) {
    const ours = rates(5, () => texts.reduce((sum, text) => sum + (parseAddress(text) === null ? 0 : 1), 0));
    const theirs = rates(3, () => texts.reduce((sum, text) => sum + (ipaddr.isValid(text) ? 1 : 0), 0));
    print(
      `${family} parse: ${(1e9 / ours.median).toFixed(0)} ns; ipaddr.isValid alone: ${(1e9 / theirs.median).toFixed(0)} ns`,
    );
  }
}

if (import.meta.main) benchLookup((line) => console.log(line));
