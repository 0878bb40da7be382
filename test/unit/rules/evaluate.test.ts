import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DECISIONS, stricter } from '../../../src/model/decision.ts';
import { compileRules } from '../../../src/rules/compile.ts';
import { catalog, decides, deny, factsOf, points, setOf } from '../../support/sample-rules.ts';

const always = {};
const fast = factsOf({ action: 'payment', 'travel.speed_kmh': 10780, 'travel.distance_km': 5570.128 });

describe('score', () => {
  it('The score adds up all matching points and clamps the sum once', () => {
    const set = setOf([
      points(always, 90, 'a'),
      points(always, 60, 'b'),
      points(always, -70, 'c'),
      points({ 'geo.country': 'NL' }, 9, 'd'),
    ]);
    expect(set.evaluate(factsOf()).score).toBe(80);
    expect(setOf([points(always, -5)]).evaluate(factsOf()).score).toBe(0);
    expect(setOf([points(always, 99, 'a'), points(always, 99, 'b')]).evaluate(factsOf()).score).toBe(100);
  });

  it('The score stays within 0..100 and never falls when a rule gives more points', () => {
    const some = fc.array(fc.integer({ min: -100, max: 100 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(some, fc.nat(), fc.nat(100), (values, at, more) => {
        const i = at % values.length;
        const scoreOf = (list: number[]) =>
          setOf(list.map((value, j) => points(always, value, `r${j}`))).evaluate(factsOf()).score;
        const before = scoreOf(values);
        const after = scoreOf(values.with(i, Math.min(100, (values[i] ?? 0) + more)));
        expect(before).toBeGreaterThanOrEqual(0);
        expect(after).toBeLessThanOrEqual(100);
        expect(after).toBeGreaterThanOrEqual(before);
      }),
    );
  });

  it('The score gives the level by the least scores of the file', () => {
    const level = (value: number, levels?: object) =>
      setOf([points(always, value)], levels ? { levels } : {}).evaluate(factsOf()).level;
    expect([29, 30, 69, 70].map((value) => level(value))).toEqual(['low', 'medium', 'medium', 'high']);
    expect([4, 5, 6].map((value) => level(value, { medium: 5, high: 6 }))).toEqual(['low', 'medium', 'high']);
  });
});

describe('decision', () => {
  const rule = (decision: string, id: string = decision, when: object = always) => decides(id, when, { decision });

  it('The decision is the strictest that matches, else the default', () => {
    const all = [rule('allow'), rule('deny'), rule('step-up')];
    expect(setOf(all).evaluate(factsOf())).toMatchObject({
      decision: 'deny',
      rule: { id: 'deny', file: 'test.json' },
      requirement: null,
    });
    expect(
      setOf([rule('deny', 'd', { 'geo.country': 'NL' })], { default: 'step-up' }).evaluate(factsOf()),
    ).toMatchObject({
      decision: 'step-up',
      rule: null,
      requirement: { acrValues: [], maxAgeSeconds: 600, singleUse: false, unsatisfiable: false },
    });
    expect(setOf([rule('allow')], { default: 'deny' }).evaluate(factsOf()).decision).toBe('allow');
  });

  /** @see https://github.com/CacheControl/json-rules-engine/issues/350 */
  it('The decision does not depend on the order of rules, files or keys', () => {
    const conditions = [
      { 'travel.speed_kmh': { gt: 1000 }, action: 'payment', 'device.state': { known: false } },
      { 'travel.distance_km': { gt: 1 }, 'context.amount': 1 },
      { 'geo.country': { known: false } },
    ];
    const rules = conditions.flatMap((when, i) => [
      points(when, 20 + i, `p${i}`),
      decides(`d${i}`, { ...when, 'subject.id': { known: false } }, { decision: DECISIONS[i] ?? 'deny' }),
      decides(`s${i}`, when, { decision: 'step-up', acr_values: [`acr${i % 2}`], max_age: 100 + i }),
    ]);
    const facts = factsOf(fast.measured, { context: { amount: 1 } });
    const evaluate = (list: readonly object[], split: number) =>
      compileRules(
        [
          { name: 'b.json', text: JSON.stringify({ rules: list.filter((_, i) => i % 2 === split) }) },
          { name: 'a.json', text: JSON.stringify({ rules: list.filter((_, i) => i % 2 !== split) }) },
        ],
        catalog,
      ).evaluate(facts);
    const shuffled = fc.shuffledSubarray(rules, { minLength: rules.length });
    fc.assert(
      fc.property(shuffled, fc.boolean(), (list, reversed) => {
        const one = (each: readonly object[]) => setOf(each).evaluate(facts);
        const keys = list.map((each) => {
          const { when, ...rest } = each as { when: object };
          return reversed ? { when: Object.fromEntries(Object.entries(when).reverse()), ...rest } : each;
        });
        expect(plain(one(keys))).toEqual(plain(one(rules)));
        expect(evaluate(list, 0).decision).toEqual(one(rules).decision);
        expect(evaluate(list, 1).score).toEqual(one(rules).score);
      }),
    );
    // The order of the compared values follows the keys as written; everything else is the same.
    function plain(verdict: ReturnType<typeof evaluate>) {
      return { ...verdict, reasons: verdict.reasons.map(({ message: _, ...reason }) => reason) };
    }
  });

  it('The decision is never milder than any rule that binds', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...DECISIONS), { minLength: 1, maxLength: 6 }), (decisions) => {
        const verdict = setOf(decisions.map((decision, i) => rule(decision, `r${i}`))).evaluate(factsOf());
        expect(verdict.decision).toBe(decisions.reduce(stricter));
      }),
    );
  });

  it('The decision names the strictest rule, by file and then by id where several are as strict', () => {
    const files = [
      { name: 'b.json', text: JSON.stringify({ rules: [rule('deny', 'a')] }) },
      { name: 'a.json', text: JSON.stringify({ rules: [rule('deny', 'z'), rule('deny', 'c'), rule('allow', 'b')] }) },
    ];
    expect(compileRules(files, catalog).evaluate(factsOf()).rule).toEqual({ id: 'c', file: 'a.json' });
  });

  /** @see https://github.com/CacheControl/json-rules-engine/issues/247 */
  it('The decision passes over a rule whose fact is unknown and lets the others decide', () => {
    const set = setOf([deny({ 'ip.asn': { in: [64500] } }, 'r1'), rule('allow', 'r2', { 'device.trusted': true })], {
      default: 'deny',
    });
    expect(set.evaluate(factsOf({ 'device.trusted': true }))).toMatchObject({ decision: 'allow', rule: { id: 'r2' } });
    expect(set.trace(factsOf({ 'device.trusted': true })).rules).toMatchObject([
      { outcome: 'unknown' },
      { outcome: 'hit' },
    ]);
  });

  it('The decision looks at rules of other actions not at all and at those for several actions in each', () => {
    const set = setOf(
      [
        rule('deny', 'one', { action: 'login' }),
        rule('step-up', 'two', { action: { in: ['payment', 'transfer'] } }),
        points({ any: [{ action: 'payment' }, { action: 'login' }] }, 7, 'three'),
      ],
      { actions: { browse: {} } },
    );
    const of = (action?: unknown) => {
      const { decision, score } = set.evaluate(factsOf({ action }));
      return `${decision} ${score}`;
    };
    expect(['login', 'payment', 'transfer', 'browse', undefined, 7].map(of)).toEqual([
      'deny 7',
      'step-up 7',
      'step-up 0',
      'allow 0',
      'allow 0',
      'allow 0',
    ]);
  });
});

