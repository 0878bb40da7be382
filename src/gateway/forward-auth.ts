import { challengeOf } from '../contract/answer.ts';
import { isNavigation, type ReadHeader } from '../contract/client-headers.ts';
import { cookieSegments, deviceCookie } from '../contract/cookies.ts';
import { REGISTRATION_HEADER, registrationHeader } from '../contract/device-session.ts';
import { stepUpLocation } from '../contract/step-up-page.ts';
import { check } from '../engine/check.ts';
import type { Checked } from '../engine/settle.ts';
import { afterAnswer } from '../http/after-answer.ts';
import { retryAfterOf } from '../http/answer.ts';
import type { AppContext, Route } from '../http/api-route.ts';
import { hasRight } from '../http/caller.ts';
import type { AppDeps, GatewaySettings } from '../http/deps.ts';
import { jsonReply, type Reply } from '../http/reply.ts';
import { EXT_AUTHZ_PREFIX } from '../http/route-path.ts';
import type { Decision } from '../model/decision.ts';
import { stackOf } from '../model/error-text.ts';
import { awaitsKeys } from '../model/proof.ts';
import type { CheckRequest } from '../model/request.ts';
import { addressHeaders } from '../net/client-ip.ts';
import { type Connection, connectionOf, headerLines } from '../net/connection.ts';
import { refusedSession } from '../step-up/challenge.ts';
import { candidatesOf, requestsOf } from './candidates.ts';
import { bareHeaders, decidedHeaders, type HookError, type HookHeaders } from './hook-answer.ts';
import {
  announcesBody,
  forwardedCall,
  type HookCall,
  hookCheckRequest,
  hookOrigin,
  isPreflight,
  prefixedCall,
} from './hook-request.ts';
import { pathReadings } from './path.ts';

/** Header by which the gateway authenticates: `Authorization` is the end user's. */
export const CALLER_KEY_HEADER = 'x-stepgate-key';

const ANSWERS = {
  200: { description: 'Let it through; `X-Stepgate-*` headers say why' },
  302: { description: 'Step up: to the step-up page, where the gateway sent `X-Stepgate-Redirect: 1`' },
  401: { description: 'Step up: `WWW-Authenticate` holds the challenge (RFC 9470)' },
  403: { description: 'Refuse it; `X-Stepgate-Error` is set when the call itself could not be answered' },
} as const;

/**
 * `/forward-auth` and `/ext-authz/…`, called by gateways for each request. Every call is answered 200, 401 (or 302) or
 * 403: gateways turn anything else into an error, and some let errors in. The body is never read.
 */
export function forwardAuthRoutes(deps: AppDeps): Route[] {
  const warnOnce = warningTeller(deps);
  const route = (path: string, summary: string, callOf: CallOf): Route => ({
    method: '*',
    path,
    access: 'own',
    summary,
    answers: ANSWERS,
    handle: (c) => answerHook(deps, c, callOf, warnOnce),
  });
  return [
    route('/forward-auth', 'Decide for nginx, Caddy, Traefik, HAProxy or APISIX', forwardedCall),
    route(`${EXT_AUTHZ_PREFIX}/*`, 'Decide for Envoy: method and path are the request’s own', (header, connection) =>
      prefixedCall(header, connection, EXT_AUTHZ_PREFIX),
    ),
  ];
}

type CallOf = (header: ReadHeader, connection: Connection) => HookCall;
type WarnOnce = (about: keyof typeof WARNINGS) => void;

/** Conditions that fail no request but keep rules from binding, so they are logged. */
const WARNINGS = {
  no_trusted_hop:
    'a gateway call had no client address: the gateway is not in TRUSTED_PROXIES, or every address in the chain is; ' +
    'rules on addresses, places and travel do not bind then (logged once)',
  opaque:
    'a session token is opaque: it is not a JWT, and no introspection is configured, so ' +
    'its requests have no subject (logged once)',
} as const;

