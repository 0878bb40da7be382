import * as z from 'zod';
import { isNavigation, type ReadHeader } from '../contract/client-headers.ts';
import { cookieSegments, STEP_UP_COOKIE } from '../contract/cookies.ts';
import { allowedReturn, siteOf } from '../contract/step-up-page.ts';
import type { Engine } from '../engine/engine.ts';
import { readCredentials } from '../gateway/credentials.ts';
import { CALLER_KEY_HEADER } from '../gateway/forward-auth.ts';
import { judgedSession } from '../gateway/hook-request.ts';
import type { AppContext, Route } from '../http/api-route.ts';
import { jsonBody } from '../http/body.ts';
import { hasRight } from '../http/caller.ts';
import type { AppDeps } from '../http/deps.ts';
import { ProblemError } from '../http/problem.ts';
import { jsonReply, type Reply } from '../http/reply.ts';
import { validated } from '../http/wire.ts';
import { DEFAULT_MAX_AGE_SECONDS } from '../model/decision.ts';
import { headerLines } from '../net/connection.ts';
import { type Page, renderPage } from '../pages/page.ts';
import { verifiedOnce } from '../step-up/apply-proof.ts';
import {
  BROKER_PATH,
  type Broker,
  CALLBACK_PATH,
  finishStepUp,
  START_PATH,
  type SteppingUp,
  type StepUpWish,
  startStepUp,
} from './broker.ts';
import { MAX_PENDING, PENDING_SECONDS, pendingCookieName, pendingCookies } from './pending.ts';

/** What a page without an OpenID Connect library asks for. */
const startBody = z.strictObject({
  acr_values: z.array(z.string().min(1).max(256)).max(16).nullish(),
  max_age: z.int().min(0).max(86_400).nullish().describe('in seconds; 0 asks the person in any case'),
  return_to: z.string().max(8192).nullish().describe('where the browser goes afterwards: an absolute URL'),
});
const startAnswer = z.object({ location: z.string().describe('where the page has to send the browser') });

const PAGE_ANSWER = { description: 'A page that says what to do' } as const;

/**
 * `/.stepgate/…` on the application's own host: the step-up in the browser, and pages for refusals. The gateway routes these paths here,
 * with its key in `X-Stepgate-Key` and the site in `X-Forwarded-Proto` and `-Host`.
 */
export function brokerRoutes(deps: AppDeps, broker: Broker | null): Route[] {
  const refused = (status: 401 | 403): Route => ({
    method: '*',
    path: `${BROKER_PATH}/refused/${status}`,
    access: 'own',
    summary: `The page or JSON document of a ${status}, for gateways that cannot pass on the answer of the hook`,
    headers: {
      'X-Stepgate-Reference': 'The number that the support desk can look up; default: a new request id',
      ...(status === 401 && {
        'X-Stepgate-Refusal': 'The error code; `invalid_token` means that the person has to log in',
      }),
    },
    answers: { [status]: PAGE_ANSWER },
    handle: (c) => refusal(deps, c, status),
  });
  const refusals = [refused(401), refused(403)];
  if (broker === null) return refusals;
  return [
    ...refusals,
    {
      method: 'GET',
      path: START_PATH,
      access: 'own',
      summary: 'Start a step-up in the browser: to the identity provider and back to `return_to`',
      answers: {
        302: { description: 'To the identity provider' },
        401: PAGE_ANSWER,
        403: PAGE_ANSWER,
        502: PAGE_ANSWER,
      },
      handle: (c) => startPage(deps, broker, c),
    },
    {
      method: 'POST',
      path: START_PATH,
      access: 'own',
      summary: 'Start a step-up for a script, which sends the browser to `location` itself',
      body: startBody,
      answers: { 200: { description: 'Where to send the browser', schema: startAnswer } },
      handle: (c) => startForScript(deps, broker, c),
    },
    {
      method: 'GET',
      path: CALLBACK_PATH,
      access: 'own',
      summary: 'End a step-up: the identity provider sends the browser back here',
      answers: {
        303: { description: 'Back to `return_to`, with the proof in a cookie' },
        400: PAGE_ANSWER,
        403: PAGE_ANSWER,
        502: PAGE_ANSWER,
      },
      handle: (c) => finishPage(deps, broker, c),
    },
  ];
}

function refusal(deps: AppDeps, c: AppContext, status: 401 | 403): Reply | Promise<Reply> {
  const header = headerOf(c);
  const reference = header('x-stepgate-reference')?.slice(0, MAX_REFERENCE_LENGTH) ?? c.get('requestId');
  const stated = header('x-stepgate-refusal') ?? '';
  const error =
    status === 403 ? 'access_denied' : (CHALLENGE_ERRORS.find((each) => each === stated) ?? CHALLENGE_ERRORS[0]);
  if (!isNavigation({ method: 'GET' }, header)) return jsonReply({ error, request_id: reference }, status);
  const kind = status === 403 ? 'denied' : error === 'insufficient_user_authentication' ? 'step_up' : 'no_session';
  return pageReply(deps, c, { kind, status, reference, links: [] });
}

