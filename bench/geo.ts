import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { type CityResponse, open } from 'maxmind';
import { createTestHarness } from 'wrangler';
import { readBytes } from '../src/data/directory.ts';
import { buildGeo } from '../src/data/geo/build-geo.ts';
import { bundledDirectory, readGeoipLite } from '../src/data/geo/geoip-lite.ts';
import { geoipLiteSource } from '../src/data/geo/local-geo.ts';
import { placeOfRecord } from '../src/data/geo/mmdb-table.ts';
import { placesInMemory, readPlaces } from '../src/data/geo/places.ts';
import type { Address } from '../src/model/address.ts';
import type { Located, Place } from '../src/model/geo.ts';
import { formatV4, formatV6, parseAddress } from '../src/net/ip.ts';
import { seeded } from '../test/support/geo/built.ts';
import { bar } from './bar.ts';
import { mmdbOf } from './servers/mmdb.ts';

/**
 * Look-ups and memory of the built geo data beside geoip-lite's own and beside `maxmind`, the reader of MaxMind's format, on a
 * database made of the same data; each in a process of its own. And look-ups in workerd. All have to say the same first.
 */
const ROOT = resolve(import.meta.dirname, '..');
const SHARDS = join(ROOT, 'build/worker/assets/geo');
const MMDB = join(ROOT, 'build/geoip-lite.mmdb');
const PROBES = 200_000;
const COMPARED = 20_000;
const ROUNDS = 9;

const SOURCES = {
  async shards(): Promise<(address: Address) => Located> {
    return placesInMemory(await readPlaces((name) => readBytes(join(SHARDS, name)))).locate;
  },
  /** What a service does that finds nothing built. */
  async compiled(): Promise<(address: Address) => Located> {
    return geoipLiteSource().locate;
  },
  /** The library itself, without a place made of what it answers. */
  async 'geoip-lite'(): Promise<(address: Address) => Located> {
    const library: { lookup(text: string): unknown } = createRequire(import.meta.url)('geoip-lite');
    return ({ text }) => (library.lookup(text) === null ? UNKNOWN : KNOWN);
  },
  /** Without a place made of the record: what the reader itself takes. */
  async maxmind(): Promise<(address: Address) => Located> {
    const reader = await open<CityResponse>(MMDB);
    return ({ text }) => (reader.get(text) === null ? UNKNOWN : KNOWN);
  },
} as const;
type SourceName = keyof typeof SOURCES;

const UNKNOWN: Located = { known: false, why: 'not_found' };
const KNOWN: Located = {
  known: true,
  place: { lat: null, lon: null, accuracyKm: 0, country: null, region: null, city: null, source: 'shards' },
};

interface Measured {
  readonly openMs: number;
  /** What the open source adds to heap and buffers, in MB. Resident memory hides it behind what was free before. */
  readonly heldMb: number;
  readonly v4PerSecond: number;
  readonly v6PerSecond: number;
}

function probes(version: 4 | 6, count: number): Address[] {
  const fraction = seeded(version);
  const random = (): number => Math.floor(fraction() * 2 ** 32);
  const addresses: Address[] = [];
  while (addresses.length < count) {
    const text = version === 4 ? formatV4(random()) : formatV6([0x2a000000 + (random() & 0xffffff), random(), 0, 1]);
    const address = parseAddress(text);
    if (address?.kind === 'public') addresses.push(address);
  }
  return addresses;
}

/** Look-ups per second of processor time: the best round, independent of other load. */
function rateOf(locate: (address: Address) => Located, addresses: readonly Address[]): number {
  let best = 0;
  let known = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.cpuUsage();
    for (const address of addresses) if (locate(address).known) known++;
    const { user, system } = process.cpuUsage(start);
    best = Math.max(best, addresses.length / ((user + system) / 1e6));
  }
  if (known === 0) throw new Error('no probe has a place: the benchmark measures nothing');
  return best;
}

/** Runs in a process of its own, so that one source's memory is not another's. */
async function measure(name: SourceName): Promise<Measured> {
  const nowHeldMb = (): number => {
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    return (heapUsed + external) / 1e6;
  };
  const before = nowHeldMb();
  const start = performance.now();
  const locate = await SOURCES[name]();
  const openMs = performance.now() - start;
  const heldMb = nowHeldMb() - before;
  return {
    openMs,
    heldMb,
    v4PerSecond: rateOf(locate, probes(4, PROBES)),
    v6PerSecond: rateOf(locate, probes(6, PROBES)),
  };
}

function measuredApart(name: SourceName): Promise<Measured> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--expose-gc', import.meta.filename, name], (error, stdout) => {
      if (error === null) resolve(JSON.parse(stdout));
      else reject(error);
    });
  });
}

