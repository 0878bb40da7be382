import { describe, expect, it } from 'vitest';
import { compileRules } from '../../../src/rules/compile.ts';
import { describeProblem, nearestWord, RulesError } from '../../../src/rules/problems.ts';
import {
  catalog,
  decides,
  deny,
  factsOf,
  points,
  problemsOf,
  problemsOfFiles,
  setOf,
} from '../../support/sample-rules.ts';

const always = {};
const file = (name: string, body: object) => ({ name, text: JSON.stringify(body) });
const one = [points(always, 1)];

/** The only problem of a rule with this condition. */
function problemOf(when: unknown) {
  const problems = problemsOf([decides('r', when, { decision: 'deny' })]);
  expect(problems, JSON.stringify(problems)).toHaveLength(1);
  return problems[0];
}

describe('errors', () => {
  it('The errors of a rule file are all told at once, each with file, rule, path and the nearest word', () => {
    const text = JSON.stringify({
      levels: { medium: 40, high: 30 },
      actoins: {},
      rules: [
        points({ 'travel.sped_kmh': { gt: 1 } }, 1, 'a'),
        decides('b', { 'travel.speed_kmh': { gtt: 1, gt: '9' } }, { decision: 'alow' }),
        { ...points({ 'device.state': 'nwe' }, 101, 'c'), modes: 'dry_run' },
        decides(
          'd',
          { 'ip.categories': { has_any: ['tor', 'vnp'] }, 'device.trusted': { gt: 1 } },
          { decision: 'deny', over: ['bb'] },
        ),
        points({ score: { gt: 1 } }, 1, 'e'),
      ],
    });
    const error = (() => {
      try {
        compileRules([{ name: 'bad.json', text }], catalog);
      } catch (caught) {
        return caught;
      }
      return null;
    })();
    expect(error).toBeInstanceOf(RulesError);
    expect((error as RulesError).code).toBe('rules_invalid');
    expect((error as RulesError).problems.map(describeProblem)).toEqual([
      'bad.json › levels: medium must be below high. Found {"medium":40,"high":30}. [shape]',
      'bad.json › actoins: The key "actoins" is not allowed here. Remove it or correct its spelling. Did you mean "actions"? [unknown_key]',
      'bad.json › rules[0].when["travel.sped_kmh"] (rule a): No signal declares a fact "travel.sped_kmh". Allowed are declared facts and paths below context, resource.properties, subject.properties. Did you mean "travel.speed_kmh"? [unknown_fact]',
      'bad.json › rules[1].then.decision (rule b): Expected one of allow, deny, step-up; found "alow". Did you mean "allow"? [shape]',
      'bad.json › rules[1].when["travel.speed_kmh"].gtt (rule b): No operator "gtt". Allowed here: eq, ne, gt, gte, lt, lte, between, in, not_in, known. Did you mean "gt"? [unknown_operator]',
      'bad.json › rules[1].when["travel.speed_kmh"].gt (rule b): gt of "travel.speed_kmh": Invalid input: expected number, received string. Found "9". [operand]',
      'bad.json › rules[2].modes (rule c): The key "modes" is not allowed here. Remove it or correct its spelling. Did you mean "mode"? [unknown_key]',
      'bad.json › rules[2].then.points (rule c): Too big: expected number to be <=100. Found 101. [shape]',
      'bad.json › rules[2].when["device.state"] (rule c): "device.state" is never "nwe". Its values are trusted, known, new. Did you mean "new"? [unknown_value]',
      'bad.json › rules[3].when["ip.categories"].has_any[1] (rule d): "ip.categories" is never "vnp". Its values are tor, vpn, attack. Did you mean "vpn"? [unknown_value]',
      'bad.json › rules[3].when["device.trusted"].gt (rule d): gt cannot be used with the boolean fact "device.trusted". Allowed here: eq, ne, known. [operator_type]',
      'bad.json › rules[4].when.score (rule e): A scoring rule cannot test score: the score is the sum of scoring rules. Use a decision rule. [score_in_scoring_rule]',
    ]);
  });

  it.each([
    ['no rules', '{"rules":[]}', 'no_rules', ''],
    ['a list', '[]', 'shape', ''],
    ['a rule that is no map', '{"rules":[1]}', 'shape', 'rules[0]'],
    ['a missing then', '{"rules":[{"id":"r","when":{}}]}', 'shape', 'rules[0].then'],
    ['a missing when', '{"rules":[{"id":"r","then":{"points":1}}]}', 'shape', 'rules[0].when'],
    [
      'both points and a decision',
      JSON.stringify({ rules: [decides('r', {}, { points: 1, decision: 'deny' })] }),
      'unknown_key',
      'rules[0].then.points',
    ],
    ['points that are not whole', JSON.stringify({ rules: [points({}, 1.5)] }), 'shape', 'rules[0].then.points'],
    [
      'a proof asked for by a deny',
      JSON.stringify({ rules: [decides('r', {}, { decision: 'deny', max_age: 5 })] }),
      'unknown_key',
      'rules[0].then.max_age',
    ],
    ['a mode that is none', JSON.stringify({ rules: [{ ...points({}, 1), mode: 'off' }] }), 'shape', 'rules[0].mode'],
    [
      'a class that would break the challenge',
      JSON.stringify({ rules: [decides('r', {}, { decision: 'step-up', acr_values: ['a"b'] })] }),
      'shape',
      'rules[0].then.acr_values[0]',
    ],
    ['trust for longer than five years', JSON.stringify({ trust: { days: 1826 }, rules: one }), 'shape', 'trust.days'],
    [
      'trust that idles for longer than a year',
      JSON.stringify({ trust: { idle_days: 366 }, rules: one }),
      'shape',
      'trust.idle_days',
    ],
    ['another version of the language', JSON.stringify({ version: 2, rules: one }), 'shape', 'version'],
    [
      'a route without a method',
      JSON.stringify({ actions: { a: { routes: ['/x'] } }, rules: one }),
      'shape',
      'actions.a.routes[0]',
    ],
    [
      'a star inside a route',
      JSON.stringify({ actions: { a: { routes: ['GET /x*/y'] } }, rules: one }),
      'shape',
      'actions.a.routes[0]',
    ],
    [
      'a placeholder that names no fact',
      JSON.stringify({ rules: [{ ...points({}, 1), description: '{travel.sped_kmh}' }] }),
      'unknown_fact',
      'rules[0].description',
    ],
  ])('The errors of a rule file refuse %s', (_name, text, code, path) => {
    expect(problemsOf(text)).toMatchObject([{ code, path }]);
  });

  /** @see https://github.com/CacheControl/json-rules-engine/issues/380 */
  it.each([
    'constructor.constructor',
    '__proto__.trusted',
    'device.toString.length',
    'device.length',
    '$..[?(p="this.constructor")]',
    'context.__proto__.trusted',
    'context.constructor.name',
    'toString',
  ])('The errors of a rule file refuse the fact %s', (fact) => {
    expect(problemOf({ [fact]: 1 })).toMatchObject({ code: 'unknown_fact' });
  });

  /** @see https://github.com/CacheControl/json-rules-engine/issues/318 */
  it.each(['context.events[?(@.type=="login")].country', 'context.events[0]', 'context.', 'context..a', 'context.a b'])(
    'The errors of a rule file take %s for no path of plain keys',
    (fact) => {
      expect(problemOf({ [fact]: 'DE' })).toMatchObject({ code: 'unknown_fact' });
    },
  );

  it('The errors of a rule file offer eq to no list and has to no string', () => {
    expect(problemOf({ 'ip.categories': 'tor' })).toMatchObject({ code: 'operator_type' });
    expect(problemOf({ 'geo.country': { has: 'NL' } })).toMatchObject({ code: 'operator_type' });
  });

  it.each([
    [{ 'resource.id': { eq: { fact: 'subject.ids' } } }, 'unknown_fact'],
    [{ 'resource.id': { eq: { fact: 'travel.speed_kmh' } } }, 'operand'],
    [{ 'context.a': { eq: { fact: 'ip.categories' } } }, 'operand'],
    [{ 'ip.asn': { in: { fact: 'ip.categories' } } }, 'operand'],
    [{ 'ip.address': { in_cidr: { fact: 'context.net' } } }, 'operand'],
    [{ 'resource.id': { eq: { fact: 'resource.id' } } }, 'operand'],
    [{ 'resource.id': { eq: { fact: 'subject.id', or: 1 } } }, 'operand'],
  ])('Check a fact as operand: %j', (when, code) => {
    expect(problemOf(when)).toMatchObject({ code });
  });

  it('The errors of a rule file do not blame an over for a rule that stands in an unreadable file', () => {
    const files = [
      file('a.json', { rules: [decides('a', always, { decision: 'allow', over: ['b'] })] }),
      { name: 'b.json', text: '{' },
    ];
    expect(problemsOfFiles(files)).toMatchObject([{ file: 'b.json', code: 'json_syntax' }]);
  });
});

