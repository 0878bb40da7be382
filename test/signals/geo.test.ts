import { describe, expect, it } from 'vitest';
import { geo } from '../../src/signals/geo.ts';
import { baseline, history, NOON, observation, STORE_DOWN } from './given.ts';

describe('the place', () => {
  const nl = { country: 'NL', region: 'NH', city: 'Amsterdam', lat: 52.4, lon: 4.9, accuracyKm: 4.6 };

  it('is told with its source, and whether the country is new', () => {
    const home = baseline({ countries: [{ code: 'NL', lastSeen: NOON }] });
    expect(geo.measure(observation({ place: nl }), history(home), null).facts).toEqual({
      'geo.country': 'NL',
      'geo.region': 'NH',
      'geo.city': 'Amsterdam',
      'geo.accuracy_km': 5,
      'geo.new_country': false,
      'geo.source': 'asserted',
    });
    const brazil = observation({ place: { country: 'BR' } });
    expect(geo.measure(brazil, history(home), null).facts['geo.new_country']).toBe(true);
  });

  it('has no new country on a cold start, nor where the country itself is unknown', () => {
    const home = baseline({ countries: [{ code: 'NL', lastSeen: NOON }] });
    expect(geo.measure(observation({ place: nl }), history(null), null).facts).not.toHaveProperty('geo.new_country');
    const nowhere = observation({ place: { lat: 1, lon: 1 } });
    expect(geo.measure(nowhere, history(home), null).facts).not.toHaveProperty('geo.new_country');
  });

  it('stays told when the store is down, without the comparison', () => {
    const { state, facts } = geo.measure(observation({ place: nl }), STORE_DOWN, null);
    expect(state).toBe('failed');
    expect(facts['geo.country']).toBe('NL');
    expect(facts).not.toHaveProperty('geo.new_country');
  });
});
