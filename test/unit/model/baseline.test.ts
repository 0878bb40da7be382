import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BASELINE_CAPS,
  type Baseline,
  bindDevice,
  grantTrust,
  hasLiveTrust,
  type Lesson,
  learnSighting,
  newestPlace,
  placeAt,
  rekeyDevice,
  renewTrust,
  revokeAllDevices,
  revokeDevice,
  revokeProofs,
  revokeSession,
  withoutFuture,
} from '../../../src/model/baseline.ts';
import {
  baseline,
  DAY,
  HOUR,
  knownDevice,
  knownPlace,
  knownSession,
  MINUTE,
  NOON,
} from '../../support/signals/given.ts';

function lesson(parts: Partial<Lesson> = {}): Lesson {
  return { at: NOON, place: null, country: null, network: null, session: null, device: null, ...parts };
}

const place = (lat: number, lon: number, accuracyKm = 20) => ({ lat, lon, accuracyKm, country: null, city: null });
const seenDevice = (id: string, proven = false) => ({
  id,
  proven,
  fingerprint: `fp-${id}`,
  components: {},
  client: null,
});

const GRANT = {
  at: NOON,
  until: NOON + 30 * DAY,
  renewableUntil: NOON + 40 * DAY,
  provenAt: NOON,
  changed: [],
  instead: null,
  shown: null,
  handed: null,
} as const;

function learn(lessons: readonly Lesson[], before: Baseline | null = null): Baseline {
  return lessons.reduce<Baseline | null>(learnSighting, before) ?? baseline();
}

describe('places', () => {
  it('Places are one where the radii meet or the fixes lie within 25 km, and the last fix stands for it', () => {
    const known = learn([
      lesson({ at: NOON - DAY, place: place(51.5, 0, 5) }),
      lesson({ at: NOON, place: place(51.6, 0.2, 5) }),
    ]);
    expect(known.places).toMatchObject([{ lat: 51.6, lon: 0.2, at: NOON, visits: [NOON - DAY, NOON] }]);
    expect(learn([lesson({ place: place(51.9, 0, 5) })], known).places).toHaveLength(2);
    expect(learn([lesson({ place: place(51.9, 0, 60) })], known).places).toHaveLength(1);
  });

  /** @see https://github.com/opendatasoft/elasticsearch-aggregation-geoclustering/issues/15 */
  it('Places are never averaged: two fixes across the date line are the later one', () => {
    const known = learn([
      lesson({ at: NOON - DAY, place: place(-17, 179.95) }),
      lesson({ at: NOON, place: place(-17, -179.95) }),
    ]);
    expect(known.places).toMatchObject([{ lat: -17, lon: -179.95 }]);
  });

  it('Places belong to the nearest when a fix could belong to two', () => {
    const near = knownPlace({ lat: 51.5, lon: 0.1 });
    expect(placeAt([knownPlace({ lat: 51.5, lon: 0.5 }), near], place(51.5, 0))).toBe(near);
  });

  it('Places keep a newer sighting when an older one arrives late, and count the visit', () => {
    const known = learn([
      lesson({ at: NOON, place: place(51.5, 0) }),
      lesson({ at: NOON - 5 * HOUR, place: place(51.51, 0) }),
      lesson({ at: NOON - HOUR, place: place(48.9, 2.4) }),
    ]);
    expect(newestPlace(known)).toMatchObject({ lat: 51.5, at: NOON, visits: [NOON - 5 * HOUR, NOON] });
    expect(known).toMatchObject({ firstSeen: NOON - 5 * HOUR, lastSeen: NOON, learned: 3 });
  });

  it('Count visits that lie an hour apart, and keep the oldest of two weeks beside the two newest', () => {
    const every = (step: number, times: number) =>
      learn(Array.from({ length: times }, (_, i) => lesson({ at: NOON + i * step, place: place(51.5, 0) }))).places[0];
    expect(every(10 * MINUTE, 6)?.visits).toEqual([NOON]);
    expect(every(10 * MINUTE, 7)?.visits).toEqual([NOON, NOON + HOUR]);
    expect(every(DAY, 10)?.visits).toEqual([NOON, NOON + 8 * DAY, NOON + 9 * DAY]);
    expect(every(DAY, 17)?.visits).toEqual([NOON + 13 * DAY, NOON + 15 * DAY, NOON + 16 * DAY]);
  });
});