describe('a rule that can never bind is refused', () => {
  it.each([
    [{ 'geo.country': { in: [] } }],
    [{ 'ip.categories': { has_any: [] } }],
    [{ 'travel.speed_kmh': { between: [9, 1] } }],
    [{ 'travel.speed_kmh': { gt: 5, lte: 5 } }],
    [{ 'travel.speed_kmh': { gte: 5 }, all: [{ 'travel.speed_kmh': { lt: 5 } }] }],
    [{ 'travel.speed_kmh': { eq: 5, gt: 5 } }],
    [{ 'travel.speed_kmh': { between: [1, 5], gt: 6 } }],
    [{ 'geo.country': { in: ['NL', 'DE'], not_in: ['DE', 'NL'] } }],
    [{ 'geo.country': { eq: 'NL', starts_with: 'D' } }],
    [{ 'device.state': { starts_with: 'x' } }],
    [{ 'device.state': { not_in: ['trusted', 'known', 'new'] } }],
    [{ 'device.trusted': { eq: true, ne: true } }],
    [{ 'geo.country': { known: false, eq: 'NL' } }],
    [{ 'geo.country': { known: false }, 'resource.id': { eq: { fact: 'geo.country' } } }],
    [{ 'context.a': { gt: 1, contains: 'x' } }],
    [{ score: { gt: 100 } }],
    [{ score: { lt: 0 } }],
    [{ 'device.state': 'new', any: [{ 'device.state': 'known' }] }],
  ])('%j', (when) => {
    expect(problemOf(when)).toMatchObject({ code: 'never_binds' });
  });

  it.each([
    [{ 'travel.speed_kmh': { gte: 5, lte: 5 } }],
    [{ 'device.state': 'new', not: { 'device.state': 'known' } }],
    [{ any: [{ 'device.state': 'new' }, { 'device.state': 'known' }] }],
    [{ 'geo.country': { known: true, eq: 'NL' } }],
    [{ 'geo.country': { known: false }, not: { 'geo.country': 'NL' } }],
    [{ score: { gte: 100 } }],
    [{ 'context.a': { gt: 1, lt: 3 } }],
  ])('But not %j', (when) => {
    expect(problemsOf([decides('r', when, { decision: 'deny' })])).toEqual([]);
  });

  it.each([[{ not: {} }], [{ any: [] }], [{ all: [] }], [{ any: [{}] }], [{ 'geo.country': {} }]])(
    'And no empty condition: %j',
    (when) => {
      expect(problemOf(when)).toMatchObject({ code: 'empty_condition' });
    },
  );

  it('A rule that can never bind is refused when another overrules it whenever it matches', () => {
    const narrow = deny({ 'device.state': 'new', action: 'login' }, 'narrow');
    const over = (when: object) => decides('wide', when, { decision: 'allow', over: ['narrow'] });
    expect(problemsOf([narrow, over({ action: 'login' })])).toMatchObject([{ code: 'never_binds', rule: 'narrow' }]);
    expect(problemsOf([narrow, over({})])).toMatchObject([{ code: 'never_binds', rule: 'narrow' }]);
    expect(problemsOf([narrow, over({ 'subject.id': 'x' })])).toEqual([]);
    expect(problemsOf([narrow, { ...over({}), mode: 'dry_run' }])).toEqual([]);
  });

  it('A rule that can never bind is refused when it overrules itself, nothing, a scoring rule or in a circle', () => {
    const over = (id: string, target: string) =>
      decides(id, { 'subject.id': id }, { decision: 'allow', over: [target] });
    expect(problemsOf([over('aa', 'aa')])).toMatchObject([{ code: 'over_unknown', path: 'rules[0].then.over[0]' }]);
    expect(problemsOf([over('aa', 'step-pu'), decides('step-up', {}, { decision: 'step-up' })])).toMatchObject([
      { code: 'over_unknown', nearest: 'step-up' },
    ]);
    expect(problemsOf([over('aa', 'points'), points({}, 1)])).toMatchObject([{ code: 'over_unknown' }]);
    expect(problemsOf([over('aa', 'bb'), over('bb', 'aa')])).toMatchObject([
      { code: 'over_cycle' },
      { code: 'over_cycle' },
    ]);
  });
});

