import { Reader, type Response } from 'mmdb-lib';
import * as z from 'zod';
import { messageOf } from '../../model/error-text.ts';
import {
  CITY_ACCURACY_KM,
  COUNTRY_ACCURACY_KM,
  coordinates,
  countryCode,
  countryOf,
  MAX_ACCURACY_KM,
} from '../../model/geo.ts';
import { formatV4, formatV6 } from '../../net/ip.ts';
import { DataError } from '../data-error.ts';
import { bigintToWords } from '../ranges.ts';
import { NO_PLACE, type PlaceSteps, type PlaceTable, placeList, type StoredPlace, stepList } from './place-steps.ts';

/** The decoder does not check the length of a double; a truncated one reads as a tiny number. */
const degrees = z
  .number()
  .refine((value) => value === 0 || Math.abs(value) > 1e-9, 'a coordinate is broken')
  // Turns minus zero into zero.
  .transform((value) => value + 0);

/** The part of a record that is read, as in MaxMind's City, Country and Enterprise databases and others like them. */
const recordSchema = z.looseObject({
  country: z.looseObject({ iso_code: z.string().optional() }).optional(),
  subdivisions: z
    .array(
      z.looseObject({
        iso_code: z.string().optional(),
        names: z.looseObject({ en: z.string().optional() }).optional(),
      }),
    )
    .optional(),
  city: z.looseObject({ names: z.looseObject({ en: z.string().optional() }).optional() }).optional(),
  location: z
    .looseObject({
      latitude: degrees.optional(),
      longitude: degrees.optional(),
      accuracy_radius: z.number().min(0).optional(),
    })
    .optional(),
});

/**
 * Place from a MaxMind record; null if it has no country. Coordinates without a city are the middle of a country or region, so they
 * are left out.
 */
export function placeOfRecord(record: unknown): StoredPlace | null {
  const { data: parsed, error } = recordSchema.nullable().safeParse(record);
  if (error !== undefined) throw damaged(`a record, ${error.issues[0]?.path.join('.')}: ${error.issues[0]?.message}`);
  const country = countryCode(parsed?.country?.iso_code);
  if (parsed === null || country === null) return null;
  const city = parsed.city?.names?.en || null;
  const point = city === null ? null : coordinates(parsed.location?.latitude, parsed.location?.longitude);
  const largest = parsed.subdivisions?.[0];
  const stated = Math.round(parsed.location?.accuracy_radius ?? 0);
  return {
    lat: point?.lat ?? null,
    lon: point?.lon ?? null,
    accuracyKm: point === null ? COUNTRY_ACCURACY_KM : Math.min(stated || CITY_ACCURACY_KM, MAX_ACCURACY_KM),
    country,
    region: largest?.iso_code || largest?.names?.en || null,
    city,
  };
}

/** Metadata of a MaxMind-format file. */
export interface MmdbContent {
  readonly table: PlaceTable;
  /** `GeoLite2-City`, … */
  readonly name: string;
  /** Epoch milliseconds. */
  readonly builtAtMs: number;
}

/**
 * Reads a whole MaxMind-format database as steps.
 *
 * @throws DataError `geo_source_damaged`, or `geo_source_foreign` if it has no countries (such as an ASN database)
 */
export function readMmdb(bytes: Buffer, city: boolean): MmdbContent {
  try {
    return read(bytes, city);
  } catch (error) {
    if (error instanceof DataError) throw error;
    // The decoder throws many kinds of errors.
    throw new DataError(
      'geo_source_damaged',
      `no MaxMind-format database, or damaged (${messageOf(error)}); fetch it again`,
      {
        cause: error,
      },
    );
  }
}

