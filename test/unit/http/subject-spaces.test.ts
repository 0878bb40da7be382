import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type GatewayScene, gatewayScene } from '../../support/gateway-scene.ts';
import { issuer } from '../../support/issuer.ts';
import { AUTHORIZED, NOW_MS, scene } from '../../support/scene.ts';

const idp = issuer({ now: () => NOW_MS });

const issuersOf = (spaces: { readonly [issuer: string]: string }): readonly object[] =>
  Object.entries(spaces).map(([issuer, subjects]) => idp.entry({ issuer, subjects }));

const BANK = 'https://bank.example';
const SHOP = 'https://shop.example';
const TWO = issuersOf({ [BANK]: 'bank', [SHOP]: 'shop' });

function token(iss: string, claims: object = {}, agoSeconds = 10): Promise<string> {
  return idp.sign({ iss, sub: '1001', ...claims }, agoSeconds);
}

const stepUp = (iss: string, claims: object = {}, agoSeconds = 10) => token(iss, { su: true, ...claims }, agoSeconds);

describe('forward auth with two issuers that both know a person number 1001', () => {
  const RULES = {
    version: 1,
    actions: { password: { routes: ['PUT /api/password'], trust: { days: 30, on_step_up: true } } },
    levels: { medium: 30, high: 70 },
    floor: 'step-up',
    default: 'allow',
    rules: [{ id: 'password', when: { action: 'password' }, then: { decision: 'step-up', reason: 'guarded' } }],
  };

  let rig: GatewayScene;
  beforeAll(async () => {
    rig = await gatewayScene({ rules: RULES, issuers: TWO });
  });
  afterAll(() => rig.close());

  test('A step-up at the one does not confirm the session of the other’s', async () => {
    const answer = await rig.forward('PUT', '/api/password', {
      Authorization: `Bearer ${await token(BANK)}`,
      'X-Step-Up-Token': await stepUp(SHOP),
    });
    expect(answer.status).toBe(401);
    expect(answer.headers['x-stepgate-reasons']).not.toContain('step_up_satisfied');
    expect(answer.headers['set-cookie']).toBeUndefined();
    expect(answer.headers['www-authenticate']).toContain('subject_mismatch');
  });

  test('A step-up at their own does', async () => {
    const answer = await rig.forward('PUT', '/api/password', {
      Authorization: `Bearer ${await token(BANK)}`,
      'X-Step-Up-Token': await stepUp(BANK),
    });
    expect(answer).toMatchObject({ status: 200 });
    expect(answer.headers['x-stepgate-reasons']).toContain('step_up_satisfied');
  });

  test('Of two proofs, the one of the session’s own space is taken, however much newer the other is', async () => {
    const answer = await rig.forward('PUT', '/api/password', {
      Authorization: `Bearer ${await token(BANK)}`,
      'X-Step-Up-Token': await stepUp(SHOP, {}, 1),
      Cookie: `__Host-stepgate-su=${await stepUp(BANK, {}, 60)}`,
    });
    expect(answer).toMatchObject({ status: 200 });
  });

  test('Sessions of both are sessions of two people', async () => {
    const answer = await rig.forward('PUT', '/api/password', {
      Authorization: `Bearer ${await stepUp(BANK)}`,
      Cookie: `session=${await stepUp(SHOP)}`,
    });
    expect(answer.status).not.toBe(200);
    expect(answer.headers['set-cookie']).toBeUndefined();
  });
});

