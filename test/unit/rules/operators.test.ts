import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileRules } from '../../../src/rules/compile.ts';
import { FALSE, not, OPERATORS, TRUE, UNKNOWN } from '../../../src/rules/operators.ts';
import { FACT_CATALOG } from '../../../src/signals/index.ts';
import { deny, factsOf, points, problemsOf, truthOf } from '../../support/sample-rules.ts';

const speed = (value: unknown) => factsOf({ 'travel.speed_kmh': value });

it.each([
  ['eq on a number', { 'travel.speed_kmh': 5 }, speed(5), 'true'],
  ['eq on a string counts case', { 'device.state': 'new' }, factsOf({ 'device.state': 'New' }), 'false'],
  ['ne', { 'travel.speed_kmh': { ne: 5 } }, speed(6), 'true'],
  ['ne of an unknown fact', { 'travel.speed_kmh': { ne: 5 } }, factsOf(), 'unknown'],
  ['gt at the limit', { 'travel.speed_kmh': { gt: 5 } }, speed(5), 'false'],
  ['gte at the limit', { 'travel.speed_kmh': { gte: 5 } }, speed(5), 'true'],
  ['lt at the limit', { 'travel.speed_kmh': { lt: 5 } }, speed(5), 'false'],
  ['lte at the limit', { 'travel.speed_kmh': { lte: 5 } }, speed(5), 'true'],
  ['two operators of one fact hold together', { 'travel.speed_kmh': { gt: 5, lt: 7 } }, speed(8), 'false'],
  ['in', { 'geo.country': { in: ['NL', 'DE'] } }, factsOf({ 'geo.country': 'DE' }), 'true'],
  ['in of numbers', { 'ip.asn': { in: [64500] } }, factsOf({ 'ip.asn': 64500 }), 'true'],
  ['in of numbers does not read text', { 'ip.asn': { in: [64500] } }, factsOf({ 'ip.asn': '64500' }), 'unknown'],
  ['not_in', { 'geo.country': { not_in: ['NL', 'DE'] } }, factsOf({ 'geo.country': 'BR' }), 'true'],
  ['not_in of an unknown fact', { 'geo.country': { not_in: ['NL'] } }, factsOf(), 'unknown'],
  ['has', { 'ip.categories': { has: 'tor' } }, factsOf({ 'ip.categories': ['vpn', 'tor'] }), 'true'],
  ['has in an empty list', { 'ip.categories': { has: 'tor' } }, factsOf({ 'ip.categories': [] }), 'false'],
  ['has_any', { 'ip.categories': { has_any: ['tor', 'vpn'] } }, factsOf({ 'ip.categories': ['attack'] }), 'false'],
  ['starts_with', { 'client.agent': { starts_with: 'curl/' } }, factsOf({ 'client.agent': 'curl/8' }), 'true'],
  ['ends_with', { 'client.agent': { ends_with: 'bot' } }, factsOf({ 'client.agent': 'a bot!' }), 'false'],
  ['contains', { 'client.agent': { contains: 'bot' } }, factsOf({ 'client.agent': 'a bot!' }), 'true'],
  ['matches anywhere', { 'client.agent': { matches: 'b[o0]t' } }, factsOf({ 'client.agent': 'a b0t!' }), 'true'],
  ['matches anchored', { 'client.agent': { matches: '^bot$' } }, factsOf({ 'client.agent': 'a bot!' }), 'false'],
  ['known', { 'geo.country': { known: true } }, factsOf(), 'false'],
  ['known false asks for ignorance', { 'geo.country': { known: false } }, factsOf(), 'true'],
  [
    'another fact',
    { 'resource.id': { eq: { fact: 'subject.id' } } },
    factsOf({ 'resource.id': 'u', 'subject.id': 'u' }),
    'true',
  ],
  [
    'another fact that is unknown',
    { 'resource.id': { ne: { fact: 'subject.id' } } },
    factsOf({ 'resource.id': 'u' }),
    'unknown',
  ],
  [
    'a list fact as operand',
    { 'geo.country': { in: { fact: 'subject.properties.homes' } } },
    factsOf({ 'geo.country': 'NL' }, { subject: { homes: ['NL'] } }),
    'true',
  ],
  [
    'a list operand that is no list',
    { 'geo.country': { in: { fact: 'subject.properties.homes' } } },
    factsOf({ 'geo.country': 'NL' }, { subject: { homes: 'NL' } }),
    'unknown',
  ],
])('%s', (_name, when, facts, expected) => {
  expect(truthOf(when, facts)).toBe(expected);
});

