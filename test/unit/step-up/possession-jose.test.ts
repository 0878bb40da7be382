import fc from 'fast-check';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { endsInPath, judgePossession, POSSESSION_FAULTS, pathOf, tokenHash } from '../../../src/model/possession.ts';
import { joseProofs } from '../../../src/step-up/possession-jose.ts';
import { type ClientKey, clientKey } from '../../support/possession.ts';

const AT_MS = Date.UTC(2026, 10, 25, 2);
const ASKED = { method: 'POST', url: 'https://shop.example/api/pay', atMs: AT_MS };

let key: ClientKey;
beforeAll(async () => {
  key = await clientKey();
});

describe('a proof of possession', () => {
  test('It names its key by thumbprint, and says the same however often it is read', async () => {
    const proofs = joseProofs();
    const jws = await key.prove({ ...ASKED, claims: { jti: 'j-1', ath: 'hash' } });
    const verdict = {
      valid: true,
      claims: {
        thumbprint: key.thumbprint,
        htm: 'POST',
        htu: ASKED.url,
        iat: AT_MS / 1000,
        jti: 'j-1',
        ath: 'hash',
      },
    };
    expect(await proofs.verify(jws, 'device')).toEqual(verdict);
    expect(await proofs.verify(jws, 'device')).toEqual(verdict);
  });

  test('A proof of one kind is none of the other', async () => {
    const proofs = joseProofs();
    const jws = await key.prove(ASKED);
    expect(await proofs.verify(jws, 'device')).toMatchObject({ valid: true });
    expect(await proofs.verify(jws, 'dpop')).toEqual({ valid: false, why: 'type' });
    const dpop = await clientKey('dpop+jwt');
    expect(await proofs.verify(await dpop.prove(ASKED), 'device')).toEqual({ valid: false, why: 'type' });
  });

  test('A signature by another key than the one it carries is refused, also after the key was seen', async () => {
    const proofs = joseProofs();
    const good = await key.prove(ASKED);
    expect(await proofs.verify(good, 'device')).toMatchObject({ valid: true });
    const [header = '', , signature = ''] = good.split('.');
    const payload = (await key.prove({ ...ASKED, url: 'https://shop.example/other' })).split('.')[1];
    expect(await proofs.verify([header, payload, signature].join('.'), 'device')).toEqual({
      valid: false,
      why: 'signature',
    });
  });

  test('A header that does not carry a plain public key of an allowed algorithm is refused', async () => {
    const proofs = joseProofs();
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    const secret = await exportJWK(privateKey);
    const faulty: readonly (readonly [object, string])[] = [
      [{ typ: 'JWT' }, 'type'],
      [{ typ: undefined }, 'type'],
      [{ crit: ['b64'], b64: true }, 'type'],
      [{ jwk: undefined }, 'key'],
      [{ jwk: { kty: 'EC' } }, 'key'],
      [{ jwk: { ...key.jwk, d: secret.d } }, 'key'],
      [{ jwk: { ...key.jwk, crv: 'P-384' } }, 'key'],
      [{ jwk: { ...key.jwk, x: 'AAAA' } }, 'key'],
      [{ jwk: { kty: 'oct', k: 'AAAA' } }, 'key'],
      [{ jwk: 'key' }, 'key'],
    ];
    for (const [header, why] of faulty) {
      const jws = await key.prove({ ...ASKED, header: { ...header } }).catch(() => null);
      if (jws !== null)
        expect(await proofs.verify(jws, 'device'), JSON.stringify(header)).toEqual({ valid: false, why });
    }
    const wide = await clientKey('stepgate-device-proof+jwt', 'ES384');
    expect(await proofs.verify(await wide.prove(ASKED), 'device')).toEqual({ valid: false, why: 'alg' });
    const mac = await new SignJWT({}).setProtectedHeader({ alg: 'HS256', typ: 'dpop+jwt' }).sign(new Uint8Array(32));
    expect(await proofs.verify(mac, 'dpop')).toEqual({ valid: false, why: 'alg' });
    expect(await proofs.verify(new UnsecuredJWT({}).encode(), 'device')).toEqual({ valid: false, why: 'malformed' });
  });

  test.each(['ES256', 'ES384', 'EdDSA', 'PS256', 'RS256'])('DPoP takes keys for %s', async (alg) => {
    const dpop = await clientKey('dpop+jwt', alg);
    expect(await joseProofs().verify(await dpop.prove(ASKED), 'dpop')).toMatchObject({
      valid: true,
      claims: { thumbprint: dpop.thumbprint },
    });
  });

  test('Claims that are missing or of another type are refused', async () => {
    const proofs = joseProofs();
    for (const claims of [
      { htm: undefined },
      { htu: 1 },
      { iat: '1' },
      { jti: '' },
      { jti: 'j'.repeat(257) },
      { ath: 1 },
    ]) {
      const jws = await key.prove({ ...ASKED, claims });
      expect(await proofs.verify(jws, 'device'), JSON.stringify(claims)).toEqual({ valid: false, why: 'claims' });
    }
  });

  test('Two proofs in one header, one that is too long, and any other text are refused without an error', async () => {
    const proofs = joseProofs();
    const jws = await key.prove(ASKED);
    const long = await key.prove({ ...ASKED, claims: { more: 'x'.repeat(2048) } });
    for (const text of [`${jws}, ${jws}`, `${jws},${jws}`, ` ${jws}`, '', long]) {
      expect(await proofs.verify(text, 'device')).toEqual({ valid: false, why: 'malformed' });
    }
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.string(), fc.stringMatching(/^[\w-]{0,40}\.[\w-]{0,40}\.[\w-]{0,40}$/)),
        async (text) => {
          const verdict = await proofs.verify(text, 'dpop');
          expect(verdict.valid ? null : POSSESSION_FAULTS).toContain(verdict.valid ? null : verdict.why);
        },
      ),
    );
  });
});

