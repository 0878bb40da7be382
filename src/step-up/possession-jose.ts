import { base64url, calculateJwkThumbprint, compactVerify, decodeProtectedHeader, importJWK, type JWK } from 'jose';
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import {
  DPOP_ALGORITHMS,
  type PossessionClaims,
  type PossessionFault,
  type PossessionKind,
  type PossessionVerdict,
  type PossessionVerifier,
} from '../model/possession.ts';
import { rsaWeakness } from './weak-key.ts';

/** `typ` and algorithms of each kind, and the most characters that one has. */
const KINDS: {
  readonly [kind in PossessionKind]: {
    readonly typ: string;
    readonly algorithms: readonly string[];
    readonly most: number;
  };
} = {
  device: { typ: 'stepgate-device-proof+jwt', algorithms: ['ES256'], most: 2048 },
  dpop: { typ: 'dpop+jwt', algorithms: DPOP_ALGORITHMS, most: 4096 },
};

/** Proofs and keys that are remembered: a client sends one proof with several requests, and a key with every proof. */
const REMEMBERED = 2_000;

interface ProofKey {
  readonly alg: string;
  readonly key: CryptoKey;
  readonly thumbprint: string;
}

/**
 * Proofs of possession as JWTs in the form of RFC 9449, section 4.2. What was found valid is remembered by its text, which is all that
 * decides about it; keys are by their header, so that a client's next proof costs one check of a signature.
 */
export function joseProofs(): PossessionVerifier {
  const valid = new LRUCache<string, PossessionVerdict>({ max: REMEMBERED });
  const keys = new LRUCache<string, ProofKey>({ max: REMEMBERED });

  return {
    async verify(jws, kind) {
      const name = `${kind} ${jws}`;
      const known = valid.get(name);
      if (known !== undefined) return known;
      const { most } = KINDS[kind];
      if (jws.length > most || !COMPACT.test(jws)) return refused('malformed');
      const head = `${kind} ${jws.slice(0, jws.indexOf('.'))}`;
      const key = keys.get(head) ?? (await keyOf(jws, kind));
      if (typeof key === 'string') return refused(key);
      const payload = await payloadOf(jws, key);
      if (payload === null) return refused('signature');
      keys.set(head, key);
      const claims = claimsOf(payload);
      if (claims === null) return refused('claims');
      const verdict = { valid: true, claims: { ...claims, thumbprint: key.thumbprint } } as const;
      valid.set(name, verdict);
      return verdict;
    },
  };
}

const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

function refused(why: PossessionFault): PossessionVerdict {
  return { valid: false, why };
}

/** The key in the header, or why it is not accepted. Only keys by which a signature was good are worth remembering. */
async function keyOf(jws: string, kind: PossessionKind): Promise<ProofKey | PossessionFault> {
  const { typ, algorithms } = KINDS[kind];
  const header = headerOf(jws);
  if (header === null) return 'malformed';
  if (header.typ !== typ || header.crit !== undefined) return 'type';
  const { alg } = header;
  if (typeof alg !== 'string' || !algorithms.includes(alg)) return 'alg';
  const jwk = publicKey.safeParse(header.jwk);
  if (!jwk.success) return 'key';
  try {
    const key = await importJWK(jwk.data, alg);
    if (key instanceof Uint8Array) return 'key';
    return { alg, key, thumbprint: await calculateJwkThumbprint(jwk.data) };
  } catch {
    // A point off the curve, or a key of another algorithm: the platform refuses it.
    return 'key';
  }
}

function headerOf(jws: string): { readonly [name: string]: unknown } | null {
  try {
    return { ...decodeProtectedHeader(jws) };
  } catch {
    return null;
  }
}

/** The parts of a public key that its thumbprint is made of (RFC 7638, section 3.2). One with private parts is none. */
const publicKey = z
  .looseObject({ kty: z.string(), d: z.undefined().optional(), k: z.undefined().optional() })
  .pipe(
    z.discriminatedUnion('kty', [
      z.object({ kty: z.literal('EC'), crv: z.string(), x: z.string(), y: z.string() }),
      z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string() }),
      z
        .object({ kty: z.literal('RSA'), n: z.base64url(), e: z.base64url() })
        .refine(({ n, e }) => rsaWeakness({ modulus: base64url.decode(n), exponent: base64url.decode(e) }) === null),
    ]),
  ) satisfies z.ZodType<JWK>;

async function payloadOf(jws: string, { key, alg }: ProofKey): Promise<Uint8Array | null> {
  try {
    const { payload } = await compactVerify(jws, key, { algorithms: [alg] });
    return payload;
  } catch {
    return null;
  }
}

const proofClaims = z.object({
  htm: z.string(),
  htu: z.string(),
  iat: z.number(),
  jti: z.string().min(1).max(256),
  ath: z.string().optional(),
});

function claimsOf(payload: Uint8Array): Omit<PossessionClaims, 'thumbprint'> | null {
  try {
    const { ath, ...claims } = proofClaims.parse(JSON.parse(new TextDecoder().decode(payload)));
    return { ...claims, ath: ath ?? null };
  } catch {
    return null;
  }
}
