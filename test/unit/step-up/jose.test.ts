import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { exportSPKI, importJWK } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { judgeProof } from '../../../src/step-up/requirement.ts';
import {
  AUDIENCE,
  forge,
  goodClaims,
  ISSUER,
  NOW,
  NOW_MS,
  proofOf,
  refusalOf,
  type SigningKey,
  sign,
  signingKey,
  signText,
  verifierOf,
} from '../../support/step-up/tokens.ts';

let key: SigningKey;
beforeAll(async () => {
  key = await signingKey();
});

/** Code of the refusal of a good token with these claims changed, or of what keeps it from being a proof. */
async function codeFor(changes: Record<string, unknown>, settings: Record<string, unknown> = {}): Promise<string> {
  const verdict = await verifierOf([key.jwk], settings).verify(await sign(key, changes), NOW_MS);
  return verdict.valid ? (verdict.proof.flaw?.code ?? 'valid') : verdict.error.code;
}

describe('a genuine token', () => {
  test('A genuine token yields its evidence', async () => {
    const token = await sign(key, { jti: 'j-1', sid: 's1' });
    expect(await verifierOf([key.jwk]).verify(token, NOW_MS)).toEqual({
      valid: true,
      proof: {
        issuer: ISSUER,
        subject: 'u1',
        space: 'default',
        actor: null,
        steppedUp: true,
        acr: '2',
        amr: ['pwd', 'otp'],
        authTime: 1_741_608_000,
        authTimeStated: true,
        maxAgeSeconds: 600,
        expiresAt: 1_741_608_300,
        id: 'j-1',
        session: 's1',
        toleranceSeconds: 5,
      },
    });
  });

  test('A genuine token without jti is identified by its signed part, so that a rewritten signature is the same proof', async () => {
    const token = await sign(key);
    const [header = '', payload = '', signature = ''] = token.split('.');
    // Every ECDSA signature (r, s) has a twin (r, n − s) that anybody can compute.
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const bytes = Buffer.from(signature, 'base64url');
    const s = BigInt(`0x${bytes.subarray(32).toString('hex')}`);
    const twin = Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex');
    const rewritten = `${header}.${payload}.${Buffer.concat([bytes.subarray(0, 32), twin]).toString('base64url')}`;
    const verifier = verifierOf([key.jwk]);
    const { id } = await proofOf(verifier, token);
    expect(id).toMatch(/^[\w-]{43}$/);
    expect((await proofOf(verifier, rewritten)).id).toBe(id);
    expect((await proofOf(verifier, await sign(key, { sub: 'u2' }))).id).not.toBe(id);
  });

  test('A genuine token is remembered until it expires and not a moment longer', async () => {
    const verifier = verifierOf([key.jwk]);
    const token = await sign(key);
    const first = await verifier.verify(token, NOW_MS);
    expect(await verifier.verify(token, NOW_MS + 60_000)).toBe(first);
    expect(await verifier.verify(token, 1_741_608_304_999)).toBe(first);
    expect((await refusalOf(verifier, token, 1_741_608_305_000)).code).toBe('expired');
  });

  test('A genuine token that was taken is checked anew when the clock is set back behind it', async () => {
    const verifier = verifierOf([key.jwk]);
    const token = await sign(key);
    await proofOf(verifier, token);
    expect((await refusalOf(verifier, token, 1_741_607_000_000)).code).toBe('iat_in_future');
  });

  test('A genuine token that was refused is checked anew, so that waiting for nbf helps', async () => {
    const verifier = verifierOf([key.jwk]);
    const token = await sign(key, { nbf: NOW + 60 });
    expect((await refusalOf(verifier, token)).code).toBe('not_yet_valid');
    expect((await proofOf(verifier, token, NOW_MS + 60_000)).subject).toBe('u1');
  });
});

