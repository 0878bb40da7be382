import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, SignJWT } from 'jose';

/** A key of a client, and its proofs of possession. */
export interface ClientKey {
  readonly jwk: JWK;
  readonly thumbprint: string;
  /** A proof for a request; `claims` and `header` replace parts of it, `undefined` takes one out. */
  prove(proof: {
    readonly method: string;
    readonly url: string;
    readonly atMs: number;
    readonly claims?: { readonly [name: string]: unknown };
    readonly header?: { readonly [name: string]: unknown };
  }): Promise<string>;
}

/** Makes a client with a new key, whose proofs have this `typ`. */
export async function clientKey(typ = 'stepgate-device-proof+jwt', alg = 'ES256'): Promise<ClientKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(publicKey);
  return {
    jwk,
    thumbprint: await calculateJwkThumbprint(jwk),
    prove: ({ method, url, atMs, claims = {}, header = {} }) =>
      new SignJWT({ htm: method, htu: url, iat: Math.floor(atMs / 1000), jti: crypto.randomUUID(), ...claims })
        .setProtectedHeader({ alg, typ, jwk, ...header } as JWTHeaderParameters)
        .sign(privateKey),
  };
}
