/** A step-up issuer of its own, so that honest people of a simulation prove themselves the way they do in life. */
export interface LocalIssuer {
  /** `iss` of its tokens. */
  readonly issuer: string;
  /** `aud` of its tokens. */
  readonly audience: string;
  /** Its public key set. */
  readonly jwks: { readonly keys: readonly JsonWebKey[] };
  /** A fresh su token (ES256, RFC 7518 section 3.4) of a subject who has authenticated at `atMs`, with these `amr` (default: password and a one-time code). */
  sign(subject: string, id: string, atMs: number, methods?: readonly string[]): Promise<string>;
}

/** Makes an issuer with a key of its own, which never leaves it. */
export async function localIssuer(): Promise<LocalIssuer> {
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey);
  const issuer = 'https://issuer.simulation.example';
  const audience = 'stepgate-simulation';
  const header = base64url(encode({ alg: 'ES256', kid: 'simulation', typ: 'JWT' }));
  return {
    issuer,
    audience,
    jwks: {
      keys: [{ kty, crv, x, y, kid: 'simulation', alg: 'ES256', use: 'sig' } as JsonWebKey & { readonly kid: string }],
    },
    async sign(subject, id, atMs, methods = ['pwd', 'otp', 'mfa']) {
      const at = Math.floor(atMs / 1000);
      const claims = {
        iss: issuer,
        aud: audience,
        sub: subject,
        su: true,
        jti: id,
        auth_time: at,
        iat: at,
        exp: at + 600,
      };
      const signed = `${header}.${base64url(encode({ ...claims, amr: methods }))}`;
      // Web Crypto signs in the IEEE P1363 form that JWS asks for.
      const signature = await crypto.subtle.sign(
        { name: 'ECDSA', hash: 'SHA-256' },
        pair.privateKey,
        new TextEncoder().encode(signed),
      );
      return `${signed}.${base64url(new Uint8Array(signature))}`;
    },
  };
}

function encode(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}
