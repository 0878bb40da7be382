import { base64url, compactVerify, createLocalJWKSet, decodeJwt, decodeProtectedHeader, errors } from 'jose';
import { LRUCache } from 'lru-cache';
import {
  MAX_TOKEN_LENGTH,
  type Proof,
  type ProofTerms,
  type ProofVerdict,
  type ProofVerifier,
} from '../model/proof.ts';
import { type Claims, checkCritical, checkHeader, hasId, heldToKey, readProof } from './claims.ts';
import { type Algorithm, type IssuerSettings, isIssuedBy, type Jwks } from './issuer.ts';
import { FETCH_TIMEOUT_MS, type KeySource, type KeySourceOptions, keySource } from './keys.ts';
import { Refusal, show } from './refusal.ts';
import { rsaWeakness } from './weak-key.ts';

/** Characters of verified tokens that are cached: thousands of tokens of usual length. */
const REMEMBERED_LENGTH = 8 * 1024 * 1024;
const REMEMBERED_HEADERS = 256;

/** Trusted issuers, and how their keys are fetched. */
export interface ProofVerifierOptions {
  readonly issuers: readonly IssuerSettings[];
  readonly fetch: KeySourceOptions['fetch'];
  /** Timeout of one key fetch, discovery included. Default {@link FETCH_TIMEOUT_MS}. */
  readonly timeoutMs?: number;
  /** False on Workers. Default true. */
  readonly shareFetches?: boolean;
  readonly onRefetch?: KeySourceOptions['onRefetch'];
}

interface Issuer {
  readonly settings: IssuerSettings;
  readonly terms: ProofTerms;
  readonly source: KeySource<PublicKeys>;
}

interface Remembered {
  readonly verdict: { readonly valid: true; readonly proof: Proof };
  /** The verdict is valid between these epoch milliseconds. */
  readonly fromMs: number;
  readonly untilMs: number;
}

/**
 * Verifies step-up tokens: signed JWTs in compact form (RFC 7519), checked as RFC 8725 asks. A valid token is cached until
 * it expires or its issuer's keys are due for a fetch; a rejected token is checked again each time.
 *
 * Codes, in addition to those of {@link checkSignature} and of the claims: `too_large`, `malformed`, `issuer_missing`,
 * `issuer_unknown`, `keys_unavailable`, `keys_cooling`, `verifier_fault`.
 */
export function joseVerifier(options: ProofVerifierOptions): ProofVerifier {
  const sourceOptions: KeySourceOptions = {
    fetch: options.fetch,
    timeoutMs: options.timeoutMs ?? FETCH_TIMEOUT_MS,
    shareFetches: options.shareFetches ?? true,
    onRefetch: options.onRefetch ?? (() => undefined),
  };
  const issuers: readonly Issuer[] = options.issuers.map((settings) => ({
    settings,
    terms: termsOf(settings),
    source: keySource(settings, publicKeys, sourceOptions),
  }));
  const allTerms = issuers.map(({ terms }) => terms);
  const termsByName = new Map(issuers.map(({ settings, terms }) => [settings.name, [terms]] as const));
  const remembered = new LRUCache<string, Remembered>({
    maxSize: REMEMBERED_LENGTH,
    sizeCalculation: (_entry, token) => token.length,
  });
  // All tokens signed by one key start with the same header.
  const headers = new LRUCache<string, Claims>({ max: REMEMBERED_HEADERS });

  return {
    async verify(token, nowMs, thumbprint) {
      const known = remembered.get(token);
      if (known !== undefined && nowMs >= known.fromMs && nowMs < known.untilMs)
        return heldToKey(known.verdict, thumbprint);
      try {
        const { proof, keysCacheSeconds } = await prove(token, issuers, headers, nowMs);
        const verdict = { valid: true, proof } as const;
        // Not beyond the keys' cache time: when an issuer withdraws a key, its tokens must become invalid.
        const untilMs = Math.min((proof.expiresAt + proof.toleranceSeconds) * 1000, nowMs + keysCacheSeconds * 1000);
        remembered.set(token, { verdict, fromMs: nowMs, untilMs });
        return heldToKey(verdict, thumbprint);
      } catch (error) {
        return refusedFor(error);
      }
    },

    terms(name) {
      return name === null ? allTerms : (termsByName.get(name) ?? []);
    },

    spaces: [...new Set(options.issuers.map(({ subjects }) => subjects))],

    missingKeys() {
      return issuers.filter(({ source }) => !source.loaded).map(({ settings }) => settings.name);
    },

    async warm(nowMs) {
      await Promise.all(issuers.filter(({ source }) => !source.loaded).map(({ source }) => source.current(nowMs)));
    },
  };
}

