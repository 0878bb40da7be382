import { BlockList } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import ipRangeCheck from 'ip-range-check';
import ipaddr from 'ipaddr.js';
import LongestPrefixMatch from 'longest-prefix-match';
import { bytesOf, compileV4, compileV6, findRange, type Span, wordsToBigint } from '../src/data/ranges.ts';
import { parseAddress } from '../src/net/ip.ts';
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

/** Rate of the median and of the best round per second of processor time: what one core does, independent of other load. */
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

/** Look-ups in a list that is searched from its beginning take too long for as many probes as the others get. */
const FEW_PROBES = 64;

/** Something that says whether an address, given as text, lies in one of the ranges that were added. */
interface Matcher {
  readonly name: string;
  readonly load: (networks: readonly string[], prefix: number) => (address: string) => boolean;
  readonly probes: number;
}

const own: Matcher = {
  name: 'stepgate',
  probes: PROBES,
  load: (networks, prefix) => {
    const v4: Span<number>[] = [];
    const v6: Span<bigint>[] = [];
    for (const network of networks) {
      const { version, words = [] } = parseAddress(network) ?? {};
      const first = wordsToBigint(words);
      if (version === 4) v4.push({ start: Number(first), end: Number(first), value: 0 });
      else v6.push({ start: first, end: first + (1n << BigInt(128 - prefix)) - 1n, value: 0 });
    }
    const set = { 4: compileV4(v4, false), 6: compileV6(v6, false) };
    return (text) => {
      const address = parseAddress(text);
      return address !== null && findRange(set[address.version], address.words) >= 0;
    };
  },
};

const longestPrefixMatch: Matcher = {
  name: 'longest-prefix-match',
  probes: PROBES >> 4,
  load: (networks, prefix) => {
    const trie = new LongestPrefixMatch();
    for (const network of networks) trie.addPrefix(`${network}/${prefix}`, true);
    return (address) => trie.getMatch(`${address}/${address.includes(':') ? 128 : 32}`).length > 0;
  },
};

const blockList: Matcher = {
  name: 'BlockList of node:net',
  probes: FEW_PROBES,
  load: (networks, prefix) => {
    const list = new BlockList();
    for (const network of networks) list.addSubnet(network, prefix, network.includes(':') ? 'ipv6' : 'ipv4');
    return (address) => list.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
  },
};

/** The most used one: it keeps the texts and parses them for every address. */
const ipRangeCheckMatcher: Matcher = {
  name: 'ip-range-check',
  probes: 2,
  load: (networks, prefix) => {
    const ranges = networks.map((network) => `${network}/${prefix}`);
    return (address) => ipRangeCheck(address, ranges);
  },
};

/** Loads the networks and prints what that takes and how many look-ups are then answered. Answers with what was found. */
function measureMatcher(
  { name, load, probes }: Matcher,
  prefix: number,
  networks: readonly string[],
  probed: readonly string[],
  print: (line: string) => void,
): readonly boolean[] {
  const before = memory();
  const startMs = performance.now();
  const has = load(networks, prefix);
  const loadSeconds = (performance.now() - startMs) / 1000;
  const after = memory();
  const bytes = Math.max(after.resident - before.resident, after.counted - before.counted) / networks.length;
  const start = process.cpuUsage();
  const found = probed.slice(0, probes).map(has);
  const rate = probes / (process.cpuUsage(start).user / 1e6);
  print(
    `  ${name}: ${rate < 10 ? rate.toFixed(2) : rate.toFixed(0)} look-ups/s, ${bytes.toFixed(0)} bytes a range, loaded in ${loadSeconds.toFixed(1)} s`,
  );
  return found;
}

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** Memory of this process in bytes after a collection: all that is resident, and what JavaScript objects are known to hold. */
function memory(): { readonly resident: number; readonly counted: number } {
  collectGarbage();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { resident: rss, counted: heapUsed + external };
}

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
  const set = { v4: compileV4(v4, false), v6: compileV6(v6, false) };
  const bytes = { v4: bytesOf(set.v4), v6: bytesOf(set.v6) };
  const starts4 = set.v4.bounds.filter((_, index) => index % 2 === 0);
  const counts = { v4: starts4.length, v6: set.v6.bounds.length / 8 };
  const probes4 = Uint32Array.from({ length: PROBES }, (_, index) =>
    index % 2 === 0 ? (starts4[random() % counts.v4] ?? 0) : random(),
  );
  const probes6 = new Uint32Array(PROBES * 4);
  for (let index = 0; index < PROBES; index++) {
    const known = (random() % counts.v6) * 8;
    const start = set.v6.bounds.subarray(known, known + 4);
    probes6.set(index % 2 === 0 ? start : [0x20000000 + (random() >>> 4), random(), 0, 1], index * 4);
  }

  const v4Rate = rates(9, () => {
    let hits = 0;
    const probe = [0];
    for (let index = 0; index < PROBES; index++) {
      probe[0] = probes4[index] ?? 0;
      if (findRange(set.v4, probe) >= 0) hits++;
    }
    return hits;
  });
  const v6Rate = rates(9, () => {
    let hits = 0;
    const probe = [0, 0, 0, 0];
    for (let index = 0; index < PROBES * 4; index += 4) {
      for (let word = 0; word < 4; word++) probe[word] = probes6[index + word] ?? 0;
      if (findRange(set.v6, probe) >= 0) hits++;
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

  const dotted = (word: number): string => `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
  const colons = (words: Uint32Array): string =>
    [...words].map((word) => `${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`).join(':');
  for (const { version, prefix, networks, probed } of [
    {
      version: 4,
      prefix: 32,
      networks: Array.from(starts4, dotted),
      probed: Array.from(probes4, dotted),
    },
    {
      version: 6,
      prefix: 64,
      networks: Array.from({ length: counts.v6 }, (_, index) =>
        colons(set.v6.bounds.subarray(index * 8, index * 8 + 4)),
      ),
      probed: Array.from({ length: PROBES }, (_, index) => colons(probes6.subarray(index * 4, index * 4 + 4))),
    },
  ]) {
    print(`${networks.length} IPv${version} networks and addresses as text, beside others:`);
    const ours = measureMatcher(own, prefix, networks, probed, print);
    for (const peer of [longestPrefixMatch, ipRangeCheckMatcher, blockList]) {
      const theirs = measureMatcher(peer, prefix, networks, probed, print);
      const odd = theirs.findIndex((found, index) => found !== ours[index]);
      if (odd !== -1) throw new Error(`${peer.name} disagrees on ${probed[odd]}`);
    }
  }

  const texts4 = Array.from({ length: PROBES }, () => dotted(random()));
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