function warningTeller(deps: AppDeps): WarnOnce {
  const said = new Set<keyof typeof WARNINGS>();
  return (about) => {
    if (said.has(about)) return;
    said.add(about);
    deps.log.warn(WARNINGS[about]);
  };
}

async function answerHook(deps: AppDeps, c: AppContext, callOf: CallOf, warnOnce: WarnOnce): Promise<Reply> {
  const requestId = c.get('requestId');
  const header: ReadHeader = (name) => c.req.header(name) || null;
  let answer: HookAnswer;
  try {
    answer = await decide(deps, c, header, callOf, warnOnce);
    const error = answer.headers['X-Stepgate-Error'];
    if (error !== '') deps.log.warn('a gateway call was refused', { request_id: requestId, code: error });
  } catch (error) {
    deps.log.error('a gateway was answered 403 because of a fault', {
      request_id: requestId,
      error: stackOf(error),
    });
    answer = refused('internal', requestId);
  }
  const { status } = answer;
  // Some gateways copy Content-Length to a call without a body: the connection cannot be used again.
  const closing = announcesBody(header) ? { Connection: 'close' } : {};
  const headers = { ...answer.headers, ...answer.more, ...closing };
  if (status === 200 || status === 302) return { status, headers, body: null };
  const error = status === 401 ? challengeError(headers) : 'access_denied';
  const explained = jsonReply({ error, request_id: requestId }, status);
  return { ...explained, headers: { ...headers, ...explained.headers } };
}

function challengeError(headers: { readonly [name: string]: string }): string {
  if (headers['X-Stepgate-Error'] !== 'session_refused') return 'insufficient_user_authentication';
  return headers['WWW-Authenticate']?.includes('invalid_dpop_proof') === true ? 'invalid_dpop_proof' : 'invalid_token';
}

interface HookAnswer {
  readonly status: 200 | 302 | 401 | 403;
  readonly headers: HookHeaders;
  readonly more: { readonly [name: string]: string };
}

function refused(error: HookError, requestId: string): HookAnswer {
  return { status: 403, headers: bareHeaders('deny', requestId, { error }), more: {} };
}

async function decide(
  deps: AppDeps,
  c: AppContext,
  header: ReadHeader,
  callOf: CallOf,
  warnOnce: WarnOnce,
): Promise<HookAnswer> {
  const scope = deps.scopeOf(c);
  const { engine } = scope;
  const requestId = c.get('requestId');
  const startedMs = deps.elapsedMs();
  const caller = deps.findCaller(header(CALLER_KEY_HEADER) ?? '');
  if (caller === null) return refused('unauthorized', requestId);
  c.set('caller', caller.name);
  if (!hasRight(caller, 'check')) {
    deps.metrics.rightRefused(caller.name, 'check');
    return refused('right_missing', requestId);
  }

  const connection = connectionOf(c);
  const call = callOf(header, connection);
  if (call.target === null) return refused('target_missing', requestId);
  const paths = pathReadings(call.target);
  if (paths.invalid !== null) return refused(paths.invalid, requestId);
  if (isPreflight(call, header)) {
    return { status: 200, headers: bareHeaders('allow', requestId, { reason: 'preflight' }), more: {} };
  }

  const rules = engine.rules();
  if (rules.files.length === 0) return refused('rules_not_loaded', requestId);
  const method = call.conflict ? null : call.method;
  const candidates = candidatesOf(rules, method, paths.readings);
  if (candidates === null) return refused('path_ambiguous', requestId);

  const origin = hookOrigin(
    connection.peer,
    addressHeaders((name) => c.req.header(name)),
    deps.trust,
  );
  if (origin.noAddress === 'no_trusted_hop') warnOnce('no_trusted_hop');
  const [path = '/'] = paths.readings;
  const sent = {
    authorization: header('authorization'),
    dpop: header('dpop'),
    cookies: cookieSegments(header('cookie')),
    cookieLines: headerLines(c, 'cookie'),
    target: call.target,
  };
  const request = await hookCheckRequest(engine, { ...call, path }, header, sent, origin, deps.gateway);
  if (request.credential?.code === 'opaque') warnOnce('opaque');
  const [first, ...others] = requestsOf(request, candidates);
  const checked = await check(engine, first, others);
  const latencyMs = deps.elapsedMs() - startedMs;
  afterAnswer(deps, scope, { ...checked, requestId, caller: caller.name, latencyMs });
  const isGuarded = [first, ...others].some(({ action }) => rules.policyFor(action).guarded);
  const error = sessionError(checked.request, isGuarded, checked.result.decision);
  return decided(deps.gateway, checked, error, { ...call, target: call.target }, header, requestId, engine.now());
}

