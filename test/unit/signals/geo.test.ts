import { describe, expect, it } from 'vitest';
import type { NoPlace } from '../../../src/model/geo.ts';
import { geo } from '../../../src/signals/geo.ts';
import { baseline, history, measure, NOON, observation, STORE_DOWN } from '../../support/signals/given.ts';

describe('the place', () => {
  const nl = { country: 'NL', region: 'NH', city: 'Amsterdam', lat: 52.4, lon: 4.9, accuracyKm: 4.6 };

  it('The place is told with its source, and whether the country is new', () => {
    const home = baseline({ countries: [{ code: 'NL', lastSeen: NOON }] });
    expect(measure(geo, observation({ place: nl }), history(home), null).facts).toEqual({
      'geo.country': 'NL',
      'geo.region': 'NH',
      'geo.city': 'Amsterdam',
      'geo.accuracy_km': 5,
      'geo.new_country': false,
      'geo.source': 'asserted',
    });
    const brazil = observation({ place: { country: 'BR' } });
    expect(measure(geo, brazil, history(home), null).facts['geo.new_country']).toBe(true);
  });

  it('The place has no new country on a cold start, nor where the country itself is unknown', () => {
    const home = baseline({ countries: [{ code: 'NL', lastSeen: NOON }] });
    expect(measure(geo, observation({ place: nl }), history(null), null).facts['geo.new_country']).toBeUndefined();
    const nowhere = observation({ place: { lat: 1, lon: 1 } });
    expect(measure(geo, nowhere, history(home), null).facts['geo.new_country']).toBeUndefined();
  });

  it('The place stays told when the store is down, without the comparison', () => {
    const { state, facts } = measure(geo, observation({ place: nl }), STORE_DOWN, null);
    expect(state).toBe('failed');
    expect(facts['geo.country']).toBe('NL');
    expect(facts['geo.new_country']).toBeUndefined();
  });

  it('The place is missed like a store where its source did not answer in time, and simply unknown where it has none', () => {
    const without = (why: NoPlace) =>
      measure(geo, observation({ located: { known: false, why } }), history(null), null);
    expect(without('source_unavailable')).toEqual({ state: 'failed', why: 'source_unavailable', facts: {} });
    expect(without('bad_database')).toEqual({ state: 'unknown', why: 'bad_database', facts: {} });
    expect(without('not_found')).toEqual({ state: 'unknown', why: 'not_found', facts: {} });
  });
});
