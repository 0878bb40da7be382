import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32, DATA_FORMAT, encodeContainer } from '../../../../src/data/container.ts';
import { DataError } from '../../../../src/data/data-error.ts';
import {
  type PlaceColumns,
  type PlaceSteps,
  placeList,
  type StoredPlace,
  stepList,
} from '../../../../src/data/geo/place-steps.ts';
import { cutShard, decodeShard, encodeShard, locateIn, SHARD } from '../../../../src/data/geo/shard.ts';
import { lastAtOrBelow } from '../../../../src/data/ranges.ts';
import type { Located } from '../../../../src/model/geo.ts';

const text = fc.oneof(
  fc.constantFrom('ENG', 'Newmarket', 'São Paulo', '札幌市', '\ufeffodd', ''),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
);
const letter = fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZ');

const place: fc.Arbitrary<StoredPlace> = fc
  .record({
    country: fc.tuple(letter, letter).map((letters) => letters.join('')),
    region: fc.option(text),
    city: fc.option(text),
    point: fc.option(
      fc.oneof(
        fc
          .record({
            lat: fc.integer({ min: -900_000, max: 900_000 }),
            lon: fc.integer({ min: -1_800_000, max: 1_800_000 }),
          })
          .map(({ lat, lon }) => ({ lat: lat / 1e4, lon: lon / 1e4 })),
        fc.record({
          lat: fc.double({ min: -90, max: 90, noNaN: true }),
          lon: fc.double({ min: -180, max: 180, noNaN: true }),
        }),
      ),
    ),
    accuracyKm: fc.integer({ min: 0, max: 20_038 }),
  })
  .map(({ point, ...rest }) => ({
    ...rest,
    lat: point === null ? null : point.lat + 0,
    lon: point === null ? null : point.lon + 0,
  }));

/** Words of an IPv6 address on a /64 border or not, close together so that neighbours share leading words. */
const key = (stride: 1 | 4): fc.Arbitrary<bigint> =>
  stride === 1
    ? fc.bigInt({ min: 0n, max: 2n ** 32n - 1n })
    : fc
        .tuple(
          fc.constantFrom(0x20010db8n, 0x20010db9n),
          fc.constantFrom(0n, 1n, 0xffffffffn),
          fc.bigInt({ min: 0n, max: 3n }),
          fc.bigInt({ min: 0n, max: 3n }),
        )
        .map((words) => words.reduce((sum, word) => (sum << 32n) | word, 0n));

const wordsOf = (at: bigint, stride: 1 | 4): number[] =>
  Array.from({ length: stride }, (_, word) => Number((at >> BigInt(32 * (stride - 1 - word))) & 0xffffffffn));

interface Made {
  readonly steps: PlaceSteps;
  readonly places: PlaceColumns;
  readonly pairs: readonly (readonly [bigint, StoredPlace | null])[];
}

const made = (stride: 1 | 4): fc.Arbitrary<Made> =>
  fc
    .uniqueArray(fc.tuple(key(stride), fc.option(place)), { minLength: 1, maxLength: 40, selector: ([at]) => at })
    .map((entries) => {
      const pairs = entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
      const list = placeList();
      const steps = stepList(stride);
      for (const [at, stored] of pairs) steps.push(at, list.number(stored));
      return { steps: steps.steps(), places: list.places, pairs };
    });

function expectedAt(pairs: Made['pairs'], at: bigint): Located {
  const stored = pairs.findLast(([start]) => start <= at)?.[1] ?? null;
  return stored === null ? { known: false, why: 'not_found' } : { known: true, place: { ...stored, source: 'shards' } };
}

function shardOf({ steps, places }: Pick<Made, 'steps' | 'places'>): Uint8Array<ArrayBuffer> {
  return encodeShard(cutShard(steps, places, 0, steps.places.length));
}

describe.each([1, 4] as const)('a shard whose starts have %d words', (stride) => {
  test('A shard answers for every address what the steps say', () => {
    fc.assert(
      fc.property(made(stride), fc.array(key(stride)), (table, others) => {
        const shard = decodeShard(shardOf(table));
        const borders = table.pairs.flatMap(([at]) => (at === 0n ? [at, at + 1n] : [at - 1n, at, at + 1n]));
        for (const at of [...borders, ...others]) {
          if (at >= 1n << BigInt(32 * stride)) continue;
          expect(locateIn(shard, wordsOf(at, stride), 'shards')).toEqual(expectedAt(table.pairs, at));
        }
      }),
    );
  });

  test('A shard is refused, and never read, when any byte is another or any is missing', () => {
    fc.assert(
      fc.property(made(stride), fc.nat(), fc.integer({ min: 1, max: 255 }), (table, at, flip) => {
        const bytes = shardOf(table);
        const cut = bytes.subarray(0, at % bytes.length);
        expect(() => decodeShard(cut)).toThrow(DataError);
        const spot = at % bytes.length;
        bytes[spot] = (bytes[spot] ?? 0) ^ flip;
        expect(() => decodeShard(bytes)).toThrow(DataError);
      }),
    );
  });
});

test('What is no shard at all is refused even when its checksum is right', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 200 }), (noise) => {
      const bytes = noise.slice(0, noise.length & ~3);
      new Uint32Array(bytes.buffer).set([SHARD.magic, DATA_FORMAT, bytes.length]);
      new DataView(bytes.buffer).setUint32(bytes.length - 4, crc32(bytes.subarray(0, -4)), true);
      expect(() => decodeShard(bytes)).toThrow(DataError);
    }),
  );
});

test('A header that claims more than the file holds is refused', () => {
  const bytes = shardOf({ steps: stepList(1).steps(), places: placeList().places });
  new Uint32Array(bytes.buffer, 0, 4)[2] = 1_000_000;
  expect(() => decodeShard(bytes)).toThrow(/bytes long, its header says 1000000/);
});

test('A shard whose sections are of other types than a shard’s is refused', () => {
  const bytes = encodeContainer(SHARD, [new Uint32Array(4), new Float64Array(4)]);
  expect(() => decodeShard(bytes)).toThrow(expect.objectContaining({ code: 'shard_damaged' }));
});

test('Coordinates of four decimals take eight bytes, others sixteen, and both come back as they were', () => {
  const bytesWith = (lat: number): number => {
    const list = placeList();
    const steps = stepList(1);
    const stored = { country: 'GB', region: null, city: 'Ely', lat, lon: 0, accuracyKm: 5 };
    steps.push(0n, list.number(stored));
    steps.push(9n, list.number({ ...stored, lon: 1 }));
    const bytes = shardOf({ steps: steps.steps(), places: list.places });
    const located = locateIn(decodeShard(bytes), [7], 'shards');
    expect(located).toEqual({ known: true, place: { ...stored, source: 'shards' } });
    return bytes.length;
  };
  expect(bytesWith(52.12345) - bytesWith(52.1234)).toBe(2 * 8);
});

test('The last start at or below an address is found, and none where all are above', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat({ max: 500 }), { maxLength: 50 }), fc.nat({ max: 600 }), (starts, at) => {
      const sorted = Uint32Array.from(starts.toSorted((a, b) => a - b));
      expect(lastAtOrBelow(sorted, 1, [at])).toBe(sorted.findLastIndex((start) => start <= at));
    }),
  );
});
