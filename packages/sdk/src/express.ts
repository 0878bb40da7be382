import type { NextFunction, Request, Response } from 'express';
import type { ProofAnswer } from '../../../src/contract/answer.ts';
import { StepgateError } from './error.ts';
import {
  type Guard,
  type RequireStepUpOptions,
  type RiskCheckOptions,
  type RiskDecision,
  riskGuard,
  stepUpGuard,
} from './guard.ts';
import type { IncomingRequest } from './incoming.ts';

export type { ClientAddressOptions, TokenSource } from './incoming.ts';
export { type ProofJudge, proofsByStepgate } from './proof-judge.ts';
export type { StepUpPage } from './refusal.ts';
export type { ProofAnswer, RequireStepUpOptions, RiskCheckOptions, RiskDecision };

/** A handler for any route, whatever its parameters, bodies and `res.locals`. */
export type Handler = <P, ResBody, ReqBody, Query, Locals extends object>(
  req: Request<P, ResBody, ReqBody, Query, Locals>,
  res: Response<ResBody, Locals>,
  next: NextFunction,
) => Promise<void>;

/**
 * Middleware for Express 4 and 5 that asks Stepgate about each request. What is allowed goes on, and {@link decisionOf} reads the
 * decision; a step-up is answered 401 with the challenge of RFC 9470 (a navigation is redirected where there is a step-up
 * page), a deny 403. A refused call (a wrong key) goes to the error handler of the app.
 */
export function riskCheck(options: RiskCheckOptions<Request>): Handler {
  return guarded(riskGuard(options), 'stepgate');
}

/**
 * Middleware for Express 4 and 5 that demands a proof of each request. With one that is enough it goes on, and {@link proofOf} reads
 * it; one that is missing, too old, too weak or somebody else's is answered 401 with the challenge of RFC 9470.
 */
export function requireStepUp(options: RequireStepUpOptions<Request>): Handler {
  return guarded(stepUpGuard(options), 'stepUp');
}

/** The decision by which a request came past `riskCheck()`. @throws {StepgateError} `not_guarded` where none stands before */
export function decisionOf(res: { readonly locals: { readonly stepgate?: RiskDecision } }): RiskDecision {
  return found(res.locals.stepgate, 'riskCheck');
}

/** The proof by which a request came past `requireStepUp()`. @throws {StepgateError} `not_guarded` where none stands before */
export function proofOf(res: { readonly locals: { readonly stepUp?: ProofAnswer } }): ProofAnswer {
  return found(res.locals.stepUp, 'requireStepUp');
}

function found<T>(value: T | undefined, middleware: string): T {
  if (value !== undefined) return value;
  throw new StepgateError('not_guarded', `${middleware}() does not stand before this handler`);
}

function guarded<T>(guard: Guard<Request, T>, name: 'stepgate' | 'stepUp'): Handler {
  return async (req, res, next) => {
    try {
      // The options see every request by its plain type; what a route knows of its parameters is for the route's handler.
      const request = req as unknown as Request;
      const outcome = await guard(incomingOf(request), request);
      if (!outcome.goesOn) {
        const { status, headers, body } = outcome.refusal;
        res.status(status).set(headers).end(body);
        return;
      }
      if (outcome.setCookie !== null) res.append('Set-Cookie', outcome.setCookie);
      Object.assign(res.locals, { [name]: outcome.value });
    } catch (error) {
      // Express 4 hears of no rejection.
      next(error);
      return;
    }
    next();
  };
}

function incomingOf(req: Request): IncomingRequest {
  const headers = Object.entries(req.headers).map(([name, value]) => [name, [value ?? []].flat().join(', ')]);
  return {
    method: req.method,
    target: req.originalUrl,
    headers: Object.fromEntries(headers),
    peer: req.socket.remoteAddress ?? null,
  };
}
