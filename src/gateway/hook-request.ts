import {
  clientHintsOf,
  DEVICE_PROOF_HEADER,
  deviceTokenOf,
  type ReadHeader,
  STEP_UP_HEADER,
  sessionClaimOf,
} from '../contract/client-headers.ts';
import { cookieValue, STEP_UP_COOKIE } from '../contract/cookies.ts';
import { DEVICE_HEADER } from '../contract/device-header.ts';
import { SKIPPED_HEADER } from '../contract/device-session.ts';
import { MAX_USER_AGENT_LENGTH } from '../contract/limits.ts';
import type { Engine } from '../engine/engine.ts';
import type { GatewaySettings } from '../http/deps.ts';
import { deviceShown } from '../http/device-shown.ts';
import { type AddressTrust, deriveOrigin, type Origin } from '../http/wire.ts';
import { judgePossession, POSSESSION_WINDOW_S, pathOf, type SentPossession, tokenHash } from '../model/possession.ts';
import { awaitsKeys, type Proof, type ProofError, type ProofVerdict } from '../model/proof.ts';
import type { CheckRequest, Credential } from '../model/request.ts';
import { DEFAULT_SPACE, normaliseSubject, USER_TYPE } from '../model/subject.ts';
import type { ForwardedRequest } from '../net/client-ip.ts';
import type { Connection } from '../net/connection.ts';
import { parsePeer } from '../net/ip.ts';
import { normaliseMethod } from '../rules/route-table.ts';
import { type VerifyOnce, verifiedOnce, verifyProof } from '../step-up/apply-proof.ts';
import { hasQueryToken, type ReadCredentials, readCredentials, type SentCredentials } from './credentials.ts';
import { namesOtherMethod } from './method-override.ts';

/** The original request as the gateway describes it. */
export interface HookCall {
  /** Upper case; null when the gateway did not state one method. */
  readonly method: string | null;
  /** Raw target of the original request; null when the gateway did not state it. */
  readonly target: string | null;
  readonly proto: string | null;
  readonly host: string | null;
  /** A header or the query names another method: a client's word or a misconfiguration, so no lenient reading is taken. */
  readonly conflict: boolean;
}

/**
 * A call with the original request in `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`. Nothing replaces a missing
 * one: neither the hook's own method and path nor `X-Original-*`.
 */
export function forwardedCall(header: ReadHeader): HookCall {
  const stated = header('x-forwarded-method');
  const method = normaliseMethod(stated);
  const target = header('x-forwarded-uri');
  return {
    method,
    target,
    proto: header('x-forwarded-proto'),
    host: header('x-forwarded-host'),
    conflict: (stated !== null && method === null) || namesOtherMethod(header, target, method),
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
    conflict: namesOtherMethod(header, target, method),
  };
}

/** Header by which the gateway reports whether the original request has a body, which is not sent to the hook. */
const BODY_HEADER = 'x-stepgate-has-body';

/**
 * A CORS preflight as a browser sends it (Fetch, section 4.9): by the gateway's own word `OPTIONS`, with an origin and a method,
 * and without anything that an application could act upon.
 */
export function isPreflight(call: HookCall, header: ReadHeader): boolean {
  return (
    call.method === 'OPTIONS' &&
    !call.conflict &&
    ORIGIN.test(header('origin') ?? '') &&
    REQUESTED_METHOD.test(header('access-control-request-method') ?? '') &&
    ['authorization', 'cookie', 'dpop', STEP_UP_HEADER].every((name) => header(name) === null) &&
    (call.target === null || !hasQueryToken(call.target)) &&
    (header(BODY_HEADER) ?? '0') === '0' &&
    !announcesBody(header)
  );
}

