import { isObject } from '../model/facts.ts';
import type { Proof, ProofError, ProofVerdict } from '../model/proof.ts';
import { isPlainSubject } from '../model/subject.ts';
import { type IssuerSettings, mediaType, type StepUpMark } from './issuer.ts';
import { Refusal, show } from './refusal.ts';

/** A JWT claims set or a JOSE header, as the sender wrote it. */
export interface Claims {
  readonly [name: string]: unknown;
}

/** Reads own properties only, so that a claim named `constructor` does not reach the prototype. */
function claim(claims: Claims, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}

export function hasId(claims: Claims): boolean {
  const jti = claim(claims, 'jti');
  return typeof jti === 'string' && jti !== '';
}

/**
 * Refuses a header with critical extensions (RFC 7515, section 4.1.11): none is supported.
 *
 * @throws Refusal `crit_not_supported`
 */
export function checkCritical(header: Claims): void {
  if (claim(header, 'crit') === undefined) return;
  throw new Refusal(
    'crit_not_supported',
    `the header requires ${show(header.crit)}, but no extension is supported`,
    true,
  );
}

/**
 * Header checks that need no key: `crit` extensions (RFC 7515, section 4.1.11; none is supported), security event tokens
 * (RFC 8417), and `typ` where the issuer's settings declare it (RFC 8725, section 3.11).
 * @throws Refusal `crit_not_supported`, `security_event_token`, `typ_not_allowed`
 */
export function checkHeader(header: Claims, settings: IssuerSettings): void {
  checkCritical(header);
  const typ = claim(header, 'typ');
  const type = typeof typ === 'string' ? mediaType(typ) : null;
  if (type === 'secevent+jwt' || type === 'logout+jwt') {
    throw new Refusal(
      'security_event_token',
      `the token is of type ${show(typ)}, which reports an event and proves no authentication`,
      true,
    );
  }
  if (settings.types !== null && (type === null || !settings.types.includes(type))) {
    throw new Refusal('typ_not_allowed', `the header's typ is ${show(typ)}, expected ${settings.types.join(' or ')}`);
  }
}

/**
 * Reads the claims of a token whose signature is valid. Times are epoch seconds; `now` may have a fraction. Identity and
 * freshness are separate questions: a token that only says who the subject is gives a {@link Proof} with a `flaw`.
 * @param id names the token when it has no `jti`
 * @throws Refusal named after the claim that fails
 */
export function readProof(claims: Claims, settings: IssuerSettings, now: number, id: string): Proof {
  if (claim(claims, 'events') !== undefined) {
    throw new Refusal(
      'security_event_token',
      'the token has an "events" claim: it reports an event and proves no authentication',
      true,
    );
  }
  checkTokenType(claims, settings);
  checkAudience(claims, settings);
  const jkt = boundTo(claims);
  const { expiresAt, lifeFlaw } = checkTimes(claims, settings, now);
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
      `claim ${settings.subjectClaim} is ${show(subject)}, which could be mistaken for another subject; expected at most 256 visible characters in Unicode NFKC form, without surrounding space`,
    );
  }
  const actor = actorOf(claims);
  const methods = readMethods(claim(claims, 'amr'), latestMoment(claims, settings, now));
  const evidence = evidenceOf(claims, settings, methods.names ?? []);
  const unmarked = missingMark(claims, settings, evidence);
  const authentication = authenticatedAt(claims, settings, now, methods);
  const flaw =
    actor === null
      ? (lifeFlaw ?? methods.flaw ?? (unmarked === null ? authentication.flaw : null))
      : flawOf(
          'actor_not_subject',
          `the token says that ${show(actor)} acts for its subject; it does not prove that the subject authenticated`,
        );
  const jti = claim(claims, 'jti');
  const session = settings.sessionClaim === null ? undefined : claim(claims, settings.sessionClaim);
  return {
    issuer: settings.name,
    subject,
    space: settings.subjects,
    actor,
    steppedUp: unmarked === null && flaw === null,
    stepUpFlaw: unmarked ?? undefined,
    flaw: flaw ?? undefined,
    acr: evidence.acr,
    acrFlaw: evidence.acrFlaw ?? undefined,
    acrOrder: settings.acrOrder ?? undefined,
    amr: methods.names,
    amrTimes: methods.times,
    authTime: authentication.at,
    authTimeStated: authentication.stated,
    maxAgeSeconds: settings.maxAgeSeconds,
    expiresAt,
    id: hasId(claims) ? String(jti) : id,
    ...(jkt !== undefined && { jkt }),
    session: typeof session === 'string' && session !== '' ? session : null,
    toleranceSeconds: settings.toleranceSeconds,
  };
}