describe('one id of two spaces and types', () => {
  const device = { fingerprint: '7d793037a0760186574b0282f2f435e7' };
  const RULES = {
    version: 1,
    actions: { 'payment.transfer': {} },
    default: 'step-up',
    rules: [
      {
        id: 'trusted',
        when: { 'device.trusted': true },
        then: { decision: 'allow', over: ['everybody'], reason: 'trusted_device' },
      },
      { id: 'everybody', when: {}, then: { decision: 'step-up', reason: 'guarded' } },
    ],
  };
  let app: ReturnType<typeof scene>;
  beforeEach(() => {
    app = scene({ rules: RULES, issuers: TWO });
  });

  const json = async (path: string, body: object) => {
    const response = await app.post(path, body);
    const answer = await response.json();
    await app.settled();
    return { status: response.status, answer };
  };
  /** A log-in that makes the device trusted; its token. */
  const trusted = async (who: object): Promise<string> => {
    const { status, answer } = await json('/v1/events', {
      type: 'login.succeeded',
      ip: '81.2.69.160',
      device,
      trust_device: true,
      ...who,
    });
    expect(status).toBe(202);
    return answer.device.token;
  };
  const checked = async (who: object, deviceToken: string) => {
    const body = { action: 'payment.transfer', ip: '81.2.69.160', device: { ...device, token: deviceToken }, ...who };
    return (await json('/v1/risk-check', body)).answer;
  };
  const evaluated = async (subject: object, context: object) => {
    const { answer } = await json('/access/v1/evaluation', {
      subject,
      action: { name: 'payment.transfer' },
      resource: { type: 'account', id: '1' },
      context: { ip: '81.2.69.160', ...context },
    });
    return answer;
  };

  test('Subjects of one id in two spaces and types have each a history and a trust of their own', async () => {
    const own = await trusted({ subject: 'alice', subject_space: 'bank' });
    expect(await checked({ subject: 'alice', subject_space: 'bank' }, own)).toMatchObject({ decision: 'allow' });
    for (const other of [
      { subject: 'alice', subject_space: 'shop' },
      { subject: 'alice', subject_space: 'bank', subject_type: 'service' },
    ]) {
      const answer = await checked(other, own);
      expect(answer.decision).toBe('step-up');
      expect(answer.signals.device.facts['device.trusted']).toBe(false);
    }
  });

  test('A service called like a person in AuthZEN uses neither the trust nor the proof of that person', async () => {
    const own = await trusted({ subject: 'alice', subject_space: 'shop' });
    const context = { subject_space: 'shop', device: { ...device, token: own } };
    expect(await evaluated({ type: 'user', id: 'alice' }, context)).toMatchObject({ decision: true });
    for (const subject of [
      { type: 'service', id: 'alice' },
      { type: 'service', id: 'alice', properties: { type: 'user' } },
      { type: 'service', id: 'bob', properties: { id: 'alice', type: 'user' } },
      { type: 'User', id: 'alice' },
    ]) {
      const proof = await stepUp(SHOP, { sub: 'alice' });
      const answer = await evaluated(subject, { ...context, step_up_token: proof });
      expect(answer.decision, JSON.stringify(subject)).toBe(false);
      expect(answer.context.stepgate.step_up.error.code).toBe('subject_mismatch');
    }
    const proven = { subject_space: 'shop', step_up_token: await stepUp(SHOP, { sub: 'alice' }) };
    expect(await evaluated({ type: 'user', id: 'alice' }, proven)).toMatchObject({ decision: true });
  });

  test('A wrong type and a wrong space in AuthZEN are named where the caller wrote them', async () => {
    const paths = async (subject: object, context: object) =>
      (await evaluated(subject, context)).errors.map(({ path }: { path: string }) => path);
    expect(await paths({ type: 'a\0b', id: 'alice' }, { subject_space: 'shop' })).toEqual(['subject.type']);
    expect(await paths({ type: 'user', id: 'alice' }, { subject_space: 'club' })).toEqual(['context.subject_space']);
  });

  test('A batch counts an attempt of each of them', async () => {
    const subjects = [
      { type: 'user', id: 'alice' },
      { type: 'service', id: 'alice' },
      { type: 'user', id: 'alice' },
    ];
    await json('/access/v1/evaluations', {
      action: { name: 'read' },
      resource: { type: 'page', id: '1' },
      context: { subject_space: 'bank', ip: '81.2.69.160' },
      evaluations: subjects.map((subject) => ({ subject })),
    });
    for (const type of ['user', 'service']) {
      const query = `subject_space=bank&subject_type=${type}`;
      const response = await app.app.request(`/v1/subjects/alice?${query}`, { headers: AUTHORIZED });
      expect(await response.json()).toMatchObject({ counters: { attempts_1m: 1 } });
    }
  });

  test('The support desk sees and erases the one that it names', async () => {
    await trusted({ subject: 'alice', subject_space: 'bank' });
    const at = async (query: string, method = 'GET') =>
      (await app.app.request(`/v1/subjects/alice${query}`, { method, headers: AUTHORIZED })).status;
    expect(await at('?subject_space=shop')).toBe(404);
    expect(await at('?subject_space=bank&subject_type=service')).toBe(404);
    expect(await at('?subject_space=shop', 'DELETE')).toBe(204);
    expect(await at('?subject_space=bank')).toBe(200);
    expect(await at('?subject_space=bank', 'DELETE')).toBe(204);
    expect(await at('?subject_space=bank')).toBe(404);
    for (const query of ['', '?subject_space=club', '?subject_space=bank&subject_space=shop', '?subject_space=']) {
      expect(await at(query, 'DELETE'), query).toBe(400);
    }
  });
});