/** An origin as browsers write it (RFC 6454, section 6.2). */
const ORIGIN = /^(?:null|[a-z][a-z0-9+.-]*:\/\/(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?)$/;
const REQUESTED_METHOD = /^[A-Z][A-Z-]{0,31}$/;

/** Whether the call itself has a body, or repeats the length of the original's. */
export function announcesBody(header: ReadHeader): boolean {
  return header('transfer-encoding') !== null || (header('content-length') ?? '0') !== '0';
}

/**
 * The original request as the engine sees it, without its action. The subject is that of the accepted session token, in
 * `Authorization`, the session cookie or the query. The proof is the newest step-up among `X-Step-Up-Token`, the cookie
 * `__Host-stepgate-su` and the session token. If the session's keys are unavailable, its token is the proof, so that
 * the check degrades instead of looking anonymous.
 */
export async function hookCheckRequest(
  engine: Engine,
  call: HookCall & { readonly path: string },
  header: ReadHeader,
  sent: SentCredentials,
  origin: Origin,
  gateway: Pick<GatewaySettings, 'sessionCookie'>,
): Promise<Omit<CheckRequest, 'action'>> {
  const nowMs = engine.now();
  const verdictOn = verifiedOnce(engine.verifier, nowMs);
  const offered = [header(STEP_UP_HEADER), cookieValue(sent.cookies, STEP_UP_COOKIE)].filter((token) => token !== null);
  const [{ credential, session, actor, pending }, proofs] = await Promise.all([
    sentSession(engine, call, sent, readCredentials(sent, gateway.sessionCookie), verdictOn),
    Promise.all(offered.map(verdictOn)),
  ]);
  const proof = proofOf(credential, session, proofs);
  const verdict = pending ?? proof;
  const hints = clientHintsOf(header);
  return {
    subject: session === null ? null : normaliseSubject(session.subject),
    subjectSpace: session?.space ?? DEFAULT_SPACE,
    subjectType: USER_TYPE,
    ...origin,
    session: sessionOf(session, proof?.valid === true ? proof.proof : null),
    credential,
    actor,
    userAgent: header('user-agent')?.slice(0, MAX_USER_AGENT_LENGTH) ?? null,
    ...(hints !== null && { clientHints: hints }),
    device: deviceShown(
      deviceTokenOf(sent.cookies),
      header(DEVICE_HEADER),
      sentPossession(header(DEVICE_PROOF_HEADER), call.method, sent.target),
      sessionClaimOf(sent.cookies, header(SKIPPED_HEADER)),
    ),
    place: null,
    proof: verdict === null ? null : { verdict },
    resource: {
      type: 'route',
      id: call.path,
      properties: {
        ...(call.method !== null && { method: call.method }),
        ...(call.host !== null && { host: hostNameOf(call.host) }),
        ...(call.proto !== null && { scheme: call.proto.toLowerCase() }),
      },
    },
    subjectProperties: {},
    context: {},
    occurredAtMs: nowMs,
    dryRun: false,
  };
}

function sentPossession(jws: string | null, method: string | null, target: string): SentPossession | null {
  return jws === null ? null : { jws, method, target };
}

/**
 * The end user's address. The connection's peer is the gateway, never the user: if it is not trusted, its headers mean
 * nothing and the address is unknown.
 */
export function hookOrigin(peer: string | null, headers: ForwardedRequest['headers'], trust: AddressTrust): Origin {
  const origin = deriveOrigin(peer, headers, trust);
  const gateway = peer === null ? null : parsePeer(peer);
  if (origin.address === null || origin.address.text !== gateway?.text) return origin;
  return { address: null, noAddress: 'no_trusted_hop' };
}

/** A host by which servers choose a site: the client may write it in capitals, with any port and with a dot behind it. */
function hostNameOf(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '');
}

interface Refused {
  readonly token: string;
  readonly error: ProofError;
}

/** The session of a request by the word of its credentials. */
export interface JudgedSession {
  readonly credential: Credential;
  /** What the token shows; set if the credential is accepted. */
  readonly session: Proof | null;
  /** Who acts for its subject by the word of any of its tokens. */
  readonly actor: string | null;
  /** The verdict on a token that cannot be judged until its issuer's keys can be fetched. */
  readonly pending: ProofVerdict | null;
}

/** The session, with the proof of possession that it was sent with. A proof that is not for this request is none of its token. */
async function sentSession(
  { possession, verifier, now }: Engine,
  call: HookCall,
  { target }: SentCredentials,
  read: ReadCredentials,
  verdictOn: VerifyOnce,
): Promise<JudgedSession> {
  const [token] = read.state === 'read' ? read.tokens : [];
  if (read.state !== 'read' || read.dpop === undefined || token === undefined) return judgedSession(read, verdictOn);
  const nowMs = now();
  const isUrl = (htu: URL): boolean =>
    call.host !== null && hostNameOf(htu.host) === hostNameOf(call.host) && htu.pathname === pathOf(target);
  const judged = judgePossession(await possession.verify(read.dpop, 'dpop'), call.method, isUrl, nowMs);
  if (!judged.valid) return judgedSession({ state: 'refused', code: `dpop_${judged.why}` }, verdictOn);
  const { ath, thumbprint, jti, iat } = judged.claims;
  if (ath !== (await tokenHash(token))) return judgedSession({ state: 'refused', code: 'dpop_token' }, verdictOn);
  const session = await judgedSession(read, (each) => verifyProof(verifier, each, nowMs, thumbprint));
  if (session.credential.state !== 'accepted') return session;
  const dpop = { id: `dpop ${thumbprint} ${jti}`, until: Math.floor(iat) + POSSESSION_WINDOW_S };
  return { ...session, credential: { ...session.credential, dpop } };
}

