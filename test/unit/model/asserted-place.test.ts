import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assertedPlace } from '../../../src/model/asserted-place.ts';

describe('a place asserted by the caller', () => {
  /** @see https://github.com/boywithkeyboard-archive/cheetah1/pull/160 */
  it.each([
    ['nothing at all', undefined],
    ['null', null],
    ['an empty object', {}],
    ['empty texts', { lat: '', lon: '', country: '', city: '' }],
    ['blank texts', { lat: ' ', lon: ' ' }],
  ])('A place asserted by the caller is unknown when the platform sends %s', (_name, geo) => {
    expect(assertedPlace(geo)).toBeNull();
  });

  /** @see https://github.com/boywithkeyboard-archive/cheetah1/pull/160 */
  it('A place asserted by the caller reads numbers that come as text', () => {
    expect(assertedPlace({ lat: '51.50740', lon: '-0.12780', city: 'London' })).toMatchObject({
      lat: 51.5074,
      lon: -0.1278,
      accuracyKm: 50,
    });
  });

  it.each(['12abc', '0x10', '1e3', 'NaN', 'Infinity', '--1', '1.'])(
    'A place asserted by the caller takes %j for no number',
    (lat) => {
      expect(assertedPlace({ lat, lon: '4', country: 'NL' })).toMatchObject({ lat: null, lon: null });
    },
  );

  /** @see https://github.com/MushroomObserver/mushroom-observer/issues/5014 */
  it('A place asserted by the caller keeps a point on the prime meridian or the equator, and drops the one that is both', () => {
    expect(assertedPlace({ lat: 51.4779, lon: 0 })).toMatchObject({ lat: 51.4779, lon: 0 });
    expect(assertedPlace({ lat: 0, lon: 32.5825 })).toMatchObject({ lat: 0, lon: 32.5825 });
    expect(assertedPlace({ lat: 0, lon: 0 })).toBeNull();
    expect(assertedPlace({ lat: 0, lon: -0, country: 'GH' })).toMatchObject({ lat: null, lon: null, country: 'GH' });
  });

  it('A place asserted by the caller drops coordinates out of range and half a pair', () => {
    for (const geo of [
      { lat: 91, lon: 0 },
      { lat: 0, lon: 180.5 },
      { lat: Number.NaN, lon: 1 },
      { lat: 52 },
      { lon: 4 },
    ]) {
      expect(assertedPlace(geo)).toBeNull();
    }
  });

  /** @see https://github.com/snowplow/enrich/issues/105 */
  it('A place asserted by the caller takes the stated radius, assumes 50 km for a city and country precision for anything else', () => {
    const paris = { lat: 48.8566, lon: 2.3522 };
    expect(assertedPlace({ ...paris, accuracyKm: 5 })?.accuracyKm).toBe(5);
    expect(assertedPlace({ ...paris, accuracyKm: 0 })?.accuracyKm).toBe(0);
    expect(assertedPlace({ ...paris, accuracyKm: null, city: 'Paris' })?.accuracyKm).toBe(50);
    expect(assertedPlace({ ...paris, accuracyKm: null })?.accuracyKm).toBe(1000);
    expect(assertedPlace({ ...paris, accuracyKm: -5 })?.accuracyKm).toBe(1000);
  });

  it('A place asserted by the caller is never precise when it names only a country', () => {
    expect(assertedPlace({ country: 'nl', accuracyKm: 1 })).toMatchObject({
      country: 'NL',
      lat: null,
      accuracyKm: 200,
    });
  });

  it.each(['XX', 'T1', 'ZZ', 'A1', 'EU', 'Netherlands', '1'])(
    'A place asserted by the caller takes country %s for none',
    (country) => {
      expect(assertedPlace({ lat: 52, lon: 4, country })?.country).toBeNull();
    },
  );

  it('A place asserted by the caller never yields a coordinate out of range, whatever is sent', () => {
    const value = fc.oneof(fc.double(), fc.string(), fc.constant(null), fc.constant(undefined), fc.constant(0));
    fc.assert(
      fc.property(value, value, value, fc.string(), (lat, lon, accuracyKm, country) => {
        const place = assertedPlace({ lat, lon, accuracyKm, country });
        if (place === null) return;
        expect(place.lat === null).toBe(place.lon === null);
        if (place.lat !== null) expect(Math.abs(place.lat)).toBeLessThanOrEqual(90);
        if (place.lon !== null) expect(Math.abs(place.lon)).toBeLessThanOrEqual(180);
        expect(place.accuracyKm).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
