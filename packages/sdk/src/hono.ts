import type { Context, Env, Handler, MiddlewareHandler } from 'hono';
import type { ProofAnswer } from '../../../src/contract/answer.ts';
import { connectionOf } from '../../../src/net/connection.ts';
import type { StepgateClient } from './client.ts';
import {
  type Guard,
  type RequireStepUpOptions,
  type RiskCheckOptions,
  type RiskDecision,
  riskGuard,
  stepUpGuard,
} from './guard.ts';

export type { ClientAddressOptions, TokenSource } from './incoming.ts';
export { type ProofJudge, proofsByStepgate } from './proof-judge.ts';
export type { StepUpPage } from './refusal.ts';
export type { ProofAnswer, RequireStepUpOptions, RiskCheckOptions, RiskDecision };

/** What `riskCheck()` provides to the handler: `c.get('stepgate')`. */
export interface RiskCheckEnv {
  Variables: { stepgate: RiskDecision };
}

/** What `requireStepUp()` provides to the handler: `c.get('stepUp')`. */
export interface StepUpEnv {
  Variables: { stepUp: ProofAnswer };
}

/**
 * Middleware for Hono that asks Stepgate about each request. An allowed request continues with the decision in `c.get('stepgate')`.
 * A step-up is answered 401 with the challenge of RFC 9470 (or a redirect for a navigation, with a step-up page), a deny 403. A
 * rejected call (a wrong key) throws and ends in the app's `onError`.
 */
export function riskCheck<E extends Env>(options: RiskCheckOptions<Context<E>>): MiddlewareHandler<E & RiskCheckEnv> {
  return guarded(riskGuard(options), 'stepgate');
}

/**
 * Middleware for Hono that requires a proof for each request. A sufficient proof is in `c.get('stepUp')`; one that is missing, too
 * old, too weak or of another subject is answered 401 with the challenge of RFC 9470.
 */
export function requireStepUp<E extends Env>(
  options: RequireStepUpOptions<Context<E>>,
): MiddlewareHandler<E & StepUpEnv> {
  return guarded(stepUpGuard(options), 'stepUp');
}

/**
 * Handler for `app.all('/.stepgate/device/*', deviceSessions({ client }))`: hands the browser's calls for device bound sessions on to
 * Stepgate. Only with DEVICE_BOUND_SESSIONS, and where no gateway does it.
 */
export function deviceSessions({ client }: { readonly client: StepgateClient }): Handler {
  return async (c) => {
    const { method, path } = c.req;
    const { status, headers, body } = await client.deviceSession({ method, path, headers: c.req.header() });
    return new Response(body === '' ? null : body, { status, headers: headers.map(([name, value]) => [name, value]) });
  };
}

function guarded<E extends Env, T>(guard: Guard<Context<E>, T>, name: string): MiddlewareHandler {
  return async (c, next) => {
    const { peer, target } = connectionOf(c);
    const outcome = await guard({ method: c.req.method, target, headers: c.req.header(), peer }, c);
    if (!outcome.goesOn) {
      const { status, headers, body } = outcome.refusal;
      return new Response(body === '' ? null : body, { status, headers });
    }
    c.set(name, outcome.value);
    await next();
    // After the handler: a response that it builds itself would drop headers that were set before.
    for (const [header, value] of outcome.headers) c.header(header, value, { append: true });
    return undefined;
  };
}