function flawOf(code: string, message: string): ProofError {
  return { code, message, suspicious: false };
}

/**
 * The thumbprint of the key that a token is bound to (`cnf.jkt`, RFC 9449, section 6.1). A token that is bound in any other way (RFC 7800)
 * proves nothing, because possession cannot be checked.
 */
function boundTo(claims: Claims): string | undefined {
  const bound = claim(claims, 'cnf');
  if (bound === undefined) return undefined;
  const jkt = isObject(bound) && Object.keys(bound).length === 1 ? claim(bound, 'jkt') : undefined;
  if (typeof jkt === 'string' && THUMBPRINT.test(jkt)) return jkt;
  throw new Refusal(
    'sender_constrained',
    `cnf is ${show(bound)}: the token is bound in a way that cannot be checked; expected no cnf, or jkt alone (DPoP)`,
  );
}

/** SHA-256 in base64url. */
const THUMBPRINT = /^[\w-]{43}$/;

/**
 * Holds a genuine token to its key: one that is bound takes part only with a proof of possession of that key, one that is not only
 * without.
 */
export function heldToKey(
  verdict: { readonly valid: true; readonly proof: Proof },
  thumbprint: string | undefined,
): ProofVerdict {
  const { jkt } = verdict.proof;
  if (jkt === thumbprint) return verdict;
  if (jkt === undefined) {
    return refusedBinding('dpop_unbound', 'the token is bound to no key, and was sent with a proof of one (DPoP)');
  }
  return thumbprint === undefined
    ? refusedBinding(
        'sender_constrained',
        'the token is bound to a key (cnf.jkt), and possession of it was not proven; expected Authorization: DPoP with a proof',
      )
    : refusedBinding('dpop_bound_key', 'the token is bound to another key (cnf.jkt) than the one of the proof');
}

function refusedBinding(code: string, message: string): ProofVerdict {
  return { valid: false, error: { code, message, suspicious: false } };
}

/** The outermost `act`: its `sub`, else its `client_id`. */
function actorOf(claims: Claims): string | null {
  const act = claim(claims, 'act');
  if (act === undefined) return null;
  const actor = isObject(act) ? (claim(act, 'sub') ?? claim(act, 'client_id')) : undefined;
  if (typeof actor === 'string' && actor.trim() !== '') return actor;
  throw new Refusal(
    'actor_invalid',
    `act is ${show(act)}, expected an object whose sub names who acts for the subject`,
  );
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
    throw new Refusal('audience_mismatch', `the token is for ${show(found)}, expected ${expected}`, true);
  }
}

/** Epoch seconds stay below this until the year 5138; epoch milliseconds have been above it since 1973. */
const LATEST_SECONDS = 1e11;

/** Returns `exp`, and the flaw of a lifetime that is acceptable for a session but not for a step-up. */
function checkTimes(
  claims: Claims,
  settings: IssuerSettings,
  now: number,
): { readonly expiresAt: number; readonly lifeFlaw: ProofError | null } {
  const tolerance = settings.toleranceSeconds;
  const expiresAt = instant(claims, 'exp');
  if (expiresAt === undefined) throw new Refusal('exp_missing', 'the token has no exp and would never expire');
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
  if (life <= settings.maxLifetimeSeconds) return { expiresAt, lifeFlaw: null };
  const tooLong = flawOf(
    'exp_implausible',
    `exp ${expiresAt} gives a lifetime of ${Math.round(life)} s, allowed are at most ${settings.maxLifetimeSeconds} s; exp is in seconds, not milliseconds`,
  );
  if (expiresAt > LATEST_SECONDS) throw new Refusal(tooLong.code, tooLong.message);
  return { expiresAt, lifeFlaw: tooLong };
}