describe('the shape of a token', () => {
  test.each([
    ['an empty text', '', 'malformed'],
    ['one word', 'token', 'malformed'],
    ['five parts, as an encrypted token has', 'a.b.c.d.e', 'malformed'],
    ['characters outside base64url', 'a+b.c/d.e=', 'malformed'],
    ['a header that is no JSON', 'YQ.YQ.YQ', 'malformed'],
    ['a payload that is no object', `${Buffer.from('{"alg":"ES256"}').toString('base64url')}.W10.YQ`, 'malformed'],
    ['more than sixteen thousand characters', `a.${'b'.repeat(16 * 1024)}.c`, 'too_large'],
  ])('%s is refused by name', async (_what, token, code) => {
    expect(await refusalOf(verifierOf([key.jwk]), token)).toMatchObject({ code, suspicious: false });
  });

  test('No text of any kind makes the verifier reject', async () => {
    const verifier = verifierOf([key.jwk]);
    const part = fc.oneof(
      fc.string(),
      fc.json().map((text) => Buffer.from(text).toString('base64url')),
      fc.constantFrom(...forge({ alg: 'ES256', kid: 'k1' }, goodClaims(), 'YQ').split('.')),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.array(part, { maxLength: 5 }).map((parts) => parts.join('.')),
        ),
        async (token) => {
          const error = await refusalOf(verifier, token);
          expect(error.code).toMatch(/^[a-z_]+$/);
          expect(error.code).not.toBe('verifier_fault');
        },
      ),
    );
  });

  test('No claims that the issuer itself signs make the verifier reject', async () => {
    const verifier = verifierOf([key.jwk]);
    const names = [
      'iss',
      'aud',
      'sub',
      'exp',
      'iat',
      'nbf',
      'auth_time',
      'acr',
      'amr',
      'su',
      'jti',
      'sid',
      '__proto__',
    ];
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.constantFrom(...names), fc.jsonValue()), async (changes) => {
        const verdict = await verifier.verify(await sign(key, changes), NOW_MS);
        if (!verdict.valid) expect(verdict.error.code).not.toBe('verifier_fault');
      }),
      { numRuns: 300 },
    );
  });
});

describe('issuer and audience', () => {
  test('A token of an issuer that is not configured is refused, with both names', async () => {
    const token = await sign(key, { iss: 'https://idp.example/' });
    expect(await refusalOf(verifierOf([key.jwk]), token)).toEqual({
      code: 'issuer_unknown',
      message: 'the token is issued by "https://idp.example/", configured are: https://idp.example',
      suspicious: true,
    });
  });

  /** @see https://github.com/trinodb/trino/issues/13442 */
  test.each([
    [['account', AUDIENCE], 'valid'],
    [AUDIENCE, 'valid'],
    [['account'], 'audience_mismatch'],
    [[], 'audience_mismatch'],
    [undefined, 'audience_missing'],
    [`${AUDIENCE} account`, 'audience_mismatch'],
    [{ '0': AUDIENCE }, 'audience_malformed'],
    [[AUDIENCE, 7], 'audience_malformed'],
    [null, 'audience_malformed'],
    [AUDIENCE.toUpperCase(), 'audience_mismatch'],
  ])('aud %j gives %s', async (aud, code) => {
    expect(await codeFor({ aud })).toBe(code);
  });

  test('Keys of one issuer never vouch for another', async () => {
    const other = await signingKey('k1');
    const token = await sign(other);
    expect(await refusalOf(verifierOf([key.jwk]), token)).toMatchObject({
      code: 'signature_invalid',
      suspicious: true,
    });
  });
});

