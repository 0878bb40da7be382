import { CompactSign, exportJWK, generateKeyPair, type JWK } from 'jose';
import type { Proof, ProofError, ProofVerifier } from '../../../src/model/proof.ts';
import { stepUpIssuers } from '../../../src/step-up/issuers.ts';
import { joseVerifier } from '../../../src/step-up/jose.ts';

export const ISSUER = 'https://idp.example';
export const AUDIENCE = 'risk-edge';
/** Epoch seconds of every test that does not say otherwise. */
export const NOW = 1_741_608_010;
export const NOW_MS = NOW * 1000;

export interface SigningKey {
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

export async function signingKey(kid: string | undefined = 'k1', alg = 'ES256'): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg);
  return { alg, privateKey, jwk: { ...(await exportJWK(publicKey)), ...(kid === undefined ? {} : { kid }) } };
}

/** Claims of a good token; `undefined` takes one out. */
export function goodClaims(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'u1',
    su: true,
    acr: '2',
    amr: ['pwd', 'otp'],
    iat: 1_741_608_000,
    auth_time: 1_741_608_000,
    exp: 1_741_608_300,
    ...changes,
  };
}

export async function sign(
  key: SigningKey,
  changes: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  return signText(key, JSON.stringify(goodClaims(changes)), header);
}

/** Signs any text as the payload. */
export async function signText(key: SigningKey, text: string, header: Record<string, unknown> = {}): Promise<string> {
  return new CompactSign(new TextEncoder().encode(text))
    .setProtectedHeader({ alg: key.alg, ...(key.jwk.kid === undefined ? {} : { kid: key.jwk.kid }), ...header })
    .sign(key.privateKey, { crit: { x: true } });
}

/** A token whose header and signature are whatever the test wants. */
export function forge(header: Record<string, unknown>, claims: Record<string, unknown>, signature = ''): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part(header)}.${part(claims)}.${signature}`;
}

export function verifierOf(keys: readonly JWK[], settings: Record<string, unknown> = {}): ProofVerifier {
  return joseVerifier({
    issuers: stepUpIssuers.parse([
      { issuer: ISSUER, audience: AUDIENCE, jwks: { keys }, algorithms: ['ES256', 'RS256'], ...settings },
    ]),
    fetch: () => Promise.reject(new Error('inline keys need no network')),
  });
}

export async function proofOf(verifier: ProofVerifier, token: string, nowMs = NOW_MS): Promise<Proof> {
  const verdict = await verifier.verify(token, nowMs);
  if (!verdict.valid) throw new Error(`${verdict.error.code}: ${verdict.error.message}`);
  return verdict.proof;
}

export async function refusalOf(verifier: ProofVerifier, token: string, nowMs = NOW_MS): Promise<ProofError> {
  const verdict = await verifier.verify(token, nowMs);
  if (verdict.valid) throw new Error('the token was taken');
  return verdict.error;
}
