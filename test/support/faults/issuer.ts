import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

/** Signs su tokens with one key. */
export interface Signer {
  /** Its public half. */
  readonly jwk: JWK;
  /** A fresh su token of this subject. */
  proofOf(subject: string): Promise<string>;
}

export const ISSUER = 'https://idp.example';
const AUDIENCE = 'bank';

/** A new key of {@link ISSUER} with this id. */
export async function newSigner(kid = 'k1'): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  return {
    jwk: { ...(await exportJWK(publicKey)), kid },
    proofOf: (subject) =>
      new SignJWT({ su: true, auth_time: Math.floor(Date.now() / 1000), jti: crypto.randomUUID() })
        .setProtectedHeader({ alg: 'ES256', kid })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(subject)
        .setIssuedAt()
        .setExpirationTime('30m')
        .sign(privateKey),
  };
}

/** For `STEP_UP_ISSUERS`: the keys are `jwks`, or lie at `jwks_uri`. */
export function issuersSetting(
  keys: { readonly jwks: { readonly keys: readonly JWK[] } } | { readonly jwks_uri: string },
) {
  return JSON.stringify([{ issuer: ISSUER, audience: AUDIENCE, algorithms: ['ES256'], ...keys }]);
}
