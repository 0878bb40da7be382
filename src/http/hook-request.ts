import type { Engine } from '../engine.ts';
import { parsePeer } from '../net/ip.ts';
import type { CheckRequest } from '../request.ts';
import type { Proof, ProofVerdict } from '../step-up/verifier.ts';
import { DEFAULT_SPACE, normaliseSubject, subjectText, USER_TYPE } from '../subject.ts';
import { bearerOf, deviceTokenOf, MAX_TOKEN_LENGTH, type ReadHeader } from './client-headers.ts';
import type { Connection } from './connection.ts';
import { cookieValue, cookieValues, STEP_UP_COOKIE } from './cookies.ts';
import type { GatewaySettings } from './deps.ts';
import { DEVICE_HEADER, deviceShown } from './device-header.ts';
import { normaliseMethod } from './routes.ts';
import { type AddressTrust, deriveOrigin, MAX_USER_AGENT_LENGTH, type Origin } from './wire.ts';

/** The original request as a gateway tells it. */
export interface HookCall {
  /** Upper case; null when the gateway did not state one method. */
  readonly method: string | null;
  /** Raw target of the original request; null when the gateway did not state it. */
  readonly target: string | null;
  readonly proto: string | null;
  readonly host: string | null;
  /** Another header names another method: a client's word or a misconfiguration, so no lenient reading is taken. */
  readonly conflict: boolean;
}

/** Headers by which a client may try to pass for another method. They are compared and never taken. */
const OTHER_METHOD_HEADERS = ['x-original-method', 'x-http-method-override', 'x-method-override', 'x-http-method'];

/**
 * The call of a gateway that tells the original request in `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`. Nothing stands in
 * for one that is missing: neither the hook's own method and path nor `X-Original-*`.
 */
export function forwardedCall(header: ReadHeader): HookCall {
  const stated = header('x-forwarded-method');
  const method = normaliseMethod(stated);
  return {
    method,
    target: header('x-forwarded-uri'),
    proto: header('x-forwarded-proto'),
    host: header('x-forwarded-host'),
    conflict: (stated !== null && method === null) || namesOtherMethod(header, method),
  };
}

/** The call of a gateway that repeats method and path of the original request behind `prefix` (Envoy). */
export function prefixedCall(header: ReadHeader, connection: Connection, prefix: string): HookCall {
  const { target } = connection;
  const method = normaliseMethod(connection.method);
  return {
    method,
    target: target.startsWith(`${prefix}/`) ? target.slice(prefix.length) : null,
    proto: header('x-forwarded-proto'),
    host: header('host'),
    conflict: namesOtherMethod(header, method),
  };
}

function namesOtherMethod(header: ReadHeader, method: string | null): boolean {
  return OTHER_METHOD_HEADERS.some((name) => {
    const other = header(name);
    return other !== null && normaliseMethod(other) !== method;
  });
}

/** A CORS preflight by the gateway's own word; the Fetch standard sends it without any credential to judge by. */
export function isPreflight(call: HookCall, header: ReadHeader): boolean {
  if (call.method !== 'OPTIONS' || call.conflict) return false;
  return header('origin') !== null && header('access-control-request-method') !== null;
}

/**
 * The original request as the core sees it, without its action; `session_ambiguous` when it carries session tokens of two
 * subjects. The subject comes from a session token that verifies, a bearer token first and then the session cookie; without
 * one the request is anonymous. The proof is `X-Step-Up-Token`, the cookie `__Host-stepgate-su` or the session token,
 * whichever shows the newest step-up; but where the keys for a session token cannot be had, it is that token, so that the
 * check counts as degraded and does not pass for one of nobody.
 */
export async function hookCheckRequest(
  engine: Engine,
  call: HookCall & { readonly path: string },
  header: ReadHeader,
  origin: Origin,
  gateway: Pick<GatewaySettings, 'sessionCookie'>,
): Promise<Omit<CheckRequest, 'action'> | 'session_ambiguous'> {
  const nowMs = engine.now();
  const cookies = header('cookie');
  const tokens = sessionTokens(header('authorization'), cookies, gateway.sessionCookie);
  if (tokens.length > MAX_SESSION_TOKENS) return 'session_ambiguous';
  const { sessions, heldUp } = await judgedSessions(engine, nowMs, tokens);
  const [session = null] = sessions;
  if (sessions.some(({ proof }) => proof.subject !== session?.proof.subject || proof.space !== session.proof.space)) {
    return 'session_ambiguous';
  }
  const offered = [header('x-step-up-token'), cookieValue(cookies, STEP_UP_COOKIE)];
  const proof = heldUp ?? (await newestStepUp(engine, nowMs, session, offered));
  return {
    subject: subjectOf(session),
    subjectSpace: session?.proof.space ?? DEFAULT_SPACE,
    subjectType: USER_TYPE,
    ...origin,
    session: sessionOf(session?.proof ?? null, proof?.proof ?? null),
    userAgent: header('user-agent')?.slice(0, MAX_USER_AGENT_LENGTH) ?? null,
    device: deviceShown(deviceTokenOf(cookies), header(DEVICE_HEADER)),
    place: null,
    stepUpToken: proof?.token ?? null,
    resource: {
      type: 'route',
      id: call.path.slice(0, MAX_RESOURCE_ID_LENGTH),
      properties: {
        ...(call.method !== null && { method: call.method }),
        ...(call.host !== null && { host: call.host.toLowerCase() }),
        ...(call.proto !== null && { scheme: call.proto.toLowerCase() }),
      },
    },
    subjectProperties: {},
    context: {},
    occurredAtMs: nowMs,
    dryRun: false,
    isCounted: true,
  };
}