describe('times', () => {
  /** @see https://github.com/jpadilla/pyjwt/issues/261 */
  test.each([
    ['exp', 'exp_missing'],
    ['iss', 'issuer_missing'],
    ['aud', 'audience_missing'],
    ['sub', 'subject_missing'],
  ])('A token without %s is refused as %s', async (claim, code) => {
    expect(await codeFor({ [claim]: undefined })).toBe(code);
  });

  /** @see https://github.com/jpadilla/pyjwt/issues/261 */
  test('A token without auth_time and iat is no proof, for nothing tells how fresh it is', async () => {
    expect(await codeFor({ auth_time: undefined, iat: undefined })).toBe('auth_time_missing');
  });

  /** @see https://github.com/jpadilla/pyjwt/issues/261 */
  test.each([
    ['su', { su: undefined }, 'not_stepped_up'],
    ['acr', { acr: undefined }, 'acr_missing'],
    ['auth_time, issued by a provider that renews iat on refresh', { auth_time: undefined }, 'auth_time_missing'],
  ])('A token without %s is genuine but no proof', async (_claim, changes, code) => {
    const proof = await proofOf(verifierOf([key.jwk], { auth_time: 'required' }), await sign(key, changes));
    const judged = judgeProof(
      proof,
      { acrValues: ['2'], amrValues: [], maxAgeSeconds: 600, singleUse: false, unsatisfiable: false },
      { subject: 'u1', subjectSpace: 'default', subjectType: 'user', session: null, nowMs: NOW_MS },
    );
    expect(judged).toMatchObject({ satisfied: false, error: { code } });
  });

  /** @see https://github.com/decentralized-identity/did-jwt/pull/344 */
  test.each([
    [0, 'expired'],
    [-1, 'expired'],
    ['never', 'exp_invalid'],
    ['', 'exp_invalid'],
    [null, 'exp_invalid'],
    [false, 'exp_invalid'],
    [[], 'exp_invalid'],
    ['1741608300', 'exp_invalid'],
  ])('exp %j is refused as %s', async (exp, code) => {
    expect(await codeFor({ exp })).toBe(code);
  });

  test('An exp too large for a number is no expiry', async () => {
    const text = JSON.stringify(goodClaims({ exp: 'HUGE' })).replace('"HUGE"', '1e999');
    expect((await refusalOf(verifierOf([key.jwk]), await signText(key, text))).code).toBe('exp_invalid');
  });

  /** @see https://github.com/morten-egan/jwt_ninja/issues/1 */
  test('An exp in milliseconds is implausible, not a life of fifty thousand years', async () => {
    expect(await codeFor({ exp: 1_741_608_300_000 })).toBe('exp_implausible');
    expect(await codeFor({ exp: 1_741_608_300_000, iat: undefined })).toBe('exp_implausible');
  });

  test('A life beyond the configured one is implausible', async () => {
    expect(await codeFor({ exp: 1_741_608_000 + 3600 }, { max_lifetime_s: 3600 })).toBe('valid');
    expect(await codeFor({ exp: 1_741_608_000 + 3601 }, { max_lifetime_s: 3600 })).toBe('exp_implausible');
  });

  /** @see https://gitlab.com/gitlab-org/gitlab/-/issues/545965 */
  test('Expiry is exp plus the tolerance, and that moment itself is too late', async () => {
    const verifier = verifierOf([key.jwk], { clock_tolerance_s: 60 });
    const token = await sign(key, { exp: 1_741_608_240 });
    expect((await refusalOf(verifier, token, 1_741_608_301_000)).code).toBe('expired');
    expect((await refusalOf(verifier, token, 1_741_608_300_000)).code).toBe('expired');
    expect((await proofOf(verifier, token, 1_741_608_299_999)).expiresAt).toBe(1_741_608_240);
  });

  /** @see https://github.com/kjdev/nginx-auth-jwt/issues/18 */
  test('Asking for a claim of its own takes no check away', async () => {
    const settings = { step_up: { claim: 'su', equals: true } };
    expect(await codeFor({ exp: 1_741_600_000 }, settings)).toBe('expired');
  });

  test.each([
    [{ nbf: NOW + 5 }, 'valid'],
    [{ nbf: NOW + 6 }, 'not_yet_valid'],
    [{ nbf: '1741608000' }, 'nbf_invalid'],
    [{ iat: NOW + 5 }, 'valid'],
    [{ iat: NOW + 6, auth_time: NOW }, 'iat_in_future'],
    [{ iat: 1_741_608_000_000 }, 'iat_in_future'],
    [{ iat: null }, 'iat_invalid'],
  ])('%j gives %s', async (changes, code) => {
    expect(await codeFor(changes)).toBe(code);
  });

  /** @see https://github.com/Flowfin/jellyfin-plugin-sso/pull/972 */
  test.each([1_741_608_000_000, 1e308, -1, 0, '1741608000', '2025-03-10T12:00:00Z', null])(
    'auth_time %j is no moment of an authentication',
    async (authTime) => {
      expect(await codeFor({ auth_time: authTime })).toBe('auth_time_invalid');
      expect(await codeFor({ auth_time: authTime, iat: undefined })).toBe('auth_time_invalid');
    },
  );

  /** @see https://github.com/Flowfin/jellyfin-plugin-sso/pull/972 */
  test('A fraction of a second in auth_time is taken', async () => {
    const proof = await proofOf(verifierOf([key.jwk]), await sign(key, { auth_time: 1_741_608_000.9 }));
    expect(proof.authTime).toBe(1_741_608_000.9);
  });

  test('An auth_time later than iat is refused, apart from the tolerance', async () => {
    expect(await codeFor({ iat: NOW - 100, auth_time: NOW - 95 })).toBe('valid');
    expect(await codeFor({ iat: NOW - 100, auth_time: NOW - 94 })).toBe('auth_time_invalid');
  });

  test('iat stands in for a missing auth_time', async () => {
    const proof = await proofOf(verifierOf([key.jwk]), await sign(key, { auth_time: undefined }));
    expect(proof).toMatchObject({ authTime: 1_741_608_000, steppedUp: true });
  });
});

