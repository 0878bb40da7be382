import { describe, expect, test } from 'vitest';
import { deny, problemsOf, problemsOfFiles, setOf } from '../../support/sample-rules.ts';

const RULES = [deny({ 'subject.id': 'eve' })];

describe('the action that a reported success is', () => {
  test('A log-in is the action login and a step-up the action step_up where no file says otherwise', () => {
    const set = setOf(RULES);
    expect(set.actionOf('login.succeeded')).toBe('login');
    expect(set.actionOf('step_up.succeeded')).toBe('step_up');
  });

  test('A file names the action of each event', () => {
    const set = setOf(RULES, {
      actions: { signin: { trust: { days: 7 } } },
      events: { 'login.succeeded': 'signin', 'step_up.succeeded': 'signin' },
    });
    expect(set.actionOf('login.succeeded')).toBe('signin');
    expect(set.policyFor(set.actionOf('step_up.succeeded')).trust.days).toBe(7);
    expect(set.warnings).toEqual([]);
  });

  test('An action that no file declares is refused with the nearest that is declared', () => {
    const file = { actions: { signin: {} }, events: { 'login.succeeded': 'sigin' }, rules: RULES };
    expect(problemsOf(JSON.stringify(file))).toMatchObject([
      { path: 'events["login.succeeded"]', code: 'unknown_action', nearest: 'signin' },
    ]);
  });

  test('An action that only a rule names is declared', () => {
    const file = { events: { 'login.succeeded': 'signin' }, rules: [deny({ action: 'signin' })] };
    expect(problemsOf(JSON.stringify(file))).toEqual([]);
  });

  test('A misspelt event is refused with the nearest', () => {
    const file = { events: { 'login.succeded': 'signin' }, rules: RULES };
    expect(problemsOf(JSON.stringify(file))).toMatchObject([{ code: 'unknown_key', nearest: 'login.succeeded' }]);
  });

  test('Two files that name two actions for one event are refused', () => {
    const file = (name: string, action: string) => ({
      name,
      text: JSON.stringify({ events: { 'login.succeeded': action }, rules: [{ ...deny({ action }), id: action }] }),
    });
    expect(problemsOfFiles([file('a.json', 'signin'), file('b.json', 'enter')])).toMatchObject([
      { path: 'events["login.succeeded"]', code: 'conflict' },
    ]);
  });

  test('A log-in of another name, with a trust of its own, is warned of until its event names it', () => {
    const { warnings } = setOf(RULES, { actions: { signin: { trust: { days: 7 } }, step_up: {} } });
    expect(warnings).toEqual([expect.stringContaining('"events": { "login.succeeded": "signin" }')]);
    expect(setOf(RULES, { actions: { signin: {} } }).warnings).toEqual([]);
  });
});