function read(bytes: Buffer, city: boolean): MmdbContent {
  const reader = new Reader<Response>(bytes);
  const { metadata } = reader;
  if (metadata.searchTreeSize + SEPARATOR_BYTES > bytes.length) throw damaged('its tree is longer than the file');
  const list = placeList();
  const known = new Map<number, number>();
  const walk = treeWalk(bytes, metadata);
  const leafOf =
    (formatKey: (key: bigint) => string) =>
    (pointer: number, key: bigint): number => {
      const before = known.get(pointer);
      if (before !== undefined) return before;
      const stored = placeOfRecord(reader.get(formatKey(key)));
      const place = list.number(city || stored === null ? stored : countryOf(stored));
      known.set(pointer, place);
      return place;
    };
  const v4 = walk.v4(leafOf((key) => formatV4(Number(key))));
  const v6 = walk.v6(leafOf((key) => formatV6(bigintToWords(key))));
  if (list.places.nameOf.length === 0) {
    throw new DataError(
      'geo_source_foreign',
      `${metadata.databaseType} has no countries; use a City or Country database`,
    );
  }
  return {
    table: { v4, v6, places: list.places },
    name: metadata.databaseType,
    builtAtMs: metadata.buildEpoch.getTime(),
  };
}

const SEPARATOR_BYTES = 16;

const damaged = (why: string): DataError =>
  new DataError('geo_source_damaged', `the MaxMind-format database is damaged (${why}); fetch it again`);

type LeafOf = (pointer: number, key: bigint) => number;

/** Walks the search tree (MaxMind DB format 2.0, section "Binary Search Tree"). */
function treeWalk(
  bytes: Buffer,
  { nodeCount, nodeByteSize, recordSize, ipVersion, searchTreeSize }: Reader<Response>['metadata'],
) {
  const child = (node: number, side: 0 | 1): number => {
    const at = node * nodeByteSize;
    if (recordSize === 24) return bytes.readUIntBE(at + side * 3, 3);
    if (recordSize === 32) return bytes.readUInt32BE(at + side * 4);
    const middle = bytes.readUInt8(at + 3);
    return side === 0
      ? (middle >> 4) * 2 ** 24 + bytes.readUIntBE(at, 3)
      : (middle & 15) * 2 ** 24 + bytes.readUIntBE(at + 4, 3);
  };
  const mostPointer = nodeCount + bytes.length - searchTreeSize;
  let root4 = 0;
  for (let depth = 0; ipVersion === 6 && depth < 96 && root4 < nodeCount; depth++) root4 = child(root4, 0);

  // A valid tree visits each node once; a damaged one may contain a cycle.
  let visits = 0;
  const descend = (
    node: number,
    depth: number,
    key: bigint,
    bits: number,
    emit: (key: bigint, pointer: number) => void,
  ): void => {
    if (node >= nodeCount) {
      if (node > mostPointer) throw damaged('a pointer leads outside the file');
      emit(key, node);
      return;
    }
    if (++visits > nodeCount) throw damaged('its tree has a cycle');
    if (depth === bits) throw damaged('its tree is too deep');
    for (const side of [0, 1] as const) {
      const next = child(node, side);
      const from = side === 0 ? key : key | (1n << BigInt(bits - 1 - depth));
      // IPv6 ranges that embed IPv4 point to its tree; such addresses are read as the IPv4 address inside them.
      if (bits === 128 && next === root4 && next < nodeCount) emit(from, nodeCount);
      else descend(next, depth + 1, from, bits, emit);
    }
  };
  const family = (stride: 1 | 4, node: number, depth: number, key: bigint, leafOf: LeafOf): PlaceSteps => {
    const steps = stepList(stride);
    descend(node, depth, key, stride * 32, (from, pointer) =>
      steps.push(from, pointer === nodeCount ? NO_PLACE : leafOf(pointer, from)),
    );
    // There are no places after the public addresses.
    if (stride === 4) steps.push(1n << 126n, NO_PLACE);
    return steps.steps();
  };
  return {
    v4: (leafOf: LeafOf): PlaceSteps => family(1, root4, 0, 0n, leafOf),
    /** All public addresses lie in 2000::/3. */
    v6(leafOf: LeafOf): PlaceSteps {
      if (ipVersion !== 6) return stepList(4).steps();
      let node = 0;
      let depth = 0;
      for (const side of [0, 0, 1] as const) {
        if (node >= nodeCount) break;
        node = child(node, side);
        depth++;
      }
      return family(4, node, depth, 1n << 125n, leafOf);
    },
  };
}