/** Session error of the answer; null if the session did not cause it. */
function sessionError(
  { credential }: Pick<CheckRequest, 'credential'>,
  isGuarded: boolean,
  decision: Decision,
): HookError | null {
  if (credential?.state === 'unread' || credential?.state === 'ambiguous') {
    return isGuarded ? `session_${credential.state}` : null;
  }
  const isRefused = credential?.state === 'refused' && !awaitsKeys({ code: credential.code ?? '' });
  return isRefused && decision === 'step-up' ? 'session_refused' : null;
}

/** A session that was sent and not accepted is reported on open pages too. */
function credentialFlags({ credential }: Pick<CheckRequest, 'credential'>): readonly string[] {
  return credential === null || credential.code === null ? [] : [`session_${credential.state}`, credential.code];
}

/** Browsers bind devices over TLS only, and to the host itself for developers. */
function isSecure({ proto, host }: HookCall): boolean {
  return proto?.toLowerCase() === 'https' || /^(?:localhost|127\.0\.0\.1)(?::\d+)?$/i.test(host ?? '');
}

function decided(
  gateway: GatewaySettings,
  { request, result }: Checked,
  error: HookError | null,
  call: HookCall & { readonly target: string },
  header: ReadHeader,
  requestId: string,
  nowMs: number,
): HookAnswer {
  const headers = decidedHeaders({
    result,
    subject: request.subject,
    action: request.action,
    requestId,
    error,
    flags: [...(call.conflict ? ['header_conflict'] : []), ...credentialFlags(request)],
  });
  if (result.decision === 'deny') return { status: 403, headers, more: {} };
  if (result.decision === 'allow') {
    const { token, expiresAtMs } = result.device ?? { token: null, expiresAtMs: null };
    const fresh = token === null || expiresAtMs === null ? null : deviceCookie(token, expiresAtMs, nowMs);
    const invitation = isSecure(call) ? (result.device?.invitation ?? null) : null;
    return {
      status: 200,
      headers,
      more: {
        ...(fresh !== null && { 'Set-Cookie': fresh }),
        ...(invitation !== null && { [REGISTRATION_HEADER]: registrationHeader(invitation) }),
      },
    };
  }
  // Without a requirement there is nothing to challenge for: it must not turn into a 200 or a 500.
  if (result.stepUp === null) return { status: 403, headers, more: {} };
  const more = {
    'WWW-Authenticate':
      error === 'session_refused'
        ? refusedSession(request.credential?.code ?? '')
        : challengeOf(result.stepUp.requirement, result.stepUp.error),
    ...retryAfterOf(result.stepUp.error),
  };
  const location = isNavigation(call, header) ? stepUpLocation(gateway, result.stepUp.requirement, call) : null;
  if (location === null) return { status: 401, headers, more };
  const located = { ...headers, 'X-Stepgate-Location': location };
  // nginx accepts only 401 and 403, so only a gateway that asks for it gets a redirect.
  if (header('x-stepgate-redirect') !== '1') return { status: 401, headers: located, more };
  return { status: 302, headers: located, more: { ...more, Location: location } };
}
