import { describe, expect, it } from 'vitest';
import { deny, factsOf, points, problemsOf, problemsOfFiles, setOf } from '../../support/sample-rules.ts';

/** @see https://github.com/temporalio/deputy/issues/157 */
describe('an action that no rule file names', () => {
  const set = setOf([points({ action: 'payment.transfer', 'context.amount': { gte: 1000 } }, 40)], {
    actions: { login: {} },
  });

  it('An action that no rule file names is decided as a step-up at least, and the answer names what was probably meant', () => {
    const verdict = set.evaluate(factsOf({ action: 'payment.transfr' }));
    expect(verdict).toMatchObject({ decision: 'step-up', rule: null, requirement: { acrValues: [] } });
    expect(verdict.dryRun.decision).toBe('step-up');
    expect(verdict.reasons).toEqual([
      {
        code: 'action_undeclared',
        rule: null,
        points: 0,
        message: 'no rule file declares the action payment.transfr; the closest declared action is payment.transfer',
        facts: { action: 'payment.transfr' },
      },
    ]);
  });

  it('An action that no rule file names teaches nothing and earns no trust', () => {
    expect(set.policyFor('payment.transfr')).toMatchObject({ learn: 'event', trust: { onStepUp: false } });
    expect(set.policyFor('payment.transfer')).toMatchObject({ learn: 'decision', trust: { onStepUp: true } });
  });

  it.each([['allow'], ['step-up'], ['deny']])(
    'An action that no rule file names is decided as %s at least where the file says so',
    (undeclared) => {
      const verdict = setOf([deny({ action: 'a' })], { undeclared }).evaluate(factsOf({ action: 'page.view' }));
      expect(verdict.decision).toBe(undeclared);
      expect(verdict.reasons.map(({ code }) => code)).toEqual(['action_undeclared']);
    },
  );

  it('An action that no rule file names keeps a stricter decision, and the rule that made it', () => {
    const verdict = setOf([deny({ 'subject.id': 'eve' })]).evaluate(factsOf({ action: 'x', 'subject.id': 'eve' }));
    expect(verdict).toMatchObject({ decision: 'deny', rule: { id: 'deny' } });
  });

  it.each([
    ['actions', { action: 'login' }],
    ['eq', { action: 'payment.transfer' }],
    ['the catch-all of gateways', { action: 'request' }],
    ['no action at all', {}],
  ])('An action that no rule file names is not one that is named by %s', (_, facts) => {
    expect(set.evaluate(factsOf(facts))).toMatchObject({ decision: 'allow', reasons: [] });
  });

  it.each([
    ['in', { action: { in: ['b', 'admin.any'] } }],
    ['a part of a not', { not: { action: 'admin.any' } }],
    ['not_in', { action: { not_in: ['admin.any'] } }],
    ['a prefix', { action: { starts_with: 'admin.' } }],
    ['a pattern', { any: [{ action: { matches: '^admin' } }, { 'subject.id': 'x' }] }],
  ])('An action that no rule file names is not one that a rule names by %s', (_, when) => {
    expect(setOf([points(when, 1)]).declares('admin.any')).toBe(true);
    expect(setOf([points(when, 1)]).declares('amdin.any')).toBe(false);
  });

  it('An action that no rule file names is agreed on by several files', () => {
    const file = (name: string, undeclared: string) => ({
      name,
      text: JSON.stringify({ undeclared, rules: [deny({}, name)] }),
    });
    expect(problemsOfFiles([file('a', 'deny'), file('b', 'allow')])).toMatchObject([
      { path: 'undeclared', code: 'conflict' },
    ]);
  });
});