describe('devices', () => {
  it('Devices that hold trust are kept before those that do not, however long ago they were seen', () => {
    const trusted = knownDevice({ id: 'd-old', lastSeen: NOON - 20 * DAY, trustedUntil: NOON + DAY });
    const crowd = Array.from({ length: 20 }, (_, i) => lesson({ at: NOON + i, device: seenDevice(`d-${i}`) }));
    const known = learn(crowd, baseline({ devices: [trusted] }));
    expect(known.devices).toHaveLength(BASELINE_CAPS.devices);
    expect(known.devices.map(({ id }) => id)).toContain('d-old');
    expect(known.devices.map(({ id }) => id)).toContain('d-19');
  });

  it('Devices keep the one seen last even where all the others hold trust', () => {
    const full = Array.from({ length: BASELINE_CAPS.devices }, (_, i) =>
      knownDevice({ id: `d-old-${i}`, lastSeen: NOON - (i + 1) * DAY, trustedUntil: NOON + DAY }),
    );
    const known = learn([lesson({ device: seenDevice('d-here') })], baseline({ devices: full }));
    expect(known.devices).toHaveLength(BASELINE_CAPS.devices);
    expect(known.devices.map(({ id }) => id)).toContain('d-here');
  });

  it('Devices with trust that has run out make room again', () => {
    const expired = knownDevice({ id: 'd-old', lastSeen: NOON - 20 * DAY, trustedUntil: NOON - DAY });
    const crowd = Array.from({ length: 20 }, (_, i) => lesson({ at: NOON + i, device: seenDevice(`d-${i}`) }));
    expect(learn(crowd, baseline({ devices: [expired] })).devices.map(({ id }) => id)).not.toContain('d-old');
  });

  it('Devices remember where each of them was last seen', () => {
    const known = learn([
      lesson({ at: NOON - HOUR, place: place(51.5, 0), device: seenDevice('d-1', true) }),
      lesson({ at: NOON, place: place(48.9, 2.4), device: seenDevice('d-2', true) }),
      lesson({ at: NOON - 2 * HOUR, place: place(1, 1), device: seenDevice('d-1', true) }),
    ]);
    const sightings = Object.fromEntries(known.devices.map(({ id, sighting }) => [id, sighting]));
    expect(sightings).toEqual({
      'd-1': { at: NOON - HOUR, lat: 51.5, lon: 0, accuracyKm: 20 },
      'd-2': { at: NOON, lat: 48.9, lon: 2.4, accuracyKm: 20 },
    });
  });

  it('Devices keep their newest traits when an older lesson arrives late', () => {
    const traits = (at: number, fingerprint: string, canvas: string, client: string) =>
      lesson({ at, device: { id: 'd-1', proven: true, fingerprint, components: { canvas }, client } });
    const known = learn([
      traits(NOON, 'fp-new', 'h2', 'chrome/linux'),
      traits(NOON - DAY, 'fp-old', 'h1', 'edge/linux'),
    ]);
    expect(known.devices).toMatchObject([
      {
        fingerprint: 'fp-new',
        components: { canvas: 'h2' },
        client: 'chrome/linux',
        firstSeen: NOON - DAY,
        lastSeen: NOON,
      },
    ]);
  });

  it('Devices that two checks name at once by one fingerprint become one record', () => {
    const twin = (id: string) => lesson({ device: { ...seenDevice(id), fingerprint: 'fp' } });
    expect(learn([twin('d-a'), twin('d-b')]).devices.map(({ id }) => id)).toEqual(['d-a']);
  });

  it('Devices are renewed by use up to the end that their proof set, and only while their trust is live', () => {
    const granted = grantTrust(null, { ...GRANT, device: seenDevice('d-1') });
    const until = (known: Baseline) => known.devices[0]?.trustedUntil;
    const renewed = renewTrust(granted, 'd-1', NOON + 35 * DAY, NOON + 5 * DAY);
    expect(until(renewed)).toBe(NOON + 35 * DAY);
    expect(until(renewTrust(renewed, 'd-1', NOON + 60 * DAY, NOON + 30 * DAY))).toBe(NOON + 40 * DAY);
    expect(renewTrust(renewed, 'd-1', NOON + 34 * DAY, NOON + 4 * DAY)).toBe(renewed);
    expect(renewTrust(granted, 'd-1', NOON + 60 * DAY, NOON + 30 * DAY)).toBe(granted);
    expect(renewTrust(granted, 'd-9', NOON + 35 * DAY, NOON)).toBe(granted);
    const revoked = revokeDevice(renewed, 'd-1', NOON + DAY);
    expect(renewTrust(revoked, 'd-1', NOON + 40 * DAY, NOON + 2 * DAY)).toBe(revoked);
    const fixed = baseline({ devices: [knownDevice({ trustedUntil: NOON + DAY })] });
    expect(renewTrust(fixed, 'd-1', NOON + 9 * DAY, NOON)).toBe(fixed);
  });

  it('Devices keep what was unstable about them, and the one that a grant replaces loses its trust', () => {
    const first = grantTrust(null, { ...GRANT, changed: ['canvas'], device: seenDevice('d-1') });
    const again = grantTrust(first, {
      ...GRANT,
      at: NOON + 1,
      changed: ['audio', 'canvas'],
      device: seenDevice('d-1'),
    });
    expect(again.devices).toMatchObject([{ unstable: ['canvas', 'audio'] }]);
    const moved = grantTrust(again, { ...GRANT, at: NOON + 2, instead: 'd-1', device: seenDevice('d-2') });
    expect(Object.fromEntries(moved.devices.map((known) => [known.id, hasLiveTrust(known, NOON + 3)]))).toEqual({
      'd-1': false,
      'd-2': true,
    });
  });

  it('Devices are trusted until the moment that was granted, which learning from their use does not move', () => {
    const granted = grantTrust(null, { ...GRANT, device: seenDevice('d-1') });
    const used = learn([lesson({ at: NOON + 20 * DAY, device: seenDevice('d-1', true) })], granted);
    const [device] = used.devices;
    expect(device?.trustedUntil).toBe(NOON + 30 * DAY);
    if (device === undefined) throw new Error('the device is gone');
    expect([hasLiveTrust(device, NOON + 30 * DAY - 1), hasLiveTrust(device, NOON + 30 * DAY)]).toEqual([true, false]);
  });

  it('Devices are revoked one by one, all at once, or with the session they were seen in', () => {
    const two = baseline({
      devices: ['d-1', 'd-2'].map((id) => knownDevice({ id, trustedUntil: NOON + DAY })),
      sessions: [knownSession({ key: 's-1', device: 'd-2' }), knownSession({ key: 's-2' })],
    });
    const trusted = (known: Baseline) => known.devices.filter((d) => hasLiveTrust(d, NOON)).map(({ id }) => id);
    expect(trusted(revokeDevice(two, 'd-1', NOON))).toEqual(['d-2']);
    expect(revokeDevice(two, 'd-9', NOON)).toBe(two);
    const all = revokeAllDevices(two, NOON);
    expect([trusted(all), all.trustNotBefore, all.sessions]).toEqual([[], NOON, two.sessions]);
    const ended = revokeSession(two, 's-1', NOON);
    expect([trusted(ended), ended.sessions.map(({ key }) => key)]).toEqual([['d-1'], ['s-2']]);
    expect(revokeSession(two, 's-9', NOON)).toBe(two);
  });
});