describe('over', () => {
  const medium = points(always, 50, 'fifty');
  const stepUp = decides('step-up-at-medium', { score: { gte: 30 } }, { decision: 'step-up' });
  const excused = (then: object) => decides('excused', { 'subject.id': 'pager' }, { decision: 'allow', ...then });
  const pager = factsOf({ 'subject.id': 'pager' });

  it('An exception removes the rules that its over names, and only while it matches', () => {
    const set = setOf([medium, stepUp, excused({ over: ['step-up-at-medium'] })]);
    expect(set.evaluate(pager)).toMatchObject({ decision: 'allow', requirement: null, rule: { id: 'excused' } });
    expect(set.evaluate(pager).reasons.map((reason) => reason.rule)).toEqual(['fifty', 'excused']);
    expect(set.evaluate(factsOf({ 'subject.id': 'other' })).decision).toBe('step-up');
    expect(setOf([medium, stepUp, excused({})]).evaluate(pager).decision).toBe('step-up');
  });

  it('An exception can name a deny', () => {
    const set = setOf([deny({ score: { gte: 30 } }), medium, excused({ over: ['deny'] })]);
    expect(set.evaluate(pager).decision).toBe('allow');
  });

  it('An exception has no effect when it is itself removed', () => {
    const third = decides('audit', { 'geo.country': 'NL' }, { decision: 'allow', over: ['excused'] });
    const set = setOf([medium, stepUp, excused({ over: ['step-up-at-medium'] }), third]);
    expect(set.evaluate(factsOf({ 'subject.id': 'pager', 'geo.country': 'NL' }))).toMatchObject({
      decision: 'step-up',
    });
  });
});