const MAX_RESOURCE_ID_LENGTH = 1024;
/**
 * The address of the end user. The connection's peer is the gateway and never the user: where it is not trusted, its headers
 * mean nothing and the address is unknown.
 */
export function hookOrigin(peer: string | null, headers: { [name: string]: string }, trust: AddressTrust): Origin {
  const origin = deriveOrigin(peer, headers, trust);
  const gateway = peer === null ? null : parsePeer(peer);
  if (origin.address === null || origin.address.text !== gateway?.text) return origin;
  return { address: null, noAddress: 'no_trusted_hop' };
}

interface Verified {
  readonly token: string;
  readonly proof: Proof;
}

function subjectOf(holder: Verified | null): string | null {
  return holder === null ? null : normaliseSubject(holder.proof.subject);
}

/** Whose token it is: one id in two subject spaces is two people. */
function holderOf(holder: Verified | null): string | null {
  const id = subjectOf(holder);
  return holder === null || id === null ? null : subjectText({ space: holder.proof.space, type: USER_TYPE, id });
}

async function verdictOn(engine: Engine, nowMs: number, token: string): Promise<ProofVerdict | null> {
  if (token.length > MAX_TOKEN_LENGTH || engine.verifier === null) return null;
  return engine.verifier.verify(token, nowMs);
}

async function verified(engine: Engine, nowMs: number, token: string | null): Promise<Verified | null> {
  const verdict = token === null ? null : await verdictOn(engine, nowMs, token);
  return token !== null && verdict?.valid === true ? { token, proof: verdict.proof } : null;
}

interface JudgedSessions {
  readonly sessions: readonly Verified[];
  /** A token that the origin may take although nobody can verify it here now: whose it is cannot be told. */
  readonly heldUp: { readonly token: string; readonly proof: null } | null;
}

async function judgedSessions(engine: Engine, nowMs: number, tokens: readonly string[]): Promise<JudgedSessions> {
  const sessions: Verified[] = [];
  let heldUp: JudgedSessions['heldUp'] = null;
  const verdicts = await Promise.all(tokens.map((token) => verdictOn(engine, nowMs, token)));
  for (const [i, token] of tokens.entries()) {
    const verdict = verdicts[i];
    if (verdict?.valid === true) sessions.push({ token, proof: verdict.proof });
    else if (verdict?.error.code === 'keys_unavailable') heldUp ??= { token, proof: null };
  }
  return { sessions, heldUp };
}

/** Most session tokens that one request is looked through for; a browser sends one, or two of overlapping paths. */
const MAX_SESSION_TOKENS = 5;

/**
 * Whatever the origin may take for the session: the bearer token, and each value of the session cookie as it stands and
 * percent-decoded. To overlook one would be to judge somebody else, or nobody.
 */
function sessionTokens(
  authorization: string | null,
  cookies: string | null,
  sessionCookie: string | null,
): readonly string[] {
  const bearer = bearerOf(authorization);
  const values = sessionCookie === null ? [] : cookieValues(cookies, sessionCookie);
  return [...new Set([...(bearer === null ? [] : [bearer]), ...values.flatMap(spellings)])];
}

/** A JWT holds no percent sign, but many origins decode cookies. */
function spellings(value: string): readonly string[] {
  const decoded = value.replace(/%([0-9A-Fa-f]{2})/g, (_escape, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
  return decoded === value ? [value] : [decoded];
}

/**
 * The token to present as proof: of the session's own subject where there is one, for the cookie of a step-up may outlive the
 * log-in that it belongs to. One that does not verify is presented only for want of another: its refusal is then told.
 */
async function newestStepUp(
  engine: Engine,
  nowMs: number,
  session: Verified | null,
  tokens: readonly (string | null)[],
): Promise<{ readonly token: string; readonly proof: Proof | null } | null> {
  const offered = tokens.filter((token) => token !== null).map((token) => token.slice(0, MAX_TOKEN_LENGTH));
  const candidates = [...(await Promise.all(offered.map((token) => verified(engine, nowMs, token)))), session];
  const stepUps = candidates.filter((candidate) => candidate?.proof.steppedUp === true);
  const own = stepUps.filter((candidate) => holderOf(candidate) === holderOf(session));
  const steppedUp = (own.length > 0 ? own : stepUps).reduce(
    (newest, other) => ((other?.proof.authTime ?? 0) > (newest?.proof.authTime ?? 0) ? other : newest),
    null,
  );
  if (steppedUp !== null) return steppedUp;
  const [first] = offered;
  return first === undefined ? session : { token: first, proof: candidates[0]?.proof ?? null };
}

/** A session without its own id is told by its token's, unless that would set it apart from the session of the proof. */
function sessionOf(session: Proof | null, proof: Proof | null): string | null {
  if (session === null) return null;
  return session.session ?? (proof === null || proof.session === null ? session.id : null);
}
