import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ADDRESS_HASH_LENGTH,
  BASELINE_CAPS,
  type Baseline,
  FINGERPRINT,
  type KnownDevice,
} from '../../../src/model/baseline.ts';
import { DEVICE_KEY_KINDS, KEY_HASH_LENGTH } from '../../../src/model/device-key.ts';
import { byLevel, type Familiarity, LEVEL_NAMES, LEVELS, NO_FAMILIARITY } from '../../../src/model/familiarity.ts';
import { NO_GENERATIONS } from '../../../src/model/generations.ts';
import { StoreError } from '../../../src/model/store-error.ts';
import { decodeBaseline, encodeBaseline } from '../../../src/store/baseline-codec.ts';
import { PSEUDONYM_LENGTH } from '../../../src/store/keys.ts';
import { BASELINE } from '../../contract/store/store-suite.ts';
import { fullBaseline, OLDEST } from '../../support/store/full-baseline.ts';

const NOON = 1_741_608_000;

/** {@link BASELINE} as it was stored before trust could be renewed. */
const STORED_BEFORE =
  '[1,1739880000,1741608000,12,0,"0 14eu 3ru 5k NL 5k0,0 Amsterdam|1uo0 -i64 -zzg 5 BR  São%20Paulo|1xg0 0 -1 7ps  1xg0 ","NL 0|BR 1uo0","network-one 0 addr|network-two 5|network-three ","d-first print-1 v1,v2, 1uo0 0 -1jk00  chrome/windows 0 14eu 3ru 5k|d-second  ,,v3 1uo0 1uo0  334 ","session-1 1o 0 1,2 #1 NL|session-2 2i 28  print-9 |session-3 2i 28   ","c1|c2|c3"]';

const hash = (length: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...'ABCXYZabcxyz0189-_'), minLength: length, maxLength: length });
const time = fc.integer({ min: OLDEST, max: NOON });
const sighting = fc.record({
  at: time,
  lat: fc.integer({ min: -90_000, max: 90_000 }).map((n) => n / 1000),
  lon: fc.integer({ min: -180_000, max: 180_000 }).map((n) => n / 1000),
  accuracyKm: fc.integer({ min: 0, max: 10_000 }).map((n) => n / 10),
});
const country = fc.constantFrom('NL', 'BR', 'US');
const city = fc.constantFrom('São Paulo', 'Newcastle', 'Wayne, MO', '100% #1|x', 'Ølstykke');
const knownNetwork = fc.record(
  { key: hash(PSEUDONYM_LENGTH.network), lastSeen: time, address: hash(ADDRESS_HASH_LENGTH) },
  { requiredKeys: ['key', 'lastSeen'] },
);
const upTo = <T>(one: fc.Arbitrary<T>, cap: number) => fc.array(one, { maxLength: cap });
const orNull = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: null });
const sevenths = fc.integer({ min: 1, max: 1295 }).map((n) => n / 7);
/** Days count from that of `lastSeen`, which is any. */
const familiarity: fc.Arbitrary<Familiarity> = fc
  .tuple(
    ...LEVEL_NAMES.map((level) =>
      fc.option(
        fc.record({
          days: fc.integer({ min: 1, max: 3 }),
          day: fc.constantFrom(20_157, 20_156),
          count: fc.constantFrom(1, 173),
          values: fc.array(
            fc.record({
              key: hash(LEVELS[level].keyLength),
              back: fc.integer({ min: 0, max: 1295 }),
              count: sevenths,
            }),
            { maxLength: LEVELS[level].cap },
          ),
        }),
      ),
    ),
  )
  .map((levels) =>
    byLevel((level) => {
      const seen = levels[LEVEL_NAMES.indexOf(level)];
      if (seen == null) return NO_FAMILIARITY[level];
      return { ...seen, values: seen.values.map(({ back, ...value }) => ({ ...value, day: seen.day - back })) };
    }),
  );
const componentNames = Array.from({ length: BASELINE_CAPS.components }, (_, i) => `nam${i}`);

