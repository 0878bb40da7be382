import { expect, test } from 'vitest';
import { checkStrictest } from '../../src/http/strictest.ts';
import type { CheckRequest } from '../../src/request.ts';
import { compileRules } from '../../src/rules/compile.ts';
import { FACT_CATALOG } from '../../src/signals/index.ts';
import { NOW_MS } from '../engine.ts';
import { testApp } from './test-app.ts';

const REQUEST: Omit<CheckRequest, 'action'> = {
  subject: 'u1',
  subjectSpace: 'default',
  subjectType: 'user',
  address: null,
  noAddress: 'absent',
  session: null,
  userAgent: null,
  device: null,
  place: null,
  stepUpToken: null,
  resource: { type: null, id: null, properties: {} },
  subjectProperties: {},
  context: {},
  occurredAtMs: NOW_MS,
  dryRun: false,
  isCounted: true,
};

/** Rules that ask for a step-up where the action is one of these, and refuse `never`. */
function rulesFor(...actions: string[]) {
  const guarded = { id: 'g', when: { action: { in: actions } }, then: { decision: 'step-up', reason: 'guarded' } };
  const never = { id: 'n', when: { action: 'never' }, then: { decision: 'deny', reason: 'never' } };
  const text = JSON.stringify({ version: 1, default: 'allow', rules: [guarded, never] });
  return compileRules([{ name: 'strictest.json', text }], FACT_CATALOG);
}

test('the strictest of all candidates decides, in whatever order they come', async () => {
  const { engine } = testApp({ engine: { rules: () => rulesFor('guarded') } });
  for (const actions of [
    ['open', 'guarded', 'never'],
    ['never', 'guarded', 'open'],
    ['guarded', 'never', 'open'],
  ]) {
    const { request, result } = await checkStrictest(engine, REQUEST, actions);
    expect(request.action).toBe('never');
    expect(result.decision).toBe('deny');
  }
  const { request } = await checkStrictest(engine, REQUEST, ['open', 'guarded']);
  expect(request.action).toBe('guarded');
});

test('rules that turn mild between the trial and the check do not make the answer milder', async () => {
  let asked = 0;
  const rules = [rulesFor('a', 'b'), rulesFor('a', 'b'), rulesFor('a')];
  const { engine } = testApp({ engine: { rules: () => rules[asked++] ?? rulesFor('a') } });
  const { result } = await checkStrictest(engine, REQUEST, ['b', 'a']);
  expect(asked).toBe(3);
  expect(result.decision).toBe('step-up');
});

test('a dry run stays one', async () => {
  const { engine } = testApp({ engine: { rules: () => rulesFor('guarded') } });
  await checkStrictest(engine, { ...REQUEST, dryRun: true }, ['open', 'guarded']);
  const slot = await engine.store.readSubject(engine.pseudonym('subject', 'u1'), NOW_MS);
  expect(slot?.attempts1m ?? 0).toBe(0);
});
