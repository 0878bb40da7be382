import { decodeJwt } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { stepUpIssuers } from '../../../src/step-up/issuers.ts';
import { joseVerifier } from '../../../src/step-up/jose.ts';
import { type Answer, advance, type Bank, closeDay, issuerEntry, MAX_AGE, openDay } from '../../support/idp/bank.ts';
import { API, type IdentityProvider, LOA1, LOA2, LOA3, OTHER_API } from '../../support/idp/provider.ts';
import { parseChallenge, type UserAgent, userAgent } from '../../support/idp/user-agent.ts';
import { post, type Workshop, workshop } from '../../support/servers/stepgate.ts';
import { until } from '../../support/until.ts';

let shop: Workshop;
let idp: IdentityProvider;
let bank: Bank;
let alice: UserAgent;

beforeAll(async () => {
  shop = await workshop();
});
afterAll(() => shop.close());
beforeEach(async () => {
  ({ idp, bank, alice } = await openDay(shop));
});
afterEach(() => closeDay(shop, idp));

/** The authorization request that a client makes of a challenge: exactly what it says, and nothing else. */
function asked(answer: Answer) {
  return parseChallenge(answer.step_up?.www_authenticate ?? '');
}

const errorOf = (answer: Answer) => answer.step_up?.error?.code;
const codesOf = ({ reasons }: Answer) => reasons.map(({ code }) => code);

describe('a person with a password session', () => {
  test('A person with a password session is challenged, steps up as the challenge says, and is let through', async () => {
    const session = await alice.authorize();
    expect(decodeJwt(session.accessToken)).toMatchObject({ acr: LOA1, amr: ['pwd'], aud: API });

    const challenged = await bank.check('payment.transfer', session.accessToken);
    expect(challenged.decision).toBe('step-up');
    expect(errorOf(challenged)).toBe('acr_too_low');
    expect(asked(challenged)).toEqual({ acrValues: [LOA2], maxAge: MAX_AGE });

    const steppedUp = await alice.authorize(asked(challenged));
    expect(steppedUp.pages).toEqual([{ reasons: ['acr_values'], asks: ['pwd', 'otp'] }]);
    expect(decodeJwt(steppedUp.accessToken)).toMatchObject({ acr: LOA2, amr: ['pwd', 'otp'] });

    const allowed = await bank.check('payment.transfer', steppedUp.accessToken);
    expect(allowed.decision).toBe('allow');
    expect(allowed.step_up?.satisfied).toBe(true);
    expect(codesOf(allowed)).toEqual(['transfer_guarded', 'step_up_satisfied']);
  });

  test('A person with a password session who has no second factor is given a token of the class they reached, and it is not enough', async () => {
    const bob = userAgent(idp, { account: 'bob', methods: ['pwd'] });
    const tokens = await bob.authorize(asked(await bank.check('payment.transfer')));
    const answer = await bank.check('payment.transfer', tokens.accessToken, { subject: 'bob' });
    expect(answer.decision).toBe('step-up');
    expect(errorOf(answer)).toBe('acr_too_low');
  });

  test('A person with a password session who reached a higher class than asked is let through without another log-in', async () => {
    const carol = userAgent(idp, { account: 'carol', methods: ['pwd', 'hwk'] });
    await carol.authorize({ acrValues: [LOA3] });
    const tokens = await carol.authorize(asked(await bank.check('payment.transfer')));
    expect(tokens.pages).toEqual([]);
    const answer = await bank.check('payment.transfer', tokens.accessToken, { subject: 'carol' });
    expect(codesOf(answer)).toContain('step_up_satisfied');
  });
});

describe('a proof that is too old', () => {
  test('A proof that is too old is refused by its auth_time, and the max_age of the challenge makes the provider ask again', async () => {
    const early = await alice.authorize({ acrValues: [LOA2] });
    advance(MAX_AGE);
    expect((await bank.check('payment.transfer', early.accessToken)).decision).toBe('allow');
    advance(1);
    const challenged = await bank.check('payment.transfer', early.accessToken);
    expect(challenged.decision).toBe('step-up');
    expect(errorOf(challenged)).toBe('token_too_old');

    const again = await alice.authorize(asked(challenged));
    expect(again.pages).toEqual([{ reasons: ['max_age'], asks: ['pwd', 'otp'] }]);
    expect((await bank.check('payment.transfer', again.accessToken)).decision).toBe('allow');
  });

  test('A proof that is too old is refused though the token itself was made a moment ago from the session at the provider', async () => {
    await alice.authorize({ acrValues: [LOA2] });
    advance(MAX_AGE + 1);
    const { accessToken, pages } = await alice.authorize({ acrValues: [LOA2] });
    expect(pages).toEqual([]);
    expect(decodeJwt(accessToken).iat).toBe(Date.now() / 1000);
    expect(errorOf(await bank.check('payment.transfer', accessToken))).toBe('token_too_old');
  });
});

