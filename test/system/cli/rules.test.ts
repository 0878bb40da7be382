import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { stepgate } from '../../support/cli.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'stepgate-rules-'));
});

afterEach(() => rm(dir, { recursive: true, force: true }));

const rule = (id: string, when: object, then: object) => ({ id, when, then });
const write = (name: string, value: unknown): Promise<void> => writeFile(join(dir, name), JSON.stringify(value));
const policy = (...rules: object[]) => ({ version: 1, actions: { login: {} }, rules });
const FAR = rule('far', { 'travel.speed_kmh': { gt: 1000 } }, { decision: 'step-up', reason: 'too_fast' });
const STRANGER = rule('stranger', { 'device.state': 'new' }, { decision: 'step-up', reason: 'new_device' });

describe('rules lint', () => {
  test('Stepgate rules lint says that good rules are good and exits with 0', async () => {
    await write('default.json', policy(FAR));
    const { code, stdout } = await stepgate(['rules', 'lint', '--dir', dir]);
    expect(stdout).toMatch(/^1 rules in default\.json are good \(sha256-/);
    expect(code).toBe(0);
  });

  test('Stepgate rules lint names every problem with its place and the nearest name, and exits with 1', async () => {
    await write('default.json', policy(rule('far', { 'travel.speed_kph': { gt: 1 } }, { points: 200 })));
    const { code, stdout } = await stepgate(['rules', 'lint', '--dir', dir]);
    expect(stdout).toContain('default.json › rules[0].when["travel.speed_kph"] (rule far)');
    expect(stdout).toContain('Did you mean "travel.speed_kmh"?');
    expect(stdout).toContain('rules[0].then');
    expect(code).toBe(1);
  });

  test('Stepgate rules lint names routes that match nothing and misspelt actions in one run', async () => {
    const pay = rule('pay', { action: 'payment.transfr' }, { decision: 'step-up', reason: 'pays' });
    const actions = { 'payment.transfer': { routes: ['POST /pay/:id', 'POST /pay'] }, 'page.view': { learn: 'never' } };
    await write('default.json', { ...policy(pay), actions });
    const { code, stdout } = await stepgate(['rules', 'lint', '--dir', dir]);
    expect(stdout).toContain('default.json › actions["payment.transfer"].routes[0]');
    expect(stdout).toContain('default.json › actions["page.view"].learn');
    expect(stdout).toContain('No file declares the action "payment.transfr".');
    expect(stdout).toContain('Did you mean "payment.transfer"?');
    expect(stdout.trim().split('\n')).toHaveLength(3);
    expect(code).toBe(1);
  });

  test('Stepgate rules lint gives programs JSON', async () => {
    await write('default.json', policy(rule('far', { 'travel.speed_kph': { gt: 1 } }, { points: 20 })));
    const { code, stdout } = await stepgate(['rules', 'lint', '--dir', dir, '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      problems: [{ file: 'default.json', rule: 'far', code: 'unknown_fact', nearest: 'travel.speed_kmh' }],
    });
    expect(code).toBe(1);
  });

  /** @see https://github.com/NVIDIA/OpenShell/issues/1357 */
  test('Stepgate rules lint warns of a path that is guarded for some methods only', async () => {
    await write('default.json', { ...policy(FAR), actions: { reports: { routes: ['GET /reports/*'] } } });
    const { stdout } = await stepgate(['rules', 'lint', '--dir', dir]);
    expect(stdout).toContain('warning: methods without a route fall to the action "request" on /reports/* (GET)');
  });

  test('Stepgate rules lint says what single use cannot promise with a provider that tells no log-in', async () => {
    const once = rule('once', { action: 'pay' }, { decision: 'step-up', single_use: true, reason: 'once' });
    await write('default.json', policy(once, FAR));
    const lint = async (...issuers: object[]) => {
      const env = { STEP_UP_ISSUERS: JSON.stringify(issuers) };
      return (await stepgate(['rules', 'lint', '--dir', dir], { env })).stdout;
    };
    const descope = { preset: 'descope', project_id: 'P2abc' };
    expect(await lint(descope)).toContain('warning: single_use (once) spends one token of P2abc, not the log-in');
    expect(await lint({ ...descope, auth_time: 'required' })).not.toContain('warning');
    expect(await lint({ preset: 'auth0', domain: 'a.example', audience: 'a' })).not.toContain('warning');
  });

  test('Stepgate rules lint names a directory that is not there', async () => {
    const { code, stdout } = await stepgate(['rules', 'lint', '--dir', join(dir, 'nowhere')]);
    expect(stdout).toContain('nowhere');
    expect(code).toBe(1);
  });
});

test.each([
  ['POST /pay/:id', 'POST /pay/{id}'],
  ['GET /s%65cret', 'GET /secret'],
  ['GET /x/../hidden', 'GET /hidden'],
])('Rules lint refuses the route %s and says what it would have to be', async (route, instead) => {
  await write('default.json', { ...policy(FAR), actions: { pay: { routes: [route] } } });
  const { code, stdout } = await stepgate(['rules', 'lint', '--dir', dir]);
  expect(stdout).toContain('default.json › actions.pay.routes[0]');
  expect(stdout).toContain(`"${instead}"`);
  expect(code).toBe(1);
});

describe('rules test', () => {
  const facts = (name: string, measured: object, decision: string) => ({
    name,
    facts: measured,
    expect: { decision },
  });

  test('Stepgate rules test passes, counts the rules that were hit and names those that were not', async () => {
    await write('default.json', policy(FAR, STRANGER));
    await write('default.test.json', {
      now: '2026-11-25T02:00:00Z',
      cases: [
        facts('a flight', { 'travel.speed_kmh': 800 }, 'allow'),
        facts('a jump', { 'travel.speed_kmh': 1500 }, 'step-up'),
      ],
    });
    const { code, stdout } = await stepgate(['rules', 'test', '--dir', dir]);
    expect(stdout).toBe('no case hits default.json › stranger\n2 passed, 0 failed; 1 of 2 rules hit\n');
    expect(code).toBe(0);
  });

  test('Stepgate rules test shows the values that a failing case compared and exits with 1', async () => {
    await write('default.json', policy(FAR));
    await write('default.test.json', {
      now: '2026-11-25T02:00:00Z',
      cases: [
        {
          ...facts('a flight', { 'travel.speed_kmh': 800 }, 'step-up'),
          expect: { decision: 'step-up', reasons: ['too_fast'] },
        },
      ],
    });
    const { code, stdout } = await stepgate(['rules', 'test', '--dir', dir]);
    expect(stdout).toContain('FAILED default.test.json › a flight');
    expect(stdout).toContain('decision: expected "step-up", got "allow"');
    expect(stdout).toContain('travel.speed_kmh 800 gt 1000 is false');
    expect(code).toBe(1);
  });

  test('Stepgate rules test fails when no case ran', async () => {
    await write('default.json', policy(FAR));
    const { code, stdout } = await stepgate(['rules', 'test', '--dir', dir]);
    expect(stdout).toContain('NAME.test.json: No test case ran');
    expect(code).toBe(1);
  });

  test('Stepgate rules test plays history, clock, standings and the device token of a whole request', async () => {
    await write(
      'default.json',
      policy(STRANGER, rule('tor', { 'ip.categories': { has: 'tor' } }, { decision: 'deny' })),
    );
    const device = { fingerprint: '5d41402abc4b2a76b9719d911017c592' };
    const request = { subject: 'ann', action: 'login', ip: '81.2.69.160', device: { ...device, token: '$token' } };
    await write('default.test.json', {
      now: '2026-11-25T02:00:00Z',
      cases: [
        {
          name: 'a stranger',
          request: { ...request, device },
          expect: { decision: 'step-up', reasons: ['new_device'] },
        },
        {
          name: 'a device trusted the day before',
          history: [
            {
              at: '2026-11-24T02:00:00Z',
              event: { type: 'login.succeeded', subject: 'ann', ip: '81.2.69.160', device, trust_device: true },
            },
          ],
          request,
          expect: { decision: 'allow', reasons: [] },
        },
        {
          name: 'the same from an exit',
          standings: { '81.2.69.160': ['tor'] },
          request,
          expect: { decision: 'deny' },
        },
      ],
    });
    const { code, stdout } = await stepgate(['rules', 'test', '--dir', dir]);
    expect(stdout).toBe('3 passed, 0 failed; 2 of 2 rules hit\n');
    expect(code).toBe(0);
  });
});