function termsOf({ stepUp, acrOrder, maxAgeSeconds }: IssuerSettings): ProofTerms {
  // A matched context is reported as the `acr`.
  const shown = stepUp.kind === 'includes' ? [stepUp.includes] : null;
  return { acrValues: stepUp.kind === 'acr' ? stepUp.values : shown, acrOrder, maxAgeSeconds };
}

function refusedFor(error: unknown): ProofVerdict {
  if (error instanceof Refusal) return { valid: false, error: error.toProofError() };
  // Reports the error's name only: the message of a foreign error may contain part of the token.
  const kind = error instanceof Error ? error.name : typeof error;
  return {
    valid: false,
    error: { code: 'verifier_fault', message: `the token could not be checked (${kind})`, suspicious: false },
  };
}

async function prove(
  token: string,
  issuers: readonly Issuer[],
  headers: LRUCache<string, Claims>,
  nowMs: number,
): Promise<{ readonly proof: Proof; readonly keysCacheSeconds: number }> {
  if (token.length > MAX_TOKEN_LENGTH) {
    throw new Refusal('too_large', `the token has ${token.length} characters, allowed are at most ${MAX_TOKEN_LENGTH}`);
  }
  const encodedHeader = token.slice(0, token.indexOf('.'));
  const header = headers.get(encodedHeader) ?? readHeader(token);
  headers.set(encodedHeader, header);
  const claims = readClaims(token);
  const { settings, source } = issuerOf(claims, issuers);
  // Before the keys, so that a token that can never be valid causes no fetch.
  checkAlgorithm(header, settings.algorithms);
  checkHeader(header, settings);
  const fresh = source.fresh(nowMs);
  const keys = fresh?.holdsKeyFor(header) === true ? fresh : await keysFor(header, source, settings, nowMs);
  // Both run off this thread, so the hash is free while the signature is checked.
  const id = hasId(claims) ? '' : signedPartHash(token);
  await verifySignature(token, header, keys, settings.algorithms);
  const proof = readGenuine(claims, settings, nowMs, await id);
  return { proof, keysCacheSeconds: settings.keysCacheSeconds };
}

/** Names the holder of a token whose only fault is that it expired. */
function readGenuine(claims: Claims, settings: IssuerSettings, nowMs: number, id: string): Proof {
  try {
    return readProof(claims, settings, nowMs / 1000, id);
  } catch (error) {
    const subject = claims[settings.subjectClaim];
    if (!(error instanceof Refusal) || error.code !== 'expired' || typeof subject !== 'string') throw error;
    throw new Refusal(error.code, error.message, error.suspicious, { holder: { issuer: settings.name, subject } });
  }
}

function readHeader(token: string): Claims {
  try {
    return { ...decodeProtectedHeader(token) };
  } catch (error) {
    throw unreadable('header', error);
  }
}

function readClaims(token: string): Claims {
  try {
    return decodeJwt(token);
  } catch (error) {
    throw unreadable('claims set', error);
  }
}

function unreadable(part: string, error: unknown): Refusal {
  if (error instanceof errors.JWTInvalid || error instanceof TypeError) {
    return new Refusal(
      'malformed',
      `not a signed JWT of three parts: its ${part} cannot be read as a JSON object in base64url`,
    );
  }
  throw error;
}