describe('several files', () => {
  it('Several files are one set: ids are unique over all', () => {
    const problems = problemsOfFiles([file('b.json', { rules: one }), file('a.json', { rules: one })]);
    expect(problems).toMatchObject([{ code: 'duplicate_id', file: 'b.json', path: 'rules[0].id' }]);
    expect(problems[0]?.message).toContain('a.json');
  });

  it('Several files may say a thing twice, but not in two ways', () => {
    const a = { default: 'step-up', floor: 'deny', levels: { medium: 10, high: 20 }, trust: { days: 7 }, rules: one };
    expect(problemsOfFiles([file('a.json', a), file('b.json', { ...a, rules: [] })])).toEqual([]);
    const b = { default: 'allow', floor: 'allow', levels: { medium: 10, high: 21 }, trust: { days: 8 } };
    const problems = problemsOfFiles([file('a.json', a), file('b.json', b)]);
    expect(problems.map(({ code, path }) => `${code} ${path}`)).toEqual([
      'conflict levels',
      'conflict floor',
      'conflict default',
      'conflict trust.days',
    ]);
    expect(problems.every(({ message }) => message.includes('a.json') && message.includes('b.json'))).toBe(true);
  });

  it('Several files add up the routes of an action and agree on the rest', () => {
    const set = compileRules(
      [
        file('a.json', {
          actions: { pay: { routes: ['POST /pay'], learn: 'event' }, browse: { floor: 'allow', trust: { days: 3 } } },
          rules: one,
        }),
        file('b.json', {
          actions: { pay: { routes: ['POST /pay', 'PUT /pay/{id}'], trust: { on_step_up: false } } },
          trust: { days: 9 },
        }),
      ],
      catalog,
    );
    expect(set.routes).toEqual([
      { method: 'POST', path: '/pay', action: 'pay' },
      { method: 'PUT', path: '/pay/{id}', action: 'pay' },
    ]);
    expect(set.policyFor('pay')).toEqual({
      learn: 'event',
      floor: 'step-up',
      guarded: true,
      trust: { days: 9, idleDays: null, onStepUp: false, acrValues: [], amrValues: [] },
    });
    expect(set.policyFor('browse')).toEqual({
      learn: 'decision',
      floor: 'allow',
      guarded: false,
      trust: { days: 3, idleDays: null, onStepUp: true, acrValues: [], amrValues: [] },
    });
    const strangers = {
      learn: 'event',
      floor: 'step-up',
      guarded: true,
      trust: { days: 9, idleDays: null, onStepUp: false, acrValues: [], amrValues: [] },
    };
    expect(set.policyFor('toString')).toEqual(strangers);
    expect([...set.files, set.ruleCount]).toEqual(['a.json', 'b.json', 1]);
  });

  it('Several files give one route to one action only, whatever its parameters are called', () => {
    const problems = problemsOf(
      JSON.stringify({ actions: { a: { routes: ['GET /x/{id}'] }, b: { routes: ['GET /X/{key}'] } }, rules: one }),
    );
    expect(problems).toMatchObject([{ code: 'conflict', path: 'actions.b.routes[0]' }]);
  });

  it('Several files have names of their own', () => {
    expect(problemsOfFiles([file('a.json', { rules: one }), file('a.json', {})])).toMatchObject([
      { code: 'duplicate_file' },
    ]);
  });
});

