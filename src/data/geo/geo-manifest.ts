import * as z from 'zod';
import type { Address } from '../../model/address.ts';
import { DATA_SUFFIX, statedCrc } from '../container.ts';
import { type ListedFile, type Manifest, type ManifestKind, manifestOf } from '../manifest.ts';
import { lastAtOrBelow } from '../ranges.ts';
import type { PlaceSteps, PlaceTable } from './place-steps.ts';
import { encodeShard, GEO_COMMAND, STARTS_PER_SHARD, shardRoom } from './shard.ts';

/** How much is compiled: cities with coordinates, or countries alone. */
export const GEO_LEVELS = ['city', 'country'] as const;
export type GeoLevel = (typeof GEO_LEVELS)[number];

const aboutSchema = z.strictObject({
  level: z.enum(GEO_LEVELS),
  source: z.strictObject({
    /** `geoip-lite`, or the type that a MaxMind file says of itself (`GeoLite2-City`). */
    name: z.string(),
    /** Of the files it was read from. */
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    /** When the data was made, not when it was compiled. */
    data_at: z.iso.datetime(),
  }),
  counts: z.strictObject({
    /** Stretches of addresses with one place, or with none. */
    v4: z.int().min(0),
    v6: z.int().min(0),
    places: z.int().min(0),
  }),
});
export type AboutGeo = z.infer<typeof aboutSchema>;
export type GeoManifest = Manifest<AboutGeo>;

export const GEO_MANIFEST: ManifestKind<AboutGeo> = { about: aboutSchema, command: GEO_COMMAND };

/** A manifest made ready for look-ups. */
export interface ShardIndex {
  readonly about: AboutGeo;
  /** Those of IPv4 first. */
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
 * Cuts a table into shards of so many starts, 65,535 at most. The same table gives the same bytes. A shard is named for the first address in it, and for its content, so
 * that a file of another build is missing rather than wrong.
 */
export function compileShards(
  table: PlaceTable,
  about: Pick<AboutGeo, 'level' | 'source'>,
  startsPerShard = STARTS_PER_SHARD,
): GeoFiles {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const room = shardRoom(table.places);
  const cut = (family: 'v4' | 'v6', steps: PlaceSteps): void => {
    for (let from = 0; from < steps.places.length; from += startsPerShard) {
      const to = Math.min(from + startsPerShard, steps.places.length);
      const bytes = encodeShard(steps, table.places, from, to, room);
      const first = Array.from(steps.starts.subarray(from * steps.stride, (from + 1) * steps.stride), hex).join('');
      files.set(`${family}-${first}-${hex(statedCrc(bytes))}${DATA_SUFFIX}`, bytes);
    }
  };
  cut('v4', table.v4);
  cut('v6', table.v6);
  const counts = { v4: table.v4.places.length, v6: table.v6.places.length, places: table.places.nameOf.length };
  return { manifest: manifestOf({ ...about, counts }, files), files };
}

const hex = (word: number): string => word.toString(16).padStart(8, '0');

const SHARD_NAME = /^(v[46])-([0-9a-f]+)-/;

/** Makes a manifest ready for look-ups. */
export function shardIndex({ about, files }: GeoManifest): ShardIndex {
  const firsts = { v4: [] as number[], v6: [] as number[] };
  for (const [name] of files) {
    const [, family, first = ''] = SHARD_NAME.exec(name) ?? [];
    const words = first.match(/.{8}/g) ?? [];
    firsts[family === 'v4' ? 'v4' : 'v6'].push(...words.map((digits) => Number.parseInt(digits, 16)));
  }
  const v4 = Uint32Array.from(firsts.v4);
  const v6 = Uint32Array.from(firsts.v6);
  return {
    about,
    shards: files,
    positionOf({ version, words }) {
      if (version === 4) return lastAtOrBelow(v4, 1, words);
      const position = lastAtOrBelow(v6, 4, words);
      return position < 0 ? position : v4.length + position;
    },
  };
}
