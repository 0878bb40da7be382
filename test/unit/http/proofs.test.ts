import { describe, expect, test } from 'vitest';
import { gatewayScene } from '../../support/gateway-scene.ts';
import { issuer } from '../../support/issuer.ts';
import { AUTHORIZED, NOW_MS, type Scene, scene } from '../../support/scene.ts';

const ISSUER = 'https://idp.example';
const NOW = NOW_MS / 1000;
const DEVICE = { fingerprint: 'b1946ac92492d2347c6235b4d2611184' };

const stepUp = (action: string, then: object) => ({
  id: action,
  when: { action },
  then: { decision: 'step-up', ...then },
});

const RULES = {
  version: 1,
  actions: { once: { learn: 'event' }, browse: {} },
  rules: [
    stepUp('transfer', { max_age: 300, reason: 'transfer' }),
    stepUp('payee', { max_age: 300, single_use: true, reason: 'payee' }),
    stepUp('limit', { max_age: 120, single_use: true, reason: 'limit' }),
    stepUp('hardware', { max_age: 300, amr_values: ['totp'], reason: 'hardware' }),
    { id: 'attacked', when: { 'subject.failures_10m': { gte: 1 } }, then: { points: 1, reason: 'attacked' } },
  ],
};

const idp = issuer({ name: ISSUER, audience: 'api', now: () => NOW_MS });

/** A good token of `u1`, made and authenticated now; `undefined` takes a claim out. */
function token(changes: Record<string, unknown> = {}): Promise<string> {
  return idp.sign({ sub: 'u1', su: true, exp: NOW + 300, ...changes });
}

interface Bench extends Omit<Scene, 'check'> {
  verify(body: object): ReturnType<Response['json']>;
  check(action: string, body?: object): ReturnType<Response['json']>;
}

function bench(settings: object = {}): Bench {
  const app = scene({ rules: RULES, issuers: [idp.entry(settings)] });
  return {
    ...app,
    verify: async (body) => (await app.post('/v1/step-up/verify', body)).json(),
    check: async (action, body = {}) => {
      const answer = await (await app.post('/v1/risk-check', { subject: 'u1', action, ...body })).json();
      await app.settled();
      return answer;
    },
  };
}

