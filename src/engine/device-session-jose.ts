import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import {
  base64url,
  type CryptoKey,
  calculateJwkThumbprint,
  compactVerify,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  importJWK,
  type JWK,
} from 'jose';
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import {
  type BoundProof,
  type DeviceSession,
  type DeviceSessions,
  SESSION_ALGORITHMS,
  type SessionFault,
  type SessionVerdict,
  type SignedChallenge,
} from '../model/device-session.ts';
import { rsaWeakness } from '../step-up/weak-key.ts';

/** A proof with an RSA key of 4096 bits and an authorization has some 2,400 characters. */
const LONGEST_RESPONSE = 4096;
/** Identifier, challenge or cookie of ours: that of a session with an RSA key of 4096 bits has some 900. */
const LONGEST_SEALED = 1536;
const TYPE = 'dbsc+jwt';
const LEAST_RSA_BITS = 2048;
const MOST_RSA_BITS = 4096;
/** A browser makes its key before it answers an invitation; a TPM takes a second for that. */
const INVITATION_SECONDS = 120;
/** A cookie that its browser just sent may arrive a little later than it expires there. */
const COOKIE_GRACE_SECONDS = 30;

/**
 * Device bound sessions under the secrets of the device tokens: the first signs, all verify. Everything that is signed for a browser
 * is JSON and the first 16 bytes of its HMAC-SHA-256, over what it is for as well, so that no text can stand for one of another kind.
 */
export function deviceSessions({
  secrets,
  offered,
}: {
  readonly secrets: readonly Uint8Array[];
  readonly offered: boolean;
}): DeviceSessions {
  const { seal, open } = seals(secrets);
  const bound = new LRUCache<string, z.infer<typeof writtenCookie>>({ max: 5_000 });

  const challenge = (use: string, id: string, lifeSeconds: number, nowMs: number): string => {
    const issuedAt = Math.floor(nowMs / 1000);
    return seal(`challenge ${use}`, [id, issuedAt, issuedAt + lifeSeconds] satisfies z.infer<typeof writtenChallenge>);
  };
  const signedChallenge = (use: string, jti: unknown, nowMs: number): SessionVerdict<SignedChallenge> => {
    const written = typeof jti === 'string' ? open(`challenge ${use}`, jti, writtenChallenge) : null;
    if (written === null) return no('challenge_unknown');
    const [id, issuedAt, expiresAt] = written;
    return expiresAt > nowMs / 1000 ? yes({ id, issuedAt, expiresAt }) : no('challenge_expired');
  };
  const sessionOf = (sessionId: string) => open('session', sessionId, writtenSession);

  return {
    offered,
    invite({ device, subject }, id, nowMs) {
      const authorization = seal('authorization', [device, subject] satisfies z.infer<typeof writtenOwner>);
      return { authorization, challenge: challenge(`register ${authorization}`, id, INVITATION_SECONDS, nowMs) };
    },
    async verifyRegistration(response, nowMs) {
      const read = readResponse(response);
      if (!read.valid) return read;
      const { authorization, jti } = read.value.claims;
      const owner = typeof authorization === 'string' ? open('authorization', authorization, writtenOwner) : null;
      if (owner === null) return no('authorization_wrong');
      // What costs little comes first: nobody has signatures verified here without a challenge.
      const answered = signedChallenge(`register ${authorization}`, jti, nowMs);
      if (!answered.valid) return answered;
      const key = publicKeyOf(read.value.jwk);
      if (!key.valid) return key;
      const signed = await verifySignature(response, key.value, read.value.algorithm);
      if (!signed.valid) return signed;
      const [device, subject] = owner;
      const thumbprint = await calculateJwkThumbprint(key.value);
      const written = [device, subject, thumbprint, key.value] satisfies z.infer<typeof writtenSession>;
      return yes({ device, subject, thumbprint, challenge: answered.value, sessionId: seal('session', written) });
    },
    readSession(sessionId) {
      const written = sessionOf(sessionId);
      if (written === null) return null;
      const [device, subject, thumbprint] = written;
      return { device, subject, thumbprint } satisfies DeviceSession;
    },
    challenge: (sessionId, id, lifeSeconds, nowMs) => challenge(`refresh ${sessionId}`, id, lifeSeconds, nowMs),
    async verifyRefresh(sessionId, response, nowMs) {
      const written = sessionOf(sessionId);
      if (written === null) return no('session_unknown');
      const [, , thumbprint, key] = written;
      const read = readResponse(response);
      if (!read.valid) return read;
      if (read.value.jwk !== undefined) {
        const shown = publicKeyOf(read.value.jwk);
        if (!shown.valid) return shown;
        if ((await calculateJwkThumbprint(shown.value)) !== thumbprint) return no('key_other');
      }
      const answered = signedChallenge(`refresh ${sessionId}`, read.value.claims.jti, nowMs);
      // One that has expired is asked anew, so it is said only of what the key has signed.
      if (!answered.valid && answered.fault !== 'challenge_expired') return answered;
      const signed = await verifySignature(response, key, read.value.algorithm);
      return signed.valid ? answered : signed;
    },
    bind({ device, thumbprint }, lifeSeconds, nowMs) {
      const until = Math.floor(nowMs / 1000) + lifeSeconds;
      return seal('cookie', [device, thumbprint, until] satisfies z.infer<typeof writtenCookie>);
    },
    readBound(cookie, nowMs) {
      const written = bound.get(cookie) ?? open('cookie', cookie, writtenCookie);
      if (written === null) return null;
      bound.set(cookie, written);
      const [device, thumbprint, until] = written;
      return until + COOKIE_GRACE_SECONDS > nowMs / 1000 ? ({ device, thumbprint } satisfies BoundProof) : null;
    },
  };
}