describe('a caller that names no space', () => {
  const SPACES = [
    ['where there are no issuers', [], 'default'],
    ['where all issuers have one', issuersOf({ [BANK]: 'bank', [SHOP]: 'bank' }), 'bank'],
    ['where one of several is the default', issuersOf({ [BANK]: 'bank', [SHOP]: 'default' }), 'default'],
  ] as const;
  const login = { type: 'login.succeeded', subject: 'ann', ip: '81.2.69.160' };

  test.each(SPACES)('%s means that one', async (_what, issuers, space) => {
    const app = scene({ issuers });
    expect((await app.post('/v1/events', login)).status).toBe(202);
    const response = await app.app.request(`/v1/subjects/ann?subject_space=${space}`, { headers: AUTHORIZED });
    expect(response.status).toBe(200);
  });

  test('A caller that names no space where there are several and none is the default is told which there are', async () => {
    const app = scene({ issuers: TWO });
    for (const [path, body] of [
      ['/v1/risk-check', { subject: 'ann', action: 'login' }],
      ['/v1/events', login],
      ['/v1/step-up/verify', { subject: 'ann', token: 'x' }],
    ] as const) {
      for (const more of [{}, { subject_space: 'club' }]) {
        const response = await app.post(path, { ...body, ...more });
        expect(response.status, path).toBe(400);
        const { errors } = await response.json();
        expect(errors).toEqual([{ path: 'subject_space', message: expect.stringContaining('allowed: bank, shop') }]);
      }
    }
  });

  test('A caller that names no space may ask for nobody', async () => {
    const app = scene({ issuers: TWO });
    expect((await app.post('/v1/risk-check', { action: 'login' })).status).toBe(200);
  });
});

test('A proof judged by itself is of the space that is asked for, and says which it is of', async () => {
  const app = scene({ issuers: TWO });
  const verify = async (more: object) =>
    (await app.post('/v1/step-up/verify', { token: await stepUp(SHOP), ...more })).json();
  expect(await verify({})).toMatchObject({ valid: true, proof: { subject: '1001', subject_space: 'shop' } });
  expect(await verify({ subject_space: 'shop' })).toMatchObject({ valid: true });
  expect(await verify({ subject: '1001', subject_space: 'shop' })).toMatchObject({ valid: true });
  for (const other of [
    { subject: '1001', subject_space: 'bank' },
    { subject_space: 'bank' },
    { subject: '1001', subject_space: 'shop', subject_type: 'service' },
  ]) {
    expect(await verify(other), JSON.stringify(other)).toMatchObject({ valid: false, code: 'subject_mismatch' });
  }
});
