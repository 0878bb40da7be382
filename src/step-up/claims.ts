import { isPlainSubject } from '../subject.ts';
import { type IssuerSettings, mediaType } from './presets.ts';
import { Refusal, show } from './refusal.ts';
import type { Proof } from './verifier.ts';

/** A JWT claims set or a JOSE header: whatever the sender put there. */
export interface Claims {
  readonly [name: string]: unknown;
}

/** The claim itself: a name such as `constructor` never reaches what every object inherits. */
function claim(claims: Claims, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}

/** Whether the token has an id of its own. */
export function hasId(claims: Claims): boolean {
  const jti = claim(claims, 'jti');
  return typeof jti === 'string' && jti !== '';
}

/**
 * Header checks that need no key: `crit` extensions (RFC 7515, section 4.1.11; none is understood here), tokens that tell
 * of a security event (RFC 8417), and `typ` where the issuer's setting declares it (RFC 8725, section 3.11).
 * @throws Refusal `crit_not_supported`, `security_event_token`, `typ_not_allowed`
 */
export function checkHeader(header: Claims, settings: IssuerSettings): void {
  if (claim(header, 'crit') !== undefined) {
    throw new Refusal(
      'crit_not_supported',
      `the header demands ${show(header.crit)}, no extension is understood`,
      true,
    );
  }
  const typ = claim(header, 'typ');
  const type = typeof typ === 'string' ? mediaType(typ) : null;
  if (type === 'secevent+jwt' || type === 'logout+jwt') {
    throw new Refusal('security_event_token', `the token is of type ${show(typ)}: it tells of an event`, true);
  }
  if (settings.types !== null && (type === null || !settings.types.includes(type))) {
    throw new Refusal('typ_not_allowed', `the header's typ is ${show(typ)}, expected ${settings.types.join(' or ')}`);
  }
}

/**
 * What a token with a genuine signature shows. Times are epoch seconds; `now` may have a fraction.
 * @param id what the token is spent by when it has no `jti`
 * @throws Refusal named after the claim that fails
 */
export function readProof(claims: Claims, settings: IssuerSettings, now: number, id: string): Proof {
  if (claim(claims, 'events') !== undefined) {
    throw new Refusal('security_event_token', 'the token has an "events" claim: it tells of an event', true);
  }
  checkTokenType(claims, settings);
  checkAudience(claims, settings);
  const expiresAt = checkTimes(claims, settings, now);
  const subject = claim(claims, settings.subjectClaim);
  if (typeof subject !== 'string' || subject.trim() === '') {
    throw new Refusal(
      'subject_missing',
      `claim ${settings.subjectClaim} is ${show(subject)}, expected a string that names the subject`,
    );
  }
  if (!isPlainSubject(subject)) {
    throw new Refusal(
      'subject_ambiguous',
      `claim ${settings.subjectClaim} is ${show(subject)}, which could pass for another subject; expected at most 256 characters, none of them invisible or a mere variant of another (Unicode NFKC), and no outer space`,
    );
  }
  const authentication = authenticatedAt(claims, settings, now);
  const evidence = evidenceOf(claims, settings);
  const jti = claim(claims, 'jti');
  const session = settings.sessionClaim === null ? undefined : claim(claims, settings.sessionClaim);
  const flaw =
    authentication.known || settings.authTime === 'or_iat'
      ? missingMark(claims, settings, evidence)
      : 'it has no auth_time, and iat would make every refresh look like an authentication';
  return {
    issuer: settings.name,
    subject,
    space: settings.subjects,
    steppedUp: flaw === null,
    stepUpFlaw: flaw ?? undefined,
    acr: evidence.acr,
    acrFlaw: evidence.acrFlaw ?? undefined,
    acrOrder: settings.acrOrder ?? undefined,
    amr: evidence.amr,
    authTime: authentication.at,
    maxAgeSeconds: settings.maxAgeSeconds,
    expiresAt,
    id: hasId(claims) ? String(jti) : id,
    session: typeof session === 'string' && session !== '' ? session : null,
    toleranceSeconds: settings.toleranceSeconds,
  };
}

function checkTokenType(claims: Claims, { tokenType }: IssuerSettings): void {
  if (tokenType === null) return;
  const found = claim(claims, tokenType.claim);
  const allowed = tokenType.allowed === null || (typeof found === 'string' && tokenType.allowed.includes(found));
  if (allowed && !(typeof found === 'string' && tokenType.refused.includes(found))) return;
  const expected =
    tokenType.allowed === null ? `not ${tokenType.refused.join(' or ')}` : tokenType.allowed.join(' or ');
  throw new Refusal('token_type', `claim ${tokenType.claim} is ${show(found)}, expected ${expected}`);
}

/** RFC 7519, section 4.1.3: one string or a list of strings, compared exactly. */
function checkAudience(claims: Claims, settings: IssuerSettings): void {
  const found = claim(claims, 'aud');
  if (typeof found === 'string' && settings.audience.includes(found)) return;
  const expected = settings.audience.join(' or ');
  if (found === undefined) {
    if (!settings.audienceRequired) return;
    throw new Refusal('audience_missing', `the token names no audience, expected ${expected}`);
  }
  const entries: readonly unknown[] = Array.isArray(found) ? found : [found];
  if (!entries.every((entry) => typeof entry === 'string')) {
    throw new Refusal('audience_malformed', `aud is ${show(found)}, expected a string or a list of strings`);
  }
  if (!entries.some((entry) => settings.audience.includes(entry))) {
    throw new Refusal('audience_mismatch', `the token is meant for ${show(found)}, expected ${expected}`, true);
  }
}