/** As long as a request id may be. */
const MAX_REFERENCE_LENGTH = 128;

/** Error codes of a 401 (RFC 9470, RFC 6750, RFC 9449). */
const CHALLENGE_ERRORS = ['insufficient_user_authentication', 'invalid_token', 'invalid_dpop_proof'] as const;

function headerOf(c: AppContext): ReadHeader {
  return (name) => c.req.header(name) || null;
}

async function pageReply(
  deps: AppDeps,
  c: AppContext,
  page: Omit<Page, 'reference'> & { readonly reference?: string },
  cookies: readonly string[] = [],
): Promise<Reply> {
  const whole = { reference: c.get('requestId'), ...page };
  const { status, headers, body } = await renderPage(whole, deps.pages, c.req.header('accept-language') ?? null);
  return { status, headers, body, cookies };
}

/** The site that the browser uses, by the word of a gateway with a key; null without one, or without a site. */
function siteBy(deps: AppDeps, c: AppContext): string | null {
  const header = headerOf(c);
  const caller = deps.findCaller(header(CALLER_KEY_HEADER) ?? '');
  if (caller === null || !hasRight(caller, 'check')) return null;
  c.set('caller', caller.name);
  return siteOf({ proto: header('x-forwarded-proto'), host: header('x-forwarded-host') });
}

/** Whose session a browser shows; null where no credential is accepted. */
async function steppingUp(deps: AppDeps, engine: Engine, c: AppContext): Promise<SteppingUp | null> {
  const header = headerOf(c);
  const verdictOn = verifiedOnce(engine.verifier, engine.now());
  const read = readCredentials(
    {
      authorization: header('authorization'),
      // A page load has no proof of possession.
      dpop: null,
      cookies: cookieSegments(header('cookie')),
      cookieLines: headerLines(c, 'cookie'),
      // Parameters of this address are no credentials.
      target: START_PATH,
    },
    deps.gateway.sessionCookie,
  );
  const { session } = await judgedSession(read, verdictOn);
  if (session === null || read.state !== 'read') return null;
  for (const token of read.tokens) {
    const verdict = await verdictOn(token);
    if (verdict.valid && verdict.proof === session) return { session, token };
  }
  return { session, token: null };
}

async function startPage(deps: AppDeps, broker: Broker, c: AppContext): Promise<Reply> {
  const { engine } = deps.scopeOf(c);
  const site = siteBy(deps, c);
  if (site === null) return notSetUp(deps, c);
  const { searchParams } = new URL(c.req.url);
  const returnTo = searchParams.get('return_to');
  const again = linkTo(searchParams);
  const back = allowedReturn(returnTo ?? '', returnHostsOf(deps, site))?.href ?? '/';
  if (searchParams.get('posted') === '1') {
    return pageReply(deps, c, {
      kind: 'posted',
      status: 401,
      links: [
        { name: 'confirm', href: again },
        { name: 'back', href: back },
      ],
    });
  }
  const who = await steppingUp(deps, engine, c);
  if (who === null)
    return pageReply(deps, c, { kind: 'no_session', status: 401, links: [{ name: 'back', href: back }] });
  const started = await startStepUp(broker, engine, who, wishOf(deps, site, searchParams, returnTo));
  if (started.state === 'failed') {
    logFailure(deps, c, started.why, started.detail);
    return pageReply(deps, c, {
      kind: 'provider_failed',
      status: 502,
      links: [
        { name: 'again', href: again },
        { name: 'back', href: started.returnTo },
      ],
    });
  }
  return {
    status: 302,
    headers: { Location: started.href },
    body: null,
    cookies: await startedCookies(broker, c, engine, started.cookie),
  };
}

async function startForScript(deps: AppDeps, broker: Broker, c: AppContext): Promise<Reply> {
  const { engine } = deps.scopeOf(c);
  const site = siteBy(deps, c);
  if (site === null) throw new ProblemError('not_set_up', NOT_SET_UP);
  const header = headerOf(c);
  // A page of another site must not begin a step-up here; without a media type it could even do so without asking (CORS).
  if ((header('origin') ?? site) !== site || header('content-type') === null) {
    throw new ProblemError('cross_origin', 'a step-up is started by pages of its own site only, with application/json');
  }
  const body = validated(startBody, await jsonBody(c, deps.readBody));
  const who = await steppingUp(deps, engine, c);
  if (who === null) throw new ProblemError('no_session', 'no session was shown that is accepted here; log in first');
  const wish: StepUpWish = {
    site,
    acrValues: body.acr_values ?? [],
    maxAgeSeconds: body.max_age ?? DEFAULT_MAX_AGE_SECONDS,
    returnTo: body.return_to ?? null,
    returnHosts: returnHostsOf(deps, site),
  };
  const started = await startStepUp(broker, engine, who, wish);
  if (started.state === 'failed') {
    logFailure(deps, c, started.why, started.detail);
    throw new ProblemError(
      'provider_failed',
      'the identity provider does not answer as it should; try again in a few minutes',
    );
  }
  const cookies = await startedCookies(broker, c, engine, started.cookie);
  return { ...jsonReply({ location: started.href }), cookies };
}

