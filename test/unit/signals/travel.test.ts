import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Baseline, KnownPlace } from '../../../src/model/baseline.ts';
import type { Place } from '../../../src/model/geo.ts';
import type { Category } from '../../../src/model/reputation.ts';
import { geo } from '../../../src/signals/geo.ts';
import { ip } from '../../../src/signals/ip.ts';
import { session } from '../../../src/signals/session.ts';
import { travel } from '../../../src/signals/travel.ts';
import {
  baseline,
  DAY,
  type Given,
  genuine,
  HOUR,
  history,
  knownDevice,
  knownPlace,
  learnedFrom,
  MINUTE,
  measure,
  NOON,
  observation,
  STORE_DOWN,
} from '../../support/signals/given.ts';

const LONDON = { lat: 51.5074, lon: -0.1278 };
const BERLIN = { lat: 52.52, lon: 13.405 };
const PARIS = { lat: 48.8566, lon: 2.3522 };
const NEW_YORK = { lat: 40.71, lon: -74 };
const SINGAPORE = { lat: 1.3521, lon: 103.8198 };
const LOS_ANGELES = { lat: 33.9425, lon: -118.408 };

function measureTravel(given: Given, known: Baseline | null) {
  return measure(travel, observation(given), history(known), null);
}

/** Travel at `given`, when the only sighting is at `place` some seconds before noon. */
function travelFrom(place: Partial<KnownPlace> & { lat: number; lon: number }, secondsAgo: number, given: Given) {
  return measureTravel(given, baseline({ places: [knownPlace({ at: NOON - secondsAgo, ...place })] }));
}

describe('speed', () => {
  it('The speed is the distance less both radii over the time between the sightings', () => {
    const { state, facts } = travelFrom(NEW_YORK, 31 * MINUTE, { place: { ...LONDON, accuracyKm: 0 } });
    expect(state).toBe('measured');
    expect(facts).toEqual({
      'travel.state': 'measured',
      'travel.distance_km': 5550,
      'travel.elapsed_s': 1860,
      'travel.speed_kmh': 10_742,
      'travel.reference': 'subject',
    });
  });

  /** @see https://github.com/KanishJebaMathewM/Truxify/pull/4594 */
  it('The speed of a long honest flight stays below that of an aeroplane', () => {
    const { facts } = travelFrom(PARIS, 14 * HOUR, { place: { lat: 35.6762, lon: 139.6503 } });
    expect(facts).toMatchObject({ 'travel.state': 'measured', 'travel.speed_kmh': 691 });
  });

  /** @see https://github.com/JuliaEarth/GeoStats.jl/issues/14 */
  it('The speed is known between opposite points of the Earth', () => {
    const { facts } = travelFrom({ lat: -15.625, lon: 1, accuracyKm: 0 }, HOUR, {
      place: { lat: 15.625, lon: -179, accuracyKm: 0 },
    });
    expect(facts).toMatchObject({ 'travel.distance_km': 20_015, 'travel.speed_kmh': 20_015 });
  });

  /** @see https://github.com/MushroomObserver/mushroom-observer/issues/5014 */
  it('The speed is known from the prime meridian to the equator, for one zero is a coordinate', () => {
    const { facts } = travelFrom({ lat: 51.4779, lon: 0 }, 20 * MINUTE, { place: { lat: 0, lon: 32.5825 } });
    expect(facts['travel.state']).toBe('measured');
    expect(facts['travel.speed_kmh']).toBeGreaterThan(18_000);
  });

  it('The speed is unknown at (0, 0), which is no coordinate', () => {
    const { state, facts } = travelFrom(LONDON, HOUR, { place: { lat: 0, lon: 0 } });
    expect(state).toBe('unknown');
    expect(facts).toEqual({ 'travel.state': 'no_place' });
  });

  it('The speed counts an event that arrives late by the same distance in time', () => {
    expect(travelFrom(NEW_YORK, -31 * MINUTE, { place: LONDON }).facts).toEqual(
      travelFrom(NEW_YORK, 31 * MINUTE, { place: LONDON }).facts,
    );
  });

  /** @see https://github.com/consuldemocracy/consuldemocracy/pull/3678 */
  it('The speed is finite when the clock steps back within a second', () => {
    const known = learnedFrom([observation({ at: NOON + 0.3, place: LONDON })]);
    expect(measureTravel({ at: NOON + 0.1, place: LONDON }, known).facts).toEqual({
      'travel.state': 'near',
      'travel.distance_km': 0,
      'travel.elapsed_s': 60,
      'travel.reference': 'subject',
    });
    expect(measureTravel({ at: NOON + 0.1, place: PARIS }, known).facts['travel.speed_kmh']).toBe(18_213);
  });
});