describe('a refresh', () => {
  test('A refresh keeps class and moment of the log-in, so that it is a proof for as long as they are', async () => {
    const tokens = await alice.authorize({ acrValues: [LOA2] });
    const before = decodeJwt(tokens.accessToken);
    advance(MAX_AGE - 10);
    const fresh = await alice.refresh(tokens);
    const after = decodeJwt(fresh.accessToken);
    expect(after).toMatchObject({ acr: LOA2, amr: ['pwd', 'otp'], auth_time: before.auth_time });
    expect(after.iat).toBe((before.iat ?? 0) + MAX_AGE - 10);
    expect((await bank.check('payment.transfer', fresh.accessToken)).decision).toBe('allow');

    advance(60);
    const later = await alice.refresh(fresh);
    const answer = await bank.check('payment.transfer', later.accessToken);
    expect(answer.decision).toBe('step-up');
    expect(errorOf(answer)).toBe('token_too_old');
  });

  /** @see https://github.com/keycloak/keycloak/issues/43968 */
  test('A refresh that loses the class is stepped up again and never denied; the class of the token before does not count', async () => {
    idp.onRefresh((claims) => ({ ...claims, acr: LOA1 }));
    const tokens = await alice.authorize({ acrValues: [LOA2] });
    expect((await bank.check('payment.transfer', tokens.accessToken)).decision).toBe('allow');
    const answer = await bank.check('payment.transfer', (await alice.refresh(tokens)).accessToken);
    expect(answer.decision).toBe('step-up');
    expect(errorOf(answer)).toBe('acr_too_low');
    expect(asked(answer)).toEqual({ acrValues: [LOA2], maxAge: MAX_AGE });
  });

  /** @see https://github.com/leodip/goiabada/issues/125 */
  test('A refresh that looks fresh but names a class without rank is no proof', async () => {
    idp.onRefresh((claims) => ({ ...claims, acr: 'urn:bank:pwd', auth_time: Date.now() / 1000 }));
    const tokens = await alice.authorize({ acrValues: [LOA2] });
    advance(7200);
    const answer = await bank.check('payment.transfer', (await alice.refresh(tokens)).accessToken);
    expect(answer.decision).toBe('step-up');
    expect(errorOf(answer)).toBe('acr_unknown');
  });

  test('A refresh that drops auth_time is no proof, since iat would make every refresh a log-in', async () => {
    idp.onRefresh(({ acr, amr }) => ({ acr, amr }) as { acr: string });
    const tokens = await alice.authorize({ acrValues: [LOA2] });
    const answer = await bank.check('payment.transfer', (await alice.refresh(tokens)).accessToken);
    expect(answer.decision).toBe('step-up');
    expect(errorOf(answer)).toBe('auth_time_missing');
    expect(answer.step_up?.error?.message).toContain('auth_time');
  });
});

describe('a single-use proof', () => {
  test('A single-use proof is spent by the first check, and with it every token that the provider makes of that log-in', async () => {
    const tokens = await alice.authorize({ acrValues: [LOA2] });
    expect(codesOf(await bank.check('payout.approve', tokens.accessToken))).toContain('step_up_satisfied');
    const second = await bank.check('payout.approve', tokens.accessToken);
    expect(second.decision).toBe('step-up');
    expect(errorOf(second)).toBe('replayed');
    const refreshed = await alice.refresh(tokens);
    const silent = await alice.authorize({ acrValues: [LOA2] });
    expect(silent.pages).toEqual([]);
    for (const { accessToken } of [refreshed, silent]) {
      expect(errorOf(await bank.check('payout.approve', accessToken))).toBe('replayed');
    }
  });

  test('A single-use proof is asked for with a log-in of now, which the provider then demands although it has a session', async () => {
    const { accessToken } = await alice.authorize({ acrValues: [LOA2] });
    await bank.check('payout.approve', accessToken);
    advance(2);
    const next = await alice.authorize(asked(await bank.check('payout.approve')));
    expect(next.pages).not.toEqual([]);
    expect((await bank.check('payout.approve', next.accessToken)).decision).toBe('allow');
  });

  test('A single-use proof presented many times at once lets exactly one request through', async () => {
    const { accessToken } = await alice.authorize({ acrValues: [LOA2] });
    const answers = await Promise.all(Array.from({ length: 20 }, () => bank.check('payout.approve', accessToken)));
    expect(answers.filter(({ decision }) => decision === 'allow')).toHaveLength(1);
    expect(answers.filter((answer) => errorOf(answer) === 'replayed')).toHaveLength(19);
  });
});