function issuerOf(claims: Claims, issuers: readonly Issuer[]): Issuer {
  const { iss } = claims;
  if (typeof iss !== 'string') {
    throw new Refusal('issuer_missing', `iss is ${show(iss)}, expected the name of a configured issuer`);
  }
  const issuer = issuers.find(({ settings }) => isIssuedBy(settings, iss));
  if (issuer !== undefined) return issuer;
  const configured = issuers.map(({ settings }) => settings.name).join(', ');
  throw new Refusal(
    'issuer_unknown',
    `the token is issued by ${show(iss)}, configured are: ${configured || 'none'}`,
    true,
  );
}

function checkAlgorithm(header: Claims, algorithms: readonly Algorithm[]): void {
  const { alg } = header;
  if (algorithms.some((allowed) => allowed === alg)) return;
  throw new Refusal('alg_not_allowed', `the header's alg is ${show(alg)}, allowed: ${algorithms.join(', ')}`, true);
}

/** Keys that include the token's key, fetched if necessary. */
async function keysFor(
  header: Claims,
  source: KeySource<PublicKeys>,
  settings: IssuerSettings,
  nowMs: number,
): Promise<PublicKeys> {
  const unavailable = ({ why, retryAfterSeconds }: { why: string; retryAfterSeconds: number }) =>
    new Refusal('keys_unavailable', `the keys of ${settings.name} are not available: ${why}`, false, {
      retryAfterSeconds,
    });
  const first = await source.current(nowMs);
  if (first.state === 'unavailable') throw unavailable(first);
  if (first.keys.holdsKeyFor(header)) return first.keys;

  const kid = typeof header.kid === 'string' ? header.kid : '';
  const unknown = () => new Refusal('key_unknown', `no key of ${settings.name} has kid ${show(header.kid)}`, true);
  if (!first.justFetched) {
    const again = await source.refetchFor(kid, nowMs);
    if (again.state === 'unavailable') throw unavailable(again);
    if (again.state === 'absent') throw unknown();
    if (again.state === 'cooling') throw cooling(settings, header, again.retryAfterSeconds);
    if (again.keys.holdsKeyFor(header)) return again.keys;
  }
  source.rememberAbsent(kid, nowMs);
  throw unknown();
}

function cooling({ name }: IssuerSettings, header: Claims, retryAfterSeconds: number): Refusal {
  const message = `no key of ${name} had kid ${show(header.kid)} a moment ago, and keys are not fetched again for another ${retryAfterSeconds} s (keys_cooldown_s)`;
  return new Refusal('keys_cooling', message, false, { retryAfterSeconds });
}

/** Imported public keys of one issuer. */
export interface PublicKeys {
  /** Whether there is a key for the header: one with its `kid`, or any key when the header has no `kid`. */
  holdsKeyFor(header: Claims): boolean;
  /** @internal */
  readonly keys: Jwks['keys'];
  /** @internal */
  resolve(header: Claims): CryptoKey | Promise<CryptoKey>;
}

/**
 * Reads a JSON Web Key Set. Skips keys that are not public and asymmetric, and weak ones (see {@link rsaWeakness}).
 * @throws Error when it is not a key set, or has no usable key
 */
export function publicKeys(jwks: unknown): PublicKeys {
  const members = (jwks as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(members)) throw new Error('the response is not a JSON Web Key Set: it has no "keys" array');
  const keys = members.filter(isPublicKey);
  if (keys.length === 0) throw new Error('the JSON Web Key Set has no usable public key');
  const select = createLocalJWKSet({ keys: [...keys] });
  // Caches only keys that exist, so made-up kids cannot make it grow.
  const found = new Map<string, CryptoKey>();
  return {
    keys,
    resolve(header) {
      const name = `${String(header.alg)} ${String(header.kid)}`;
      const known = found.get(name);
      if (known !== undefined) return known;
      return select(header as { alg: string }).then((key) => {
        found.set(name, key);
        return key;
      });
    },
    holdsKeyFor: ({ kid }) => kid === undefined || keys.some((key) => key.kid === kid),
  };
}