describe('distance that is no evidence', () => {
  /** @see https://github.com/FusionAuth/fusionauth-issues/issues/3014 */
  it('Distance that is no evidence does not let a carrier whose addresses are homed in two cities look like travel', () => {
    const houston = { lat: 29.7604, lon: -95.3698, accuracyKm: 100 };
    const sanAntonio = { lat: 29.4241, lon: -98.4936 };
    expect(travelFrom(houston, 2 * MINUTE, { place: { ...sanAntonio, accuracyKm: 199 } }).facts).toEqual({
      'travel.state': 'near',
      'travel.distance_km': 5,
      'travel.elapsed_s': 120,
      'travel.reference': 'subject',
    });
    expect(travelFrom(houston, 2 * MINUTE, { place: { ...sanAntonio, accuracyKm: 250 } }).facts).toEqual({
      'travel.state': 'coarse',
    });
  });

  /** @see https://github.com/panther-labs/panther-analysis/pull/783 */
  it('Distance that is no evidence is all that lies under 100 km, whatever the speed', () => {
    const facts = travelFrom(BERLIN, 10, { place: { lat: 52.52, lon: 14.069 } }).facts;
    expect(facts).toMatchObject({ 'travel.state': 'near', 'travel.elapsed_s': 60 });
    expect(facts['travel.speed_kmh']).toBeUndefined();
  });

  it('Distance that is no evidence ends at 100 km exactly', () => {
    const degreesFor = (km: number) => km / (6371.0088 * (Math.PI / 180));
    const start = { lat: 10, lon: 20, accuracyKm: 0 };
    const at = (km: number) =>
      travelFrom(start, 10, { place: { lat: 10 + degreesFor(km), lon: 20, accuracyKm: 0 } }).facts['travel.state'];
    expect([at(99.99), at(100.01)]).toEqual(['near', 'measured']);
  });

  /** @see https://github.com/opendatasoft/elasticsearch-aggregation-geoclustering/issues/15 */
  it('Distance that is no evidence lies on both sides of the date line', () => {
    const known = learnedFrom([
      observation({ at: NOON - DAY, place: { lat: -17, lon: 179.649556, accuracyKm: 50 } }),
      observation({ at: NOON - HOUR, place: { lat: -17, lon: -176.131694, accuracyKm: 50 } }),
    ]);
    const { facts } = measureTravel({ place: { lat: -17.5, lon: -178.3, accuracyKm: 120 } }, known);
    expect(facts).toMatchObject({ 'travel.state': 'near', 'travel.distance_km': 67 });
  });

  it('Distance that is no evidence joins IPv4 and IPv6 of one household when the radii overlap', () => {
    const v4 = observation({ at: NOON - MINUTE, ip: '81.2.69.160', place: { ...LONDON, accuracyKm: 100 } });
    const known = learnedFrom([v4]);
    const ipswich = { lat: 52.0611, lon: 1.1576, accuracyKm: 20 };
    expect(measureTravel({ ip: '2a00:23c4::1', place: ipswich }, known).facts['travel.distance_km']).toBe(0);
    const both = learnedFrom([observation({ ip: '2a00:23c4::1', place: ipswich })], known);
    expect(both?.places).toHaveLength(1);
  });
});

