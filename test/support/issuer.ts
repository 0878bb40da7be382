import { generateKeyPairSync } from 'node:crypto';
import { type JWK, type JWTPayload, SignJWT } from 'jose';
import type { IssuerEntry } from '../../src/step-up/issuers.ts';

/** An identity provider that consists of one ES256 key. */
export interface Issuer {
  /** `iss` of its tokens. */
  readonly name: string;
  /** Public half of its key. */
  readonly jwk: JWK & { readonly kid: string };
  /** Its entry in `STEP_UP_ISSUERS`, keys inline, with changes. */
  entry(changes?: object): IssuerEntry;
  /** A token of somebody who authenticated `ageS` seconds ago, valid for an hour from then; `undefined` takes a claim out. */
  sign(claims: JWTPayload, ageS?: number): Promise<string>;
  /** A su token of a subject who authenticated `ageS` seconds ago. */
  proof(subject: string, ageS?: number): Promise<string>;
}

/** Makes an issuer with a new key. `now` is its clock in epoch milliseconds, default the real one. */
export function issuer({
  name = 'https://issuer.test',
  audience = 'app',
  kid = 'k1',
  now = () => Date.now(),
}: {
  readonly name?: string;
  readonly audience?: string;
  readonly kid?: string;
  readonly now?: () => number;
} = {}): Issuer {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kty: 'EC', kid, alg: 'ES256' };
  const sign: Issuer['sign'] = (claims, ageS = 0) => {
    const at = Math.floor(now() / 1000) - ageS;
    return new SignJWT({ iss: name, aud: audience, auth_time: at, iat: at, exp: at + 3600, ...claims })
      .setProtectedHeader({ alg: 'ES256', kid })
      .sign(privateKey);
  };
  return {
    name,
    jwk,
    entry: (changes = {}) => ({ issuer: name, audience, algorithms: ['ES256'], jwks: { keys: [jwk] }, ...changes }),
    sign,
    proof: (sub, ageS) => sign({ sub, su: true, jti: crypto.randomUUID() }, ageS),
  };
}