function isPublicKey(key: unknown): key is Jwks['keys'][number] {
  if (typeof key !== 'object' || key === null) return false;
  const { kty, n, e, d } = key as { kty?: unknown; n?: unknown; e?: unknown; d?: unknown };
  if (typeof kty !== 'string' || kty === 'oct' || d !== undefined) return false;
  if (kty !== 'RSA') return true;
  if (!isBase64url(n) || !isBase64url(e)) return false;
  return rsaWeakness({ modulus: base64url.decode(n), exponent: base64url.decode(e) }) === null;
}

function isBase64url(value: unknown): value is string {
  return typeof value === 'string' && /^[\w-]+$/.test(value) && value.length % 4 !== 1;
}

/**
 * Checks the signature of a compact JWS with the key that its header names. Without `kid`, exactly one key of the set must
 * fit the algorithm.
 * @throws Refusal `malformed`, `alg_not_allowed`, `crit_not_supported`, `key_unknown`, `key_not_for_signing`,
 *   `key_alg_mismatch`, `key_ambiguous`, `key_unusable`, `signature_invalid`
 */
export async function checkSignature(
  jws: string,
  keys: PublicKeys,
  algorithms: readonly Algorithm[],
): Promise<Uint8Array> {
  const header = readHeader(jws);
  checkAlgorithm(header, algorithms);
  checkCritical(header);
  return verifySignature(jws, header, keys, algorithms);
}

async function verifySignature(
  jws: string,
  header: Claims,
  keys: PublicKeys,
  algorithms: readonly Algorithm[],
): Promise<Uint8Array> {
  try {
    const key = keys.resolve(header);
    const { payload } = await compactVerify(jws, key instanceof Promise ? await key : key, {
      algorithms: [...algorithms],
    });
    return payload;
  } catch (error) {
    throw signatureRefusal(error, header, keys);
  }
}

function signatureRefusal(error: unknown, header: Claims, keys: PublicKeys): Refusal {
  const key = header.kid === undefined ? 'no kid' : `kid ${show(header.kid)}`;
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return new Refusal('signature_invalid', `the signature does not match the issuer's key (${key})`, true);
  }
  if (error instanceof errors.JWKSMultipleMatchingKeys) {
    return new Refusal('key_ambiguous', `${key} and alg ${show(header.alg)} match more than one key, expected one`);
  }
  if (error instanceof errors.JWKSNoMatchingKey) return noKeyRefusal(header, keys);
  if (error instanceof errors.JWSInvalid) return new Refusal('malformed', `not a signed JWT (${error.code})`);
  // E.g. an RSA modulus that is too short or a point off the curve: the platform refuses the key.
  return new Refusal('key_unusable', `the issuer's key (${key}) cannot be used with alg ${show(header.alg)}`);
}

function noKeyRefusal(header: Claims, { keys }: PublicKeys): Refusal {
  const named = keys.filter((key) => header.kid === undefined || key.kid === header.kid);
  const kid = show(header.kid);
  if (named.length === 0) return new Refusal('key_unknown', `no key has kid ${kid}`, true);
  const signing = named.filter(({ use, key_ops: operations }) => {
    return (use === undefined || use === 'sig') && (!Array.isArray(operations) || operations.includes('verify'));
  });
  if (signing.length === 0) {
    return new Refusal(
      'key_not_for_signing',
      `the key (kid ${kid}) is not meant for signatures, as its use or key_ops says`,
      true,
    );
  }
  const made = signing.map((key) => show(key.alg ?? key.kty)).join(' or ');
  return new Refusal(
    'key_alg_mismatch',
    `the key (kid ${kid}) is for ${made}, the token's alg is ${show(header.alg)}`,
    true,
  );
}

/** SHA-256 of header and payload, in base64url. */
async function signedPartHash(token: string): Promise<string> {
  const signed = new TextEncoder().encode(token.slice(0, token.lastIndexOf('.')));
  return base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', signed)));
}