describe('a place that says little', () => {
  /** @see https://github.com/snowplow/enrich/issues/105 */
  it('A place that says little takes part only as far as its radius allows, and the radius is remembered', () => {
    const ten = 10 * MINUTE;
    expect(travelFrom(BERLIN, ten, { place: { ...PARIS, accuracyKm: 5 } }).facts['travel.speed_kmh']).toBe(5115);
    expect(travelFrom(BERLIN, ten, { place: { ...PARIS, accuracyKm: 1000 } })).toMatchObject({
      state: 'unknown',
      why: 'coarse',
    });
    const known = learnedFrom([observation({ place: { ...PARIS, accuracyKm: 5 } })]);
    expect(known?.places[0]?.accuracyKm).toBe(5);
  });

  /** @see https://github.com/geoip-lite/node-geoip/issues/173 */
  it('A place that says little neither counts as travel nor replaces a city that is known', () => {
    const spring = observation({ at: NOON - 20 * MINUTE, place: { lat: 30.0799, lon: -95.4172, city: 'Spring' } });
    const countryOnly = { lat: 37.751, lon: -97.822, accuracyKm: 1000, country: 'US' };
    const home = learnedFrom([spring]);
    expect(measureTravel({ place: countryOnly }, home).facts).toEqual({ 'travel.state': 'coarse' });
    const after = learnedFrom([observation({ place: countryOnly })], home);
    expect(after?.places).toEqual(home?.places);
    expect(after?.countries).toEqual([{ code: 'US', lastSeen: NOON }]);
  });

  /** @see https://github.com/maxmind/GeoIP2-node/issues/441 */
  it.each(['127.0.0.1', '::1', '10.1.2.3', '169.254.10.10', '100.64.0.9'])(
    'A place that says little is that of %s: no travel, no lesson',
    (text) => {
      const home = learnedFrom([observation({ at: NOON - HOUR, place: LONDON })]);
      const given: Given = { ip: text, located: { known: false, why: 'private_address' } };
      expect(measureTravel(given, home).facts).toEqual({ 'travel.state': 'placeless' });
      expect(measure(geo, observation(given), history(home), null)).toEqual({
        state: 'unknown',
        why: 'private_address',
        facts: {},
      });
      const after = learnedFrom([observation(given)], home);
      expect([after?.places, after?.networks, after?.countries]).toEqual([
        home?.places,
        home?.networks,
        home?.countries,
      ]);
    },
  );

  /** @see https://github.com/maxmind/MaxMind-DB/issues/27 */
  it('A place that says little is that of a Teredo tunnel', () => {
    const teredo: Given = {
      ip: '2001:0:4136:e378:8000:63bf:3fff:fdd2',
      located: { known: false, why: 'tunnel_address' },
    };
    expect(travelFrom(LONDON, HOUR, teredo)).toMatchObject({ state: 'unknown', why: 'placeless' });
  });

  it('A place that says little is unknown for a public address that no source knows', () => {
    const facts = travelFrom(LONDON, HOUR, { located: { known: false, why: 'not_found' } }).facts;
    expect(facts).toEqual({ 'travel.state': 'no_place' });
  });
});

