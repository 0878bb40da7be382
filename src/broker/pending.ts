import { EncryptJWT, errors, jwtDecrypt } from 'jose';
import * as z from 'zod';

/** A step-up that a browser has begun and not ended. */
const pending = z.object({
  /** Name of the issuer's entry. */
  issuer: z.string(),
  state: z.string(),
  nonce: z.string(),
  /** PKCE code verifier (RFC 7636). */
  verifier: z.string(),
  /** Whose session it is. */
  subject: z.string(),
  space: z.string(),
  session: z.string().nullable(),
  acrValues: z.array(z.string()),
  /** Greatest age of the authentication in seconds. */
  maxAgeSeconds: z.number(),
  /** Where the browser goes afterwards: an absolute URL of an allowed host. */
  returnTo: z.string(),
  /** Address that the provider sends the browser back to. */
  redirectUri: z.string(),
});
export type PendingStepUp = z.output<typeof pending>;

/** How long a person may take at the provider, in seconds. */
export const PENDING_SECONDS = 600;

const COOKIE_PREFIX = '__Host-stepgate-pending-';

/** Cookies of this many step-ups are kept, one for each tab; with one more, the oldest are dropped. */
export const MAX_PENDING = 4;

/** Name of the cookie of a step-up. Each has its own, so that two tabs do not end one another's. */
export function pendingCookieName(state: string): string {
  return COOKIE_PREFIX + state.slice(0, 16);
}

/** Cookies of step-ups in a `Cookie` header. */
export function pendingCookies(cookie: string | null): readonly { readonly name: string; readonly value: string }[] {
  return (cookie ?? '').split(';').flatMap((pair) => {
    const [name = '', value = ''] = pair.trim().split('=', 2);
    return name.startsWith(COOKIE_PREFIX) ? [{ name, value }] : [];
  });
}

/** Encrypts pending step-ups, so that a browser can keep them without reading or changing them. */
export interface PendingSeal {
  seal(stepUp: PendingStepUp, nowMs: number): Promise<string>;
  /** Null for anything that was not sealed here, or is older than {@link PENDING_SECONDS}. */
  open(text: string, nowMs: number): Promise<PendingStepUp | null>;
}

/**
 * Sealed texts are JWEs (RFC 7516) under a key that is derived from the secrets (RFC 5869), so that no other use of a secret can make
 * one. The first secret seals and all open.
 */
export function pendingSeal(secrets: readonly string[]): PendingSeal {
  const keys = secrets.map(keyOf);
  return {
    async seal(stepUp, nowMs) {
      const [key] = keys;
      if (key === undefined) throw new Error('no secret to seal a step-up with');
      return new EncryptJWT(stepUp)
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
        .setExpirationTime(Math.floor(nowMs / 1000) + PENDING_SECONDS)
        .encrypt(await key);
    },
    async open(text, nowMs) {
      for (const key of keys) {
        try {
          const { payload } = await jwtDecrypt(text, await key, {
            currentDate: new Date(nowMs),
            keyManagementAlgorithms: ['dir'],
            contentEncryptionAlgorithms: ['A256GCM'],
            requiredClaims: ['exp'],
          });
          return pending.parse(payload);
        } catch (error) {
          if (!(error instanceof errors.JOSEError)) throw error;
        }
      }
      return null;
    },
  };
}

async function keyOf(secret: string): Promise<Uint8Array> {
  const encoder = new TextEncoder();
  const material = await crypto.subtle.importKey('raw', encoder.encode(secret), 'HKDF', false, ['deriveBits']);
  const info = encoder.encode('stepgate pending step-up');
  const bits = await crypto.subtle.deriveBits(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info },
    material,
    256,
  );
  return new Uint8Array(bits);
}