describe('algorithm and type', () => {
  /** @see https://github.com/honojs/hono/security/advisories/GHSA-3vhc-576x-3qv4 */
  test('An HMAC over the public key is refused, however the key is spelled', async () => {
    const rsa = await signingKey('k1', 'RS256');
    const publicKey = await importJWK(rsa.jwk, 'RS256', { extractable: true });
    if (publicKey instanceof Uint8Array) throw new Error('an RSA key is a CryptoKey');
    const { n = '', e = '' } = rsa.jwk;
    const jwk = { kty: 'RSA', kid: 'k1', n, e };
    for (const secret of [await exportSPKI(publicKey), JSON.stringify(jwk)]) {
      const unsigned = forge({ alg: 'HS256', kid: 'k1' }, goodClaims());
      const input = unsigned.slice(0, -1);
      const token = `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
      expect(await refusalOf(verifierOf([jwk]), token)).toEqual({
        code: 'alg_not_allowed',
        message: `the header's alg is "HS256", allowed: ES256, RS256`,
        suspicious: true,
      });
    }
  });

  /** @see https://github.com/honojs/hono/security/advisories/GHSA-3vhc-576x-3qv4 */
  test.each(['none', 'None', '', 'es256', 'ES384', 7])('alg %j is refused', async (alg) => {
    const token = forge({ alg, kid: 'k1' }, goodClaims(), alg === 'none' ? '' : 'YQ');
    expect(await refusalOf(verifierOf([key.jwk]), token)).toMatchObject({ code: 'alg_not_allowed', suspicious: true });
  });

  /** @see https://github.com/honojs/hono/security/advisories/GHSA-3vhc-576x-3qv4 */
  test('An extension that the header calls critical is refused, even one that jose knows', async () => {
    const token = await sign(key, {}, { crit: ['x'], x: 1 });
    expect((await refusalOf(verifierOf([key.jwk]), token)).code).toBe('crit_not_supported');
    const detached = forge({ alg: 'ES256', kid: 'k1', crit: ['b64'], b64: false }, goodClaims(), 'YQ');
    expect((await refusalOf(verifierOf([key.jwk]), detached)).code).toBe('crit_not_supported');
  });

  /** @see https://github.com/ferriskey/ferriskey/pull/1224 */
  test('Only the allowed kinds of token pass where a claim names the kind', async () => {
    const settings = { token_type_claim: { claim: 'typ', allowed: ['Bearer'] } };
    for (const typ of ['temporary', 'Refresh', 'ID', 'bearer', undefined, ['Bearer']]) {
      expect(await codeFor({ typ }, settings)).toBe('token_type');
    }
    expect(await codeFor({ typ: 'Bearer' }, settings)).toBe('valid');
  });

  /** @see https://github.com/ferriskey/ferriskey/pull/1224 */
  test.each([
    ['at+jwt', 'valid'],
    ['AT+JWT', 'valid'],
    ['application/at+jwt', 'valid'],
    ['JWT', 'typ_not_allowed'],
    [undefined, 'typ_not_allowed'],
    ['text/at+jwt', 'typ_not_allowed'],
  ])('With typ at+jwt declared, header typ %j gives %s', async (typ, code) => {
    const token = await sign(key, {}, typ === undefined ? {} : { typ });
    const verdict = await verifierOf([key.jwk], { typ: 'at+jwt' }).verify(token, NOW_MS);
    expect(verdict.valid ? 'valid' : verdict.error.code).toBe(code);
  });

  test('A security event token is never a proof, by its type or by its claim', async () => {
    const verifier = verifierOf([key.jwk]);
    for (const typ of ['secevent+jwt', 'application/SecEvent+JWT', 'logout+jwt']) {
      expect((await refusalOf(verifier, await sign(key, {}, { typ }))).code).toBe('security_event_token');
    }
    const told = await sign(key, {
      events: { 'https://schemas.openid.net/secevent/risc/event-type/account-disabled': {} },
    });
    expect((await refusalOf(verifier, told)).code).toBe('security_event_token');
  });
});