describe('an address that hides the place', () => {
  it.each<Category>(['tor', 'vpn', 'relay', 'proxy', 'datacenter'])(
    'An address that hides the place as %s yields no speed',
    (category) => {
      expect(travelFrom(LONDON, HOUR, { place: SINGAPORE, categories: [category] })).toEqual({
        state: 'unknown',
        why: 'placeless',
        facts: { 'travel.state': 'placeless' },
      });
    },
  );

  it('An address that hides the place yields a speed again where a list of category allow vouches for it', () => {
    expect(travelFrom(LONDON, HOUR, { place: SINGAPORE, categories: ['allow'] }).facts['travel.state']).toBe(
      'measured',
    );
    expect(travelFrom(LONDON, HOUR, { place: SINGAPORE, categories: ['attack'] }).facts['travel.state']).toBe(
      'measured',
    );
  });

  /** @see https://github.com/panther-labs/panther-analysis/pull/908 */
  it('An address that hides the place is not remembered, so the way home from it is no travel', () => {
    const known = learnedFrom([
      observation({ at: NOON - 10 * MINUTE, place: LONDON }),
      observation({ at: NOON - 5 * MINUTE, place: SINGAPORE, categories: ['vpn'], ip: '45.83.1.1' }),
    ]);
    expect(known?.places).toHaveLength(1);
    expect(known?.networks.map(({ key }) => key)).toEqual([observation().keys.network]);
    expect(measureTravel({ place: LONDON }, known).facts['travel.state']).toBe('near');
  });

  /** @see https://github.com/panther-labs/panther-analysis/pull/912 */
  it('An address that hides the place is no place to be even for somebody never seen before', () => {
    const first = observation({ place: SINGAPORE, categories: ['vpn'] });
    expect(measure(travel, first, history(null), null)).toMatchObject({ state: 'unknown', why: 'placeless' });
    expect(learnedFrom([first])).toMatchObject({ learned: 1, places: [], countries: [], networks: [] });
  });

  /** @see https://github.com/panther-labs/panther-analysis/pull/1358 */
  it('An address that hides the place belongs to a satellite operator as well: the aeroplane is not at his office', () => {
    const known = learnedFrom([observation({ at: NOON - 30 * MINUTE, place: LOS_ANGELES })]);
    const onBoard: Given = { asn: 22351, place: { lat: 38.918, lon: -77.231, accuracyKm: 50, country: 'US' } };
    expect(measureTravel(onBoard, known).facts).toEqual({ 'travel.state': 'satellite' });
    expect(learnedFrom([observation(onBoard)], known)?.places).toEqual(known?.places);
  });

  /** @see https://github.com/mpolden/echoip/issues/155 */
  it('An address that hides the place may be a satellite line at home', () => {
    const known = learnedFrom([observation({ at: NOON - 5 * MINUTE, place: { lat: 50.0755, lon: 14.4378 } })]);
    const dish: Given = { asn: 14593, place: { ...LONDON, accuracyKm: 100 }, ip: '143.105.1.1' };
    expect(measureTravel(dish, known).facts).toEqual({ 'travel.state': 'satellite' });
    const after = learnedFrom([observation(dish)], known);
    expect([after?.places, after?.networks]).toEqual([known?.places, known?.networks]);
  });

  /** @see https://github.com/zammad/zammad/issues/5665 */
  it('An address that hides the place inside the office is never a new country', () => {
    const office = observation({ ip: '10.25.0.24', located: { known: false, why: 'private_address' } });
    const known = history(baseline({ countries: [{ code: 'AU', lastSeen: NOON - DAY }] }));
    expect(measure(geo, office, known, null).facts['geo.new_country']).toBeUndefined();
    expect(measure(ip, office, known, null).facts['ip.categories']).toEqual(['private']);
  });
});

