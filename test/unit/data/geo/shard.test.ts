import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32 } from '../../../../src/data/crc32.ts';
import { type PlaceSteps, placeList, type StoredPlace, stepList } from '../../../../src/data/geo/place-steps.ts';
import { decodeShard, encodeShard, GeoDataError, lastAtOrBelow, locateIn } from '../../../../src/data/geo/shard.ts';
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
  readonly places: readonly StoredPlace[];
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

function shardOf({ steps, places }: Pick<Made, 'steps' | 'places'>) {
  const bytes = encodeShard(steps, places, 0, steps.places.length);
  return { bytes, entry: { bytes: bytes.length, crc32: crc32(bytes) } };
}

describe.each([1, 4] as const)('a shard whose starts have %d words', (stride) => {
  test('answers for every address what the steps say', () => {
    fc.assert(
      fc.property(made(stride), fc.array(key(stride)), (table, others) => {
        const { bytes, entry } = shardOf(table);
        const shard = decodeShard(bytes.buffer, 'it', entry);
        const borders = table.pairs.flatMap(([at]) => (at === 0n ? [at, at + 1n] : [at - 1n, at, at + 1n]));
        for (const at of [...borders, ...others]) {
          if (at >= 1n << BigInt(32 * stride)) continue;
          expect(locateIn(shard, wordsOf(at, stride))).toEqual(expectedAt(table.pairs, at));
        }
      }),
    );
  });

  test('is refused, and never read, when any byte is another or any is missing', () => {
    fc.assert(
      fc.property(made(stride), fc.nat(), fc.integer({ min: 1, max: 255 }), (table, at, flip) => {
        const { bytes, entry } = shardOf(table);
        const cut = bytes.buffer.slice(0, at % bytes.length);
        expect(() => decodeShard(cut, 'it', entry)).toThrow(GeoDataError);
        const spot = at % bytes.length;
        bytes[spot] = (bytes[spot] ?? 0) ^ flip;
        expect(() => decodeShard(bytes.buffer, 'it', entry)).toThrow(GeoDataError);
      }),
    );
  });
});

test('what is no shard at all is refused even when its checksum is right', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      const bytes = new Uint8Array(noise);
      const entry = { bytes: bytes.length, crc32: crc32(bytes) };
      expect(() => decodeShard(bytes.buffer, 'it', entry)).toThrow(GeoDataError);
    }),
  );
});

test('a header that claims more than the file holds is refused', () => {
  const { bytes } = shardOf({ steps: stepList(1).steps(), places: [] });
  new Uint32Array(bytes.buffer, 0, 8)[3] = 1_000_000;
  const entry = { bytes: bytes.length, crc32: crc32(bytes) };
  expect(() => decodeShard(bytes.buffer, 'it', entry)).toThrow(/shorter than its header says/);
});

test('coordinates of four decimals take eight bytes, others sixteen, and both come back as they were', () => {
  const bytesWith = (lat: number): number => {
    const list = placeList();
    const steps = stepList(1);
    const stored = { country: 'GB', region: null, city: 'Ely', lat, lon: 0, accuracyKm: 5 };
    steps.push(0n, list.number(stored));
    const { bytes, entry } = shardOf({ steps: steps.steps(), places: list.places });
    const located = locateIn(decodeShard(bytes.buffer, 'it', entry), [7]);
    expect(located).toEqual({ known: true, place: { ...stored, source: 'shards' } });
    return bytes.length;
  };
  expect(bytesWith(52.12345) - bytesWith(52.1234)).toBe(8);
});

test('the last start at or below an address is found, and none where all are above', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat({ max: 500 }), { maxLength: 50 }), fc.nat({ max: 600 }), (starts, at) => {
      const sorted = Uint32Array.from(starts.toSorted((a, b) => a - b));
      expect(lastAtOrBelow(sorted, 1, [at])).toBe(sorted.findLastIndex((start) => start <= at));
    }),
  );
});