/** A NumericDate (RFC 7519, section 2). JSON numbers beyond the range of a double parse as infinity. */
function instant(claims: Claims, name: 'exp' | 'iat' | 'nbf'): number | undefined {
  const value = claim(claims, name);
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new Refusal(`${name}_invalid`, `${name} is ${show(value)}, expected epoch seconds as a number`);
  }
  return value;
}

interface Authentication {
  /** Epoch seconds; 0 where `flaw` is set. */
  readonly at: number;
  /** False where `at` is the token's `iat`, because no authentication time is stated. */
  readonly stated: boolean;
  readonly flaw: ProofError | null;
}

/**
 * The time of the step-up method in `amr`, else `auth_time`, else `iat`. `iat` is never used where `amr` has times, or where
 * `acr` or `amr` marks the step-up: providers keep both across a refresh, which renews `iat`.
 */
function authenticatedAt(claims: Claims, settings: IssuerSettings, now: number, methods: Methods): Authentication {
  const authTime = checkAuthTime(claims, settings, now);
  const moment = momentOfStepUp(settings.stepUp, methods);
  const stated = moment ?? authTime;
  if (stated !== undefined) return { at: stated, stated: true, flaw: null };
  const issuedAt = instant(claims, 'iat');
  if (settings.authTime === 'or_iat' && !methods.hasMoments && issuedAt !== undefined) {
    return { at: issuedAt, stated: false, flaw: null };
  }
  const why = methods.hasMoments
    ? 'amr has times, but none for the step-up, and there is no auth_time'
    : settings.authTime === 'required'
      ? 'the token has no auth_time, and with iat every refresh would look like an authentication'
      : 'the token has neither auth_time nor iat to say when the subject authenticated';
  return { at: 0, stated: false, flaw: flawOf('auth_time_missing', why) };
}

/** @throws Refusal `auth_time_invalid` */
function checkAuthTime(claims: Claims, settings: IssuerSettings, now: number): number | undefined {
  const value = claim(claims, 'auth_time');
  if (value === undefined) return undefined;
  const invalid = (expected: string) =>
    new Refusal('auth_time_invalid', `auth_time is ${show(value)}, expected ${expected}`);
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) throw invalid('positive epoch seconds');
  if (value > now + settings.toleranceSeconds) throw invalid(`epoch seconds up to now, ${Math.floor(now)}`);
  const issuedAt = instant(claims, 'iat');
  if (issuedAt !== undefined && Math.floor(value) > issuedAt + settings.toleranceSeconds) {
    throw invalid(`at most iat, ${issuedAt}: authentication comes before the token is issued`);
  }
  return value;
}

/** The latest plausible time at which a method was used. */
function latestMoment(claims: Claims, settings: IssuerSettings, now: number): number {
  return Math.min(now, instant(claims, 'iat') ?? now) + settings.toleranceSeconds;
}

/** The methods in `amr`. */
interface Methods {
  readonly names: readonly string[] | null;
  readonly times: ReadonlyMap<string, number> | undefined;
  /** Whether `amr` uses the form with times, even where a time is left out. */
  readonly hasMoments: boolean;
  readonly flaw: ProofError | null;
}

const NO_METHODS: Methods = { names: null, times: undefined, hasMoments: false, flaw: null };

/** `amr` is a list of names (RFC 8176), or a list of `{"method", "timestamp"}` (Supabase). */
function readMethods(amr: unknown, latest: number): Methods {
  if (amr === undefined) return NO_METHODS;
  const unread = (expected: string): Methods => ({
    ...NO_METHODS,
    flaw: flawOf('amr_invalid', `amr is ${show(amr)}, expected ${expected}`),
  });
  if (!Array.isArray(amr)) return unread('a list of methods');
  const entries: readonly unknown[] = amr;
  if (entries.every((entry) => typeof entry === 'string')) return { ...NO_METHODS, names: entries };
  const names: string[] = [];
  const times = new Map<string, number>();
  for (const entry of entries) {
    const method = isObject(entry) ? claim(entry, 'method') : entry;
    if (typeof method !== 'string' || method === '') {
      return unread('methods by name, or as objects with "method" and "timestamp"');
    }
    names.push(method);
    const at = isObject(entry) ? claim(entry, 'timestamp') : undefined;
    if (at === undefined) continue;
    if (typeof at !== 'number' || !(at > 0 && at <= latest)) {
      return unread(`a timestamp of ${show(method)} in epoch seconds up to ${Math.floor(latest)}`);
    }
    times.set(method, Math.max(at, times.get(method) ?? 0));
  }
  return { names, times, hasMoments: true, flaw: null };
}