describe('requirement', () => {
  const asks = (id: string, then: object) => decides(id, always, { decision: 'step-up', ...then });

  it('The requirement is the sum of all step-up rules that bind', () => {
    const set = setOf([
      asks('a', { acr_values: ['gold', 'silver'], amr_values: ['hwk'], max_age: 300 }),
      asks('b', { acr_values: ['silver', 'bronze'], amr_values: ['pin', 'hwk'], max_age: 900, single_use: true }),
      asks('c', {}),
    ]);
    expect(set.evaluate(factsOf()).requirement).toEqual({
      acrValues: ['silver'],
      amrValues: ['hwk', 'pin'],
      maxAgeSeconds: 300,
      singleUse: true,
      unsatisfiable: false,
    });
  });

  it('The requirement lists all classes and says so when no class satisfies each rule', () => {
    const set = setOf([asks('a', { acr_values: ['gold'] }), asks('b', { acr_values: ['silver'] })]);
    expect(set.evaluate(factsOf()).requirement).toMatchObject({ acrValues: ['gold', 'silver'], unsatisfiable: true });
  });

  it('The requirement is absent under a deny', () => {
    expect(setOf([asks('a', {}), deny(always)]).evaluate(factsOf()).requirement).toBeNull();
  });
});

describe('dry run', () => {
  it('A dry run reports what would have been decided and binds nothing', () => {
    const set = setOf([
      decides('step', { score: { gte: 30 } }, { decision: 'step-up' }),
      { ...points(always, 40, 'trial'), mode: 'dry_run' },
      { ...deny({ 'geo.country': 'NL' }, 'trial-deny'), mode: 'dry_run' },
    ]);
    expect(set.evaluate(factsOf())).toMatchObject({
      decision: 'allow',
      score: 0,
      reasons: [],
      rule: null,
      dryRun: { decision: 'step-up', rules: ['trial'] },
    });
    expect(set.evaluate(factsOf({ 'geo.country': 'NL' })).dryRun).toEqual({
      decision: 'deny',
      rules: ['trial', 'trial-deny'],
    });
  });

  it('A dry run holds for a whole file and keeps its exceptions from taking anything out', () => {
    const files = [
      { name: 'live.json', text: JSON.stringify({ rules: [deny(always)] }) },
      {
        name: 'trial.json',
        text: JSON.stringify({
          mode: 'dry_run',
          rules: [decides('x', { 'geo.country': 'NL' }, { decision: 'allow', over: ['deny'] })],
        }),
      },
    ];
    expect(compileRules(files, catalog).evaluate(factsOf({ 'geo.country': 'NL' }))).toMatchObject({
      decision: 'deny',
      dryRun: { decision: 'allow', rules: ['x'] },
    });
  });

  it('A dry run is the decision itself where nothing is in dry run', () => {
    expect(setOf([deny(always)]).evaluate(factsOf()).dryRun).toEqual({ decision: 'deny', rules: [] });
  });
});

