import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Located } from '../../model/geo.ts';
import { formatV4, formatV6 } from '../../net/ip.ts';
import { geoipLiteSource, tableFiles } from './geoip-lite.ts';
import { NO_PLACE, type PlaceSteps, type PlaceTable, placeList, type StoredPlace, stepList } from './place-steps.ts';
import { GeoDataError } from './shard.ts';

/**
 * Reads all of the geoip-lite data as steps. The files say where records begin and end; what they mean is asked of the library
 * itself, so that the shards answer what the library answers.
 *
 * @throws GeoDataError `geo_source_damaged`
 */
export function readGeoipLite(directory: string, city: boolean): PlaceTable {
  const source = geoipLiteSource({ directory, city });
  const { problem } = source.status(0);
  if (problem !== null) throw new GeoDataError('geo_source_damaged', problem.replace(/^bad_database: /, ''));
  const list = placeList();
  const records = (version: 4 | 6): Records => {
    const ask = (key: bigint): number => {
      const located = source.locate(publicAddress(version, key));
      if (!located.known && located.why === 'bad_database') {
        throw new GeoDataError('geo_source_damaged', source.status(0).problem ?? 'a record cannot be read');
      }
      return list.number(storedFrom(located));
    };
    const { file, recordBytes } = tableFiles(city)[version];
    return { bytes: readFileSync(join(directory, file)), recordBytes, ask };
  };
  return { v4: readSteps4(records(4)), v6: readSteps6(records(6)), places: list.places };
}

/** An address as the library is asked for it, whatever else it may be. */
function publicAddress(version: 4 | 6, key: bigint) {
  const words = version === 4 ? [Number(key)] : [Number(key >> 32n), Number(key & 0xffffffffn), 0, 0];
  const text = version === 4 ? formatV4(Number(key)) : formatV6(words);
  return { text, version, words, kind: 'public', counterKey: '', networkKey: '' } as const;
}

function storedFrom(located: Located): StoredPlace | null {
  if (!located.known) return null;
  const { source: _source, country, ...rest } = located.place;
  return country === null ? null : { ...rest, country };
}

interface Records {
  readonly bytes: Buffer;
  readonly recordBytes: number;
  /** What the library says of the address whose leading 32 (IPv4) or 64 bits (IPv6) are the key. */
  readonly ask: (key: bigint) => number;
}

/** IPv4 records are in order and disjoint, so that each means what it says; those that say the same are asked for once. */
function readSteps4({ bytes, recordBytes, ask }: Records): PlaceSteps {
  const known = new Map<string, number>();
  const steps = stepList(1);
  let next = 0;
  for (let at = 0; at < bytes.length; at += recordBytes) {
    const start = bytes.readUInt32BE(at);
    const end = bytes.readUInt32BE(at + 4);
    if (start < next || end < start) {
      throw new GeoDataError(
        'geo_source_damaged',
        `IPv4 record ${at / recordBytes} is out of order; reinstall the data`,
      );
    }
    if (start > next) steps.push(BigInt(next), NO_PLACE);
    const meaning = bytes.toString('latin1', at + 8, at + recordBytes);
    const place = known.get(meaning) ?? ask(BigInt(start));
    known.set(meaning, place);
    steps.push(BigInt(start), place);
    next = end + 1;
  }
  if (next < 2 ** 32) steps.push(BigInt(next), NO_PLACE);
  return steps.steps();
}

/**
 * IPv6 records overlap in the 64 bits that the library compares, and some are out of order, so that which one it finds depends
 * on its search. Between two borders of records the answer is the same, and the library is asked for it.
 */
function readSteps6({ bytes, recordBytes, ask }: Records): PlaceSteps {
  const borders = new BigUint64Array((bytes.length / recordBytes) * 2 + 1);
  for (let at = 0, border = 1; at < bytes.length; at += recordBytes, border += 2) {
    borders[border] = bytes.readBigUInt64BE(at);
    borders[border + 1] = bytes.readBigUInt64BE(at + 16) + 1n;
  }
  borders.sort();
  const steps = stepList(4);
  let before: bigint | null = null;
  for (const border of borders) {
    if (border !== before) steps.push(border << 64n, ask(border));
    before = border;
  }
  return steps.steps();
}