/** @see https://github.com/jwadhams/json-logic-js/issues/60 */
it('The rule language lets only a number be smaller than a limit', () => {
  const when = { 'subject.attempts_1m': { lt: 2 } };
  expect(truthOf(when, factsOf({ 'subject.attempts_1m': 1 }))).toBe('true');
  for (const value of [null, undefined, '1', 'NaN', Number.NaN, -Infinity, false, [], [1], {}]) {
    expect(truthOf(when, factsOf({ 'subject.attempts_1m': value })), String(value)).toBe('unknown');
  }
  expect(truthOf(when, factsOf())).toBe('unknown');
});

/** @see https://github.com/jwadhams/json-logic-js/issues/109 */
it('The rule language takes between to include both ends and no value that is not a finite number', () => {
  const when = { 'travel.speed_kmh': { between: [0, 900] } };
  const results = [0, 900, -1, 900.5, null, Number.NaN, Infinity].map((value) => truthOf(when, speed(value)));
  expect(results).toEqual(['true', 'true', 'false', 'false', 'unknown', 'unknown', 'unknown']);
});

/** @see https://github.com/diegoholiveira/jsonlogic/pull/17 */
it('The rule language never compares text with numbers', () => {
  expect(problemsOf([points({ 'travel.speed_kmh': { gte: '9' } }, 1)])).toMatchObject([
    { code: 'operand', path: 'rules[0].when["travel.speed_kmh"].gte' },
  ]);
  for (const value of ['10', true, [10]]) {
    expect(truthOf({ 'travel.speed_kmh': { gte: 9 } }, speed(value)), String(value)).toBe('unknown');
    expect(truthOf({ 'context.n': { gte: 9 } }, factsOf({}, { context: { n: value } })), String(value)).toBe('unknown');
  }
});

describe('is and is_not', () => {
  it.each([
    [5000, 'number'],
    ['5000', 'string'],
    [true, 'boolean'],
    [[5000], 'list'],
    [['a'], 'list'],
    [[], 'list'],
    [{ v: 5000 }, 'object'],
  ])('%j is a %s and nothing else', (value, type) => {
    const facts = factsOf({}, { context: { v: value as never } });
    for (const other of ['number', 'string', 'boolean', 'list', 'object']) {
      expect(truthOf({ 'context.v': { is: other } }, facts)).toBe(String(other === type));
      expect(truthOf({ 'context.v': { is_not: other } }, facts)).toBe(String(other !== type));
    }
  });

  it('The type operators are unknown for a value that is absent or null', () => {
    for (const context of [{}, { v: null }]) {
      expect(truthOf({ 'context.v': { is: 'number' } }, factsOf({}, { context }))).toBe('unknown');
      expect(truthOf({ 'context.v': { is_not: 'number' } }, factsOf({}, { context }))).toBe('unknown');
    }
  });

  it('The type operators do not accept a number that is too large to be one', () => {
    const context = JSON.parse('{ "v": 1e999 }');
    expect(truthOf({ 'context.v': { is_not: 'number' } }, factsOf({}, { context }))).toBe('true');
  });

  it('The type operators may be next to a limit on the same fact', () => {
    expect(problemsOf([points({ 'context.v': { is: 'number', gte: 5 } }, 1)])).toEqual([]);
  });
});

describe('matches', () => {
  /** @see https://github.com/AkashaCorporation/HikariSystem-HexCore/issues/41 */
  it('The operator matches answers at once where a backtracking engine needs years', () => {
    const facts = factsOf({ 'client.agent': `${'a'.repeat(400)}!` });
    expect(truthOf({ 'client.agent': { matches: '^(a+)+$' } }, facts)).toBe('false');
    expect(truthOf({ 'client.agent': { matches: '(x+x+)+y' } }, factsOf({ 'client.agent': 'x'.repeat(500) }))).toBe(
      'false',
    );
  });

  it('The operator matches does not know a text of more than 512 characters, whatever it begins or ends with', () => {
    const long = { 'client.agent': `${'a'.repeat(512)}z` };
    expect(truthOf({ 'client.agent': { matches: 'z' } }, factsOf({ 'client.agent': `${'a'.repeat(511)}z` }))).toBe(
      'true',
    );
    for (const matches of ['z', '^a', '^a+z$', '^b']) {
      expect(truthOf({ 'client.agent': { matches } }, factsOf(long)), matches).toBe('unknown');
      expect(truthOf({ not: { 'client.agent': { matches } } }, factsOf(long)), matches).toBe('unknown');
    }
    expect(truthOf({ 'client.agent': { longer_than: 512 } }, factsOf(long))).toBe('true');
    expect(truthOf({ 'client.agent': { longer_than: 513 } }, factsOf(long))).toBe('false');
    expect(truthOf({ 'client.agent': { ends_with: 'z' } }, factsOf(long))).toBe('true');
  });

  it.each(['[', '(a)\\1', '(?=a)b', '(a{1000}){1000}', '(a?){900}b', 'a'.repeat(513), ''])(
    'The operator matches refuses the pattern %s',
    (pattern) => {
      expect(problemsOf([points({ 'client.agent': { matches: pattern } }, 1)])).toHaveLength(1);
    },
  );
});

