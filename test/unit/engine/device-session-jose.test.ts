import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { deviceSessions } from '../../../src/engine/device-session-jose.ts';
import type { SessionFault } from '../../../src/model/device-session.ts';
import { NOW_MS } from '../../support/scene.ts';

const SECRET = new TextEncoder().encode('a-device-token-secret-of-thirty-two-bytes!');
const OTHER_SECRET = new TextEncoder().encode('another-device-token-secret-of-32-bytes!!');
const ANN = { device: 'd-laptop', subject: 'pseudonym-of-ann' };
const BOB = { device: 'd-laptop', subject: 'pseudonym-of-bob' };

const sessions = deviceSessions({ secrets: [SECRET], offered: true });

interface Key {
  readonly private: CryptoKey;
  readonly jwk: JWK;
}

async function keyOf(algorithm: 'ES256' | 'RS256' | 'ES384', modulusLength = 2048): Promise<Key> {
  const pair = await generateKeyPair(algorithm, { extractable: true, modulusLength });
  return { private: pair.privateKey, jwk: await exportJWK(pair.publicKey) };
}

/** A proof as a browser makes it, with changes. */
function proofBy(key: Key, claims: object, header: object = {}): Promise<string> {
  return new SignJWT({ ...claims })
    .setProtectedHeader({ alg: 'ES256', typ: 'dbsc+jwt', jwk: key.jwk, ...header })
    .sign(key.private);
}

