import { expect, it } from 'vitest';
import { decides, deny, factsOf, points, setOf } from '../../support/sample-rules.ts';

it('An explanation tells what became of every rule and comparison', () => {
  const set = setOf([
    points({ 'travel.speed_kmh': { gt: 1000 }, 'device.state': 'new' }, 40, 'a-points'),
    deny({ 'travel.speed_kmh': { gt: 20_000 } }, 'b-missed'),
    deny({ 'context.amount': { gt: 5 }, 'ip.asn': 7 }, 'c-unknown'),
    decides('d-out', { score: { gte: 30 } }, { decision: 'step-up' }),
    decides('e-over', { 'subject.id': { eq: { fact: 'resource.id' } } }, { decision: 'allow', over: ['d-out'] }),
    { ...deny({}, 'f-trial'), mode: 'dry_run' },
  ]);
  const facts = factsOf(
    { 'travel.speed_kmh': 10780, 'device.state': 'new', 'subject.id': 'u', 'resource.id': 'u' },
    { context: { amount: '9' } },
  );
  const trace = set.trace(facts);
  expect(trace.verdict).toEqual(set.evaluate(facts));
  expect(trace.rules.map(({ id, outcome, points: added, decision }) => [id, outcome, added, decision])).toEqual([
    ['a-points', 'hit', 40, null],
    ['b-missed', 'missed', null, 'deny'],
    ['c-unknown', 'unknown', null, 'deny'],
    ['d-out', 'overruled', null, 'step-up'],
    ['e-over', 'hit', null, 'allow'],
    ['f-trial', 'dry_run', null, 'deny'],
  ]);
  expect(trace.rules[3]?.overruledBy).toEqual(['e-over']);
  expect(trace.rules[2]?.conditions).toEqual([
    {
      path: 'rules[2].when["context.amount"].gt',
      fact: 'context.amount',
      operator: 'gt',
      operand: 5,
      operandValue: null,
      value: '9',
      result: 'unknown',
      why: 'type_mismatch',
    },
    {
      path: 'rules[2].when["ip.asn"]',
      fact: 'ip.asn',
      operator: 'eq',
      operand: 7,
      operandValue: null,
      value: null,
      result: 'unknown',
      why: 'absent',
    },
  ]);
  expect(trace.rules[4]?.conditions).toMatchObject([
    { operand: { fact: 'resource.id' }, operandValue: 'u', result: 'true', why: null },
  ]);
  expect(trace.rules[3]?.conditions).toMatchObject([{ fact: 'score', value: 40, result: 'true' }]);
});
