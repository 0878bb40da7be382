import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { IssuerEntry } from '../../../src/step-up/issuers.ts';

const ISSUER = 'https://id.shop.example';

/** An issuer with its keys in the entry, and step-ups of just now that it signs. */
export async function trustedIssuer(
  more: object = {},
): Promise<{ readonly issuers: readonly IssuerEntry[]; readonly token: (subject: string) => Promise<string> }> {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kty: 'EC', kid: 'k1' };
  const entry = { issuer: ISSUER, audience: 'shop', algorithms: ['ES256' as const], jwks: { keys: [jwk] }, ...more };
  return {
    issuers: [entry],
    token: (subject) => {
      const now = Math.floor(Date.now() / 1000);
      return new SignJWT({ su: true, auth_time: now })
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .setIssuer(ISSUER)
        .setAudience('shop')
        .setSubject(subject)
        .setIssuedAt(now)
        .setExpirationTime(now + 600)
        .sign(privateKey);
    },
  };
}