describe('in_cidr', () => {
  const at = (address: string) => factsOf({ 'ip.address': address });

  it.each([
    ['10.0.0.0/8', '10.255.255.255', 'true'],
    ['10.0.0.0/8', '11.0.0.0', 'false'],
    ['10.0.0.0/8', '::ffff:10.0.0.1', 'true'],
    ['0.0.0.0/0', '2001:db8::1', 'false'],
    ['2001:db8::/32', '2001:db8:ffff::1', 'true'],
    ['2001:db8::/32', '10.0.0.1', 'false'],
    ['10.0.0.0/8', '010.0.0.1', 'unknown'],
    ['10.0.0.0/8', '10.1', 'unknown'],
    ['10.0.0.0/8', 'fe80::1%eth0', 'unknown'],
    ['10.0.0.0/8', '10.0.0.1:443', 'unknown'],
    ['10.0.0.0/8', '', 'unknown'],
    ['10.0.0.0/8', '64:ff9b::a00:1', 'true'],
    ['10.0.0.0/8', '2002:a00:1::5', 'true'],
    ['2002:5102:45a0::/48', '81.2.69.160', 'true'],
    ['2002:5102:45a0::/48', '81.2.69.161', 'false'],
    ['2002:5102:4500::/40', '2002:5102:45a0::1', 'true'],
    ['64:ff9b::5102:45a0/124', '81.2.69.175', 'true'],
    ['64:ff9b::5102:45a0/124', '81.2.69.176', 'false'],
  ])('%s holds for %s: %s', (network, address, expected) => {
    expect(truthOf({ 'ip.address': { in_cidr: network } }, at(address))).toBe(expected);
    expect(truthOf({ 'ip.address': { in_cidr: ['192.0.2.0/24', network] } }, at(address))).toBe(expected);
  });

  it.each([
    '10.0.0.1/8',
    '010.0.0.0/8',
    '10/8',
    '10.0.0.0',
    '10.0.0.0/33',
    '2002::/16',
    '64:ff9b::/96',
    '64:ff9b::5102:45a1/124',
    '2001:db8::/129',
    '::ffff:10.0.0.0/104',
    'fe80::%1/64',
    '10.0.0.0/-1',
    'lan',
  ])('in_cidr refuses the network %s', (network) => {
    expect(problemsOf([points({ 'ip.address': { in_cidr: network } }, 1)])).toMatchObject([{ code: 'operand' }]);
  });

  it('in_cidr says how a network with host bits is written', () => {
    expect(problemsOf([points({ 'ip.address': { in_cidr: '10.1.2.3/8' } }, 1)])[0]?.message).toContain('10.0.0.0/8');
  });
});

/** @see https://github.com/418sec/huntr/pull/720 */
it.each(['constructor', 'toString', '__proto__', 'hasOwnProperty', 'method'])(
  'The rule language knows no operator %s',
  (word) => {
    expect(OPERATORS[word]).toBeUndefined();
    const text = `{"rules":[{"id":"r","when":{"travel.speed_kmh":{"${word}":1}},"then":{"points":1}}]}`;
    const [problem] = problemsOf(text);
    expect(problem?.code).toMatch(/unknown_operator|json_forbidden_key/);
    expect(problem?.path).toBe(`rules[0].when["travel.speed_kmh"].${word}`);
  },
);

