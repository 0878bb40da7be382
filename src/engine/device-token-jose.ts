import { errors, jwtVerify, SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import {
  type DeviceTokens,
  type DeviceTokenVerdict,
  MAX_OTHER_HOLDERS,
  type TokenHolder,
} from '../model/device-token.ts';

/** RFC 7518, section 3.2: an HS256 key has at least the size of the hash. */
const LEAST_SECRET_BYTES = 32;

/** No token of ours is longer; a longer text is not read. */
const MAX_OWN_TOKEN_LENGTH = 1024;

const ALGORITHM = 'HS256';
const TYPE = 'stepgate-device+jwt';
const ISSUER = 'stepgate';
const AUDIENCE = 'stepgate-device';

/** The secrets for device tokens are unusable. The message never contains one. */
export class DeviceSecretError extends Error {
  override readonly name = 'DeviceSecretError';
  readonly code: 'device_secret_missing' | 'device_secret_too_short';
  constructor(code: DeviceSecretError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Device tokens as JWTs (HS256, `typ` `stepgate-device+jwt`): `sub` is the pseudonym of the subject, `device` the id;
 * `others` lists subject, iat and exp of further holders, `gen` the generations of all of them, the subject's first; `cnf.jkt` is the key that the device is bound to. The first secret signs and all verify, so that a secret can
 * be rotated while its tokens are in use.
 *
 * Throws {@link DeviceSecretError} if there is no secret, or one is shorter than 32 bytes.
 */
export function deviceTokens({ secrets }: { readonly secrets: readonly Uint8Array[] }): DeviceTokens {
  const [signing] = secrets;
  if (signing === undefined) {
    throw new DeviceSecretError('device_secret_missing', 'no secret for device tokens; set DEVICE_TOKEN_SECRET');
  }
  secrets.forEach((secret, index) => {
    if (secret.byteLength >= LEAST_SECRET_BYTES) return;
    throw new DeviceSecretError(
      'device_secret_too_short',
      `secret ${index + 1} for device tokens has ${secret.byteLength} bytes, at least ${LEAST_SECRET_BYTES} are needed; ` +
        'set DEVICE_TOKEN_SECRET to the output of: openssl rand -base64 32',
    );
  });
  const genuine = new LRUCache<string, DeviceTokenVerdict & { readonly state: 'genuine' }>({ max: 5_000 });

  return {
    async verify(token, nowMs) {
      if (token.length > MAX_OWN_TOKEN_LENGTH) return { state: 'invalid', why: 'malformed' };
      const before = genuine.get(token);
      if (before !== undefined) {
        return before.expiresAt > nowMs / 1000 ? before : { state: 'invalid', why: 'expired' };
      }
      let verdict: DeviceTokenVerdict = { state: 'invalid', why: 'bad_signature' };
      for (const secret of secrets) {
        verdict = await verifyWith(secret, token, nowMs);
        if (verdict.state !== 'invalid' || verdict.why !== 'bad_signature') break;
      }
      if (verdict.state === 'genuine') genuine.set(token, verdict);
      return verdict;
    },
    issue: ({ device, subject, issuedAt, expiresAt, generation, others, jkt }) =>
      new SignJWT({
        device,
        gen: [generation, ...others.map((each) => each.generation)],
        ...(others.length > 0 && { others: others.map(written) }),
        ...(jkt !== null && { cnf: { jkt } }),
      })
        .setProtectedHeader({ alg: ALGORITHM, typ: TYPE })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(subject)
        .setIssuedAt(issuedAt)
        .setExpirationTime(expiresAt)
        .sign(signing),
  };
}

async function verifyWith(secret: Uint8Array, token: string, nowMs: number): Promise<DeviceTokenVerdict> {
  try {
    const { payload } = await jwtVerify(token, secret, {
      algorithms: [ALGORITHM],
      typ: TYPE,
      issuer: ISSUER,
      audience: AUDIENCE,
      requiredClaims: ['sub', 'exp', 'iat', 'device'],
      currentDate: new Date(nowMs),
    });
    const { device, sub, iat, exp } = payload;
    const others = writtenHolders.safeParse(payload.others ?? []);
    const cnf = confirmation.safeParse(payload.cnf);
    const generations = writtenGenerations.safeParse(payload.gen ?? []);
    if (typeof device !== 'string' || sub === undefined || iat === undefined || exp === undefined) return BAD_CLAIM;
    if (!others.success || !cnf.success || !generations.success) return BAD_CLAIM;
    const [generation = 0, ...othersGenerations] = generations.data;
    return {
      state: 'genuine',
      device,
      subject: sub,
      issuedAt: iat,
      expiresAt: exp,
      generation,
      others: others.data.map((holder, place) => ({ ...holder, generation: othersGenerations[place] ?? 0 })),
      jkt: cnf.data?.jkt ?? null,
    };
  } catch (error) {
    if (error instanceof errors.JOSEError) return { state: 'invalid', why: whyInvalid(error) };
    throw error;
  }
}

const BAD_CLAIM = { state: 'invalid', why: 'bad_claim' } as const;

/** RFC 7800, with the member of RFC 9449. */
const confirmation = z.strictObject({ jkt: z.string().regex(/^[\w-]{43}$/) }).optional();

type WrittenHolder = readonly [subject: string, issuedAt: number, expiresAt: number];

const writtenHolders = z
  .array(z.tuple([z.string(), z.int(), z.int()]))
  .max(MAX_OTHER_HOLDERS)
  .transform((list) => list.map(([subject, issuedAt, expiresAt]) => ({ subject, issuedAt, expiresAt })));

const writtenGenerations = z.array(z.int().min(0)).max(1 + MAX_OTHER_HOLDERS);

function written({ subject, issuedAt, expiresAt }: TokenHolder): WrittenHolder {
  return [subject, issuedAt, expiresAt];
}

function whyInvalid(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'bad_signature';
  if (error instanceof errors.JWTClaimValidationFailed) return 'bad_claim';
  return error instanceof errors.JOSEAlgNotAllowed ? 'alg_not_allowed' : 'malformed';
}
