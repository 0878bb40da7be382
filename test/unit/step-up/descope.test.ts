import descopeClient from '@descope/node-sdk';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ProofVerifier } from '../../../src/model/proof.ts';
import { stepUpIssuers } from '../../../src/step-up/issuers.ts';
import { joseVerifier } from '../../../src/step-up/jose.ts';
import { NOW, NOW_MS, type SigningKey, sign, signingKey } from '../../support/step-up/tokens.ts';

const PROJECT = 'P2abcDEFghiJKLmnoPQRstuVWXyz';
const refuseNetwork = () => Promise.reject(new Error('no network in this test'));

let key: SigningKey;
let stranger: SigningKey;
let stepgate: ProofVerifier;
let descope: ReturnType<typeof descopeClient>;

beforeAll(async () => {
  key = await signingKey('SK1', 'RS256');
  stranger = await signingKey('SK1', 'RS256');
  // The other library reads the clock itself.
  vi.useFakeTimers({ now: NOW_MS, toFake: ['Date'] });
});
afterAll(() => {
  vi.useRealTimers();
});
beforeEach(() => {
  descope = descopeClient({ projectId: PROJECT, publicKey: JSON.stringify({ ...key.jwk, alg: 'RS256' }) });
  stepgate = joseVerifier({
    issuers: stepUpIssuers.parse([{ preset: 'descope', project_id: PROJECT, jwks: { keys: [key.jwk] } }]),
    fetch: refuseNetwork,
  });
});

/** A session token after a step-up, as Descope makes it: no audience, no auth_time, no jti. */
function token(claims: Record<string, unknown> = {}, by: SigningKey = key, header: Record<string, unknown> = {}) {
  return sign(
    by,
    {
      iss: PROJECT,
      sub: 'U2user',
      drn: 'DS',
      amr: ['email', 'mfa'],
      rexp: '2025-04-07T12:00:00Z',
      su: true,
      iat: NOW - 10,
      exp: NOW + 590,
      aud: undefined,
      acr: undefined,
      auth_time: undefined,
      ...claims,
    },
    header,
  );
}

async function verdicts(made: Promise<string>): Promise<{ stepgate: string; descope: string }> {
  const text = await made;
  const ours = await stepgate.verify(text, NOW_MS);
  const theirs = await descope.validateJwt(text).then(
    () => 'valid',
    () => 'refused',
  );
  const flaw = ours.valid ? (ours.proof.flaw?.code ?? 'valid') : ours.error.code;
  return { stepgate: flaw, descope: theirs };
}

describe('the same verdict as the library of the provider', () => {
  test.each([
    ['the bare project', PROJECT],
    ['an address that ends in the project', `https://api.descope.com/v1/apps/${PROJECT}`],
    ['an address with the project before its last part', `https://api.descope.com/v1/apps/agentic/${PROJECT}/MS1`],
  ])('The verdict is that of the provider’s library for a good token whose issuer is %s', async (_form, iss) => {
    expect(await verdicts(token({ iss }))).toEqual({ stepgate: 'valid', descope: 'valid' });
  });

  test.each([
    ['of another project', { iss: 'P2other' }, 'issuer_unknown'],
    ['with the project too early in its address', { iss: `https://x.example/${PROJECT}/a/b` }, 'issuer_unknown'],
    ['that has expired', { exp: NOW - 5 }, 'expired'],
    ['that is not yet valid', { nbf: NOW + 60 }, 'not_yet_valid'],
    ['whose exp is a text', { exp: String(NOW + 60) }, 'exp_invalid'],
  ])('The verdict is that of the provider’s library for a token %s', async (_what, claims, code) => {
    expect(await verdicts(token(claims))).toEqual({ stepgate: code, descope: 'refused' });
  });

  test('The verdict is that of the provider’s library for the last moment of the tolerance and the one after', async () => {
    expect(await verdicts(token({ exp: NOW - 4 }))).toEqual({ stepgate: 'valid', descope: 'valid' });
    expect(await verdicts(token({ exp: NOW - 5 }))).toEqual({ stepgate: 'expired', descope: 'refused' });
  });

  test('The verdict is that of the provider’s library for the signature of another key, an altered payload and an unknown kid', async () => {
    expect(await verdicts(token({}, stranger))).toEqual({ stepgate: 'signature_invalid', descope: 'refused' });
    const [header, , signature] = (await token()).split('.');
    const payload = (await token({ sub: 'U2admin' })).split('.')[1];
    const altered = Promise.resolve(`${header}.${payload}.${signature}`);
    expect(await verdicts(altered)).toEqual({ stepgate: 'signature_invalid', descope: 'refused' });
    const unknown = token({}, key, { kid: 'SK9' });
    expect(await verdicts(unknown)).toEqual({ stepgate: 'key_unknown', descope: 'refused' });
  });
});

describe('deliberately stricter than the library of the provider', () => {
  test.each([
    ['never expires', { exp: undefined }, 'exp_missing'],
    ['expires in milliseconds', { exp: (NOW + 600) * 1000 }, 'exp_implausible'],
    ['lives longer than a day', { exp: NOW + 100_000 }, 'exp_implausible'],
    ['was issued in the future', { iat: NOW + 60 }, 'iat_in_future'],
    ['is a refresh token', { drn: 'DSR' }, 'token_type'],
    ['is meant for another audience', { aud: 'another-app' }, 'audience_mismatch'],
    ['has no subject', { sub: undefined }, 'subject_missing'],
    ['tells neither auth_time nor iat', { iat: undefined }, 'auth_time_missing'],
    ['tells an auth_time in milliseconds', { auth_time: NOW_MS }, 'auth_time_invalid'],
    ['comes over plain http by its issuer', { iss: `http://api.descope.com/${PROJECT}` }, 'issuer_unknown'],
    ['names its project in no address', { iss: `x/${PROJECT}` }, 'issuer_unknown'],
    ['tells of a security event', { events: {} }, 'security_event_token'],
  ])('A token that %s is refused', async (_what, claims, code) => {
    expect(await verdicts(token(claims))).toEqual({ stepgate: code, descope: 'valid' });
  });

  test('A token of an event by its type is refused', async () => {
    expect(await verdicts(token({}, key, { typ: 'secevent+jwt' }))).toEqual({
      stepgate: 'security_event_token',
      descope: 'valid',
    });
  });

  test('A session that was not stepped up is genuine but no proof', async () => {
    const verdict = await stepgate.verify(await token({ su: undefined }), NOW_MS);
    expect(verdict).toMatchObject({ valid: true, proof: { steppedUp: false } });
  });
});

test('The audience is the project unless one is set, and then a token without any is refused', async () => {
  expect(await verdicts(token({ aud: [PROJECT] }))).toEqual({ stepgate: 'valid', descope: 'valid' });
  stepgate = joseVerifier({
    issuers: stepUpIssuers.parse([
      { preset: 'descope', project_id: PROJECT, audience: 'bank', jwks: { keys: [key.jwk] } },
    ]),
    fetch: refuseNetwork,
  });
  expect((await verdicts(token({ aud: ['bank', PROJECT] }))).stepgate).toBe('valid');
  expect((await verdicts(token({ aud: [PROJECT] }))).stepgate).toBe('audience_mismatch');
  expect((await verdicts(token())).stepgate).toBe('audience_missing');
});