describe('revision', () => {
  const revision = (body: object, name = 'a.json', space = 0) =>
    compileRules([{ name, text: JSON.stringify(body, null, space) }], catalog).revision;

  it('The revision is a hash of what the files say, not of how they are laid out', () => {
    const body = { default: 'deny', rules: one };
    expect(revision(body)).toMatch(/^sha256-[0-9a-f]{64}$/);
    expect(revision({ $schema: './rules.schema.json', rules: one, default: 'deny' }, 'a.json', 2)).toBe(revision(body));
    expect(revision({ ...body, default: 'allow' })).not.toBe(revision(body));
    expect(revision(body, 'b.json')).not.toBe(revision(body));
  });
});

it('The compiler gives a rule without a reason a code made of its id', () => {
  const codes = setOf([points(always, 1, 'New-Device.2'), points(always, 1, '2nd')])
    .evaluate(factsOf())
    .reasons.map((reason) => reason.code);
  expect(codes).toEqual(['rule_2nd', 'new_device_2']);
});

it('The compiler finds a misspelt word and leaves a strange one alone', () => {
  expect(nearestWord('devcie.state', ['device.state', 'device.trusted'])).toBe('device.state');
  expect(nearestWord('GTE', ['gt', 'gte'])).toBe('gte');
  expect(nearestWord('zzz', ['gt', 'gte', 'known'])).toBeUndefined();
});

