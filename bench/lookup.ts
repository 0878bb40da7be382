import ipaddr from 'ipaddr.js';
import { parseAddress } from '../src/net/ip.ts';
import { bytesOf, compileV4, compileV6, findV4, findV6, indexRanges, type Span } from '../src/reputation/ranges.ts';

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

function perSecond(times: number, run: () => number): number {
  run();
  const start = performance.now();
  let hits = 0;
  for (let round = 0; round < times; round++) hits += run();
  const seconds = (performance.now() - start) / 1000;
  if (hits < 0) throw new Error('unreachable: the sum only keeps the loop from being optimised away');
  return (times * PROBES) / seconds;
}

const million = (value: number): string => `${(value / 1e6).toFixed(1)} million/s`;

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
  const probes6 = Array.from({ length: PROBES }, (_, index) =>
    index % 2 === 0
      ? Array.from(set.v6.starts.subarray((random() % counts.v6) * 4).subarray(0, 4))
      : [0x20000000 + (random() >>> 4), random(), 0, 1],
  );

  const v4Rate = perSecond(5, () => {
    let hits = 0;
    for (let index = 0; index < PROBES; index++) if (findV4(set, probes4[index] ?? 0) >= 0) hits++;
    return hits;
  });
  const v6Rate = perSecond(3, () => {
    let hits = 0;
    for (const probe of probes6) if (findV6(set, probe) >= 0) hits++;
    return hits;
  });
  const asMap = new Map(v4.map((span) => [span.start, 0]));
  const mapRate = perSecond(3, () => {
    let hits = 0;
    for (let index = 0; index < PROBES; index++) if (asMap.has(probes4[index] ?? 0)) hits++;
    return hits;
  });
  print(`IPv4 look-up, ${counts.v4} ranges: ${million(v4Rate)}, ${(bytes.v4 / counts.v4).toFixed(1)} bytes a range`);
  print(`IPv6 look-up, ${counts.v6} ranges: ${million(v6Rate)}, ${(bytes.v6 / counts.v6).toFixed(1)} bytes a range`);
  print(`Map of the same addresses (no ranges): ${million(mapRate)}; ranges / Map = ${(v4Rate / mapRate).toFixed(2)}`);

  const texts4 = Array.from({ length: PROBES }, () => {
    const word = random();
    return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
  });
  const texts6 = texts4.map(() => `2a00:1450:${(random() & 0xffff).toString(16)}::${(random() & 0xffff).toString(16)}`);
  for (const [family, texts] of [
    ['IPv4', texts4],
    ['IPv6', texts6],
  ] as const) {
    const ours = perSecond(2, () => texts.reduce((sum, text) => sum + (parseAddress(text) === null ? 0 : 1), 0));
    const theirs = perSecond(1, () => texts.reduce((sum, text) => sum + (ipaddr.isValid(text) ? 1 : 0), 0));
    print(`${family} parse: ${(1e9 / ours).toFixed(0)} ns; ipaddr.isValid alone: ${(1e9 / theirs).toFixed(0)} ns`);
  }
}

if (import.meta.main) benchLookup((line) => console.log(line));