describe('a second home', () => {
  const at = (place: typeof LONDON, days: number): Given => ({ at: NOON - days * DAY, place });
  const alternating = [at(LONDON, 9), at(PARIS, 8), at(LONDON, 7), at(PARIS, 6), at(LONDON, 5), at(PARIS, 4)];

  it('A second home is excused once it was visited three times in 30 days while the other was visited too', () => {
    const stays = [...alternating, { at: NOON - HOUR, place: LONDON }];
    expect(measureTravel({ place: PARIS }, learnedFrom(stays.map(observation))).facts).toEqual({
      'travel.state': 'excused',
      'travel.distance_km': 304,
      'travel.elapsed_s': HOUR,
      'travel.reference': 'subject',
    });
    const twice = learnedFrom(stays.slice(2).map(observation));
    expect(measureTravel({ place: PARIS }, twice).facts['travel.state']).toBe('measured');
  });

  it('A second home is excused no longer when the visits lie further back than 30 days', () => {
    const long = learnedFrom(
      [...alternating.map((stay) => ({ ...stay, at: (stay.at ?? 0) - 40 * DAY }))].map(observation),
    );
    const known = learnedFrom([observation({ at: NOON - HOUR, place: LONDON })], long);
    expect(measureTravel({ place: PARIS }, known).facts['travel.state']).toBe('measured');
  });

  it('A second home is not the home that a single journey left behind', () => {
    const home = [5, 4, 3, 2].map((days) => observation(at(LONDON, days)));
    const abroad = observation({ at: NOON - HOUR, place: SINGAPORE });
    expect(measureTravel({ place: LONDON }, learnedFrom([...home, abroad])).facts['travel.state']).toBe('measured');
  });

  it('A second home excuses nothing against a third place', () => {
    const known = learnedFrom([...alternating.map(observation), observation({ at: NOON - HOUR, place: SINGAPORE })]);
    expect(measureTravel({ place: PARIS }, known).facts['travel.state']).toBe('measured');
  });

  it('A second home stays excused over a weekend spent wholly at the other', () => {
    const weeks = [21, 20, 19, 18, 17, 14, 13, 12, 11, 10, 7, 6, 5, 4, 3].flatMap((days) => [
      observation({ at: NOON - days * DAY - 4 * HOUR, place: LONDON }),
      observation({ at: NOON - days * DAY, place: PARIS }),
    ]);
    const weekend = [2.2, 2, 1.5, 1, 0.5].map((days) => observation({ at: NOON - days * DAY, place: LONDON }));
    const known = learnedFrom([...weeks, ...weekend, observation({ at: NOON - 30 * MINUTE, place: LONDON })]);
    expect(measureTravel({ place: PARIS }, known).facts['travel.state']).toBe('excused');
  });
});

describe('devices', () => {
  const phone: Given = { fingerprint: 'fp-phone', token: genuine({ device: 'd-phone' }) };
  const laptop: Given = { fingerprint: 'fp-laptop', token: genuine({ device: 'd-laptop' }) };
  const trusted = baseline({
    devices: [
      knownDevice({ id: 'd-phone', fingerprint: 'fp-phone', trustedUntil: NOON + DAY }),
      knownDevice({ id: 'd-laptop', fingerprint: 'fp-laptop', trustedUntil: NOON + DAY }),
    ],
  });

  /** @see https://github.com/oauth-wg/oauth-cross-device-security/issues/202 */
  it('Travel by themselves: a phone that tunnels home and a laptop on the local network do not flap', () => {
    let known = learnedFrom(
      [
        observation({ ...phone, at: NOON - 2 * MINUTE, place: NEW_YORK }),
        observation({ ...laptop, at: NOON - MINUTE, place: BERLIN }),
      ],
      trusted,
    );
    for (let second = 0; second < 300; second += 30) {
      const [device, place] = second % 60 === 0 ? [phone, NEW_YORK] : [laptop, BERLIN];
      const seen = observation({ ...device, at: NOON + second, place });
      expect(measure(travel, seen, history(known), null).facts).toMatchObject({
        'travel.state': 'near',
        'travel.reference': 'device',
      });
      known = learnedFrom([seen], known);
    }
  });

  it('Devices are compared with the subject while they have no sighting of their own', () => {
    const known = { ...trusted, places: [knownPlace({ ...NEW_YORK, at: NOON - HOUR })] };
    expect(measureTravel({ ...laptop, place: BERLIN }, known).facts).toMatchObject({
      'travel.state': 'measured',
      'travel.reference': 'subject',
    });
  });

  it('Devices do not choose what they are compared with by a copied fingerprint', () => {
    const known = learnedFrom(
      [
        observation({ ...laptop, at: NOON - 20 * DAY, place: BERLIN }),
        observation({ ...phone, at: NOON - HOUR, place: NEW_YORK }),
      ],
      trusted,
    );
    expect(measureTravel({ fingerprint: 'fp-laptop', place: BERLIN }, known).facts).toMatchObject({
      'travel.state': 'measured',
      'travel.reference': 'subject',
    });
  });
});

