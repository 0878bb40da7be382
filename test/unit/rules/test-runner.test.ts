import { describe, expect, it } from 'vitest';
import { type Play, type PlayedCase, runRuleTests } from '../../../src/rules/test-runner.ts';
import { catalog, decides, deny, factsOf, points, setOf } from '../../support/sample-rules.ts';

const set = setOf([
  points({ 'travel.speed_kmh': { gt: 1000 } }, 40, 'impossible-travel'),
  decides('medium', { score: { gte: 30 } }, { decision: 'step-up', reason: 'medium_risk' }),
  deny({ 'ip.categories': { has: 'attack' } }, 'attack'),
]);
const noPlay: Play = () => Promise.reject(new Error('nothing to play'));
const file = (cases: readonly object[], name = 'default.test.json') => ({
  name,
  text: JSON.stringify({ now: '2026-11-25T02:00:00Z', cases }),
});
const run = (cases: readonly object[], play = noPlay) => runRuleTests(set, [file(cases)], play, catalog);

it('A test run passes cases that hold and lists the rules that none of them hit', async () => {
  const report = await run([
    {
      name: 'fast',
      facts: { 'travel.speed_kmh': 1001 },
      expect: { decision: 'step-up', score: 40, level: 'medium', reasons: ['medium_risk', 'impossible_travel'] },
    },
    { name: 'slow', facts: { 'travel.speed_kmh': 10 }, expect: { decision: 'allow', score: 0, reasons: [] } },
  ]);
  expect(report).toMatchObject({ ok: true, passed: 2, failed: 0, problems: [], ruleCount: 3 });
  expect(report.neverHit).toEqual([{ id: 'attack', file: 'test.json' }]);
});

it('A test run shows for each expectation that fails what was compared', async () => {
  const report = await run([
    {
      name: 'slow',
      facts: { 'travel.speed_kmh': 900 },
      expect: { decision: 'step-up', reasons: ['impossible_travel', 'gone'] },
    },
    { name: 'fast', facts: { 'travel.speed_kmh': 2000 }, expect: { decision: 'allow', score: 1, level: 'low' } },
  ]);
  expect(report).toMatchObject({ ok: false, passed: 0, failed: 2 });
  expect(report.cases[0]?.mismatches).toEqual([
    { what: 'decision', expected: 'step-up', actual: 'allow', compared: [] },
    {
      what: 'reasons',
      expected: ['gone', 'impossible_travel'],
      actual: [],
      compared: [
        'gone: no rule gives this reason',
        'impossible_travel (impossible-travel): missed; travel.speed_kmh 900 gt 1000 is false',
      ],
    },
  ]);
  expect(report.cases[1]?.mismatches.map((each) => each.what)).toEqual(['decision', 'score', 'level']);
  expect(report.cases[1]?.mismatches[0]?.compared).toContain(
    'impossible_travel (impossible-travel): travel.speed_kmh 2,000 > 1,000',
  );
});

it('A test run is not ok when no case ran', async () => {
  expect(await runRuleTests(set, [], noPlay, catalog)).toMatchObject({
    ok: false,
    passed: 0,
    failed: 0,
    problems: [{ code: 'shape' }],
  });
  expect((await run([])).ok).toBe(false);
});

it.each([
  [
    'a misspelt fact',
    { name: 'n', facts: { 'travel.sped_kmh': 1 }, expect: { decision: 'allow' } },
    'unknown_fact',
    'cases[0].facts["travel.sped_kmh"]',
  ],
  [
    'a fact of the wrong type',
    { name: 'n', facts: { 'travel.speed_kmh': '1' }, expect: { decision: 'allow' } },
    'operand',
    'cases[0].facts["travel.speed_kmh"]',
  ],
  [
    'a key that means nothing',
    { name: 'n', facts: {}, expct: {}, expect: { decision: 'allow' } },
    'unknown_key',
    'cases[0].expct',
  ],
  ['an expectation without a decision', { name: 'n', facts: {}, expect: {} }, 'shape', 'cases[0].expect.decision'],
  [
    'a moment that is none',
    { name: 'n', request: {}, at: 'noon', expect: { decision: 'allow' } },
    'shape',
    'cases[0].at',
  ],
])('A test run refuses %s', async (_name, each, code, path) => {
  const report = await run([each]);
  expect(report.ok).toBe(false);
  expect(report.problems).toMatchObject([{ file: 'default.test.json', code, path }]);
});

it('A test run refuses a test file that is no JSON and still runs the others', async () => {
  const good = file([{ name: 'n', facts: {}, expect: { decision: 'allow' } }], 'b.test.json');
  const report = await runRuleTests(set, [good, { name: 'a.test.json', text: '{' }], noPlay, catalog);
  expect(report).toMatchObject({ ok: false, passed: 1, problems: [{ file: 'a.test.json', code: 'json_syntax' }] });
});

describe('a case with a whole request', () => {
  const whole = {
    name: 'travels',
    history: [
      { at: '2026-11-24T01:00:00Z', check: { action: 'login', ip: '192.0.2.1' } },
      { at: '2026-11-24T03:00:00+01:00', event: { type: 'login.succeeded' } },
    ],
    standings: { '203.0.113.7': ['tor'] },
    request: { action: 'login', ip: '203.0.113.7' },
    expect: { decision: 'deny', reasons: ['attack'] },
  };

  it('A case with a whole request is played with its moments resolved and its free facts untouched', async () => {
    const played: PlayedCase[] = [];
    const facts = factsOf({ 'ip.categories': ['attack'] });
    const report = await run(
      [whole, { ...whole, at: '2026-11-25T04:00:00Z', history: [], standings: {} }],
      async (each) => {
        played.push(each);
        return { ...set.evaluate(facts), facts };
      },
    );
    expect(report).toMatchObject({ ok: true, passed: 2 });
    expect(report.neverHit.map((rule) => rule.id)).toEqual(['impossible-travel', 'medium']);
    expect(played[0]).toEqual({
      file: 'default.test.json',
      name: 'travels',
      history: [
        { atMs: Date.parse('2026-11-24T01:00:00Z'), check: { action: 'login', ip: '192.0.2.1' } },
        { atMs: Date.parse('2026-11-24T02:00:00Z'), event: { type: 'login.succeeded' } },
      ],
      standings: { '203.0.113.7': ['tor'] },
      request: { action: 'login', ip: '203.0.113.7' },
      atMs: Date.parse('2026-11-25T02:00:00Z'),
    });
    expect(played[1]?.atMs).toBe(Date.parse('2026-11-25T04:00:00Z'));
  });

  it('A case with a whole request fails by itself when it cannot be played', async () => {
    const report = await run([whole, { name: 'n', facts: {}, expect: { decision: 'allow' } }]);
    expect(report).toMatchObject({ ok: false, passed: 1, failed: 1 });
    expect(report.cases[0]?.mismatches).toMatchObject([{ what: 'run', actual: 'nothing to play' }]);
  });
});