describe('sessions', () => {
  it('Sessions gather their networks, and follow the newest device and country', () => {
    const inSession = (at: number, network: string, country: string, device: string) =>
      lesson({ at, session: { key: 's', network, country }, device: seenDevice(device, true) });
    const known = learn([
      inSession(NOON, 'n1', 'NL', 'd-1'),
      inSession(NOON + HOUR, 'n2', 'BE', 'd-2'),
      inSession(NOON + MINUTE, 'n1', 'NL', 'd-1'),
    ]);
    expect(known.sessions).toEqual([
      { key: 's', startedAt: NOON, lastSeen: NOON + HOUR, networks: ['n1', 'n2'], device: 'd-2', country: 'BE' },
    ]);
  });
});

const lessons = fc.array(
  fc.record({
    at: fc.integer({ min: NOON - 60 * DAY, max: NOON }),
    place: fc.option(
      fc.record({
        lat: fc.integer({ min: -90, max: 90 }),
        lon: fc.integer({ min: -180, max: 180 }),
        accuracyKm: fc.integer({ min: 0, max: 199 }),
        country: fc.constant(null),
        city: fc.constant(null),
      }),
    ),
    country: fc.option(fc.constantFrom('NL', 'BE', 'DE', 'FR', 'GB', 'US', 'BR', 'JP', 'AU', 'ZA')),
    network: fc.option(fc.integer({ min: 0, max: 20 }).map((n) => `n${n}`)),
    session: fc.option(
      fc.record({
        key: fc.integer({ min: 0, max: 9 }).map((n) => `s${n}`),
        network: fc.option(fc.integer({ min: 0, max: 20 }).map((n) => `n${n}`)),
        country: fc.option(fc.constantFrom('NL', 'BE')),
      }),
    ),
    device: fc.option(
      fc.record({
        id: fc.integer({ min: 0, max: 12 }).map((n) => `d-${n}`),
        proven: fc.boolean(),
        fingerprint: fc.option(fc.integer({ min: 0, max: 12 }).map((n) => `fp${n}`)),
        components: fc.dictionary(fc.string({ maxLength: 4 }), fc.constant('abcd'), {
          maxKeys: 20,
        }),
        client: fc.option(fc.constant('chrome/windows')),
      }),
    ),
  }),
  { maxLength: 60 },
);

