import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stepgate } from '../../support/cli.ts';

const REQUEST = {
  subject: 'ann',
  action: 'login',
  ip: '81.2.69.160',
  device: { fingerprint: '5d41402abc4b2a76b9719d911017c592' },
};

const RULES = `{
  "version": 1,
  "rules": [
    { "id": "stranger", "when": { "device.state": "new" }, "then": { "points": 30 } },
    { "id": "far", "when": { "travel.speed_kmh": { "gt": 1000 } }, "then": { "points": 40 } },
    { "id": "failing", "when": { "ip.failures_10m": { "gte": 5 } }, "then": { "decision": "deny" } },
    { "id": "medium", "when": { "score": { "gte": 30 } }, "then": { "decision": "step-up" } }
  ]
}`;

let env: { readonly RULES_DIR: string };

beforeAll(async () => {
  env = { RULES_DIR: await mkdtemp(join(tmpdir(), 'stepgate-explain-')) };
  await writeFile(join(env.RULES_DIR, 'shop.json'), RULES);
});

afterAll(() => rm(env.RULES_DIR, { recursive: true, force: true }));

describe('explain', () => {
  test('Stepgate explain shows the decision, each signal with its state and facts, and each rule with the values compared', async () => {
    const { code, stdout } = await stepgate(['explain', '-'], { env, input: JSON.stringify(REQUEST) });
    expect(stdout).toMatch(/^step-up by shop\.json › medium; score 30 \(medium\); rules sha256-/);
    expect(stdout).toMatch(/^device +measured +device\.subjects_24h +1$/m);
    expect(stdout).toMatch(/^client +unknown: no_user_agent$/m);
    expect(stdout).toMatch(/^stranger +hit +\+30 +device\.state new eq "new": true$/m);
    expect(stdout).toMatch(/^far +unknown +\+40 +travel\.speed_kmh unknown gt 1000: unknown$/m);
    expect(stdout).toMatch(/^failing +missed +deny +ip\.failures_10m 0 gte 5: false$/m);
    expect(stdout.indexOf('medium  ')).toBeLessThan(stdout.indexOf('failing  '));
    expect(code).toBe(0);
  });

  test('Stepgate explain gives programs the whole answer and trace as JSON', async () => {
    const { stdout } = await stepgate(['explain', '-', '--json'], { env, input: JSON.stringify(REQUEST) });
    const { answer, rules } = JSON.parse(stdout);
    expect(answer).toMatchObject({ decision: 'step-up', signals: { geo: { facts: { 'geo.city': 'Newmarket' } } } });
    expect(rules).toContainEqual(expect.objectContaining({ id: 'stranger', outcome: 'hit' }));
  });

  test('Stepgate explain takes a case of a rule test file with its history', async () => {
    const { device, ...plain } = REQUEST;
    const document = {
      history: [
        { at: '2026-11-24T02:00:00Z', event: { type: 'login.succeeded', subject: 'ann', ip: REQUEST.ip, device } },
      ],
      at: '2026-11-25T02:00:00Z',
      request: { ...plain, device },
    };
    const { stdout } = await stepgate(['explain', '-', '--json'], { env, input: JSON.stringify(document) });
    expect(JSON.parse(stdout).answer.signals.device.facts).toMatchObject({
      'device.state': 'known',
      'device.age_days': 1,
    });
  });

  test('Stepgate explain refuses a body that the service would refuse, with the path, and exits with 2', async () => {
    const { code, stderr, stdout } = await stepgate(['explain', '-'], {
      env,
      input: '{"action":"login","ip":"010.0.0.1"}',
    });
    expect(stderr).toContain('ip');
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  test.each([
    ['{"ip":"x"}', ['action: is missing; expected string', 'ip: is not an IPv4 or IPv6 address']],
    ['{"request":{},"historry":[]}', ['the case › historry: ', 'Did you mean "history"?']],
    ['{"request":{"subject":"ann"}}', ['action: is missing']],
    ['{"version":1,"cases":[]}', ['one of its cases']],
    ['{"name":"n","facts":{"action":"login"}}', ['stepgate rules test']],
  ])(
    'Stepgate explain names all that is wrong with %s, and what to do, without a stack trace',
    async (input, expected) => {
      const { code, stderr } = await stepgate(['explain', '-'], { env, input });
      for (const part of expected) expect(stderr).toContain(part);
      expect(stderr).not.toMatch(/^ +at /m);
      expect(code).toBe(2);
    },
  );

  test('Stepgate explain says of a missing file which one it is and what to do, and exits with 2', async () => {
    const { code, stderr } = await stepgate(['explain', '/nowhere/request.json'], { env });
    expect(stderr).toBe('cannot open /nowhere/request.json: there is no such file (ENOENT). Check the path.\n');
    expect(code).toBe(2);
  });

  test('Stepgate explain says which command there is instead of a misspelt one, and exits with 2', async () => {
    const { code, stderr } = await stepgate(['explian']);
    expect(stderr).toContain('explain');
    expect(code).toBe(2);
  });
});
