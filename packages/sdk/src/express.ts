import type { NextFunction, Request, Response } from 'express';
import type { ProofAnswer } from '../../../src/contract/answer.ts';
import type { StepgateClient } from './client.ts';
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

/** A handler for any route, with any parameters, bodies and `res.locals`. */
export type Handler = <P, ResBody, ReqBody, Query, Locals extends object>(
  req: Request<P, ResBody, ReqBody, Query, Locals>,
  res: Response<ResBody, Locals>,
  next: NextFunction,
) => Promise<void>;

/**
 * Middleware for Express 4 and 5 that asks Stepgate about each request. An allowed request continues, and {@link decisionOf} returns
 * the decision. A step-up is answered 401 with the challenge of RFC 9470 (or a redirect for a navigation, with a step-up page), a
 * deny 403. A rejected call (a wrong key) goes to the app's error handler.
 */
export function riskCheck(options: RiskCheckOptions<Request>): Handler {
  return guarded(riskGuard(options), 'stepgate');
}

/**
 * Middleware for Express 4 and 5 that requires a proof for each request. With a sufficient one the request continues, and
 * {@link proofOf} returns it; one that is missing, too old, too weak or of another subject is answered 401 with the challenge of RFC
 * 9470.
 */
export function requireStepUp(options: RequireStepUpOptions<Request>): Handler {
  return guarded(stepUpGuard(options), 'stepUp');
}

/**
 * Handler for `app.use('/.stepgate/device', deviceSessions({ client }))`: hands the browser's calls for device bound sessions on to
 * Stepgate. Only with DEVICE_BOUND_SESSIONS, and where no gateway does it.
 */
export function deviceSessions({ client }: { readonly client: StepgateClient }): Handler {
  return async (req, res) => {
    const { method, target, headers } = incomingOf(req as unknown as Request);
    const [path = ''] = target.split('?');
    const reply = await client.deviceSession({ method, path, headers });
    res.status(reply.status);
    for (const [name, value] of reply.headers) res.append(name, value);
    res.end(reply.body);
  };
}

/** The decision of `riskCheck()` about a request. @throws {StepgateError} `not_guarded` without that middleware */
export function decisionOf(res: { readonly locals: { readonly stepgate?: RiskDecision } }): RiskDecision {
  return found(res.locals.stepgate, 'riskCheck');
}

/** The proof that `requireStepUp()` accepted. @throws {StepgateError} `not_guarded` without that middleware */
export function proofOf(res: { readonly locals: { readonly stepUp?: ProofAnswer } }): ProofAnswer {
  return found(res.locals.stepUp, 'requireStepUp');
}

function found<T>(value: T | undefined, middleware: string): T {
  if (value !== undefined) return value;
  throw new StepgateError('not_guarded', `${middleware}() is not in front of this handler`);
}

function guarded<T>(guard: Guard<Request, T>, name: 'stepgate' | 'stepUp'): Handler {
  return async (req, res, next) => {
    try {
      // The options get every request with its general type; typed parameters are for the route's handler.
      const request = req as unknown as Request;
      const outcome = await guard(incomingOf(request), request);
      if (!outcome.goesOn) {
        const { status, headers, body } = outcome.refusal;
        res.status(status).set(headers).end(body);
        return;
      }
      for (const [header, value] of outcome.headers) res.append(header, value);
      Object.assign(res.locals, { [name]: outcome.value });
    } catch (error) {
      // Express 4 does not handle rejections.
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