describe('a session on a dual-stack line', () => {
  /** @see https://github.com/mailcow/mailcow-dockerized/pull/295 */
  it('A session on a dual-stack line has both its networks after each was seen once', () => {
    const v6: Given = { session: 's-1', ip: '2a00:23c4::1' };
    const v4: Given = { session: 's-1', ip: '::ffff:81.2.69.160' };
    const changed = (given: Given, known: Baseline | null) =>
      measure(session, observation(given), history(known), null).facts['session.ip_changed'];
    expect(observation(v4).keys.network).toBe(observation({ ip: '81.2.69.160' }).keys.network);
    const first = learnedFrom([observation(v6)]);
    expect(changed(v4, first)).toBe(true);
    const both = learnedFrom([observation(v4)], first);
    expect([changed(v6, both), changed(v4, both)]).toEqual([false, false]);
  });
});

describe('what is missing', () => {
  it('What is missing is said: no sighting yet, no subject, no store', () => {
    expect(measureTravel({ place: LONDON }, null)).toMatchObject({ state: 'unknown', why: 'no_baseline' });
    expect(measureTravel({ place: LONDON }, baseline())).toMatchObject({ state: 'unknown', why: 'no_baseline' });
    expect(measureTravel({ place: LONDON, subject: null }, null)).toMatchObject({
      state: 'unknown',
      why: 'no_subject',
    });
    expect(measure(travel, observation({ place: LONDON }), STORE_DOWN, null)).toEqual({
      state: 'failed',
      why: 'timeout',
      facts: {},
    });
  });
});

/** @see https://github.com/panther-labs/panther-analysis/pull/840 */
it('The travel signal measures one subject as if no other had been measured before', () => {
  const viaVpn = observation({ subject: 'A', place: SINGAPORE, categories: ['vpn'] });
  const plain = observation({ subject: 'B', place: LONDON });
  const known = history(baseline({ places: [knownPlace({ ...BERLIN, at: NOON - HOUR })] }));
  const alone = JSON.stringify(measure(travel, plain, known, null));
  for (let i = 0; i < 1000; i += 1) {
    const [first, second] = i % 2 === 0 ? [viaVpn, plain] : [plain, viaVpn];
    const answers = [measure(travel, first, known, null), measure(travel, second, known, null)];
    expect(JSON.stringify(answers[i % 2 === 0 ? 1 : 0])).toBe(alone);
  }
});

it('The travel signal is finite and known only when measured, for any two sightings', () => {
  const place: fc.Arbitrary<Partial<Place>> = fc.record({
    lat: fc.double({ min: -90, max: 90, noNaN: true }),
    lon: fc.double({ min: -180, max: 180, noNaN: true }),
    accuracyKm: fc.integer({ min: 0, max: 2000 }),
  });
  fc.assert(
    fc.property(place, place, fc.integer({ min: -40 * DAY, max: 40 * DAY }), (here, there, gap) => {
      const known = baseline({ places: [knownPlace({ lat: there.lat ?? 0, lon: there.lon ?? 0, at: NOON + gap })] });
      const { facts } = measureTravel({ place: here }, known);
      expect(facts['travel.speed_kmh'] !== undefined).toBe(facts['travel.state'] === 'measured');
      for (const fact of Object.values(facts))
        if (typeof fact === 'number') expect(Number.isSafeInteger(fact)).toBe(true);
    }),
  );
});
