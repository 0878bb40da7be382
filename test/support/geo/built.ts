import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { buildGeo } from '../../../src/data/geo/build-geo.ts';
import { compileShards, type GeoLevel, type GeoManifest } from '../../../src/data/geo/geo-manifest.ts';
import { placeList, type StoredPlace, stepList } from '../../../src/data/geo/place-steps.ts';
import { formatManifest, MANIFEST_FILE } from '../../../src/data/manifest.ts';
import type { Address } from '../../../src/model/address.ts';
import type { Located } from '../../../src/model/geo.ts';
import { formatV4, formatV6, parseAddress } from '../../../src/net/ip.ts';

/** Where the build step of the Worker puts the geo data. */
export const BUNDLED_SHARDS = resolve(import.meta.dirname, '../../../build/worker/assets/geo');

/** The shards of the installed geoip-lite data; made once, then found. */
export async function bundledShards(): Promise<string> {
  await buildGeo({ source: null, out: BUNDLED_SHARDS, level: 'city' });
  return BUNDLED_SHARDS;
}

/** The files of a small build, as a reader fetches them. */
export interface SmallBuild {
  readonly manifest: GeoManifest;
  readonly files: Map<string, Uint8Array<ArrayBuffer>>;
}

const SLASH16S = 9_000;

/** Data in which every /16 from 1.0.0.0 on is another town of its country: three shards of IPv4, one of IPv6. */
export function smallBuild({
  country = 'GB',
  level = 'city',
}: {
  readonly country?: string;
  readonly level?: GeoLevel;
} = {}): SmallBuild {
  const list = placeList();
  const town = (index: number): StoredPlace => ({
    country,
    region: 'R',
    city: `Town ${index}`,
    lat: (index % 1800) / 20 - 45,
    lon: 1,
    accuracyKm: 10,
  });
  const v4 = stepList(1);
  for (let index = 0; index < SLASH16S; index++)
    v4.push(BigInt((0x01000000 + index * 0x10000) >>> 0), list.number(town(index)));
  const v6 = stepList(4);
  v6.push(0x2a00n << 112n, list.number(town(0)));
  v6.push(0x2a01n << 112n, list.number(null));
  const { manifest, files } = compileShards(
    { v4: v4.steps(), v6: v6.steps(), places: list.places },
    { level, source: { name: 'towns', sha256: '0'.repeat(64), data_at: '2026-11-01T00:00:00.000Z' } },
  );
  return {
    manifest,
    files: new Map([...files, [MANIFEST_FILE, new TextEncoder().encode(formatManifest(manifest))]]),
  };
}

export function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return address;
}

/** What is said of a place, whoever says it. */
export function saidOf(located: Located): unknown {
  return located.known ? { ...located.place, source: 'any' } : located.why;
}

/** Where the data lies that geoip-lite brings along. */
export const BUNDLED_DATA = join(dirname(createRequire(import.meta.url).resolve('geoip-lite/package.json')), 'data');

/** Random public addresses, half of each family: IPv6 ones around the borders of records, since nearly all others are nobody's. */
export function randomAddresses(count: number, seed: number): Address[] {
  const borders = readFileSync(join(BUNDLED_DATA, 'geoip-city6.dat'));
  const random = seeded(seed);
  const word = (): number => Math.floor(random() * 2 ** 32);
  const near6 = (): string => {
    const at = Math.floor((random() * borders.length) / RECORD6_BYTES) * RECORD6_BYTES + (random() < 0.5 ? 0 : 16);
    const second = (borders.readUInt32BE(at + 4) ^ (word() & 3)) >>> 0;
    return formatV6([borders.readUInt32BE(at), second, word(), word()]);
  };
  const addresses: Address[] = [];
  while (addresses.length < count) {
    const address = addressOf(addresses.length % 2 === 0 ? formatV4(word()) : near6());
    if (address.kind === 'public') addresses.push(address);
  }
  return addresses;
}

const RECORD6_BYTES = 48;

/** Numbers from 0 to below 1, the same for a seed, so that a failure can be repeated (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