describe('choice of the key', () => {
  /** @see https://github.com/haileyok/cocoon/pull/91 */
  test('The key is the one that the token names, and it has to be one for signatures', async () => {
    const [old, enc, current] = (await Promise.all(['old', 'enc1', 'k1'].map((kid) => signingKey(kid, 'RS256')))) as [
      SigningKey,
      SigningKey,
      SigningKey,
    ];
    const verifier = verifierOf([
      { ...old.jwk, alg: 'RS256', use: 'sig' },
      { ...enc.jwk, use: 'enc' },
      { ...current.jwk, alg: 'RS256', use: 'sig' },
    ]);
    expect((await proofOf(verifier, await sign(current))).subject).toBe('u1');
    expect((await refusalOf(verifier, await sign(enc))).code).toBe('key_not_for_signing');
    expect((await refusalOf(verifier, await sign(current, {}, { kid: undefined }))).code).toBe('key_ambiguous');
    expect((await refusalOf(verifier, await sign(current, {}, { kid: 'old' }))).code).toBe('signature_invalid');
  });

  test('A token without kid is taken when exactly one key fits its algorithm', async () => {
    const rsa = await signingKey('r1', 'RS256');
    const token = await sign(key, {}, { kid: undefined });
    expect((await proofOf(verifierOf([rsa.jwk, key.jwk]), token)).subject).toBe('u1');
  });

  test('Two keys under one kid leave open which is meant', async () => {
    const twin = await signingKey('k1');
    expect((await refusalOf(verifierOf([key.jwk, twin.jwk]), await sign(key))).code).toBe('key_ambiguous');
  });

  test('An unknown kid among inline keys is refused, and so is a key of another kind', async () => {
    const verifier = verifierOf([key.jwk]);
    expect(await refusalOf(verifier, await sign(key, {}, { kid: 'k9' }))).toMatchObject({
      code: 'key_unknown',
      message: 'no key of https://idp.example has kid "k9"',
      suspicious: true,
    });
    const rsa = await signingKey('k1', 'RS256');
    expect((await refusalOf(verifier, await sign(rsa))).code).toBe('key_alg_mismatch');
  });

  test('A key set may hold keys that are of no use here', async () => {
    const others = [
      { kty: 'RSA', kid: 'broken', n: '*', e: 'AQAB' },
      { kty: 'XYZ', kid: 'future' },
    ];
    expect((await proofOf(verifierOf([...others, key.jwk]), await sign(key))).subject).toBe('u1');
  });
});

test('No refusal repeats the token or floods the log', async () => {
  const verifier = verifierOf([key.jwk]);
  const long = 'x'.repeat(3000);
  for (const changes of [{ iss: long }, { aud: long }, { exp: long }, { auth_time: long }, { sub: [long] }]) {
    const token = await sign(key, changes);
    const { message } = await refusalOf(verifier, token);
    expect(message.length).toBeLessThan(400);
    for (const part of token.split('.')) expect(message).not.toContain(part);
  }
});

test('The subject is read from the claim that the issuer is set to', async () => {
  const verifier = verifierOf([key.jwk], { subject_claim: 'oid', session_claim: null });
  expect(await proofOf(verifier, await sign(key, { oid: 'o-1', sid: 's1' }))).toMatchObject({
    subject: 'o-1',
    session: null,
  });
  expect((await refusalOf(verifier, await sign(key))).code).toBe('subject_missing');
  expect(await codeFor({ sub: ' ' })).toBe('subject_missing');
  expect(await codeFor({ sub: 42 })).toBe('subject_missing');
});

/** @see https://engineering.atspotify.com/2013/06/creative-usernames/ */
test('A subject that only looks like another once it is normalised is proof of nobody', async () => {
  for (const sub of ['\uff41dmin', 'ad\u200bmin', 'admin ']) {
    expect(await codeFor({ sub })).toBe('subject_ambiguous');
  }
});
