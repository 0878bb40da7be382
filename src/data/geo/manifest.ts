import * as z from 'zod';
import type { Address } from '../../model/address.ts';
import { crc32 } from '../crc32.ts';
import type { PlaceSteps, PlaceTable } from './place-steps.ts';
import { encodeShard, GeoDataError, lastAtOrBelow, SHARD_FORMAT, type ShardEntry, STARTS_PER_SHARD } from './shard.ts';

/** Name of the file beside the shards that says which there are. */
export const MANIFEST_FILE = 'manifest.json';

/** How much is compiled: cities with coordinates, or countries alone. */
export const GEO_LEVELS = ['city', 'country'] as const;
export type GeoLevel = (typeof GEO_LEVELS)[number];

/** First address in hexadecimal, 8 or 32 digits; bytes of the file; its CRC-32. */
const entrySchema = z.tuple([z.string().regex(/^(?:[0-9a-f]{8}|[0-9a-f]{32})$/), z.int().min(0), z.int().min(0)]);

const manifestSchema = z.strictObject({
  format: z.literal(SHARD_FORMAT),
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
  shards: z.strictObject({ v4: z.array(entrySchema), v6: z.array(entrySchema) }),
  /** CRC-32 of the JSON of everything else. */
  checksum: z.int().min(0),
});
export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestSource = Manifest['source'];

/** A shard as the manifest lists it. */
export interface ListedShard extends ShardEntry {
  /** Name of its file. It changes with the content, so that a file of another build is missing rather than wrong. */
  readonly name: string;
}

/** A manifest made ready for look-ups. */
export interface ShardIndex {
  readonly manifest: Manifest;
  /** Those of IPv4 first. */
  readonly shards: readonly ListedShard[];
  /** Position in {@link shards}; -1 when the data has no such family. */
  positionOf(address: Address): number;
}

/** Cuts a table into shards. The same table gives the same bytes. */
export function compileShards(
  table: PlaceTable,
  about: { readonly level: GeoLevel; readonly source: ManifestSource },
): { readonly manifest: Manifest; readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>> } {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const cut = (family: Family, steps: PlaceSteps): Manifest['shards']['v4'] => {
    const entries: Manifest['shards']['v4'] = [];
    for (let from = 0; from < steps.places.length; from += STARTS_PER_SHARD) {
      const bytes = encodeShard(steps, table.places, from, Math.min(from + STARTS_PER_SHARD, steps.places.length));
      const first = steps.starts.subarray(from * steps.stride, (from + 1) * steps.stride);
      const checksum = crc32(bytes);
      files.set(fileName(family, entries.length, checksum), bytes);
      entries.push([Array.from(first, (word) => hex(word)).join(''), bytes.length, checksum]);
    }
    return entries;
  };
  const content = {
    format: SHARD_FORMAT,
    ...about,
    counts: { v4: table.v4.places.length, v6: table.v6.places.length, places: table.places.length },
    shards: { v4: cut('v4', table.v4), v6: cut('v6', table.v6) },
  } as const;
  return { manifest: { ...content, checksum: checksumOf(content) }, files };
}

type Family = 'v4' | 'v6';

const hex = (word: number): string => word.toString(16).padStart(8, '0');

const fileName = (family: Family, position: number, checksum: number): string =>
  `${family}-${String(position).padStart(4, '0')}-${hex(checksum)}.bin`;

function checksumOf(content: Omit<Manifest, 'checksum'>): number {
  const { format, level, source, counts, shards } = content;
  const { name, sha256, data_at } = source;
  const ordered = [format, level, name, sha256, data_at, counts.v4, counts.v6, counts.places, shards.v4, shards.v6];
  return crc32(new TextEncoder().encode(JSON.stringify(ordered)));
}

/** The text of a manifest, one shard on a line. */
export function formatManifest({ shards, ...rest }: Manifest): string {
  const lines = (entries: Manifest['shards']['v4']): string =>
    entries.map((entry) => `\n    ${JSON.stringify(entry)}`).join(',');
  const head = JSON.stringify(rest, null, 2).slice(0, -2);
  return `${head},\n  "shards": {"v4": [${lines(shards.v4)}\n  ], "v6": [${lines(shards.v6)}\n  ]}\n}\n`;
}

/**
 * Reads and checks the text of a manifest.
 *
 * @throws GeoDataError `manifest_damaged` or `manifest_version`
 */
export function parseManifest(text: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new GeoDataError('manifest_damaged', `${MANIFEST_FILE} is not JSON; ${REBUILD}`, { cause: error });
  }
  const format = z.looseObject({ format: z.int() }).safeParse(json);
  if (format.success && format.data.format !== SHARD_FORMAT) {
    throw new GeoDataError(
      'manifest_version',
      `${MANIFEST_FILE} is of format ${format.data.format}, this version reads ${SHARD_FORMAT}; ${REBUILD}`,
    );
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new GeoDataError(
      'manifest_damaged',
      `${MANIFEST_FILE}: ${issue?.path.join('.')}: ${issue?.message}; ${REBUILD}`,
    );
  }
  if (parsed.data.checksum !== checksumOf(parsed.data)) {
    throw new GeoDataError(
      'manifest_damaged',
      `the checksum of ${MANIFEST_FILE} does not match its content; ${REBUILD}`,
    );
  }
  return parsed.data;
}

const REBUILD = 'build it again with `stepgate geo build`';

/** Makes a manifest ready for look-ups. */
export function shardIndex(manifest: Manifest): ShardIndex {
  const listed = (family: Family): ListedShard[] =>
    manifest.shards[family].map(([, bytes, checksum], position) => ({
      name: fileName(family, position, checksum),
      bytes,
      crc32: checksum,
    }));
  const firsts = (family: Family): Uint32Array =>
    Uint32Array.from(
      manifest.shards[family].flatMap(([first]) => first.match(/.{8}/g) ?? []),
      (digits) => Number.parseInt(digits, 16),
    );
  const v4 = firsts('v4');
  const v6 = firsts('v6');
  return {
    manifest,
    shards: [...listed('v4'), ...listed('v6')],
    positionOf({ version, words }) {
      if (version === 4) return lastAtOrBelow(v4, 1, words);
      const position = lastAtOrBelow(v6, 4, words);
      return position < 0 ? position : v4.length + position;
    },
  };
}