describe('the judgement of a proof', () => {
  const of = async (claims: object, method: string | null = 'POST', nowMs = AT_MS) => {
    const verdict = await joseProofs().verify(await key.prove({ ...ASKED, claims: { ...claims } }), 'device');
    return judgePossession(verdict, method, ({ pathname }) => pathname === '/api/pay', nowMs);
  };

  test('It has to be for the method and the URL of the request', async () => {
    expect(await of({})).toMatchObject({ valid: true });
    expect(await of({}, 'GET')).toEqual({ valid: false, why: 'method' });
    expect(await of({}, null)).toEqual({ valid: false, why: 'method' });
    expect(await of({ htm: 'post' })).toEqual({ valid: false, why: 'method' });
    for (const htu of ['https://shop.example/api', '/api/pay', '', 'pay']) {
      expect(await of({ htu }), htu).toEqual({ valid: false, why: 'url' });
    }
  });

  test('It counts for five minutes either way, which is how far the clocks of clients are off', async () => {
    for (const [offsetS, valid] of [
      [300, true],
      [-300, true],
      [301, false],
      [-301, false],
    ] as const) {
      expect((await of({ iat: AT_MS / 1000 + offsetS })).valid, String(offsetS)).toBe(valid);
    }
    expect(await of({ iat: 1e300 })).toEqual({ valid: false, why: 'time' });
  });
});

test('A path is compared in the form in which a URL has it, and may lack what a proxy took off its front', () => {
  expect(pathOf('/a b/%7Ex/../é?q=/x')).toBe(new URL('http://h/a b/%7Ex/../é').pathname);
  expect(endsInPath('/shop/api/pay', '/api/pay')).toBe(true);
  expect(endsInPath('/shop/xapi/pay', '/api/pay')).toBe(false);
  expect(endsInPath('/api/pay', '/shop/api/pay')).toBe(false);
});

/** @see https://www.rfc-editor.org/rfc/rfc9449#section-7.1 figure 12 and 13 */
test('The hash of a token is that of RFC 9449', async () => {
  expect(await tokenHash('Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU')).toBe(
    'fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo',
  );
});