/**
 * Every token that an origin may take for the session must be accepted and name one subject; otherwise someone else
 * might be judged.
 */
export async function judgedSession(read: ReadCredentials, verdictOn: VerifyOnce): Promise<JudgedSession> {
  const without = (
    state: Credential['state'],
    code: string | null,
    pending: ProofVerdict | null = null,
  ): JudgedSession => ({
    credential: { state, code },
    session: null,
    actor: null,
    pending,
  });
  if (read.state !== 'read') return without(read.state, read.code);
  const accepted: Proof[] = [];
  const refused: Refused[] = [];
  const shown = await Promise.all(read.tokens.map(async (token) => ({ token, verdict: await verdictOn(token) })));
  for (const { token, verdict } of shown) {
    if (verdict.valid) accepted.push(verdict.proof);
    else if (awaitsKeys(verdict.error)) return without('refused', verdict.error.code, verdict);
    else refused.push({ token, error: verdict.error });
  }
  const [session = null, ...others] = accepted;
  // A browser keeps an expired cookie next to the token of the new log-in; no origin takes the request for anyone
  // else's.
  const [refusal] = refused.filter(({ error: { holder } }) => {
    return session === null || holder?.issuer !== session.issuer || holder.subject !== session.subject;
  });
  if (refusal !== undefined) return without('refused', refusalCode(refusal));
  if (session === null) return without('none', null);
  if (others.some((other) => !isSameSubject(other, session))) return without('ambiguous', 'two_subjects');
  const actor = accepted.find((each) => each.actor !== null)?.actor ?? null;
  return { credential: { state: 'accepted', code: null }, session, actor, pending: null };
}

/** Many providers issue tokens that are not JWTs and need introspection. */
function refusalCode({ token, error: { code } }: Refused): string {
  return code === 'malformed' && !/^[\w-]+\.[\w-]+\.[\w-]*$/.test(token) ? 'opaque' : code;
}

/** One id in two subject spaces is two people. */
function isSameSubject(one: Proof, other: Proof): boolean {
  return one.space === other.space && normaliseSubject(one.subject) === normaliseSubject(other.subject);
}

/**
 * The verdict that is presented as proof: with a session, of the same subject, as a step-up cookie may outlive its
 * log-in. A token that does not verify is presented only if there is no other, so that its refusal is reported. Next
 * to a session that is not accepted, nothing counts as proof.
 */
function proofOf({ state }: Credential, session: Proof | null, offered: readonly ProofVerdict[]): ProofVerdict | null {
  if (state !== 'accepted' && state !== 'none') return null;
  const own = session === null ? [] : [{ valid: true, proof: session } as const];
  let best: Proof | null = null;
  for (const verdict of [...offered, ...own]) {
    if (!verdict.valid || !verdict.proof.steppedUp) continue;
    if (best === null || isBetterProof(verdict.proof, best, session)) best = verdict.proof;
  }
  return best === null ? (offered[0] ?? own[0] ?? null) : { valid: true, proof: best };
}

function isBetterProof(one: Proof, other: Proof, session: Proof | null): boolean {
  const isOwn = (proof: Proof): boolean => session !== null && isSameSubject(proof, session);
  return isOwn(one) === isOwn(other) ? one.authTime > other.authTime : isOwn(one);
}

/** A session without an id gets its token's, unless that would separate it from the session of its subject's proof. */
function sessionOf(session: Proof | null, proof: Proof | null): string | null {
  if (session === null || session.session !== null) return session?.session ?? null;
  const isSetApart = proof !== null && proof.session !== null && isSameSubject(proof, session);
  return isSetApart ? null : session.id;
}
