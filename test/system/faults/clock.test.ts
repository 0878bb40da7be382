import { expect, test } from 'vitest';
import { DAY_MS, scene } from '../../support/scene.ts';

const HOUR = 3_600_000;
const NO_ROOT = { id: 'no-root', when: { 'subject.id': 'root' }, then: { decision: 'deny', reason: 'root_refused' } };
const RULES = { version: 1, actions: { login: {} }, rules: [NO_ROOT] };
const CHECK = {
  subject: 'ann',
  action: 'login',
  ip: '89.98.229.250',
  device: { fingerprint: 'of-ann' },
  geo: { lat: 52.09, lon: 5.12, country: 'NL', city: 'Utrecht' },
};

/** A service whose clock is set by hand. */
function clocked() {
  const app = scene({ rules: RULES });
  const check = async (more: object = {}) => {
    const response = await app.post('/v1/risk-check', { ...CHECK, ...more });
    expect(response.status).toBe(200);
    const answer = await response.json();
    await app.settled();
    return answer;
  };
  return { ...app, check };
}

test.each([
  ['back by an hour', -HOUR],
  ['back by a year', -365 * 24 * HOUR],
  ['forward by an hour', HOUR],
  ['forward by a year', 365 * 24 * HOUR],
])('A clock that steps %s fails no check, sees no journey, and goes on when it is set right', async (_how, stepMs) => {
  const { clock, check } = clocked();
  await check();
  clock.ms += stepMs;
  const stepped = await check();
  expect(stepped.degraded).toEqual([]);
  expect(stepped.signals.travel.facts['travel.distance_km'] ?? 0).toBe(0);
  expect(stepped.signals.velocity.facts['subject.attempts_1m']).toBeGreaterThanOrEqual(1);
  clock.ms -= stepMs;
  const right = await check();
  expect(right.degraded).toEqual([]);
  expect(right.signals.velocity.facts['subject.attempts_1m']).toBeLessThanOrEqual(3);
});

test('A journey is compared just the same by a clock that went back: far and at once is fast, and never infinite', async () => {
  const { clock, check } = clocked();
  await check();
  clock.ms -= HOUR;
  const { signals } = await check({ geo: { lat: -33.87, lon: 151.21, country: 'AU', city: 'Sydney' } });
  const { 'travel.speed_kmh': speed, 'travel.elapsed_s': elapsed } = signals.travel.facts;
  expect(elapsed).toBe(3600);
  expect(speed).toBeGreaterThan(10_000);
  expect(Number.isFinite(speed)).toBe(true);
});

test('A proof that is spent stays spent when the clock goes back', async () => {
  const { clock, engine } = clocked();
  expect(await engine.store.spendProof('proof', 600)).toBe(true);
  clock.ms -= HOUR;
  expect(await engine.store.spendProof('proof', 600)).toBe(false);
});

test('Trust in a device is neither lost nor prolonged by a clock that goes back and forth', async () => {
  const { clock, check, post, settled } = clocked();
  const event = { type: 'step_up.succeeded', ...CHECK, action: undefined, trust_device: true };
  const { device } = await (await post('/v1/events', event)).json();
  await settled();
  const trusted = async () =>
    (await check({ device: { ...CHECK.device, token: device.token } })).signals.device.facts['device.trusted'];
  expect(await trusted()).toBe(true);
  clock.ms -= HOUR;
  await trusted();
  clock.ms += HOUR;
  expect(await trusted()).toBe(true);
  clock.ms = Date.parse(device.expires_at) + 1000;
  expect(await trusted()).toBe(false);
});

test('Trust that a clock a day ahead took away holds no later log-in off: the first check sets the moment right', async () => {
  const one = scene({
    rules: {
      version: 1,
      actions: { pay: {} },
      rules: [{ id: 'once', when: { action: 'pay' }, then: { decision: 'step-up', max_age: 600, reason: 'payment' } }],
    },
  });
  const pay = async (secondsAgo: number, more: object = {}) =>
    one.check({ ...CHECK, action: 'pay', step_up_token: await one.proof('ann', secondsAgo), ...more });
  expect((await pay(1)).decision).toBe('allow');
  one.clock.ms += DAY_MS;
  await one.tell('credential.changed', { subject: 'ann' });
  one.clock.ms -= DAY_MS;
  // A dry run writes nothing, and what was proven before stays refused by whoever sees it first.
  expect(await pay(1, { dry_run: true })).toMatchObject({
    decision: 'step-up',
    stepUp: { error: { code: 'proof_before_revocation' } },
  });
  expect(await pay(1)).toMatchObject({ decision: 'step-up', stepUp: { error: { code: 'proof_before_revocation' } } });
  one.clock.ms += 2000;
  expect((await pay(5)).decision).toBe('step-up');
  expect((await pay(1)).decision).toBe('allow');
});