describe('reasons', () => {
  it('Reasons say the values that were compared', () => {
    const actions = { payment: {} };
    const set = setOf([points({ 'travel.speed_kmh': { gt: 1000 } }, 40, 'impossible-travel')], { actions });
    expect(set.evaluate(fast).reasons).toEqual([
      {
        code: 'impossible_travel',
        rule: 'impossible-travel',
        points: 40,
        message: 'travel.speed_kmh 10,780 > 1,000',
        facts: { 'travel.speed_kmh': 10780 },
      },
    ]);
  });

  it('Reasons put facts into the description and list them with those compared', () => {
    const description = '{travel.distance_km} km from the last sighting, {travel.speed_kmh} km/h, in {geo.country}';
    const set = setOf([{ ...points({ 'travel.speed_kmh': { gt: 1000 } }, 40), description }]);
    expect(set.evaluate(fast).reasons[0]).toMatchObject({
      message: '5,570.13 km from the last sighting, 10,780 km/h, in unknown',
      facts: { 'travel.speed_kmh': 10780, 'travel.distance_km': 5570.128 },
    });
  });

  it('Reasons leave out the alternatives that did not hold', () => {
    const when = {
      any: [{ 'travel.speed_kmh': { gt: 1000 } }, { 'geo.country': 'KP' }],
      not: { any: [{ 'device.trusted': true }, { 'device.age_days': { gt: 30 } }] },
    };
    const facts = factsOf({
      'travel.speed_kmh': 2000.5,
      'geo.country': 'NL',
      'device.trusted': false,
      'device.age_days': 0.25,
    });
    expect(setOf([deny(when)]).evaluate(facts).reasons[0]).toMatchObject({
      message: 'travel.speed_kmh 2,000.5 > 1,000, not device.trusted false = true, not device.age_days 0.25 > 30',
      facts: { 'travel.speed_kmh': 2000.5, 'device.trusted': false, 'device.age_days': 0.25 },
    });
  });

  it('Reasons come heaviest first, then by strictness', () => {
    const set = setOf([
      points(always, -10, 'trust'),
      points({ action: 'payment' }, 50, 'heavy'),
      points(always, 20, 'light'),
      decides('ok', always, { decision: 'allow' }),
      decides('step', always, { decision: 'step-up', reason: 'own_code' }),
    ]);
    const { reasons } = set.evaluate(fast);
    expect(reasons.map((reason) => reason.code)).toEqual(['heavy', 'light', 'trust', 'own_code', 'ok']);
    expect(reasons[3]).toMatchObject({ points: 0, message: 'always', facts: {} });
  });
});