it('The compiler refuses trust that asks for an acr value no issuer ranks, with the place', () => {
  const text = JSON.stringify({
    trust: { acr_values: ['gold'] },
    actions: { pay: { trust: { acr_values: ['silver'] } } },
    rules: [deny(always, 'r')],
  });
  const compile = () => compileRules([{ name: 'a.json', text }], catalog, (values) => values);
  expect(compile).toThrow(/a\.json › trust\.acr_values: No issuer ranks "gold".*\[acr_unranked\]/);
  expect(compile).toThrow(/a\.json › actions\.pay\.trust\.acr_values: No issuer ranks "silver"/);
});

/** @see https://github.com/keycloak/keycloak/issues/8724 */
it('The compiler refuses a step-up rule that demands an acr value no issuer ranks', () => {
  const text = JSON.stringify({
    rules: [decides('r', always, { decision: 'step-up', acr_values: ['gold', 'phishing-resistant'] })],
  });
  const unmet = (values: readonly string[]) => values.filter((value) => value !== 'phishing-resistant');
  const compile = () => compileRules([{ name: 'a.json', text }], catalog, unmet);
  expect(compile).toThrow(RulesError);
  expect(compile).toThrow(
    /a\.json › rules\[0\]\.then\.acr_values \(rule r\): No issuer ranks "gold".*\[acr_unranked\]/,
  );
  expect(() => compileRules([{ name: 'a.json', text }], catalog)).not.toThrow();
});