/** @see https://github.com/giantswarm/mcp-oauth/issues/383 */
describe('a token that is bound to a key of its holder', () => {
  test.each([
    { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' },
    { 'x5t#S256': 'bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2' },
    { jwk: { kty: 'EC' } },
    {},
    null,
    'jkt',
  ])('A token that is bound to a key of its holder is refused where nobody has asked for that key: %j', async (cnf) => {
    const { verify, check } = bench();
    const bound = await token({ cnf });
    expect(await verify({ token: bound, subject: 'u1' })).toMatchObject({ valid: false, code: 'sender_constrained' });
    const answer = await check('transfer', { step_up_token: bound });
    expect(answer).toMatchObject({ decision: 'step-up', step_up: { error: { code: 'sender_constrained' } } });
  });
});

describe('trust that was taken away', () => {
  const events: [string, (app: Pick<Scene, 'app' | 'post'>) => Promise<Response>][] = [
    ['a changed credential', (app) => app.post('/v1/events', { type: 'credential.changed', subject: 'u1' })],
    [
      'a revoked session',
      (app) => app.post('/v1/events', { type: 'session.revoked', subject: 'u1', session: 'sid-1' }),
    ],
    ['an unnamed revoked session', (app) => app.post('/v1/events', { type: 'session.revoked', subject: 'u1' })],
    [
      'the end of trust in all devices',
      async (app) => app.app.request('/v1/subjects/u1/devices', { method: 'DELETE', headers: AUTHORIZED }),
    ],
  ];

  describe.each(events)('by %s', (_what, revoke) => {
    test('Trust that was taken away takes the proofs of before with it, and the device that one of them would earn trust for', async () => {
      const app = bench();
      const body = { device: DEVICE, step_up_token: await token({ sid: 'sid-1', auth_time: NOW - 60 }) };
      expect(await app.check('transfer', body)).toMatchObject({
        decision: 'allow',
        device: { token: expect.any(String) },
      });
      expect((await revoke(app)).ok).toBe(true);
      const after = await app.check('transfer', body);
      expect(after).toMatchObject({ decision: 'step-up', step_up: { error: { code: 'proof_before_revocation' } } });
      expect(after.step_up.www_authenticate).toContain('proof_before_revocation');
      expect(after.device?.token).toBeUndefined();
      expect(app.records.at(-1)?.step_up).toEqual({ satisfied: false, error: 'proof_before_revocation' });
    });

    test('Trust that was taken away is remembered of a subject of whom nothing else is known', async () => {
      const app = bench();
      const before = await app.check('browse', { ip: '81.2.69.160' });
      expect((await revoke(app)).ok).toBe(true);
      const body = { step_up_token: await token({ auth_time: NOW - 60 }) };
      expect((await app.check('transfer', body)).step_up.error.code).toBe('proof_before_revocation');
      expect(await app.verify({ token: body.step_up_token, subject: 'u1' })).toMatchObject({
        valid: false,
        code: 'proof_before_revocation',
      });
      expect(await app.verify({ token: body.step_up_token })).toMatchObject({ code: 'proof_before_revocation' });
      const { signals } = await app.check('browse', { ip: '81.2.69.160', subject: 'u2' });
      expect(signals.ip.facts['ip.known']).toBe(before.signals.ip.facts['ip.known']);
    });

    test('Trust that was taken away leaves a proof of after, but none of the same second', async () => {
      const app = bench();
      expect((await revoke(app)).ok).toBe(true);
      app.clock.ms += 2000;
      const codeFor = async (authTime: number) =>
        (await app.check('transfer', { step_up_token: await token({ auth_time: authTime, iat: NOW + 2 }) })).step_up
          .error?.code ?? 'taken';
      expect(await codeFor(NOW)).toBe('proof_before_revocation');
      expect(await codeFor(NOW + 0.9)).toBe('proof_before_revocation');
      expect(await codeFor(NOW + 1)).toBe('taken');
    });
  });

  test('Trust that was taken away leaves the first visit of somebody else what it was: nothing known is not nothing seen', async () => {
    const app = bench();
    await app.post('/v1/events', { type: 'credential.changed', subject: 'u1' });
    const [revoked, stranger] = [await app.check('browse', { ip: '81.2.69.160' }), bench()];
    expect(revoked.signals.ip.facts).toEqual((await stranger.check('browse', { ip: '81.2.69.160' })).signals.ip.facts);
    expect(revoked.signals.velocity.facts).toEqual(
      expect.not.objectContaining({ 'subject.dormant_days': 0, 'subject.age_days': 0 }),
    );
  });

  test('Trust that was taken away makes a proof of after the clock of its provider wait until that moment is past', async () => {
    const app = bench();
    const ahead = await token({ auth_time: NOW + 4, iat: NOW + 4 });
    await app.post('/v1/events', { type: 'credential.changed', subject: 'u1' });
    expect((await app.check('transfer', { step_up_token: ahead })).step_up.error.code).toBe('proof_before_revocation');
  });
});

describe('a single-use requirement', () => {
  test('A single-use requirement spends the act of proving: another token of the same log-in is no new proof', async () => {
    const { check } = bench();
    const one = await token({ sid: 'S', auth_time: NOW - 20, jti: 'a' });
    const two = await token({ sid: 'S', auth_time: NOW - 20, jti: 'b' });
    expect(await check('payee', { step_up_token: one })).toMatchObject({ decision: 'allow' });
    expect(await check('payee', { step_up_token: two })).toMatchObject({
      decision: 'step-up',
      step_up: { error: { code: 'replayed' } },
    });
    const other = await token({ sid: 'S', auth_time: NOW - 10, jti: 'b' });
    expect(await check('payee', { step_up_token: other })).toMatchObject({ decision: 'allow' });
  });

  test('A single-use requirement is spent for verify and check alike, however the subject is spelled', async () => {
    const { check, verify } = bench();
    const [one, two] = [await token({ sub: 'Ann@Example.com', jti: 'a' }), await token({ sub: 'ann@example.com' })];
    expect(await verify({ token: one, subject: 'ann@example.com', single_use: true })).toMatchObject({ valid: true });
    const again = await check('payee', { subject: 'ann@example.com', step_up_token: two });
    expect(again).toMatchObject({ step_up: { error: { code: 'replayed' } } });
  });

  test('A single-use requirement stays spent after the first token has run out, for as long as any token of that log-in is young enough', async () => {
    const { check, clock } = bench();
    const spent = await token({ exp: NOW + 30, jti: 'a' });
    expect(await check('payee', { step_up_token: spent })).toMatchObject({ decision: 'allow' });
    clock.ms += 299_000;
    const late = await token({ iat: NOW + 299, exp: NOW + 600, jti: 'b' });
    expect(await check('payee', { step_up_token: late })).toMatchObject({ step_up: { error: { code: 'replayed' } } });
  });

  test('A single-use requirement asks for a log-in of now, and takes one that is as old as its rule says', async () => {
    const { check, verify } = bench();
    const asked = await check('payee');
    expect(asked.step_up.www_authenticate).toContain('max_age="0"');
    expect(asked.step_up).toMatchObject({ single_use: true, max_age: 0 });
    expect(await check('payee', { step_up_token: await token({ auth_time: NOW - 299 }) })).toMatchObject({
      decision: 'allow',
    });
    const old = await check('payee', { step_up_token: await token({ auth_time: NOW - 301 }) });
    expect(old).toMatchObject({ step_up: { error: { code: 'token_too_old' } } });
    expect(old.step_up.www_authenticate).toContain('max_age="0"');
    expect((await check('transfer')).step_up.www_authenticate).toContain('max_age="300"');
    const judged = await verify({ single_use: true });
    expect(judged.step_up.www_authenticate).toContain('max_age="0"');
  });

  test('A single-use requirement counts a replay of the same person within a minute as no attack, and a later one as one', async () => {
    const { check, clock } = bench();
    const body = { step_up_token: await token() };
    const failures = async () => (await check('browse')).signals.velocity.facts['subject.failures_10m'];
    await check('payee', body);
    clock.ms += 59_000;
    expect((await check('payee', body)).step_up.error.code).toBe('replayed');
    expect(await failures()).toBe(0);
    clock.ms += 2000;
    expect((await check('payee', body)).step_up.error.code).toBe('replayed');
    expect(await failures()).toBe(1);
  });

  test('A single-use requirement is met once for a whole batch: the items share one spending', async () => {
    const app = bench();
    const ask = async (body: object) => (await app.post('/access/v1/evaluations', body)).json();
    const item = (name: string) => ({ action: { name }, resource: { type: 'account', id: '1' } });
    const body = {
      subject: { type: 'user', id: 'u1' },
      context: { step_up_token: await token() },
      evaluations: ['payee', 'limit', 'payee', 'transfer'].map(item),
    };
    const decisions = async () =>
      (await ask(body)).evaluations.map(({ decision }: { readonly decision: boolean }) => decision);
    expect(await decisions()).toEqual([true, true, true, true]);
    expect(await decisions()).toEqual([false, false, false, true]);
    const answer = await ask({ ...body, context: {} });
    expect(answer.evaluations[0].context).toMatchObject({ max_age: 0, obligations: [{ properties: { max_age: 0 } }] });
  });
});

describe('max_age 0 in a verification', () => {
  test('max_age 0 in a verification asks for a log-in made for this request: it is taken once, and while it is young', async () => {
    const { verify, clock } = bench();
    const asked = await verify({ max_age: 0, subject: 'u1' });
    expect(asked.step_up).toMatchObject({ max_age: 0, single_use: true });
    expect(asked.step_up.www_authenticate).toContain('max_age="0"');
    clock.ms += 20_000;
    const proof = await token();
    expect(await verify({ token: proof, max_age: 0, subject: 'u1' })).toMatchObject({ valid: true });
    expect(await verify({ token: proof, max_age: 0, subject: 'u1' })).toMatchObject({ code: 'replayed' });
    clock.ms += 41_000;
    expect(await verify({ token: await token({ sid: 'new' }), max_age: 0 })).toMatchObject({ code: 'token_too_old' });
  });
});

/** @see https://github.com/wso2/product-is/issues/13271 */
describe('where a token does not say when its subject authenticated', () => {
  test.each([
    ['acr', { acr_values: ['2'] }, { acr: '2' }],
    ['amr', { amr: ['mfa'] }, { amr: ['pwd', 'mfa'] }],
    ['acr by its claim', { claim: 'acr', equals: '2' }, { acr: '2' }],
    ['amr by its claim', { claim: 'amr', includes: 'mfa' }, { amr: ['pwd', 'mfa'] }],
  ])('The time of issue never dates a step-up shown by %s', async (_mark, step_up, claims) => {
    const { verify, check } = bench({ step_up });
    const silent = await token({ ...claims, auth_time: undefined });
    expect(await verify({ token: silent, max_age: 300 })).toMatchObject({ valid: false, code: 'auth_time_missing' });
    const answer = await check('transfer', { step_up_token: silent });
    expect(answer).toMatchObject({ decision: 'step-up', step_up: { error: { code: 'auth_time_missing' } } });
    expect(answer.signals.step_up.facts['step_up.age_s']).toBeUndefined();
    expect(await verify({ token: await token(claims), max_age: 300 })).toMatchObject({ valid: true });
  });
});

/** @see https://github.com/supabase/auth/pull/2274 */
describe('methods that are listed with their moments', () => {
  const AAL = { step_up: { claim: 'aal', equals: 'aal2' } };
  const HOURS = 3600;
  const at = (method: string, secondsAgo: number) => ({ method, timestamp: NOW - secondsAgo });
  const supabase = (...amr: unknown[]) => token({ aal: 'aal2', amr, auth_time: undefined });

  test('Methods that are listed with their moments tell when the step-up was made, whenever the token was issued', async () => {
    const { verify, check } = bench(AAL);
    const stale = await supabase(at('totp', 3 * HOURS), at('password', 3 * HOURS));
    expect(await verify({ token: stale, max_age: 600 })).toMatchObject({ valid: false, code: 'token_too_old' });
    const { signals } = await check('transfer', { step_up_token: stale });
    expect(signals.step_up.facts).toMatchObject({ 'step_up.amr': ['totp', 'password'], 'step_up.age_s': 10_800 });
    const fresh = await supabase(at('totp', 60), at('password', 3 * HOURS));
    expect(await verify({ token: fresh, max_age: 600 })).toMatchObject({
      valid: true,
      proof: { auth_time: NOW - 60, amr: ['totp', 'password'] },
    });
  });

  test.each<[string, unknown[]]>([
    ['a password of now', [at('password', 0), at('totp', 3 * HOURS)]],
    ['a code by mail', [at('otp', 0), at('mfa/phone', 3 * HOURS)]],
    ['a refresh', [at('token_refresh', 0), at('totp', 3 * HOURS)]],
  ])('%s makes the second factor of hours ago no younger', async (_what, amr) => {
    const { verify } = bench(AAL);
    expect(await verify({ token: await supabase(...amr) })).toMatchObject({ code: 'token_too_old' });
  });

  test('Times in amr count for what a rule or the issuer names: each of those must be fresh', async () => {
    const { check, verify } = bench({ step_up: { amr: ['password', 'totp'] } });
    const amr = [at('password', 0), at('totp', HOURS)];
    expect(await verify({ token: await token({ amr }) })).toMatchObject({ code: 'token_too_old' });
    const aal = bench(AAL);
    const methods = [at('webauthn', 5), at('totp', HOURS)];
    expect(await aal.check('hardware', { step_up_token: await supabase(...methods) })).toMatchObject({
      step_up: { error: { code: 'token_too_old' } },
    });
    expect(
      await check('transfer', { step_up_token: await token({ amr: [at('password', 9), at('totp', 9)] }) }),
    ).toMatchObject({ decision: 'allow' });
  });

  test('Methods that are listed with their moments that one of them does not tell is not taken from the time of issue', async () => {
    const { verify } = bench(AAL);
    const silent = await supabase({ method: 'totp' }, at('password', 10));
    expect(await verify({ token: silent })).toMatchObject({ valid: false, code: 'auth_time_missing' });
  });

  test.each<[string, unknown]>([
    ['a text', 'mfa'],
    ['a number', 2],
    ['an object', { method: 'totp', timestamp: NOW }],
    ['null', null],
    ['a list with a number', ['pwd', 7]],
    ['a list with a list', [['mfa']]],
    ['a method without a name', [{ timestamp: NOW }]],
    ['a moment as text', [{ method: 'totp', timestamp: '2026-11-25T02:00:00Z' }]],
    ['a moment in milliseconds', [{ method: 'totp', timestamp: NOW_MS }]],
    ['a moment to come', [{ method: 'totp', timestamp: NOW + 60 }]],
    ['a moment before time', [{ method: 'totp', timestamp: -1 }]],
  ])('Methods that are listed with their moments are told to be unreadable where they are %s', async (_what, amr) => {
    const { verify, check } = bench({ step_up: { amr: ['mfa'] } });
    const odd = await token({ amr });
    const answer = await verify({ token: odd });
    expect(answer).toMatchObject({ valid: false, code: 'amr_invalid', message: expect.stringContaining('amr') });
    const { signals } = await check('hardware', { step_up_token: odd });
    expect(signals.step_up.facts['step_up.amr']).toBeUndefined();
  });

  test('Methods that are listed with their moments are unknown where the token does not tell them', async () => {
    const { check } = bench();
    const { signals } = await check('transfer', { step_up_token: await token() });
    expect(signals.step_up.facts).not.toHaveProperty('step_up.amr');
    const none = await check('transfer', { step_up_token: await token({ amr: [] }) });
    expect(none.signals.step_up.facts['step_up.amr']).toEqual([]);
  });
});

/** @see https://github.com/openid/authzen/issues/492 */
describe('a token by which software acts for somebody', () => {
  test.each([
    [{ sub: 'assistant-7' }, 'actor_not_subject'],
    [{ sub: 'assistant-7', act: { sub: 'gateway' } }, 'actor_not_subject'],
    [{ client_id: 'assistant-7' }, 'actor_not_subject'],
    [{ sub: 'u1' }, 'actor_not_subject'],
    ['assistant-7', 'actor_invalid'],
    [['assistant-7'], 'actor_invalid'],
    [{}, 'actor_invalid'],
    [{ sub: 7 }, 'actor_invalid'],
    [{ sub: '' }, 'actor_invalid'],
    [null, 'actor_invalid'],
    [true, 'actor_invalid'],
  ])('A token by which software acts for somebody is no proof of the person: act %j', async (act, code) => {
    const { verify, check } = bench();
    const acting = await token({ act });
    expect(await verify({ token: acting, subject: 'u1' })).toMatchObject({ valid: false, code });
    expect(await check('transfer', { step_up_token: acting })).toMatchObject({ step_up: { error: { code } } });
  });

  test('A token by which software acts for somebody teaches nothing about the person, whatever is allowed', async () => {
    const app = bench();
    const acting = { ip: '52.95.110.1', device: DEVICE, step_up_token: await token({ act: { sub: 'assistant-7' } }) };
    expect(await app.check('browse', acting)).toMatchObject({ decision: 'allow' });
    const stored = await (await app.app.request('/v1/subjects/u1', { headers: AUTHORIZED })).json();
    expect(stored.baseline).toBeNull();
    await app.check('browse', { ...acting, step_up_token: null });
    const learned = await (await app.app.request('/v1/subjects/u1', { headers: AUTHORIZED })).json();
    expect(learned.baseline).toMatchObject({ networks: 1, learned: 1 });
  });

  test('A token by which software acts for somebody as a session confirms nothing at a gateway, and its network is not learned', async () => {
    const rig = await gatewayScene();
    try {
      const acting = await rig.token({ sub: 'u1', su: true, act: { sub: 'assistant-7' } });
      const headers = { Authorization: `Bearer ${acting}`, 'X-Forwarded-For': '52.95.110.1' };
      const answer = await rig.forward('PUT', '/api/pay', headers);
      expect(answer.status).toBe(401);
      expect(answer.headers['x-stepgate-reasons']).not.toContain('step_up_satisfied');
      expect(answer.headers['www-authenticate']).toContain('actor_not_subject');
      expect((await rig.forward('GET', '/public/a', headers)).status).toBe(200);
      await rig.settled();
      const stored = await (await rig.app.request('/v1/subjects/u1', { headers: AUTHORIZED })).json();
      expect(stored.baseline).toBeNull();
      expect(stored.counters).toMatchObject({ addresses_1h: 0, countries_24h: 0 });
    } finally {
      await rig.close();
    }
  });
});

/** @see https://github.com/Azure/data-api-builder/pull/788 */
test('A token that lives for a week says who somebody is, and proves nothing', async () => {
  const rig = await gatewayScene({ issuers: [idp.entry()] });
  try {
    const week = await token({ auth_time: NOW - 86_400, iat: NOW - 86_400, exp: NOW + 6 * 86_400 });
    const headers = { Authorization: `Bearer ${week}` };
    const page = await rig.forward('GET', '/public/a', headers);
    expect(page.headers['x-stepgate-subject']).toBe('u1');
    const pay = await rig.forward('PUT', '/api/pay', headers);
    expect(pay.status).toBe(401);
    expect(pay.headers['www-authenticate']).toContain('exp_implausible');
  } finally {
    await rig.close();
  }
  const { verify } = bench();
  const long = await token({ exp: NOW + 7 * 86_400 });
  expect(await verify({ token: long, subject: 'u1' })).toMatchObject({ valid: false, code: 'exp_implausible' });
  expect(await verify({ token: long, subject: 'u2' })).toMatchObject({ valid: false, code: 'subject_mismatch' });
});
