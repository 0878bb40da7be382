import * as z from 'zod';
import type { Address } from '../../model/address.ts';
import { DATA_SUFFIX, statedCrc } from '../container.ts';
import { type ListedFile, type Manifest, type ManifestKind, manifestOf } from '../manifest.ts';
import { lastAtOrBelow } from '../ranges.ts';
import type { PlaceTable } from './place-steps.ts';
import { cutShard, encodeShard, GEO_COMMAND, type Shard, STARTS_PER_SHARD, shardRoom } from './shard.ts';

/** How much is compiled: cities with coordinates, or countries only. */
export const GEO_LEVELS = ['city', 'country'] as const;
export type GeoLevel = (typeof GEO_LEVELS)[number];

const aboutSchema = z.strictObject({
  level: z.enum(GEO_LEVELS),
  source: z.strictObject({
    /** `geoip-lite`, or the type that a MaxMind file states (`GeoLite2-City`). */
    name: z.string(),
    /** Hash of the source files. */
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    /** When the data was made, not when it was compiled. */
    data_at: z.iso.datetime(),
  }),
  counts: z.strictObject({
    /** Ranges of addresses with the same place, or with none. */
    v4: z.int().min(0),
    v6: z.int().min(0),
    places: z.int().min(0),
  }),
});
export type AboutGeo = z.infer<typeof aboutSchema>;
export type GeoManifest = Manifest<AboutGeo>;

export const GEO_MANIFEST: ManifestKind<AboutGeo> = { about: aboutSchema, command: GEO_COMMAND };

/** A manifest prepared for look-ups. */
export interface ShardIndex {
  readonly about: AboutGeo;
  /** IPv4 first. */
  readonly shards: readonly ListedFile[];
  /** Position in {@link shards}; -1 when the data has no such family. */
  positionOf(address: Address): number;
}

/** Built geo data: its manifest, and its files by name. */
export interface GeoFiles {
  readonly manifest: GeoManifest;
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

/**
 * Compiles a table into files. The same table gives the same bytes. The name of a shard contains its first address and a checksum of
 * its content, so that a file of another build counts as missing instead of being misread.
 */
export function compileShards(table: PlaceTable, about: Pick<AboutGeo, 'level' | 'source'>): GeoFiles {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const { family, first, shard } of shardsOf(table, STARTS_PER_SHARD)) {
    const bytes = encodeShard(shard);
    files.set(`${family}-${Array.from(first, hex).join('')}-${hex(statedCrc(bytes))}${DATA_SUFFIX}`, bytes);
  }
  return { manifest: manifestOf({ ...about, counts: countsOf(table) }, files), files };
}

/** Cuts a table into few, large shards in memory: every shard repeats the names that it uses. */
export function cutShards(
  table: PlaceTable,
  about: Pick<AboutGeo, 'level' | 'source'>,
): { readonly index: Pick<ShardIndex, 'about' | 'positionOf'>; readonly shards: readonly Shard[] } {
  const firsts: Firsts = { v4: [], v6: [] };
  const shards: Shard[] = [];
  for (const { family, first, shard } of shardsOf(table, MAX_STARTS)) {
    firsts[family].push(...first);
    shards.push(shard);
  }
  return { index: { about: { ...about, counts: countsOf(table) }, positionOf: positionIn(firsts) }, shards };
}

const MAX_STARTS = 60_000;

function* shardsOf(
  table: PlaceTable,
  startsPerShard: number,
): Generator<{ readonly family: Family; readonly first: Uint32Array; readonly shard: Shard }> {
  const room = shardRoom(table.places);
  for (const family of ['v4', 'v6'] as const) {
    const { starts, stride, places } = table[family];
    for (let from = 0; from < places.length; from += startsPerShard) {
      const first = starts.subarray(from * stride, (from + 1) * stride);
      const to = Math.min(from + startsPerShard, places.length);
      yield { family, first, shard: cutShard(table[family], table.places, from, to, room) };
    }
  }
}

type Family = 'v4' | 'v6';

const countsOf = ({ v4, v6, places }: PlaceTable): AboutGeo['counts'] => ({
  v4: v4.places.length,
  v6: v6.places.length,
  places: places.nameOf.length,
});

const hex = (word: number): string => word.toString(16).padStart(8, '0');

const SHARD_NAME = /^(v[46])-([0-9a-f]+)-/;

/** Prepares a manifest for look-ups. */
export function shardIndex({ about, files }: GeoManifest): ShardIndex {
  const firsts: Firsts = { v4: [], v6: [] };
  for (const [name] of files) {
    const [, family, first = ''] = SHARD_NAME.exec(name) ?? [];
    const words = first.match(/.{8}/g) ?? [];
    firsts[family === 'v4' ? 'v4' : 'v6'].push(...words.map((digits) => Number.parseInt(digits, 16)));
  }
  return { about, shards: files, positionOf: positionIn(firsts) };
}

/** Words of the first address of each shard. */
type Firsts = { readonly [family in Family]: number[] };

function positionIn(firsts: Firsts): ShardIndex['positionOf'] {
  const v4 = Uint32Array.from(firsts.v4);
  const v6 = Uint32Array.from(firsts.v6);
  return ({ version, words }) => {
    if (version === 4) return lastAtOrBelow(v4, 1, words);
    const position = lastAtOrBelow(v6, 4, words);
    return position < 0 ? position : v4.length + position;
  };
}