describe('a device', () => {
  const device = { fingerprint: 'b1946ac92492d2347c6235b4d2611184' };

  test('A device becomes trusted by a satisfied step-up where the action says so', async () => {
    const { accessToken } = await alice.authorize({ acrValues: [LOA2] });
    const first = await bank.check('device.remember', accessToken, { device });
    expect(first.decision).toBe('allow');
    const token = first.device?.token;
    expect(token).toEqual(expect.any(String));
    await until(async () => {
      const next = await bank.check('catalogue', undefined, { device: { ...device, token } });
      return next.signals.device?.facts?.['device.trusted'] === true;
    });
    const transfer = await bank.check('payment.transfer', accessToken, { device });
    expect(transfer.device?.token).toBeUndefined();
  });

  test('A device becomes trusted by a reported step-up that asks for it', async () => {
    const event = { type: 'step_up.succeeded', subject: 'alice', device, trust_device: true };
    const { status, text } = await post(`${bank.url}/v1/events`, JSON.stringify(event));
    expect(status).toBe(202);
    const { token } = JSON.parse(text).device;
    const next = await bank.check('catalogue', undefined, { device: { ...device, token } });
    expect(next.signals.device?.facts).toMatchObject({ 'device.trusted': true });
  });
});

describe('a token of the same provider that is meant otherwise', () => {
  test('A token of the same provider that is meant otherwise for another API is refused by its audience', async () => {
    const { accessToken } = await alice.authorize({ acrValues: [LOA2], resource: OTHER_API });
    const answer = await bank.check('payment.transfer', accessToken);
    expect(answer.decision).toBe('step-up');
    expect(answer.step_up?.error).toMatchObject({
      code: 'audience_mismatch',
      message: `the token is for "${OTHER_API}", expected ${API}`,
    });
  });

  test('A token of the same provider that is meant otherwise of another person, got through another client, is refused by its subject', async () => {
    const mallory = userAgent(idp, { account: 'mallory', methods: ['pwd', 'otp'] });
    const { accessToken } = await mallory.authorize({ acrValues: [LOA2], client: 'back-office' });
    const answer = await bank.check('payment.transfer', accessToken);
    expect(answer.decision).toBe('step-up');
    expect(answer.step_up?.error).toMatchObject({
      code: 'subject_mismatch',
      message: 'the proof is of "mallory", the request is of "alice"',
    });
  });

  test('A token of the same provider that is meant otherwise as an ID token is refused by its type, and by nothing else', async () => {
    const { idToken } = await alice.authorize({ acrValues: [LOA2] });
    expect(errorOf(await bank.check('payment.transfer', idToken))).toBe('typ_not_allowed');

    const verify = (changes: object) => {
      const issuers = stepUpIssuers.parse([issuerEntry(idp, { audience: ['shop', API], ...changes })]);
      return joseVerifier({ issuers, fetch }).verify(idToken, Date.now());
    };
    expect(await verify({})).toMatchObject({ valid: false, error: { code: 'typ_not_allowed' } });
    expect(await verify({ typ: undefined })).toMatchObject({
      valid: true,
      proof: { subject: 'alice', steppedUp: true, acr: LOA2, amr: ['pwd', 'otp'] },
    });
  });

  test('A token of the same provider that is meant otherwise whose signature was altered is refused, and counts as a failure of the subject', async () => {
    const { accessToken } = await alice.authorize({ acrValues: [LOA2] });
    const [header, payload, signature = ''] = accessToken.split('.');
    const forged = `${header}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
    expect(errorOf(await bank.check('payment.transfer', forged))).toBe('signature_invalid');
    await until(async () => {
      const { signals } = await bank.check('catalogue');
      return signals.velocity?.facts?.['subject.failures_10m'] === 1;
    });
  });
});

test('POST /v1/step-up/verify takes the provider’s token and tells its evidence', async () => {
  const { accessToken } = await alice.authorize({ acrValues: [LOA2] });
  const ask = async (body: object) =>
    JSON.parse((await post(`${bank.url}/v1/step-up/verify`, JSON.stringify({ token: accessToken, ...body }))).text);
  expect(await ask({ subject: 'alice', acr_values: [LOA2], max_age: 60 })).toMatchObject({
    valid: true,
    proof: { issuer: idp.issuer, subject: 'alice', acr: LOA2, amr: ['pwd', 'otp'], auth_time: Date.now() / 1000 },
  });
  expect(await ask({ acr_values: [LOA3] })).toMatchObject({ valid: false, code: 'acr_too_low' });
});