const baseline: fc.Arbitrary<Baseline> = fc.record({
  firstSeen: time,
  lastSeen: time,
  learned: fc.nat(),
  places: upTo(
    sighting.chain((seen) =>
      fc.record({
        country: orNull(country),
        city: orNull(city),
        visits: upTo(time, BASELINE_CAPS.visits),
        at: fc.constant(seen.at),
        lat: fc.constant(seen.lat),
        lon: fc.constant(seen.lon),
        accuracyKm: fc.constant(seen.accuracyKm),
      }),
    ),
    BASELINE_CAPS.places,
  ),
  countries: upTo(fc.record({ code: country, lastSeen: time }), BASELINE_CAPS.countries),
  networks: fc.uniqueArray(knownNetwork, {
    selector: ({ key }) => key,
    maxLength: BASELINE_CAPS.networks,
  }),
  devices: fc.uniqueArray(
    fc.record<KnownDevice, Exclude<keyof KnownDevice, 'keys'>>(
      {
        id: hash(10).map((text) => `d-${text}`),
        fingerprint: orNull(hash(PSEUDONYM_LENGTH.fingerprint)),
        components: fc
          .dictionary(fc.constantFrom(...componentNames), hash(PSEUDONYM_LENGTH.component))
          .map((components) => ({ ...components })),
        firstSeen: time,
        lastSeen: time,
        trustedUntil: orNull(fc.integer({ min: NOON, max: NOON + 365 * 86_400 })),
        renewableUntil: orNull(fc.integer({ min: NOON, max: NOON + 5 * 365 * 86_400 })),
        unstable: fc.subarray([FINGERPRINT]),
        generations: fc.oneof(
          fc.constant(NO_GENERATIONS),
          fc.record({ current: fc.integer({ min: 1, max: 9999 }), parent: fc.nat(9999), at: time, seen: fc.boolean() }),
        ),
        reused: fc.boolean(),
        revokedAt: orNull(time),
        client: orNull(fc.constantFrom('chrome/windows', 'mobile safari/ios')),
        sighting: orNull(sighting),
        keys: fc.uniqueArray(
          fc.record({ kind: fc.constantFrom(...DEVICE_KEY_KINDS), hash: hash(KEY_HASH_LENGTH), since: time }),
          { selector: ({ kind }) => kind, minLength: 1 },
        ),
      },
      {
        requiredKeys: [
          'id',
          'fingerprint',
          'components',
          'firstSeen',
          'lastSeen',
          'trustedUntil',
          'renewableUntil',
          'unstable',
          'generations',
          'reused',
          'revokedAt',
          'client',
          'sighting',
        ],
      },
    ),
    { selector: ({ id }) => id, maxLength: BASELINE_CAPS.devices },
  ),
  sessions: upTo(
    fc.record({
      key: hash(PSEUDONYM_LENGTH.session),
      startedAt: time,
      lastSeen: time,
      networks: fc.uniqueArray(hash(PSEUDONYM_LENGTH.network), { maxLength: BASELINE_CAPS.sessionNetworks }),
      device: orNull(hash(12)),
      country: orNull(country),
    }),
    BASELINE_CAPS.sessions,
  ),
  familiarity: fc.oneof(fc.constant(NO_FAMILIARITY), familiarity),
  trustNotBefore: fc.oneof(fc.constant(0), time),
  proofsNotBefore: fc.oneof(fc.constant(0), time),
});

test('What is written is read back', () => {
  fc.assert(
    fc.property(baseline, (before) => {
      expect(decodeBaseline(encodeBaseline(before))).toEqual(before);
    }),
  );
  expect(decodeBaseline(encodeBaseline(BASELINE))).toEqual(BASELINE);
});

describe('at the caps', () => {
  test('A baseline takes at most 2.5 KB, whatever it holds', () => {
    const bytes = Buffer.byteLength(encodeBaseline(fullBaseline('z')));
    console.info(`a baseline at all caps takes ${bytes} bytes`);
    expect(bytes).toBeLessThanOrEqual(2560);
  });

  test('What exceeds them is cut, and what was seen last stays', () => {
    const full = fullBaseline('a');
    const device = full.devices[0];
    if (device === undefined) throw new Error('there is no device');
    const over: Baseline = {
      ...full,
      devices: [...full.devices, { ...device, id: 'd-newest', lastSeen: NOON + 1 }],
      networks: [{ key: 'forgotten', lastSeen: OLDEST - 1 }, ...full.networks],
    };
    const kept = decodeBaseline(encodeBaseline(over));
    expect(kept.devices).toHaveLength(BASELINE_CAPS.devices);
    expect(kept.devices.map(({ id }) => id)).toContain('d-newest');
    expect(kept.networks.map(({ key }) => key)).toEqual(full.networks.map(({ key }) => key));
  });
});

test('Unstable traits are kept by name, and those that no device has on record are dropped', () => {
  const [first, second] = BASELINE.devices;
  if (first === undefined || second === undefined) throw new Error('there are no devices');
  const devices = [
    { ...first, unstable: ['c2', FINGERPRINT, 'gone'] },
    { ...second, unstable: ['c3', 'c1'] },
  ];
  const kept = decodeBaseline(encodeBaseline({ ...BASELINE, devices })).devices;
  expect(kept.map(({ unstable }) => [...unstable].sort())).toEqual([
    ['c2', FINGERPRINT],
    ['c1', 'c3'],
  ]);
});

test('A baseline that an earlier version has stored is read, with trust that use does not renew', () => {
  const { devices, ...rest } = BASELINE;
  const before = { renewableUntil: null, unstable: [], generations: NO_GENERATIONS, reused: false };
  expect(decodeBaseline(STORED_BEFORE)).toEqual({
    ...rest,
    devices: devices.map((known) => ({ ...known, ...before })),
  });
});

test('Coordinates keep about 100 m and accuracy 0.1 km', () => {
  const place = BASELINE.places[0];
  if (place === undefined) throw new Error('there is no place');
  const kept = decodeBaseline(
    encodeBaseline({ ...BASELINE, places: [{ ...place, lat: 52.37403, lon: -4.88969, accuracyKm: 0.26 }] }),
  );
  expect(kept.places[0]).toMatchObject({ lat: 52.374, lon: -4.89, accuracyKm: 0.3 });
});

test.each([
  ['nothing', ''],
  ['no JSON', 'nil'],
  ['an empty list', '[]'],
  ['another version', encodeBaseline(BASELINE).replace('[1,', '[2,')],
  ['a row that is cut', encodeBaseline(BASELINE).replace(/d-first [^|]*/, 'd-first')],
  ['a time that is no number', encodeBaseline(BASELINE).replace(/d-first (\S*) (\S*) \S+/, 'd-first $1 $2 !')],
  [
    'a network that is not in the table',
    encodeBaseline(BASELINE).replace(/session-1 (\S*) (\S*) \S+/, 'session-1 $1 $2 9'),
  ],
])('%s is no baseline, and the message does not quote it', (_what, raw) => {
  expect(() => decodeBaseline(raw)).toThrow(StoreError);
  expect(() => decodeBaseline(raw)).not.toThrow(/d-first|session-1/);
});
