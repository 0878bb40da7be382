import fc from 'fast-check';
import { decodeJwt, SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { DeviceSecretError, deviceTokens } from '../../../src/engine/device-token-jose.ts';
import { othersOn } from '../../../src/model/device-token.ts';

const secret = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const NOW = Date.UTC(2026, 10, 25);
const ISSUED = NOW / 1000;
const CLAIMS = {
  device: 'd-abc',
  subject: 'pseudonym',
  issuedAt: ISSUED,
  expiresAt: ISSUED + 30 * 86_400,
  generation: 3,
  others: [],
  jkt: null,
};

function forge(parts: {
  readonly payload?: { readonly [name: string]: unknown };
  readonly header?: { readonly alg?: string; readonly typ?: string };
  readonly key?: Uint8Array;
}): Promise<string> {
  const payload = {
    iss: 'stepgate',
    aud: 'stepgate-device',
    sub: 'pseudonym',
    device: 'd-abc',
    iat: ISSUED,
    exp: ISSUED + 60,
    ...parts.payload,
  };
  return new SignJWT(payload)
    .setProtectedHeader({ alg: 'HS256', typ: 'stepgate-device+jwt', ...parts.header })
    .sign(parts.key ?? secret(1));
}

describe('a device token', () => {
  const tokens = deviceTokens({ secrets: [secret(1)] });

  it('A device token names the device and the subject that it was issued to', async () => {
    const token = await tokens.issue(CLAIMS);
    const verdict = {
      state: 'genuine',
      device: 'd-abc',
      subject: 'pseudonym',
      issuedAt: CLAIMS.issuedAt,
      expiresAt: CLAIMS.expiresAt,
      generation: 3,
      others: [],
      jkt: null,
    };
    expect(await tokens.verify(token, NOW)).toEqual(verdict);
    expect(await tokens.verify(token, NOW)).toEqual(verdict);
  });

  it('A device token names the key that its device is bound to in cnf.jkt, and any other confirmation is no claim of ours', async () => {
    const jkt = 'k'.repeat(43);
    expect(await tokens.verify(await tokens.issue({ ...CLAIMS, jkt }), NOW)).toMatchObject({ state: 'genuine', jkt });
    expect(decodeJwt(await tokens.issue({ ...CLAIMS, jkt })).cnf).toEqual({ jkt });
    for (const cnf of [{}, { jkt: 'short' }, { kid: jkt }, { jkt, kid: jkt }, jkt, null]) {
      expect(await tokens.verify(await forge({ payload: { cnf } }), NOW), JSON.stringify(cnf)).toEqual({
        state: 'invalid',
        why: 'bad_claim',
      });
    }
  });

  it('A device token carries on those who held the one before it in the same browser, and still fits into its length', async () => {
    const others = ['a', 'b', 'c', 'd'].map((letter) => ({
      subject: letter.repeat(22),
      issuedAt: ISSUED - 86_400,
      expiresAt: ISSUED + 86_400,
      generation: 99_999,
    }));
    const token = await tokens.issue({ ...CLAIMS, device: `d-${'x'.repeat(14)}`, subject: 's'.repeat(22), others });
    expect(await tokens.verify(token, NOW)).toMatchObject({ state: 'genuine', subject: 's'.repeat(22), others });
    const five = await forge({ payload: { others: Array.from({ length: 5 }, () => ['x', 1, 2]) } });
    expect(await tokens.verify(five, NOW)).toEqual({ state: 'invalid', why: 'bad_claim' });
  });

  it('A device token takes the place of another only for those whose trust in the very device is live', () => {
    const first = { subject: 'u1', issuedAt: ISSUED - 100, expiresAt: ISSUED + 100, generation: 4 };
    const gone = { subject: 'u0', issuedAt: ISSUED - 100, expiresAt: ISSUED, generation: 0 };
    const presented = { state: 'genuine', device: 'd-1', ...first, others: [gone], jkt: null } as const;
    expect(othersOn(presented, 'd-1', 'u2', ISSUED)).toEqual([first]);
    expect(othersOn(presented, 'd-1', 'u1', ISSUED)).toEqual([]);
    expect(othersOn(presented, 'd-2', 'u2', ISSUED)).toEqual([]);
    expect(othersOn({ state: 'absent' }, 'd-1', 'u2', ISSUED)).toEqual([]);
  });

  it('A device token expires to the second, also when it was seen genuine a moment ago', async () => {
    const token = await tokens.issue(CLAIMS);
    expect((await tokens.verify(token, CLAIMS.expiresAt * 1000 - 1)).state).toBe('genuine');
    const late = { state: 'invalid', why: 'expired' };
    expect(await tokens.verify(token, CLAIMS.expiresAt * 1000)).toEqual(late);
    const fresh = deviceTokens({ secrets: [secret(1)] });
    expect(await fresh.verify(token, CLAIMS.expiresAt * 1000)).toEqual(late);
  });

  it.each([
    ['signed with another secret', () => forge({ key: secret(9) }), 'bad_signature'],
    [
      'of another algorithm',
      () => forge({ header: { alg: 'HS512' }, key: new Uint8Array(64).fill(1) }),
      'alg_not_allowed',
    ],
    ['without a signature', () => new UnsecuredJWT({ sub: 'pseudonym', device: 'd-abc' }).encode(), 'alg_not_allowed'],
    ['of another type', () => forge({ header: { typ: 'at+jwt' } }), 'bad_claim'],
    ['of another issuer', () => forge({ payload: { iss: 'elsewhere' } }), 'bad_claim'],
    ['for another audience', () => forge({ payload: { aud: 'elsewhere' } }), 'bad_claim'],
    ['without an expiry', () => forge({ payload: { exp: undefined } }), 'bad_claim'],
    ['without a subject', () => forge({ payload: { sub: undefined } }), 'bad_claim'],
    ['whose device is no text', () => forge({ payload: { device: 7 } }), 'bad_claim'],
    ['that is no token', () => 'eyJ', 'malformed'],
    ['longer than any of ours', () => 'a'.repeat(5000), 'malformed'],
  ])('%s is invalid', async (_name, make, why) => {
    expect(await tokens.verify(await make(), NOW)).toEqual({ state: 'invalid', why });
  });

  it('A device token is refused when a single character was changed', async () => {
    const token = await tokens.issue(CLAIMS);
    for (const at of [5, token.indexOf('.') + 5, token.lastIndexOf('.') + 5]) {
      const changed = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
      expect((await tokens.verify(changed, NOW)).state).toBe('invalid');
    }
  });

  it('A device token is never genuine and never an error when it is arbitrary text', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(fc.base64String(), { minLength: 1, maxLength: 5 }).map((parts) => parts.join('.')),
    );
    await fc.assert(fc.asyncProperty(text, async (token) => (await tokens.verify(token, NOW)).state === 'invalid'));
  });
});

describe('secrets', () => {
  it('Secrets are replaced without ending the tokens that are about: the first signs, all verify', async () => {
    const before = deviceTokens({ secrets: [secret(1)] });
    const after = deviceTokens({ secrets: [secret(2), secret(1)] });
    expect((await after.verify(await before.issue(CLAIMS), NOW)).state).toBe('genuine');
    expect(await before.verify(await after.issue(CLAIMS), NOW)).toEqual({ state: 'invalid', why: 'bad_signature' });
    const done = deviceTokens({ secrets: [secret(2)] });
    expect((await done.verify(await before.issue(CLAIMS), NOW)).state).toBe('invalid');
  });

  it('Shorter than 32 bytes, or none, are refused with what to do', () => {
    expect(() => deviceTokens({ secrets: [secret(1), new Uint8Array(31)] })).toThrow(DeviceSecretError);
    expect(() => deviceTokens({ secrets: [secret(1), new Uint8Array(31)] })).toThrow(
      /secret 2 .* 31 bytes, at least 32/,
    );
    expect(() => deviceTokens({ secrets: [] })).toThrow(expect.objectContaining({ code: 'device_secret_missing' }));
  });
});