async function finishPage(deps: AppDeps, broker: Broker, c: AppContext): Promise<Reply> {
  const { engine } = deps.scopeOf(c);
  const site = siteBy(deps, c);
  if (site === null) return notSetUp(deps, c);
  const { searchParams } = new URL(c.req.url);
  const name = pendingCookieName(searchParams.get('state') ?? '');
  const sealed = pendingCookies(c.req.header('cookie') ?? null).find((cookie) => cookie.name === name);
  const pending = sealed === undefined ? null : await broker.seal.open(sealed.value, engine.now());
  if (pending === null || pending.state !== searchParams.get('state') || pending.redirectUri !== site + CALLBACK_PATH) {
    return pageReply(deps, c, { kind: 'expired', status: 400, links: [{ name: 'back', href: '/' }] });
  }
  const finished = await finishStepUp(broker, engine, pending, searchParams);
  const ended = droppedCookie(name);
  if (finished.state === 'proven') {
    const cookie = proofCookie(finished.token, finished.expiresAt, engine.now());
    return { status: 303, headers: { Location: pending.returnTo }, body: null, cookies: [cookie, ended] };
  }
  logFailure(deps, c, finished.why, finished.detail);
  const again = linkTo(
    new URLSearchParams({
      ...(pending.acrValues.length > 0 && { acr_values: pending.acrValues.join(' ') }),
      max_age: String(pending.maxAgeSeconds),
      return_to: pending.returnTo,
    }),
  );
  const back = { name: 'back', href: pending.returnTo } as const;
  return pageReply(
    deps,
    c,
    {
      kind: finished.why,
      status: STATUS_OF[finished.why],
      links: finished.why === 'expired' ? [back] : [{ name: 'again', href: again }, back],
    },
    [ended],
  );
}

const STATUS_OF = { cancelled: 403, too_weak: 403, other_person: 403, expired: 400, provider_failed: 502 } as const;

const NOT_SET_UP =
  'the gateway has to send its key in X-Stepgate-Key and the site in X-Forwarded-Proto and X-Forwarded-Host; see docs/step-up.md';

function notSetUp(deps: AppDeps, c: AppContext): Promise<Reply> {
  logFailure(deps, c, 'not_set_up', NOT_SET_UP);
  return pageReply(deps, c, { kind: 'not_set_up', status: 403, links: [] });
}

function logFailure(deps: AppDeps, c: AppContext, code: string, detail: string): void {
  deps.log.warn('a step-up in the browser failed', { request_id: c.get('requestId'), code, detail });
}

function returnHostsOf({ gateway }: AppDeps, site: string): readonly string[] {
  return gateway.returnHosts.length > 0 ? gateway.returnHosts : [new URL(site).host];
}

function wishOf(deps: AppDeps, site: string, query: URLSearchParams, returnTo: string | null): StepUpWish {
  const maxAge = query.get('max_age') ?? '';
  return {
    site,
    acrValues: (query.get('acr_values') ?? '')
      .split(' ')
      .filter((value) => value !== '')
      .slice(0, 16),
    maxAgeSeconds: /^\d{1,5}$/.test(maxAge) ? Number(maxAge) : DEFAULT_MAX_AGE_SECONDS,
    returnTo,
    returnHosts: returnHostsOf(deps, site),
  };
}

/** The address that starts the step-up with these parameters. */
function linkTo(parameters: URLSearchParams): string {
  const kept = new URLSearchParams(parameters);
  kept.delete('posted');
  return `${START_PATH}?${kept}`;
}

/** The new cookie, and the end of the oldest where there are too many. */
async function startedCookies(
  { seal }: Broker,
  c: AppContext,
  engine: Engine,
  { name, value }: { readonly name: string; readonly value: string },
): Promise<readonly string[]> {
  const others = pendingCookies(c.req.header('cookie') ?? null);
  const surplus = others.slice(0, Math.max(0, others.length + 1 - MAX_PENDING));
  const stale = await Promise.all(
    others.slice(surplus.length).map(async (other) => ({
      ...other,
      live: (await seal.open(other.value, engine.now())) !== null,
    })),
  );
  const dropped = [...surplus, ...stale.filter(({ live }) => !live)];
  return [cookieOf(name, value, PENDING_SECONDS), ...dropped.map((other) => droppedCookie(other.name))];
}

/** `Set-Cookie` with the proof, for as long as the token may be used. */
function proofCookie(token: string, expiresAt: number, nowMs: number): string {
  return cookieOf(STEP_UP_COOKIE, token, Math.max(0, Math.floor(expiresAt - nowMs / 1000)));
}

function droppedCookie(name: string): string {
  return cookieOf(name, '', 0);
}

/** Lax, not Strict: the browser comes from the provider's site when it needs them. */
function cookieOf(name: string, value: string, seconds: number): string {
  return `${name}=${value}; Max-Age=${seconds}; Path=/; Secure; HttpOnly; SameSite=Lax`;
}
