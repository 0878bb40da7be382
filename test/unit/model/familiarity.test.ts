import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  byLevel,
  decayed,
  type Familiarity,
  familiarityOf,
  HALF_LIFE_DAYS,
  LEVEL_NAMES,
  LEVELS,
  type LevelValues,
  learnFamiliarity,
  MOST_BITS,
  NO_FAMILIARITY,
  withoutFutureDays,
} from '../../../src/model/familiarity.ts';

const DAY = 86_400;
const START = 20_000 * DAY;

/** The same value on every level. */
const showing = (value: string | null): LevelValues => byLevel(() => value);
const NOTHING = showing(null);

interface Visit {
  readonly day: number;
  readonly values: LevelValues;
  readonly second?: number;
}

const learn = (visits: readonly Visit[], before: Familiarity = NO_FAMILIARITY): Familiarity =>
  visits.reduce(
    (known, { day, values, second = 0 }) => learnFamiliarity(known, values, START + day * DAY + second),
    before,
  );
const daily = (days: number, value: string): Visit[] =>
  Array.from({ length: days }, (_, day) => ({ day, values: showing(value) }));
const bitsOf = (known: Familiarity, values: LevelValues, day: number) =>
  familiarityOf(known, 'network', values, START + day * DAY)?.bits ?? Number.NaN;

const value = fc.constantFrom('a', 'b', 'c', 'd', null);
const visit = fc.record({
  day: fc.integer({ min: 0, max: 30 }),
  second: fc.integer({ min: 0, max: DAY - 1 }),
  values: fc.tuple(...LEVEL_NAMES.map(() => value)).map((all) => byLevel((l) => all[LEVEL_NAMES.indexOf(l)] ?? null)),
});

describe('counting days', () => {
  it('Counts a day once, however often a value is seen on it', () => {
    const known = learn([0, 10, DAY - 1].map((second) => ({ day: 3, second, values: showing('a') })));
    expect(known.network).toEqual({
      days: 1,
      day: 20_003,
      count: 1,
      values: [{ key: 'a', day: 20_003, count: 1 }],
    });
  });

  it('Counts half after the half-life', () => {
    const { network } = learn([
      { day: 0, values: showing('a') },
      { day: HALF_LIFE_DAYS, values: showing('b') },
    ]);
    expect(network.count).toBeCloseTo(1.5, 12);
    expect(network.values.map((one) => decayed(one, network.day))).toEqual([0.5, 1]);
    expect(network.days).toBe(2);
  });

  it('Takes the sightings of one day in any order', () => {
    fc.assert(
      fc.property(fc.array(visit, { maxLength: 12 }), fc.array(visit, { maxLength: 6 }), (before, today) => {
        const earlier = learn([...before].sort((a, b) => a.day - b.day));
        const sameDay = today.map((one) => ({ ...one, day: 31 }));
        const sorted = (known: Familiarity) =>
          byLevel((level) => ({
            ...known[level],
            values: [...known[level].values].sort((a, b) => (a.key < b.key ? -1 : 1)),
          }));
        expect(sorted(learn(sameDay, earlier))).toEqual(sorted(learn([...sameDay].reverse(), earlier)));
      }),
    );
  });

  it('Never counts more days than there were, for a value or for all, in whatever order they arrive', () => {
    fc.assert(
      fc.property(fc.array(visit, { maxLength: 30 }), (visits) => {
        const known = learn(visits);
        for (const level of LEVEL_NAMES) {
          const { count, day, days, values } = known[level];
          const seen = visits.filter((one) => one.values[level] !== null);
          expect(days).toBeLessThanOrEqual(new Set(seen.map((one) => one.day)).size);
          expect(count).toBeLessThanOrEqual(days);
          for (const one of values) expect(decayed(one, day)).toBeLessThanOrEqual(count + 1e-9);
        }
      }),
    );
  });

  it('Learns nothing from an earlier day than the last, or from what is unknown', () => {
    const known = learn(daily(5, 'a'));
    expect(learn([{ day: 2, values: showing('b') }], known)).toEqual(known);
    expect(learn([{ day: 9, values: NOTHING }], known)).toEqual(known);
  });

  it('Stays within the caps, and keeps the value just seen', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(40), fc.nat(30)), { minLength: 1, maxLength: 60 }), (seen) => {
        const visits = seen.map(([key, day]) => ({ day, values: showing(`k${key}`) })).sort((a, b) => a.day - b.day);
        const known = learn(visits);
        for (const level of LEVEL_NAMES) {
          const keys = known[level].values.map(({ key }) => key);
          expect(keys.length).toBeLessThanOrEqual(LEVELS[level].cap);
          expect(keys).toContain(visits.at(-1)?.values[level]);
        }
      }),
    );
  });

  it('A day with many values costs no more than the rarest one, so that nobody is pushed out', () => {
    const known = learn([...daily(40, 'home'), { day: 39, values: showing('work') }]);
    const flood = learn(
      Array.from({ length: 100 }, (_, i) => ({ day: 40, values: showing(`x${i}`) })),
      known,
    );
    expect(flood.network.values.map(({ key }) => key)).toContain('home');
    expect(flood.network.count).toBeCloseTo(decayed(known.network, 20_040) + 1, 12);
  });

  it('Takes days after now, which a clock that was ahead has counted, for today', () => {
    const ahead = learn([...daily(4, 'a'), { day: 900, values: showing('b') }]);
    const mended = withoutFutureDays(ahead, START + 10 * DAY);
    expect(mended.network.day).toBe(20_010);
    expect(mended.network.values.map(({ day }) => day)).toEqual([20_003, 20_010]);
    expect(learn([{ day: 11, values: showing('a') }], mended).network.days).toBe(6);
  });
});

