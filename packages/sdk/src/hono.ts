import type { Context, Env, MiddlewareHandler } from 'hono';
import type { ProofAnswer } from '../../../src/contract/answer.ts';
import { connectionOf } from '../../../src/net/connection.ts';
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

/** What `riskCheck()` leaves for the handler: `c.get('stepgate')`. */
export interface RiskCheckEnv {
  Variables: { stepgate: RiskDecision };
}

/** What `requireStepUp()` leaves for the handler: `c.get('stepUp')`. */
export interface StepUpEnv {
  Variables: { stepUp: ProofAnswer };
}

/**
 * Middleware for Hono that asks Stepgate about each request. What is allowed goes on with the decision in
 * `c.get('stepgate')`; a step-up is answered 401 with the challenge of RFC 9470 (a navigation is redirected where there is a
 * step-up page), a deny 403. A refused call (a wrong key) throws and ends in the app's `onError`.
 */
export function riskCheck<E extends Env>(options: RiskCheckOptions<Context<E>>): MiddlewareHandler<E & RiskCheckEnv> {
  return guarded(riskGuard(options), 'stepgate');
}

/**
 * Middleware for Hono that demands a proof of each request. A proof that is enough goes on as `c.get('stepUp')`; one that is
 * missing, too old, too weak or somebody else's is answered 401 with the challenge of RFC 9470.
 */
export function requireStepUp<E extends Env>(
  options: RequireStepUpOptions<Context<E>>,
): MiddlewareHandler<E & StepUpEnv> {
  return guarded(stepUpGuard(options), 'stepUp');
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
    // Only now: an answer that the handler made by itself would leave out what was set before.
    if (outcome.setCookie !== null) c.header('Set-Cookie', outcome.setCookie, { append: true });
    return undefined;
  };
}
