import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { greatCircleKm, travelDistanceKm } from '../../../src/model/distance.ts';

const point = fc.record({
  lat: fc.double({ min: -90, max: 90, noNaN: true }),
  lon: fc.double({ min: -180, max: 180, noNaN: true }),
});

describe('great-circle distance', () => {
  it.each([
    ['London to Paris', { lat: 51.5074, lon: -0.1278 }, { lat: 48.8566, lon: 2.3522 }, 344],
    ['New York to London', { lat: 40.7128, lon: -74.006 }, { lat: 51.5074, lon: -0.1278 }, 5570],
    ['across the date line', { lat: -17, lon: 179.649556 }, { lat: -17, lon: -176.131694 }, 449],
    ['over the pole', { lat: 89, lon: 0 }, { lat: 89, lon: 180 }, 222],
  ])('The great-circle distance knows the way from %s', (_name, a, b, km) => {
    expect(Math.round(greatCircleKm(a, b))).toBe(km);
  });

  /** @see https://github.com/JuliaEarth/GeoStats.jl/issues/14 */
  it('The great-circle distance is half the circumference between opposite points, where rounding lifts the half-chord above 1', () => {
    expect(greatCircleKm({ lat: -15.625, lon: 1 }, { lat: 15.625, lon: -179 })).toBeCloseTo(20_015.1, 1);
  });

  it('The great-circle distance is finite, symmetric, never negative and never beyond half the circumference', () => {
    fc.assert(
      fc.property(point, point, (a, b) => {
        const km = greatCircleKm(a, b);
        expect(km).toBe(greatCircleKm(b, a));
        expect(km).toBeGreaterThanOrEqual(0);
        expect(km).toBeLessThanOrEqual(20_016);
        expect(greatCircleKm(a, a)).toBe(0);
      }),
      { numRuns: 1000 },
    );
  });

  it('The great-circle distance is half the circumference for any opposite points', () => {
    fc.assert(
      fc.property(point, (a) => {
        const opposite = { lat: -a.lat, lon: a.lon > 0 ? a.lon - 180 : a.lon + 180 };
        expect(greatCircleKm(a, opposite)).toBeCloseTo(20_015.11, 1);
      }),
      { numRuns: 1000 },
    );
  });

  it('The great-circle distance is never longer than a detour', () => {
    fc.assert(
      fc.property(point, point, point, (a, b, c) => {
        expect(greatCircleKm(a, c)).toBeLessThanOrEqual(greatCircleKm(a, b) + greatCircleKm(b, c) + 1e-3);
      }),
    );
  });
});

describe('travel distance', () => {
  it('The travel distance takes off what both ends do not know about themselves', () => {
    const london = { lat: 51.5074, lon: -0.1278, accuracyKm: 100 };
    const paris = { lat: 48.8566, lon: 2.3522, accuracyKm: 44 };
    expect(travelDistanceKm(london, paris)).toBeCloseTo(greatCircleKm(london, paris) - 144, 6);
  });

  it('The travel distance is 0 where the radii meet, and never below', () => {
    const here = { lat: 51.5, lon: 0, accuracyKm: 300 };
    expect(travelDistanceKm(here, { lat: 48.8566, lon: 2.3522, accuracyKm: 300 })).toBe(0);
  });
});