/** JWT parts that need no key. */
function unsigned(header: object, claims: object, signature = ''): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part(header)}.${part(claims)}.${signature}`;
}

let key: Key;
let rsa: Key;

beforeAll(async () => {
  [key, rsa] = await Promise.all([keyOf('ES256'), keyOf('RS256')]);
});

/** Claims that answer an invitation of Ann's. */
function claimsFor(owner = ANN, id = 'n1') {
  const { challenge, authorization } = sessions.invite(owner, id, NOW_MS);
  return { jti: challenge, authorization };
}

async function begun(by: Key = key, header: object = {}) {
  const verdict = await sessions.verifyRegistration(await proofBy(by, claimsFor(), header), NOW_MS);
  if (!verdict.valid) throw new Error(verdict.fault);
  return verdict.value;
}

describe('registration', () => {
  test('A proof by the invited browser names device, subject, key and challenge', async () => {
    const { device, subject, challenge, thumbprint, sessionId } = await begun();
    expect({ device, subject }).toEqual(ANN);
    expect(challenge).toEqual({ id: 'n1', issuedAt: NOW_MS / 1000, expiresAt: NOW_MS / 1000 + 120 });
    expect(sessions.readSession(sessionId)).toEqual({ ...ANN, thumbprint });
  });

  test('A browser whose hardware has no P-256 registers an RSA key', async () => {
    const { sessionId, thumbprint } = await begun(rsa, { alg: 'RS256' });
    const challenge = sessions.challenge(sessionId, 'n2', 60, NOW_MS);
    const response = await proofBy(rsa, { jti: challenge }, { alg: 'RS256', jwk: undefined });
    expect(sessions.readSession(sessionId)?.thumbprint).toBe(thumbprint);
    expect(await sessions.verifyRefresh(sessionId, response, NOW_MS)).toMatchObject({ valid: true });
  });

  test('Parts of a jwk that say nothing about the key do not change its thumbprint', async () => {
    const plain = await begun();
    const adorned = await begun({ private: key.private, jwk: { ...key.jwk, kid: 'k', use: 'sig', alg: 'ES256' } });
    expect(adorned.thumbprint).toBe(plain.thumbprint);
  });

  const hostile: readonly [title: string, fault: SessionFault, response: () => string | Promise<string>][] = [
    ['text that is no JWT', 'response_malformed', () => 'not.a.jwt'],
    ['a JWT that is oversize', 'response_too_long', () => `${'a'.repeat(2000)}.${'b'.repeat(2000)}.${'c'.repeat(200)}`],
    ['another typ', 'type_wrong', () => proofBy(key, claimsFor(), { typ: 'dpop+jwt' })],
    ['no typ', 'type_wrong', () => proofBy(key, claimsFor(), { typ: undefined })],
    [
      'the algorithm none',
      'algorithm_not_allowed',
      () => unsigned({ alg: 'none', typ: 'dbsc+jwt', jwk: key.jwk }, claimsFor()),
    ],
    [
      'HS256 with the public key as its secret',
      'algorithm_not_allowed',
      () => {
        const header = { alg: 'HS256', typ: 'dbsc+jwt', jwk: key.jwk };
        return new SignJWT(claimsFor()).setProtectedHeader(header).sign(Buffer.from(JSON.stringify(key.jwk)));
      },
    ],
    [
      'the algorithm of another kind of key',
      'algorithm_not_allowed',
      () => unsigned({ alg: 'RS256', typ: 'dbsc+jwt', jwk: key.jwk }, claimsFor(), 'c2ln'),
    ],
    ['no key', 'key_missing', () => proofBy(key, claimsFor(), { jwk: undefined })],
    ['a private key', 'key_private', async () => proofBy(key, claimsFor(), { jwk: await exportJWK(key.private) })],
    [
      'a symmetric key',
      'key_private',
      () => unsigned({ alg: 'ES256', typ: 'dbsc+jwt', jwk: { kty: 'oct', k: 'c2VjcmV0' } }, claimsFor(), 'c2ln'),
    ],
    [
      'a key of another curve',
      'key_unusable',
      async () => {
        const { jwk } = await keyOf('ES384');
        return unsigned({ alg: 'ES256', typ: 'dbsc+jwt', jwk }, claimsFor(), 'c2ln');
      },
    ],
    [
      'a point off the curve',
      'key_unusable',
      () => {
        const jwk = { ...key.jwk, y: key.jwk.x };
        return unsigned({ alg: 'ES256', typ: 'dbsc+jwt', jwk }, claimsFor(), 'A'.repeat(86));
      },
    ],
    [
      'an RSA key of 1024 bits',
      'key_unusable',
      () => {
        const jwk = { kty: 'RSA', n: Buffer.alloc(128, 0xf1).toString('base64url'), e: 'AQAB' };
        return unsigned({ alg: 'RS256', typ: 'dbsc+jwt', jwk }, claimsFor(), 'c2ln');
      },
    ],
    [
      'an RSA key with the exponent 1',
      'key_unusable',
      () => unsigned({ alg: 'RS256', typ: 'dbsc+jwt', jwk: { ...rsa.jwk, e: 'AQ' } }, claimsFor(), 'c2ln'),
    ],
    [
      'a signature by another key',
      'signature_wrong',
      async () => proofBy({ private: (await keyOf('ES256')).private, jwk: key.jwk }, claimsFor()),
    ],
    [
      'a changed claim',
      'signature_wrong',
      async () => {
        const [header, , signature] = (await proofBy(key, { ...claimsFor(), more: 1 })).split('.');
        const claims = Buffer.from(JSON.stringify(claimsFor())).toString('base64url');
        return [header, claims, signature].join('.');
      },
    ],
    ['no jti', 'challenge_unknown', () => proofBy(key, { ...claimsFor(), jti: undefined })],
    ['a jti that is no text', 'challenge_unknown', () => proofBy(key, { ...claimsFor(), jti: 7 as never })],
    ['a challenge of its own', 'challenge_unknown', () => proofBy(key, { ...claimsFor(), jti: 'ch.allenge' })],
    [
      'the challenge of somebody else',
      'challenge_unknown',
      () => proofBy(key, { ...claimsFor(), jti: claimsFor(BOB).jti }),
    ],
    [
      'its own challenge with the authorization of somebody else',
      'challenge_unknown',
      () => proofBy(key, { ...claimsFor(), authorization: claimsFor(BOB).authorization }),
    ],
    ['no authorization', 'authorization_wrong', () => proofBy(key, { jti: claimsFor().jti })],
    [
      'a forged authorization',
      'authorization_wrong',
      () => proofBy(key, { ...claimsFor(), authorization: `${claimsFor().authorization.slice(0, -2)}AA` }),
    ],
    [
      'a challenge for a refresh',
      'challenge_unknown',
      async () => {
        const { sessionId } = await begun();
        return proofBy(key, { ...claimsFor(), jti: sessions.challenge(sessionId, 'n3', 60, NOW_MS) });
      },
    ],
    [
      'what another service signed',
      'authorization_wrong',
      () => {
        const other = deviceSessions({ secrets: [OTHER_SECRET], offered: true });
        const { challenge, authorization } = other.invite(ANN, 'n1', NOW_MS);
        return proofBy(key, { jti: challenge, authorization });
      },
    ],
  ];

  test.each(hostile)('A registration with %s is refused as %s', async (_title, fault, response) => {
    expect(await sessions.verifyRegistration(await response(), NOW_MS)).toEqual({ valid: false, fault });
  });

  test('A challenge is good for two minutes', async () => {
    const response = await proofBy(key, claimsFor());
    expect(await sessions.verifyRegistration(response, NOW_MS + 119_000)).toMatchObject({ valid: true });
    expect(await sessions.verifyRegistration(response, NOW_MS + 120_000)).toEqual({
      valid: false,
      fault: 'challenge_expired',
    });
  });

  test('Invitations of before a rotation are good while their secret still verifies', async () => {
    const rotated = deviceSessions({ secrets: [OTHER_SECRET, SECRET], offered: true });
    const response = await proofBy(key, claimsFor());
    expect(await rotated.verifyRegistration(response, NOW_MS)).toMatchObject({ valid: true });
  });
});

describe('refresh', () => {
  async function answer(claims: (sessionId: string) => object, header: object = {}, by: Key = key) {
    const { sessionId } = await begun();
    const response = await proofBy(by, claims(sessionId), { jwk: undefined, ...header });
    return sessions.verifyRefresh(sessionId, response, NOW_MS);
  }
  const challengeOf = (sessionId: string): string => sessions.challenge(sessionId, 'n4', 60, NOW_MS);

  test('A proof by the key of the session is taken, whether it repeats the key or not', async () => {
    const signed = { valid: true, value: { id: 'n4', issuedAt: NOW_MS / 1000, expiresAt: NOW_MS / 1000 + 60 } };
    expect(await answer((id) => ({ jti: challengeOf(id) }))).toEqual(signed);
    expect(await answer((id) => ({ jti: challengeOf(id) }), { jwk: key.jwk })).toEqual(signed);
  });

  test('A proof by another key is refused, with its own jwk and with that of the session', async () => {
    const stranger = await keyOf('ES256');
    const claims = (id: string) => ({ jti: challengeOf(id) });
    expect(await answer(claims, {}, stranger)).toEqual({ valid: false, fault: 'signature_wrong' });
    expect(await answer(claims, { jwk: stranger.jwk }, stranger)).toEqual({ valid: false, fault: 'key_other' });
    expect(await answer(claims, { jwk: key.jwk }, stranger)).toEqual({ valid: false, fault: 'signature_wrong' });
  });

  test('The challenge of another session is refused', async () => {
    const other = await begun(rsa, { alg: 'RS256' });
    expect(await answer(() => ({ jti: challengeOf(other.sessionId) }))).toEqual({
      valid: false,
      fault: 'challenge_unknown',
    });
  });

  test('The challenge of a registration is refused', async () => {
    expect(await answer(() => ({ jti: claimsFor().jti }))).toEqual({ valid: false, fault: 'challenge_unknown' });
  });

  test('An expired challenge is said to be expired only if the key has signed it', async () => {
    const { sessionId } = await begun();
    const late = NOW_MS + 60_000;
    const claims = { jti: challengeOf(sessionId) };
    const own = await proofBy(key, claims, { jwk: undefined });
    const forged = await proofBy(await keyOf('ES256'), claims, { jwk: undefined });
    expect(await sessions.verifyRefresh(sessionId, own, late)).toEqual({ valid: false, fault: 'challenge_expired' });
    expect(await sessions.verifyRefresh(sessionId, forged, late)).toEqual({ valid: false, fault: 'signature_wrong' });
  });

  test.each(['', 'x', 'a.b', `${'a'.repeat(2000)}.${'b'.repeat(22)}`])('%j is no session', (text) => {
    expect(sessions.readSession(text)).toBeNull();
  });

  test('A session whose text was changed is none', async () => {
    const { sessionId } = await begun();
    const [payload = '', mac] = sessionId.split('.');
    const changed = Buffer.from(payload, 'base64url').toString().replace('ann', 'bob');
    expect(sessions.readSession(`${Buffer.from(changed).toString('base64url')}.${mac}`)).toBeNull();
  });
});

describe('the bound cookie', () => {
  const THUMBPRINT = 'A'.repeat(43);
  const proof = { device: 'd-laptop', thumbprint: THUMBPRINT };

  test('The cookie shows device and key until it has expired, and half a minute more for those under way', () => {
    const cookie = sessions.bind(proof, 600, NOW_MS);
    expect(sessions.readBound(cookie, NOW_MS)).toEqual(proof);
    expect(sessions.readBound(cookie, NOW_MS + 629_000)).toEqual(proof);
    expect(sessions.readBound(cookie, NOW_MS + 630_000)).toBeNull();
  });

  test('A cookie that was changed, or made for something else, shows nothing', async () => {
    const cookie = sessions.bind(proof, 600, NOW_MS);
    const { sessionId } = await begun();
    for (const text of [`${cookie}A`, `A${cookie}`, cookie.slice(0, -1), sessionId, claimsFor().jti, '']) {
      expect(sessions.readBound(text, NOW_MS), text).toBeNull();
    }
  });

  test('The cookie is short enough to be sent with every request', () => {
    expect(sessions.bind(proof, 600, NOW_MS).length).toBeLessThan(160);
  });
});