const thumbprintText = z.string().regex(/^[\w-]{43}$/);
const writtenOwner = z.tuple([z.string(), z.string()]);
/** Id, issued and expires in epoch seconds. */
const writtenChallenge = z.tuple([z.string(), z.int(), z.int()]);
/** Device, thumbprint, end in epoch seconds. */
const writtenCookie = z.tuple([z.string(), thumbprintText, z.int()]);
const publicKey = z.discriminatedUnion('kty', [
  z.strictObject({ kty: z.literal('EC'), crv: z.literal('P-256'), x: thumbprintText, y: thumbprintText }),
  z.strictObject({ kty: z.literal('RSA'), n: z.string().regex(/^[\w-]+$/), e: z.string().regex(/^[\w-]{1,8}$/) }),
]);
type PublicKey = z.infer<typeof publicKey>;
const writtenSession = z.tuple([z.string(), z.string(), thumbprintText, publicKey]);

/** RFC 7518, sections 6.2.2, 6.3.2 and 6.4. */
const PRIVATE_PARTS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'] as const;

interface ReadResponse {
  readonly algorithm: string;
  readonly jwk: JWK | undefined;
  readonly claims: { readonly jti?: unknown; readonly authorization?: unknown };
}

/** The parts of a proof whose signature is still to be verified. */
function readResponse(response: string): SessionVerdict<ReadResponse> {
  if (response.length > LONGEST_RESPONSE) return no('response_too_long');
  try {
    const { typ, alg, jwk } = decodeProtectedHeader(response);
    if (typ !== TYPE) return no('type_wrong');
    if (!SESSION_ALGORITHMS.some((one) => one === alg)) return no('algorithm_not_allowed');
    return yes({ algorithm: alg ?? '', jwk, claims: decodeJwt(response) });
  } catch (error) {
    if (error instanceof TypeError || error instanceof errors.JOSEError) return no('response_malformed');
    throw error;
  }
}

/** The public parts of a key that is fit to bind a device to; whatever else a `jwk` says plays no part. */
function publicKeyOf(jwk: JWK | undefined): SessionVerdict<PublicKey> {
  if (typeof jwk !== 'object' || jwk === null) return no('key_missing');
  if (PRIVATE_PARTS.some((part) => Object.hasOwn(jwk, part))) return no('key_private');
  const { kty, crv, x, y, n, e } = jwk;
  const key = publicKey.safeParse(kty === 'EC' ? { kty, crv, x, y } : { kty, n, e });
  if (!key.success) return no('key_unusable');
  if (key.data.kty === 'RSA') {
    const modulus = base64url.decode(key.data.n);
    const bits = modulus.length * 8;
    const exponent = base64url.decode(key.data.e);
    if (bits < LEAST_RSA_BITS || bits > MOST_RSA_BITS) return no('key_unusable');
    if (rsaWeakness({ modulus, exponent }) !== null) return no('key_unusable');
  }
  return yes(key.data);
}

async function verifySignature(response: string, key: PublicKey, algorithm: string): Promise<SessionVerdict<null>> {
  if (algorithm !== (key.kty === 'EC' ? 'ES256' : 'RS256')) return no('algorithm_not_allowed');
  let imported: CryptoKey | Uint8Array;
  try {
    imported = await importJWK(key, algorithm);
  } catch {
    // A point that is not on the curve, say: runtimes differ in what they throw.
    return no('key_unusable');
  }
  try {
    await compactVerify(response, imported, { algorithms: [algorithm] });
    return yes(null);
  } catch (error) {
    if (error instanceof errors.JWSSignatureVerificationFailed) return no('signature_wrong');
    if (error instanceof errors.JOSEError) return no('response_malformed');
    throw error;
  }
}

function yes<T>(value: T): { readonly valid: true; readonly value: T } {
  return { valid: true, value };
}

function no(fault: SessionFault): { readonly valid: false; readonly fault: SessionFault } {
  return { valid: false, fault };
}

/** Half of the digest, the least that RFC 2104, section 5 recommends. */
const MAC_BYTES = 16;

/** Signs values for a use and opens them again. */
function seals(secrets: readonly Uint8Array[]) {
  const macOf = (secret: Uint8Array, use: string, payload: string): Uint8Array =>
    // Neither a JWT nor a text for another use is of this form.
    hmac(sha256, secret, new TextEncoder().encode(`stepgate-session ${use}\n${payload}`)).subarray(0, MAC_BYTES);
  const [signing = new Uint8Array()] = secrets;
  return {
    seal(use: string, value: unknown): string {
      const payload = base64url.encode(JSON.stringify(value));
      return `${payload}.${base64url.encode(macOf(signing, use, payload))}`;
    },
    /** The value of a text that was signed for this use; null for any other text. */
    open<T>(use: string, text: string, schema: z.ZodType<T>): T | null {
      const parts = text.length > LONGEST_SEALED ? null : /^([\w-]+)\.([\w-]{22})$/.exec(text);
      if (parts === null) return null;
      const [, payload = '', shown = ''] = parts;
      const mac = base64url.decode(shown);
      if (!secrets.some((secret) => isEqual(mac, macOf(secret, use, payload)))) return null;
      return schema.safeParse(JSON.parse(new TextDecoder().decode(base64url.decode(payload)))).data ?? null;
    },
  };
}

/** Takes the same time wherever the first difference is. */
function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (const [i, byte] of a.entries()) difference |= byte ^ (b[i] ?? 0);
  return difference === 0;
}