describe('bits', () => {
  const home = learn(daily(40, 'home'));

  it('Are close to none for what is always seen, and the most for what never was', () => {
    expect(bitsOf(home, showing('home'), 40)).toBeLessThan(0.1);
    expect(bitsOf(home, showing('elsewhere'), 40)).toBeCloseTo(MOST_BITS, 12);
    expect(MOST_BITS).toBeCloseTo(8.3048, 4);
  });

  it('Follow the formula: weighted shares over half a day more, and half of log2(10) for what is new', () => {
    const known = byLevel((level) => ({
      days: 10,
      day: 20_000,
      count: 10,
      values: level === 'country' ? [] : [{ key: 'a', day: 20_000, count: level === 'asn' ? 8 : 2 }],
    }));
    const own = (0.6 * 2 + 0.3 * 8) / 10.5;
    expect(bitsOf(known, showing('a'), 0)).toBeCloseTo(-Math.log2(own + 0.01) + (Math.log2(10) / 2) * 0.1, 12);
  });

  it('Let the other levels weigh more where one is unknown', () => {
    const values = { ...showing('home'), asn: null, country: 'new' };
    const own = (0.6 / 0.7) * (decayed(home.network, 20_040) / (decayed(home.network, 20_040) + 0.5));
    expect(bitsOf(home, values, 40)).toBeCloseTo(-Math.log2(own + 0.01) + (Math.log2(10) / 2) * (0.1 / 0.7), 12);
  });

  it('Are unknown before four learned days, and without a network whatever else is known', () => {
    expect(bitsOf(learn(daily(3, 'a')), showing('a'), 3)).toBeNaN();
    expect(bitsOf(learn(daily(4, 'a')), showing('a'), 4)).not.toBeNaN();
    expect(bitsOf(home, { ...showing('home'), network: null }, 40)).toBeNaN();
  });

  it('Are bounded, and fall with every day on which a value is seen', () => {
    fc.assert(
      fc.property(fc.array(visit, { maxLength: 30 }), visit, (visits, { values }) => {
        const known = learn([...visits].sort((a, b) => a.day - b.day));
        const before = familiarityOf(known, 'client', values, START + 31 * DAY);
        if (before === null) return;
        expect(before.bits).toBeGreaterThanOrEqual(0);
        expect(before.bits).toBeLessThanOrEqual(MOST_BITS + 1e-9);
        const after = familiarityOf(learn([{ day: 31, values }], known), 'client', values, START + 31 * DAY);
        expect(after?.bits).toBeLessThanOrEqual(before.bits + 1e-9);
      }),
    );
  });

  it('One day that was let in is one of forty: the stranger remains unusual', () => {
    const let1 = learn([{ day: 40, values: showing('thief') }], home);
    expect(bitsOf(let1, showing('thief'), 41)).toBeGreaterThan(4.5);
    expect(bitsOf(let1, showing('home'), 41)).toBeLessThan(0.15);
  });
});