/** Returns `exp`. */
function checkTimes(claims: Claims, settings: IssuerSettings, now: number): number {
  const tolerance = settings.toleranceSeconds;
  const expiresAt = instant(claims, 'exp');
  if (expiresAt === undefined) throw new Refusal('exp_missing', 'the token has no exp: it would never expire');
  if (now >= expiresAt + tolerance) {
    throw new Refusal('expired', `exp ${expiresAt} (tolerance ${tolerance} s) is past: it is ${Math.floor(now)}`);
  }
  const issuedAt = instant(claims, 'iat');
  if (issuedAt !== undefined && issuedAt > now + tolerance) {
    throw new Refusal(
      'iat_in_future',
      `iat ${issuedAt} is later than now, ${Math.floor(now)} (tolerance ${tolerance} s)`,
    );
  }
  const notBefore = instant(claims, 'nbf');
  if (notBefore !== undefined && notBefore > now + tolerance) {
    throw new Refusal(
      'not_yet_valid',
      `nbf ${notBefore} is later than now, ${Math.floor(now)} (tolerance ${tolerance} s)`,
    );
  }
  const life = expiresAt - (issuedAt ?? now);
  if (life > settings.maxLifetimeSeconds) {
    throw new Refusal(
      'exp_implausible',
      `exp ${expiresAt} gives a life of ${Math.round(life)} s, at most ${settings.maxLifetimeSeconds} s is taken; exp counts seconds, not milliseconds`,
    );
  }
  return expiresAt;
}

/** A NumericDate (RFC 7519, section 2). JSON can hold a number beyond what a double can, which reads as infinity. */
function instant(claims: Claims, name: 'exp' | 'iat' | 'nbf'): number | undefined {
  const value = claim(claims, name);
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new Refusal(`${name}_invalid`, `${name} is ${show(value)}, expected epoch seconds as a number`);
  }
  return value;
}

/** `auth_time`, else `iat`; `known` tells which. */
function authenticatedAt(claims: Claims, settings: IssuerSettings, now: number): { at: number; known: boolean } {
  const issuedAt = instant(claims, 'iat');
  const value = claim(claims, 'auth_time');
  if (value === undefined) {
    if (issuedAt === undefined) {
      throw new Refusal('auth_time_missing', 'neither auth_time nor iat tells when the subject authenticated');
    }
    return { at: issuedAt, known: false };
  }
  const invalid = (expected: string) =>
    new Refusal('auth_time_invalid', `auth_time is ${show(value)}, expected ${expected}`);
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) throw invalid('positive epoch seconds');
  if (value > now + settings.toleranceSeconds) throw invalid(`epoch seconds up to now, ${Math.floor(now)}`);
  if (issuedAt !== undefined && Math.floor(value) > issuedAt + settings.toleranceSeconds) {
    throw invalid(`a moment up to iat, ${issuedAt}: nobody authenticates after the token was made`);
  }
  return { at: value, known: true };
}

interface Evidence {
  readonly acr: string | null;
  /** Why `acr` could not be read. */
  readonly acrFlaw: string | null;
  readonly amr: readonly string[];
}

function evidenceOf(claims: Claims, settings: IssuerSettings): Evidence {
  const amr = claim(claims, 'amr');
  const methods = Array.isArray(amr) && amr.every((method) => typeof method === 'string') ? amr : [];
  const mark = settings.stepUp;
  // A provider that lists the contexts a token is good for has no use for `acr`; the context is the assurance class.
  if (mark.kind === 'includes' && includes(claim(claims, mark.claim), mark.includes)) {
    return { acr: mark.includes, acrFlaw: null, amr: methods };
  }
  const acr = claim(claims, 'acr');
  if (acr === undefined) return { acr: null, acrFlaw: null, amr: methods };
  if (typeof acr === 'string' && acr !== '' && acr === acr.trim()) return { acr, acrFlaw: null, amr: methods };
  if (settings.acrNumbers && Number.isSafeInteger(acr)) return { acr: String(acr), acrFlaw: null, amr: methods };
  return { acr: null, acrFlaw: `acr is ${show(acr)}, expected a string without outer space`, amr: methods };
}

function includes(value: unknown, wanted: string): boolean {
  return Array.isArray(value) && value.includes(wanted);
}

/** Null when the issuer's mark of a step-up is there; otherwise what is missing. */
function missingMark(claims: Claims, settings: IssuerSettings, { acr, acrFlaw, amr }: Evidence): string | null {
  const mark = settings.stepUp;
  switch (mark.kind) {
    case 'equals': {
      const found = claim(claims, mark.claim);
      return found === mark.equals ? null : `claim ${mark.claim} is ${show(found)}, expected ${show(mark.equals)}`;
    }
    case 'includes': {
      const found = claim(claims, mark.claim);
      return includes(found, mark.includes)
        ? null
        : `claim ${mark.claim} is ${show(found)}, expected a list that holds ${show(mark.includes)}`;
    }
    case 'acr': {
      if (acrFlaw !== null) return acrFlaw;
      const order = settings.acrOrder;
      const reached =
        acr !== null && (order === null ? mark.values.includes(acr) : ranksAtLeast(acr, mark.values, order));
      return reached ? null : `acr is ${show(acr ?? undefined)}, expected ${mark.values.join(' or ')}`;
    }
    case 'amr':
      return mark.values.every((method) => amr.includes(method))
        ? null
        : `amr is ${show(amr)}, expected ${mark.values.join(' and ')}`;
  }
}

/**
 * Whether `acr` stands at least as high in the order as one of `wanted`. A value that the order does not name ranks below
 * everything; ranks are places in the list, so `"10"` is neither more nor less than `"2"` unless the order says so.
 */
export function ranksAtLeast(acr: string, wanted: readonly string[], order: readonly string[]): boolean {
  const rank = order.indexOf(acr);
  return wanted.some((value) => order.includes(value) && order.indexOf(value) <= rank);
}
