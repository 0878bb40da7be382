import { describe, expect, test } from 'vitest';
import { issuer } from '../../support/issuer.ts';
import { NOW_MS, scene } from '../../support/scene.ts';

const ISSUER = 'https://idp.example';
const NOW = NOW_MS / 1000;

const idp = issuer({ name: ISSUER, audience: 'api', now: () => NOW_MS });
const sign = (claims: object = {}) =>
  idp.sign({ su: true, sub: 'user-123', jti: 'proof-1', exp: NOW + 590, ...claims }, 10);

const appWithIssuer = () => scene({ issuers: [idp.entry()] });

describe('POST /v1/step-up/verify', () => {
  test('POST /v1/step-up/verify answers with the evidence of a valid proof', async () => {
    const response = await appWithIssuer().post('/v1/step-up/verify', { token: await sign(), subject: 'user-123' });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      valid: true,
      proof: { issuer: ISSUER, subject: 'user-123', auth_time: NOW - 10, expires_at: '2026-11-25T02:09:50Z' },
    });
  });

  test('POST /v1/step-up/verify answers 200 with a code and a message to one that is not, and never repeats it', async () => {
    const { post } = appWithIssuer();
    const token = await sign();
    const cases: [object, string][] = [
      [{ token, subject: 'somebody-else' }, 'subject_mismatch'],
      [{ token, max_age: 5 }, 'token_too_old'],
      [{ token, amr_values: ['webauthn'] }, 'amr_missing'],
      [{ token: 'not.a.token' }, 'malformed'],
    ];
    for (const [body, code] of cases) {
      const response = await post('/v1/step-up/verify', body);
      expect(response.status).toBe(200);
      const text = await response.text();
      expect(JSON.parse(text)).toMatchObject({ valid: false, code, message: expect.any(String) });
      expect(text).not.toContain(token);
    }
  });

  test('POST /v1/step-up/verify without a subject takes anybody’s proof', async () => {
    const response = await appWithIssuer().post('/v1/step-up/verify', { token: await sign() });
    expect(await response.json()).toMatchObject({ valid: true });
  });

  test('POST /v1/step-up/verify spends a single-use proof, for the check as well', async () => {
    const { post } = appWithIssuer();
    const token = await sign({ jti: 'once' });
    const verify = async () => (await post('/v1/step-up/verify', { token, single_use: true })).json();
    expect(await verify()).toMatchObject({ valid: true });
    expect(await verify()).toMatchObject({ valid: false, code: 'replayed' });
  });

  test('POST /v1/step-up/verify says no_issuer where none is configured', async () => {
    const response = await scene({ issuers: [] }).post('/v1/step-up/verify', { token: await sign() });
    expect(await response.json()).toMatchObject({ valid: false, code: 'no_issuer' });
  });

  test('POST /v1/step-up/verify refuses unknown keys', async () => {
    const response = await appWithIssuer().post('/v1/step-up/verify', { token: await sign(), singleUse: true });
    expect(response.status).toBe(400);
    const { errors } = await response.json();
    expect(errors.map(({ path }: { path: string }) => path)).toEqual(['singleUse']);
  });

  test('POST /v1/step-up/verify takes no token for no proof, and says what to ask for as a risk check does: within the terms of the issuer', async () => {
    const { post } = appWithIssuer();
    const asked = { subject: 'user-123', acr_values: ['gold'], max_age: 86_400, single_use: true };
    for (const token of [undefined, null, 'not.a.token']) {
      const answer = await (await post('/v1/step-up/verify', { ...asked, token })).json();
      expect(answer).toMatchObject({
        valid: false,
        code: token === 'not.a.token' ? 'malformed' : 'token_missing',
        step_up: { acr_values: ['gold'], amr_values: [], max_age: 0, single_use: true },
      });
      expect(answer.step_up.www_authenticate).toContain(`${answer.code}: `);
      expect(answer.step_up.www_authenticate).toContain('acr_values="gold", max_age="0"');
    }
    const { step_up: reusable } = await (await post('/v1/step-up/verify', { ...asked, single_use: false })).json();
    expect(reusable).toMatchObject({ max_age: 600, single_use: false });
    expect(reusable.www_authenticate).toContain('acr_values="gold", max_age="600"');
  });

  test('POST /v1/step-up/verify holds a proof that names a session to the one that is asked for', async () => {
    const { post } = appWithIssuer();
    const token = await sign({ sid: 's-1' });
    const verify = async (session: string | null) => (await post('/v1/step-up/verify', { token, session })).json();
    expect(await verify('s-1')).toMatchObject({ valid: true });
    expect(await verify(null)).toMatchObject({ valid: true });
    expect(await verify('s-2')).toMatchObject({ valid: false, code: 'session_mismatch' });
  });
});

describe('POST /v1/risk-check with a proof', () => {
  const transfer = { subject: 'user-123', action: 'payment.transfer', context: { amount: 1200 } };

  test('POST /v1/risk-check with a proof allows what asked for a step-up', async () => {
    const { post } = appWithIssuer();
    expect(await (await post('/v1/risk-check', transfer)).json()).toMatchObject({ decision: 'step-up' });
    const response = await post('/v1/risk-check', { ...transfer, step_up_token: await sign() });
    expect(await response.json()).toMatchObject({ decision: 'allow', step_up: { required: true, satisfied: true } });
  });

  test('POST /v1/risk-check with a proof says in body and challenge why a proof was not taken', async () => {
    const token = await sign({ auth_time: NOW - 400 });
    const response = await appWithIssuer().post('/v1/risk-check', { ...transfer, step_up_token: token });
    const answer = await response.json();
    expect(answer).toMatchObject({
      decision: 'step-up',
      step_up: { satisfied: false, error: { code: 'token_too_old' } },
    });
    expect(answer.step_up.www_authenticate).toContain('token_too_old');
    expect(JSON.stringify(answer)).not.toContain(token);
  });
});