/** Look-ups of one request in workerd, whose clock stops while it computes: measured from outside, less an empty request. */
async function measureWorkerd(): Promise<{ readonly perSecond: number; readonly memoryMb: number }> {
  process.env.CLOUDFLARE_CF_FETCH_ENABLED = 'false';
  const harness = createTestHarness({
    root: ROOT,
    workers: [
      {
        config: {
          name: 'bench-geo',
          main: join(ROOT, 'test/support/workerd/data-probe.ts'),
          compatibility_date: '2026-11-01',
          compatibility_flags: ['nodejs_compat'],
          assets: { directory: join(SHARDS, '..'), binding: 'ASSETS', run_worker_first: true },
        },
      },
    ],
  });
  try {
    const { url } = await harness.listen();
    // As many shards as the isolate keeps: what is measured are look-ups and not fetches.
    const texts = probes(4, PROBES)
      .filter(({ words }) => (words[0] ?? 0) >>> 28 === 5)
      .slice(0, 5_000)
      .map(({ text }) => text);
    const ask = async (rounds: number): Promise<{ readonly ms: number; readonly bytes: number }> => {
      const start = performance.now();
      const response = await fetch(`${url.origin}/?rounds=${rounds}`, { method: 'POST', body: JSON.stringify(texts) });
      const { bytes }: { bytes: number } = await response.json();
      return { ms: performance.now() - start, bytes };
    };
    const { bytes } = await ask(1);
    const rates: number[] = [];
    for (let round = 0; round < 5; round++) {
      const once = await ask(1);
      const often = await ask(101);
      rates.push((texts.length * 100) / ((often.ms - once.ms) / 1000));
    }
    return { perSecond: Math.max(...rates), memoryMb: bytes / 1e6 };
  } finally {
    await harness.close();
  }
}

/** Writes the data of geoip-lite as a MaxMind database and holds what its reader says to what the shards say. */
async function sameSaid(): Promise<void> {
  const from = bundledDirectory();
  if (from === null) throw new Error('geoip-lite is not installed');
  writeFileSync(MMDB, mmdbOf(readGeoipLite(from, true)));
  const reader = await open<CityResponse>(MMDB);
  const locate = await SOURCES.shards();
  for (const address of [...probes(4, COMPARED), ...probes(6, COMPARED)]) {
    const located = locate(address);
    const record = placeOfRecord(reader.get(address.text));
    const said = (place: Omit<Place, 'source'> | null): string =>
      JSON.stringify(
        place && [
          place.country,
          place.region,
          place.city,
          place.lat?.toFixed(2),
          place.lon?.toFixed(2),
          place.accuracyKm,
        ],
      );
    if (said(located.known ? located.place : null) !== said(record)) {
      throw new Error(`${address.text}: shards ${said(located.known ? located.place : null)}, maxmind ${said(record)}`);
    }
  }
}

const million = (perSecond: number): string => `${(perSecond / 1e6).toFixed(2)} million/s`;

function tell(name: string, { openMs, heldMb, v4PerSecond, v6PerSecond }: Measured): void {
  console.log(
    `${name}: IPv4 ${million(v4PerSecond)}, IPv6 ${million(v6PerSecond)}, ${heldMb.toFixed(0)} MB, open in ${openMs.toFixed(0)} ms`,
  );
}

async function benchGeo(): Promise<void> {
  const { built, bytes, files } = await buildGeo({ source: null, out: SHARDS, level: 'city' });
  console.log(`${(bytes / 1e6).toFixed(1)} MB in ${files} files, ${built ? 'built now' : 'built before'}`);
  await sameSaid();
  const shards = await measuredApart('shards');
  const compiled = await measuredApart('compiled');
  const geoipLite = await measuredApart('geoip-lite');
  tell('shards, Node', shards);
  tell('compiled at start, Node', compiled);
  tell('geoip-lite, Node', geoipLite);
  const maxmind = await measuredApart('maxmind');
  tell('maxmind, Node', maxmind);
  const workerd = await measureWorkerd();
  console.log(
    `shards, workerd: IPv4 ${million(workerd.perSecond)}, ${workerd.memoryMb.toFixed(1)} MB of shards in the isolate`,
  );
  const { v4PerSecond, v6PerSecond, heldMb } = shards;
  for (const [peer, other] of Object.entries({ 'geoip-lite': geoipLite, maxmind })) {
    const ratio = (ours: number, theirs: number): string => `${(ours / theirs).toFixed(2)} times ${peer}`;
    bar('IPv4 look-ups', ratio(v4PerSecond, other.v4PerSecond), v4PerSecond > other.v4PerSecond, 'above 1');
    bar('IPv6 look-ups', ratio(v6PerSecond, other.v6PerSecond), v6PerSecond > other.v6PerSecond, 'above 1');
    bar('memory on Node', ratio(heldMb, other.heldMb), heldMb < other.heldMb, 'below 1');
  }
  bar('shards in an isolate', `${workerd.memoryMb.toFixed(1)} MB`, workerd.memoryMb <= 32, 'at most 32 MB');
}

const [only] = process.argv.slice(2);
if (only === undefined) await benchGeo();
else if (only === 'shards' || only === 'compiled' || only === 'geoip-lite' || only === 'maxmind')
  process.stdout.write(JSON.stringify(await measure(only)));
else throw new Error(`no source is called ${only}`);