describe('any number of lessons', () => {
  it('Any number of lessons stays within the caps', () => {
    fc.assert(
      fc.property(lessons, (all) => {
        const known = learn(all);
        expect(known.places.length).toBeLessThanOrEqual(BASELINE_CAPS.places);
        expect(known.countries.length).toBeLessThanOrEqual(BASELINE_CAPS.countries);
        expect(known.networks.length).toBeLessThanOrEqual(BASELINE_CAPS.networks);
        expect(known.devices.length).toBeLessThanOrEqual(BASELINE_CAPS.devices);
        expect(known.sessions.length).toBeLessThanOrEqual(BASELINE_CAPS.sessions);
        for (const { visits } of known.places) expect(visits.length).toBeLessThanOrEqual(BASELINE_CAPS.visits);
        for (const { networks } of known.sessions) {
          expect(networks.length).toBeLessThanOrEqual(BASELINE_CAPS.sessionNetworks);
        }
        for (const { components } of known.devices) {
          expect(Object.keys(components).length).toBeLessThanOrEqual(BASELINE_CAPS.components);
        }
      }),
    );
  });

  it('Any number of lessons in any order leave the same newest sighting, span, countries and networks', () => {
    const shuffled = lessons.chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
    );
    const outcome = (all: readonly Lesson[]) => {
      const { firstSeen, lastSeen, learned, countries, networks, places } = learn(all);
      return {
        firstSeen,
        lastSeen,
        learned,
        newest: Math.max(0, ...places.map(({ at }) => at)),
        countries: countries.map(({ lastSeen: at }) => at),
        networks: networks.map(({ lastSeen: at }) => at),
      };
    };
    fc.assert(
      fc.property(shuffled, ([all, other]) => {
        if (all.length > 0) expect(outcome(other)).toEqual(outcome(all));
      }),
    );
  });

  it('Change nothing that was handed in', () => {
    fc.assert(
      fc.property(lessons, (all) => {
        const before = learn(all.slice(1));
        const copy = structuredClone(before);
        for (const one of all.slice(0, 1)) learnSighting(before, one);
        expect(before).toEqual(copy);
      }),
    );
  });
});

