import { expect, it } from 'vitest';
import { z } from 'zod';
import { rulesJsonSchema, ruleTestsJsonSchema } from '../../../src/rules/schema.ts';
import { catalog, decides, deny, points, problemsOf } from '../../support/sample-rules.ts';

interface JsonSchema {
  readonly description?: string;
  readonly properties?: { readonly [name: string]: JsonSchema };
  readonly additionalProperties?: boolean;
}
const schema = rulesJsonSchema(catalog) as {
  readonly $schema: string;
  readonly $defs: { readonly condition: JsonSchema };
};

it('The schema tells editors every fact with its meaning and unit', () => {
  expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
  const properties = schema.$defs.condition.properties ?? {};
  expect(Object.keys(properties)).toEqual([...Object.keys(catalog), 'score', 'all', 'any', 'not']);
  expect(properties['travel.speed_kmh']?.description).toBe('Speed since the last sighting. Unit: km/h.');
  expect(JSON.stringify(properties['device.state'])).toContain('"enum":["trusted","known","new"]');
  expect(schema.$defs.condition.additionalProperties).toBe(false);
});

it('The schema agrees with the compiler on what is a rule', () => {
  const editor = z.fromJSONSchema(schema as never);
  const verdicts = [
    [
      points(
        { 'travel.speed_kmh': { gt: 1000 }, any: [{ 'device.state': 'new' }, { not: { 'device.trusted': true } }] },
        40,
      ),
    ],
    [deny({ 'context.amount': { gte: 1000 }, score: { gte: 70 }, 'ip.categories': { has: 'tor' } })],
    [decides('s', {}, { decision: 'step-up', acr_values: ['a'], max_age: 300, single_use: true, reason: 'why' })],
    [points({ 'resource.id': { eq: { fact: 'subject.id' } } }, 1)],
    [points({ 'travel.sped_kmh': { gt: 1000 } }, 40)],
    [points({ 'travel.speed_kmh': { gt: '1000' } }, 40)],
    [points({ 'device.state': 'nwe' }, 40)],
    [points({ 'device.state': 'new' }, 101)],
    [points({ any: [] }, 1)],
    [decides('s', {}, { decision: 'alow' })],
    [{ ...points({}, 1), mode: 'off' }],
  ].map((rules) => [editor.safeParse({ rules }).success, problemsOf(rules).length === 0]);
  expect(verdicts.map(([editing]) => editing)).toEqual(verdicts.map(([, compiling]) => compiling));
  expect(verdicts.filter(([editing]) => editing)).toHaveLength(4);
});

it('The schema describes test files too', () => {
  const tests = z.fromJSONSchema(ruleTestsJsonSchema(catalog) as never);
  const body = (facts: object) => ({
    now: '2026-11-25T02:00:00Z',
    cases: [{ name: 'n', facts, expect: { decision: 'allow' } }],
  });
  expect(tests.safeParse(body({ 'device.state': 'new' })).success).toBe(true);
  expect(tests.safeParse(body({ 'device.stat': 'new' })).success).toBe(false);
});