describe('free facts', () => {
  const context = (when: object, value: object) =>
    setOf([deny(when)]).evaluate(factsOf({}, { context: value as never })).decision;

  it('Free facts are read below their own root', () => {
    const set = setOf([
      points({ 'context.order.amount': { gte: 1000 } }, 1, 'a'),
      points({ 'resource.properties.owner': 'ann' }, 2, 'b'),
      points({ 'subject.properties.roles': { has: 'admin' } }, 4, 'c'),
    ]);
    const free = { context: { order: { amount: 1000 } }, resource: { owner: 'ann' }, subject: { roles: ['admin'] } };
    expect(set.evaluate(factsOf({}, free)).score).toBe(7);
    expect(set.evaluate(factsOf({}, { context: { owner: 'ann', roles: ['admin'] } })).score).toBe(0);
  });

  /** @see https://github.com/CacheControl/json-rules-engine/issues/285 */
  it('Free facts are unknown where the path goes through something that is not an object', () => {
    expect(context({ 'context.age.days': { gt: 30 } }, { age: 9999 })).toBe('allow');
    expect(context({ not: { 'context.age.days': { gt: 30 } } }, { age: 9999 })).toBe('allow');
    expect(context({ 'context.age.days': { known: false } }, { age: 9999 })).toBe('deny');
  });

  /** @see https://github.com/CacheControl/json-rules-engine/issues/380 */
  it('Free facts are own properties only: nothing inherited, no length, no index', () => {
    for (const path of ['toString', 'device.toString.length', 'list.length', 'name.length', 'hasOwnProperty']) {
      expect(context({ [`context.${path}`]: { known: true } }, { device: {}, list: ['a'], name: 'x' }), path).toBe(
        'allow',
      );
    }
  });

  it('Free facts take nothing from a polluted prototype', () => {
    const lent = Object.create({ role: 'admin' });
    expect(context({ 'context.role': 'admin' }, lent)).toBe('allow');
    expect(context({ 'context.nested.role': 'admin' }, { nested: lent })).toBe('allow');
  });

  it('Free facts are lists only when all they hold is strings', () => {
    expect(context({ 'context.tags': { has: 'a' } }, { tags: ['a', 'b'] })).toBe('deny');
    expect(context({ 'context.tags': { has: 'a' } }, { tags: ['a', 1] })).toBe('allow');
    expect(context({ 'context.tags': { known: false } }, { tags: ['a', 1] })).toBe('deny');
    expect(context({ 'context.tags': 'a' }, { tags: ['a'] })).toBe('allow');
  });
});

it('An evaluation never throws, whatever the facts', () => {
  const set = setOf([
    points({ 'travel.speed_kmh': { between: [1, 2] }, 'device.state': { in: ['new'] } }, 5, 'a'),
    points({ any: [{ 'ip.categories': { has_any: ['tor'] } }, { 'ip.address': { in_cidr: '10.0.0.0/8' } }] }, 5, 'b'),
    { ...points({ 'client.agent': { matches: '^(a|b)*$' } }, 5, 'c'), description: '{ip.categories} {context.a.b}' },
    decides('d', { 'context.a.b': { eq: { fact: 'subject.properties.x' } } }, { decision: 'step-up' }),
    decides('e', { not: { score: { lt: 5 } }, action: 'payment' }, { decision: 'deny' }),
  ]);
  const value = fc.oneof(fc.anything(), fc.ipV4(), fc.constant('payment'), fc.array(fc.string()), fc.double());
  const measured = fc.dictionary(fc.constantFrom(...Object.keys(catalog)), value);
  fc.assert(
    fc.property(measured, fc.anything(), fc.anything(), (given, context, subject) => {
      const facts = { ...factsOf(given), context: context as never, subjectProperties: subject as never };
      const verdict = set.evaluate(facts);
      expect(verdict.score).toBeGreaterThanOrEqual(0);
      expect(verdict.score).toBeLessThanOrEqual(100);
      expect(set.trace(facts).verdict).toEqual(verdict);
    }),
  );
});

/** @see https://github.com/cerbos/cerbos/issues/3382 */
it('An evaluation gives the same bytes for fifty files in any order of the directory', () => {
  const files = Array.from({ length: 50 }, (_, i) => ({
    name: `f${i}.json`,
    text: JSON.stringify({
      rules: [
        points({ 'subject.attempts_1m': { gt: i } }, (i % 7) - 3, `p${i}`),
        decides(`d${i}`, { score: { gte: i + 1 }, action: `a${i % 3}` }, { decision: DECISIONS[i % 3] ?? 'deny' }),
      ],
    }),
  }));
  const requests = Array.from({ length: 20 }, (_, i) => factsOf({ 'subject.attempts_1m': i * 3, action: `a${i % 4}` }));
  const bytes = (list: typeof files) => {
    const set = compileRules(list, catalog);
    return JSON.stringify([set.revision, set.files, requests.map((facts) => set.trace(facts))]);
  };
  const expected = bytes(files);
  fc.assert(
    fc.property(fc.shuffledSubarray(files, { minLength: files.length }), (list) => {
      expect(bytes(list)).toBe(expected);
    }),
    { numRuns: 20 },
  );
});
