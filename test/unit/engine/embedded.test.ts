import { expect, test } from 'vitest';
import { chanceOf } from '../../../src/cli/simulate/chance.ts';
import { localIssuer } from '../../../src/cli/simulate/issuer.ts';
import { createEngine, type EngineOptions } from '../../../src/engine.ts';
import { StoreError } from '../../../src/model/store-error.ts';
import { memoryStore } from '../../../src/store/memory.ts';

const DAY_MS = 86_400_000;
const LAPTOP = { fingerprint: '5d41402abc4b2a76b9719d911017c592' };
const PHONE = { fingerprint: '7d793037a0760186574b0282f2f435e7' };

const POLICY = {
  actions: { login: { trust: { days: 14 } } },
  rules: [
    { id: 'trusted', when: { 'device.trusted': true }, then: { points: -40 } },
    { id: 'busy', when: { 'subject.attempts_1m': { gte: 3 } }, then: { decision: 'deny' } },
    { id: 'untrusted', when: { action: 'login', not: { 'device.trusted': true } }, then: { decision: 'step-up' } },
  ],
};

function engineOn(clock: { ms: number }, more: Partial<EngineOptions> = {}) {
  return createEngine({
    rules: [{ name: 'policy.json', text: JSON.stringify(POLICY) }],
    now: () => clock.ms,
    random: chanceOf('embedded').next,
    ...more,
  });
}

test('Three weeks are played in a moment: a proof earns trust, use keeps it, and it runs out with its token', async () => {
  const clock = { ms: Date.UTC(2026, 2, 2, 9) };
  const { issuer, audience, jwks, sign } = await localIssuer();
  const engine = engineOn(clock, {
    issuers: [{ issuer, audience, jwks: { keys: [...jwks.keys] as never }, algorithms: ['ES256'] }],
  });
  const login = (device: object, more: object = {}) =>
    engine.check({ subject: 'ann', action: 'login', ip: '81.2.69.160', device, ...more });

  expect(await login(LAPTOP)).toMatchObject({ decision: 'step-up', step_up: { satisfied: false } });
  const proven = await login(LAPTOP, { step_up_token: await sign('ann', 'j-1', clock.ms) });
  expect(proven).toMatchObject({ decision: 'allow', step_up: { satisfied: true } });
  const expiresAt = clock.ms + 14 * DAY_MS;
  expect(proven.device).toMatchObject({
    token: expect.any(String),
    expires_at: new Date(expiresAt).toISOString().replace('.000', ''),
  });
  const held = { ...LAPTOP, token: proven.device?.token };

  const decisions: string[] = [];
  for (let day = 1; day <= 21; day++) {
    clock.ms = Date.UTC(2026, 2, 2 + day, 8);
    decisions.push((await login(held)).decision);
  }
  expect(decisions).toEqual([
    ...Array.from({ length: 14 }, () => 'allow'),
    ...Array.from({ length: 7 }, () => 'step-up'),
  ]);
  const { signals } = await login(held);
  expect(signals.device?.facts).toMatchObject({
    'device.state': 'known',
    'device.trusted': false,
    'device.age_days': 20,
  });
});

test('Counters forget in the time of the engine, not of the wall', async () => {
  const clock = { ms: Date.UTC(2026, 2, 2) };
  const engine = engineOn(clock);
  const asked = async () => (await engine.check({ subject: 'bob', action: 'page' })).rule?.id;
  expect([await asked(), await asked(), await asked()]).toEqual([undefined, undefined, 'busy']);
  clock.ms += 61_000;
  expect(await asked()).toBeUndefined();
});

test('A reported log-in trusts the device, and a changed credential ends that trust and every proof before it', async () => {
  const clock = { ms: Date.UTC(2026, 2, 2) };
  const { issuer, audience, jwks, sign } = await localIssuer();
  const engine = engineOn(clock, {
    issuers: [{ issuer, audience, jwks: { keys: [...jwks.keys] as never }, algorithms: ['ES256'] }],
  });
  const { device } = await engine.record({
    type: 'login.succeeded',
    subject: 'ann',
    device: PHONE,
    trust_device: true,
  });
  const held = { ...PHONE, token: device?.token };
  const token = await sign('ann', 'j-1', clock.ms);
  expect((await engine.check({ subject: 'ann', action: 'login', device: held })).decision).toBe('allow');
  expect(await engine.verify({ token, subject: 'ann' })).toMatchObject({ valid: true });

  clock.ms += 1000;
  expect(await engine.record({ type: 'credential.changed', subject: 'ann' })).toEqual({});
  expect((await engine.check({ subject: 'ann', action: 'login', device: held })).decision).toBe('step-up');
  expect(await engine.verify({ token, subject: 'ann' })).toMatchObject({
    valid: false,
    code: 'proof_before_revocation',
  });
});

test('A body that the service would refuse is refused with the same faults', async () => {
  const engine = engineOn({ ms: 0 });
  await expect(engine.check({ action: '', ip: '1.1.1.999' })).rejects.toMatchObject({
    code: 'invalid_request',
    faults: [{ path: 'action' }, { path: 'ip' }],
  });
});

test('A store that does not take what an answer teaches takes no answer away', async () => {
  const clock = { ms: Date.UTC(2026, 2, 2) };
  const broken = {
    ...memoryStore({ now: () => clock.ms }),
    updateBaseline: () => Promise.reject(new StoreError('unreachable', 'away')),
  };
  const engine = engineOn(clock, { store: broken });
  expect((await engine.check({ subject: 'ann', action: 'page', device: LAPTOP })).decision).toBe('step-up');
});

test('What follows an answer is handed to the program that wants it', async () => {
  const later: Promise<void>[] = [];
  const engine = engineOn({ ms: Date.UTC(2026, 2, 2) }, { later: (learning) => later.push(learning) });
  await engine.check({ subject: 'ann', action: 'login', device: LAPTOP });
  expect(later).toHaveLength(1);
  await Promise.all(later);
});