/**
 * When the step-up was made, by the times of its methods. Where the issuer's settings name methods, all of them must be fresh,
 * so the oldest counts. Otherwise a claim says that there was a second factor, and its latest use counts; entering the
 * password again does not make it fresher.
 */
function momentOfStepUp(mark: StepUpMark, { names, times }: Methods): number | undefined {
  if (names === null || times === undefined) return undefined;
  if (mark.kind === 'amr') return oldestOf(mark.values, times);
  if (mark.kind === 'includes' && mark.claim === 'amr') return times.get(mark.includes);
  const used = names.filter((name) => name !== 'token_refresh');
  const strongest = Math.max(...used.map(weightOf));
  const moments = used.filter((name) => weightOf(name) === strongest).map((name) => times.get(name));
  const known = moments.filter((moment) => moment !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

/** The oldest time at which these methods were used; undefined unless every time is known. */
function oldestOf(wanted: readonly string[], times: ReadonlyMap<string, number>): number | undefined {
  const moments = wanted.map((method) => times.get(method));
  const known = moments.filter((moment) => moment !== undefined);
  return known.length === moments.length && known.length > 0 ? Math.min(...known) : undefined;
}

/** Names of second factors, and of methods that never are one, at providers that state times. */
const SECOND_FACTOR = /^(totp|mfa|mfa\/.+|webauthn|hwk|swk|sc)$/;
const FIRST_FACTOR = /^(password|pwd|pin|kba|anonymous)$/;

function weightOf(method: string): number {
  if (SECOND_FACTOR.test(method)) return 2;
  return FIRST_FACTOR.test(method) ? 0 : 1;
}

interface Evidence {
  readonly acr: string | null;
  /** Why `acr` could not be read. */
  readonly acrFlaw: string | null;
  readonly amr: readonly string[];
}

function evidenceOf(claims: Claims, settings: IssuerSettings, amr: readonly string[]): Evidence {
  const mark = settings.stepUp;
  // The matched authentication context takes the place of `acr`; providers that list contexts do not use `acr`.
  if (mark.kind === 'includes' && includes(listed(claims, mark.claim, amr), mark.includes)) {
    return { acr: mark.includes, acrFlaw: null, amr };
  }
  const acr = claim(claims, 'acr');
  if (acr === undefined) return { acr: null, acrFlaw: null, amr };
  if (typeof acr === 'string' && acr !== '' && acr === acr.trim()) return { acr, acrFlaw: null, amr };
  if (settings.acrNumbers && Number.isSafeInteger(acr)) return { acr: String(acr), acrFlaw: null, amr };
  return { acr: null, acrFlaw: `acr is ${show(acr)}, expected a string without surrounding space`, amr };
}

function listed(claims: Claims, name: string, amr: readonly string[]): unknown {
  return name === 'amr' ? amr : claim(claims, name);
}

function includes(value: unknown, wanted: string): boolean {
  return Array.isArray(value) && value.includes(wanted);
}

/** Null when the token carries the issuer's step-up mark; otherwise what is missing. */
function missingMark(claims: Claims, settings: IssuerSettings, { acr, acrFlaw, amr }: Evidence): string | null {
  const mark = settings.stepUp;
  switch (mark.kind) {
    case 'equals': {
      const found = claim(claims, mark.claim);
      return found === mark.equals ? null : `claim ${mark.claim} is ${show(found)}, expected ${show(mark.equals)}`;
    }
    case 'includes': {
      const found = listed(claims, mark.claim, amr);
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
 * Whether `acr` ranks at least as high in `order` as one of `wanted`. A value that is not in the order ranks below all
 * others. Ranks are positions in the list: `"10"` is not above `"2"` unless the order says so.
 */
export function ranksAtLeast(acr: string, wanted: readonly string[], order: readonly string[]): boolean {
  const rank = order.indexOf(acr);
  return wanted.some((value) => order.includes(value) && order.indexOf(value) <= rank);
}