describe('three-valued logic', () => {
  const atom = fc.constantFrom('true', 'false', 'unknown');
  const facts = factsOf({ 'travel.speed_kmh': 1 });
  // Conditions on different facts, so that none contradicts another.
  const condition = (value: string, i: number) =>
    value === 'unknown'
      ? { [`context.u${i}`]: 1 }
      : { 'travel.speed_kmh': value === 'true' ? { lt: 10 + i } : { gt: 10 + i } };
  const rank = { true: TRUE, unknown: UNKNOWN, false: FALSE } as const;
  const word = (truth: number) => (truth === TRUE ? 'true' : truth === FALSE ? 'false' : 'unknown');
  const ranks = (values: readonly string[]) => values.map((value) => rank[value as keyof typeof rank]);

  it('Three-valued logic takes not of unknown for unknown', () => {
    expect([TRUE, UNKNOWN, FALSE].map((truth) => not(truth as 1 | 0 | -1))).toEqual([FALSE, UNKNOWN, TRUE]);
    fc.assert(
      fc.property(atom, (value) => {
        expect(truthOf({ not: condition(value, 0) }, facts)).toBe(word(-(ranks([value])[0] ?? 0)));
      }),
    );
  });

  it('Three-valued logic takes any for the maximum and not any for the minimum of the negations, as Kleene does', () => {
    fc.assert(
      fc.property(fc.array(atom, { minLength: 1, maxLength: 4 }), (values) => {
        const parts = values.map(condition);
        expect(truthOf({ any: parts }, facts)).toBe(word(Math.max(...ranks(values))));
        expect(truthOf({ not: { any: parts } }, facts)).toBe(word(-Math.max(...ranks(values))));
        // Each part in a not of a not, so that parts that exclude one another may stand side by side.
        expect(truthOf({ all: parts.map((part) => ({ not: { not: part } })) }, facts)).toBe(
          word(Math.min(...ranks(values))),
        );
      }),
    );
  });
});

describe('a list of which some members are open', () => {
  /** Two lists are past their age: nobody knows of these categories and names whether they are there. */
  const PARTLY = {
    'ip.categories': ['tor'],
    'ip.categories_unknown': ['attack', 'vpn'],
    'ip.lists': ['exits'],
    'ip.lists_stale': ['f1', 'f2'],
  };
  const OPEN = (operator: string, operand: unknown) => ({ 'ip.categories': { [operator]: operand } });

  it.each([
    ['has of a member that is open', OPEN('has', 'attack'), factsOf(PARTLY), 'unknown'],
    ['not has of a member that is open', { not: OPEN('has', 'attack') }, factsOf(PARTLY), 'unknown'],
    ['has of a member that is there', OPEN('has', 'tor'), factsOf(PARTLY), 'true'],
    ['has of a member that is absent', OPEN('has', 'relay'), factsOf(PARTLY), 'false'],
    ['has_any of one there, one open', OPEN('has_any', ['attack', 'tor']), factsOf(PARTLY), 'true'],
    ['has_any of one absent, one open', OPEN('has_any', ['relay', 'attack']), factsOf(PARTLY), 'unknown'],
    ['has_any of absent ones', OPEN('has_any', ['relay', 'proxy']), factsOf(PARTLY), 'false'],
    ['not has_any of one absent, one open', { not: OPEN('has_any', ['relay', 'vpn']) }, factsOf(PARTLY), 'unknown'],
    [
      'two facts, the first with the member open',
      { ...OPEN('has', 'attack'), 'ip.categories_unknown': { known: true } },
      factsOf(PARTLY),
      'unknown',
    ],
    ['has of a name that is open', { 'ip.lists': { has: 'f1' } }, factsOf(PARTLY), 'unknown'],
    ['has of a name that is on no list', { 'ip.lists': { has: 'f9' } }, factsOf(PARTLY), 'false'],
    [
      'has of another fact that is open',
      { 'ip.lists': { has: { fact: 'subject.id' } } },
      factsOf({ ...PARTLY, 'subject.id': 'f1' }),
      'unknown',
    ],
    [
      'has_any of another fact of which one is open',
      { 'ip.lists': { has_any: { fact: 'context.lists' } } },
      factsOf(PARTLY, { context: { lists: ['f8', 'f1'] } }),
      'unknown',
    ],
    ['a list with open members is known', OPEN('known', true), factsOf(PARTLY), 'true'],
    ['a list with open members is not unknown', OPEN('known', false), factsOf(PARTLY), 'false'],
    ['a list without open members is not unknown', OPEN('known', false), factsOf({ 'ip.categories': [] }), 'false'],
  ])('%s', (_name, when, facts, expected) => {
    const text = JSON.stringify({ rules: [deny(when)] });
    const [rule] = compileRules([{ name: 'test.json', text }], FACT_CATALOG).trace(facts).rules;
    expect({ hit: 'true', missed: 'false' }[String(rule?.outcome)] ?? 'unknown').toBe(expected);
  });
});