describe('what a clock that was ahead has stored', () => {
  const YEAR = 365 * DAY;
  const ahead = revokeAllDevices(
    learn([
      lesson({ at: NOON - HOUR, place: place(52, 5), country: 'NL', network: 'net', device: seenDevice('d-1') }),
      lesson({ at: NOON + YEAR, place: place(52, 5), country: 'NL', network: 'net', device: seenDevice('d-1') }),
    ]),
    NOON + YEAR,
  );

  it('What a clock that was ahead has stored counts as seen by now, so that the next sighting is the newest', () => {
    const right = withoutFuture(ahead, NOON);
    expect(JSON.stringify(right)).not.toContain(String(NOON + YEAR));
    expect(right).toMatchObject({ firstSeen: NOON - HOUR, lastSeen: NOON, trustNotBefore: NOON, learned: 2 });
    expect(right.places).toMatchObject([{ at: NOON, visits: [NOON - HOUR, NOON] }]);
    expect(right.devices).toMatchObject([{ lastSeen: NOON, sighting: { at: NOON }, revokedAt: NOON }]);
    const next = learn([lesson({ at: NOON + 1, place: place(-33, 151) })], right);
    expect(newestPlace(next)).toMatchObject({ lat: -33, at: NOON + 1 });
  });

  it('What a clock that was ahead has stored is left as it is where it lies within the difference of two clocks, or in the past', () => {
    expect(withoutFuture(ahead, NOON + YEAR - 5 * MINUTE)).toBe(ahead);
    expect(withoutFuture(ahead, NOON + 2 * YEAR)).toBe(ahead);
  });
});

describe('keys of device bound sessions', () => {
  const key = { kind: 'dbsc', hash: 'A'.repeat(16), since: NOON + 1 } as const;
  const other = { ...key, hash: 'B'.repeat(16) };
  const grant = { ...GRANT, device: seenDevice('d-1') };
  const trusted = () => grantTrust(null, grant);
  const keysOf = (baseline: Baseline | null) => baseline?.devices.find(({ id }) => id === 'd-1')?.keys;

  it('A key is bound to its device, before or after the grant is written', () => {
    const after = bindDevice(trusted(), { id: 'd-1', key, trustedAt: NOON });
    const before = bindDevice(null, { id: 'd-1', key, trustedAt: NOON });
    expect(keysOf(after)).toEqual([key]);
    expect(keysOf(grantTrust(before, grant))).toEqual([key]);
    expect(before?.devices.map(({ trustedUntil }) => trustedUntil)).toEqual([null]);
  });

  it('Another key takes the place of the one of its kind, and leaves the page’s own', () => {
    const page = { kind: 'page', hash: 'P'.repeat(16), since: NOON } as const;
    const bound = bindDevice(trusted(), { id: 'd-1', key: page, trustedAt: NOON });
    const both = bindDevice(bound, { id: 'd-1', key, trustedAt: NOON });
    const again = bindDevice(both, { id: 'd-1', key: other, trustedAt: NOON });
    expect(keysOf(again)).toEqual([page, other]);
  });

  it('Nothing is bound under a grant that was taken away in its second or later', () => {
    const binding = { id: 'd-1', key, trustedAt: NOON };
    expect(bindDevice(revokeDevice(trusted(), 'd-1', NOON), binding)).toBeNull();
    expect(bindDevice(revokeAllDevices(trusted(), NOON + 1), binding)).toBeNull();
    expect(bindDevice(revokeProofs(trusted(), NOON + 1), binding)).toBeNull();
    expect(keysOf(bindDevice(revokeDevice(trusted(), 'd-1', NOON - 1), binding))).toEqual([key]);
  });

  it('A grant without the key releases the device from the one that was on record, and keeps one registered since', () => {
    const bound = bindDevice(trusted(), { id: 'd-1', key, trustedAt: NOON }) as Baseline;
    const released = { seen: key, shown: null } as const;
    expect(keysOf(rekeyDevice(bound, 'd-1', released))).toBeUndefined();
    const newer = bindDevice(bound, { id: 'd-1', key: other, trustedAt: NOON }) as Baseline;
    expect(keysOf(rekeyDevice(newer, 'd-1', released))).toEqual([other]);
    expect(keysOf(rekeyDevice(trusted(), 'd-1', { ...released, seen: null }))).toBeUndefined();
  });

  it('A grant with a key of the browser binds the device to it', () => {
    expect(keysOf(rekeyDevice(trusted(), 'd-1', { seen: null, shown: key }))).toEqual([key]);
  });
});
