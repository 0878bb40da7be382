import { describe, expect, test } from 'vitest';
import { StoreError } from '../../../src/model/store-error.ts';
import { type Scene, scene } from '../../support/scene.ts';

const rule = (id: string, when: object, then: object) => ({ id, when, then });

const RULES = {
  version: 1,
  trust: { days: 30 },
  actions: { login: { learn: 'event', trust: { days: 7 } } },
  rules: [rule('any', { action: 'never' }, { decision: 'deny' })],
};

const ANN = { subject: 'ann', ip: '81.2.69.160' };
const LAPTOP = { fingerprint: '5d41402abc4b2a76b9719d911017c592' };
const PHONE = { fingerprint: '7d793037a0760186574b0282f2f435e7' };

async function trusted(it: Scene, device: object, more: object = {}): Promise<object> {
  const { device: named } = await it.tell('step_up.succeeded', { ...ANN, device, trust_device: true, ...more });
  return { ...device, token: named?.token };
}

const stateOf = async (it: Scene, device: object): Promise<unknown> =>
  (await it.check({ ...ANN, action: 'login', device })).signals.device?.facts['device.state'];

describe('a success', () => {
  test('A success teaches the baseline, and trusts nothing unless it is asked to', async () => {
    const it = scene({ rules: RULES });
    const { device } = await it.tell('login.succeeded', { ...ANN, device: LAPTOP });
    expect(device).toMatchObject({ id: expect.stringMatching(/^d-/), token: null });
    expect(await stateOf(it, LAPTOP)).toBe('known');
  });

  test('A success makes the device trusted for the days of its action', async () => {
    const it = scene({ rules: RULES });
    const login = await it.tell('login.succeeded', { ...ANN, device: LAPTOP, trust_device: true });
    expect(login.device?.expiresAtMs).toBe(it.clock.ms + 7 * 86_400_000);
    const stepUp = await it.tell('step_up.succeeded', { ...ANN, device: PHONE, trust_device: true });
    expect(stepUp.device?.expiresAtMs).toBe(it.clock.ms + 30 * 86_400_000);
  });

  test('A log-in by the name signin trusts the device for the days of signin', async () => {
    const actions = { signin: { trust: { days: 3 } } };
    const it = scene({ rules: { ...RULES, actions, events: { 'login.succeeded': 'signin' } } });
    const { device } = await it.tell('login.succeeded', { ...ANN, device: LAPTOP, trust_device: true });
    expect(device?.expiresAtMs).toBe(it.clock.ms + 3 * 86_400_000);
  });

  test('A success without a device and without trust has none to remember', async () => {
    const it = scene({ rules: RULES });
    expect(await it.tell('login.succeeded', ANN)).toEqual({ device: null });
  });
});

test.each(['login.failed', 'step_up.failed'] as const)(
  '%s counts against subject and address, and teaches nothing',
  async (type) => {
    const it = scene({ rules: RULES });
    await it.tell(type, { ...ANN, device: LAPTOP, trust_device: true });
    const { signals } = await it.check({ ...ANN, action: 'login', device: LAPTOP });
    expect(signals.velocity?.facts).toMatchObject({ 'subject.failures_10m': 1, 'subject.learned': 0 });
    expect(signals.ip?.facts).toMatchObject({ 'ip.failures_10m': 1 });
    expect(signals.device?.facts).toMatchObject({ 'device.state': 'new' });
  },
);

describe('trust ends', () => {
  test('Trust ends for every device when a credential changed, and a token of before is never trusted again', async () => {
    const it = scene({ rules: RULES });
    const [laptop, phone] = [await trusted(it, LAPTOP), await trusted(it, PHONE)];
    it.clock.ms += 60_000;
    await it.tell('credential.changed', { subject: 'ann' });
    expect(await stateOf(it, laptop)).toBe('revoked');
    expect(await stateOf(it, phone)).toBe('revoked');
    it.clock.ms += 60_000;
    const renewed = await trusted(it, laptop);
    expect(await stateOf(it, renewed)).toBe('trusted');
    expect(await stateOf(it, laptop)).toBe('revoked');
  });

  test('Trust ends for the device of a revoked session, and for no other', async () => {
    const it = scene({ rules: RULES });
    const [laptop, phone] = [await trusted(it, LAPTOP, { session: 's1' }), await trusted(it, PHONE, { session: 's2' })];
    it.clock.ms += 60_000;
    await it.tell('session.revoked', { subject: 'ann', session: 's1' });
    expect(await stateOf(it, laptop)).toBe('revoked');
    expect(await stateOf(it, phone)).toBe('trusted');
  });

  test('Trust ends for the device that the report names', async () => {
    const it = scene({ rules: RULES });
    const [laptop, phone] = [await trusted(it, LAPTOP), await trusted(it, PHONE)];
    it.clock.ms += 60_000;
    await it.tell('session.revoked', { subject: 'ann', device: laptop });
    expect(await stateOf(it, laptop)).toBe('revoked');
    expect(await stateOf(it, phone)).toBe('trusted');
  });

  test('Trust ends for all records of a machine that the report names by its fingerprint alone', async () => {
    const it = scene({ rules: RULES });
    const [laptop, phone] = [await trusted(it, LAPTOP), await trusted(it, PHONE)];
    await it.tell('login.succeeded', { ...ANN, device: LAPTOP });
    it.clock.ms += 60_000;
    await it.tell('session.revoked', { subject: 'ann', session: 'never-seen', device: LAPTOP });
    expect(await stateOf(it, laptop)).toBe('revoked');
    expect(await stateOf(it, phone)).toBe('trusted');
  });

  test('Trust ends for every device when nobody knows which one the session was on', async () => {
    const it = scene({ rules: RULES });
    const laptop = await trusted(it, LAPTOP, { session: 's1' });
    it.clock.ms += 60_000;
    await it.tell('session.revoked', { subject: 'ann', session: 'never-seen' });
    expect(await stateOf(it, laptop)).toBe('revoked');
  });
});

/** @see https://github.com/FusionAuth/fusionauth-issues/issues/3126 */
test('Two people on one browser with one cookie keep their own trust, and revoking one leaves the other', async () => {
  const it = scene({ rules: RULES });
  const ofAnn = await trusted(it, LAPTOP);
  const ofBob = await trusted(it, ofAnn, { subject: 'bob' });
  expect(await stateOf(it, ofBob)).toBe('trusted');
  const bob = async () =>
    (await it.check({ ...ANN, subject: 'bob', action: 'login', device: ofBob })).signals.device?.facts['device.state'];
  expect(await bob()).toBe('trusted');
  it.clock.ms += 60_000;
  await it.tell('credential.changed', { subject: 'bob' });
  expect(await bob()).toBe('revoked');
  expect(await stateOf(it, ofBob)).toBe('trusted');
});

test.each(['login.succeeded', 'login.failed', 'session.revoked', 'credential.changed'] as const)(
  '%s rejects while the store is away, so that its caller reports it again',
  async (type) => {
    const it = scene({ rules: RULES });
    it.breakStore('unreachable');
    await expect(it.tell(type, { ...ANN, device: LAPTOP })).rejects.toThrow(StoreError);
  },
);