describe('a slip of the finger in the name of an action is refused', () => {
  const withRules = (actions: object, ...rules: object[]) => problemsOf(JSON.stringify({ actions, rules }));

  it.each([
    ['eq', { action: 'payment.transfr' }, 'rules[0].when.action'],
    ['another case', { action: 'Payment.Transfer' }, 'rules[0].when.action'],
    ['in', { action: { in: ['login', 'payments.transfer'] } }, 'rules[0].when.action.in'],
    ['not_in', { not: { action: { in: ['paymnet.transfer'] } } }, 'rules[0].when.not.action.in'],
  ])('A slip of the finger in the name of an action is refused in a rule, by %s', (_, when, path) => {
    expect(withRules({ login: {}, 'payment.transfer': {} }, deny(when))).toMatchObject([
      { path, code: 'unknown_action', nearest: 'payment.transfer', rule: 'deny' },
    ]);
  });

  it('A slip of the finger in the name of an action is refused in the beginning of a name', () => {
    expect(withRules({ 'admin.any': {} }, deny({ action: { starts_with: 'amdin.' } }))).toMatchObject([
      { code: 'unknown_action', nearest: 'admin.' },
    ]);
  });

  it('A slip of the finger in the name of an action is refused in actions, where a rule names the other', () => {
    const actions = { 'payment.transfer': {}, 'payment.transfr': { routes: ['POST /pay'] } };
    expect(withRules(actions, deny({ action: 'payment.transfer' }))).toMatchObject([
      { path: 'actions["payment.transfr"]', code: 'unknown_action', nearest: 'payment.transfer' },
    ]);
  });

  it.each([
    ['names that differ in digits', { 'api.v1': {}, 'api.v2': {} }, { action: 'api.v1' }],
    ['a name that is like none', { login: {} }, { action: 'order.place' }],
    [
      'two names that each have routes',
      { 'account.lock': { routes: ['POST /lock'] }, 'account.unlock': { routes: ['POST /unlock'] } },
      { action: 'account.lock' },
    ],
    ['two names that rules name', { lock: {}, unlock: {} }, { action: { in: ['lock', 'unlock'] } }],
    ['names where nothing is declared', {}, { action: { in: ['order.create', 'order.created'] } }],
  ])('A near miss is not seen in %s', (_, actions, when) => {
    expect(withRules(actions, deny(when))).toEqual([]);
  });
});

it('An index into a list is refused, since rules read no list by index', () => {
  expect(problemsOf([deny({ 'context.items.1.sku': 'x' })])).toMatchObject([
    { path: 'rules[0].when["context.items.1.sku"]', code: 'unknown_fact' },
  ]);
});

it('A pattern on a text of any length is warned of, unless a rule looks at the length', () => {
  const k = { id: 'k', when: { 'resource.id': { matches: '^[a-z/]+$' } }, then: { decision: 'allow', over: ['all'] } };
  const keys = deny({ 'context.file': { matches: '\\.key$' } }, 'keys');
  const all = { id: 'all', when: {}, then: { decision: 'step-up' } };
  const { warnings } = setOf([k, keys, all]);
  expect(warnings).toHaveLength(2);
  for (const id of ['k', 'keys']) {
    expect(warnings.join('\n')).toMatch(
      new RegExp(`\\(rule ${id}\\): a text of more than 512 characters is unknown to this pattern`),
    );
  }
  const long = deny(
    { any: [{ 'resource.id': { longer_than: 512 } }, { 'context.file': { longer_than: 100 } }] },
    'long',
  );
  expect(setOf([k, keys, all, long]).warnings).toEqual([]);
  const set = setOf([k, all]);
  const decisionFor = (id: string) => set.evaluate(factsOf({ action: 'request', 'resource.id': id })).decision;
  expect(decisionFor('a'.repeat(512))).toBe('allow');
  expect(decisionFor(`${'a'.repeat(520)}9`)).toBe('step-up');
});

it('A path that no request behind a gateway has is warned of, with the one that was meant', () => {
  const path = (operand: object | string, id: string) => deny({ 'resource.id': operand }, id);
  const { warnings } = setOf([
    path({ starts_with: '/Admin/' }, 'case'),
    path('/admin/', 'slash'),
    path({ in: ['/admin', '/Users'] }, 'list'),
    path({ starts_with: '/admin/' }, 'fine'),
    path('/', 'root'),
    path('Order-7', 'no-path'),
  ]);
  expect(warnings.map((each) => /\(rule ([\w-]+)\).*write "(.*)"$/.exec(each)?.slice(1))).toEqual([
    ['case', '/admin/'],
    ['slash', '/admin'],
    ['list', '/users'],
  ]);
});
