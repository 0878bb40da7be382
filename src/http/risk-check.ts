import * as z from 'zod';
import { minimalAnswer, riskCheckAnswer } from '../contract/answer.ts';
import { riskCheckBody } from '../contract/body.ts';
import { check } from '../engine/check.ts';
import { afterAnswer } from './after-answer.ts';
import { answerOf, minimalAnswerOf, retryAfterOf, roundedMs } from './answer.ts';
import type { Route } from './api-route.ts';
import { jsonBody } from './body.ts';
import type { AppDeps } from './deps.ts';
import { jsonReply } from './reply.ts';
import { checkRequestOf, subjectSpaces } from './wire.ts';

/** `POST /v1/risk-check`: may this go on, must the user prove themselves first, or is it refused? */
export function riskCheckRoutes(deps: AppDeps): Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/risk-check',
      access: 'check',
      summary: 'Decide about one request: allow, step-up or deny',
      body: riskCheckBody,
      headers: { Prefer: '`return=minimal` (RFC 7240): the decision without its explanation.' },
      answers: {
        200: {
          description: 'The decision; with `Preference-Applied: return=minimal` in its minimal form',
          schema: z.union([riskCheckAnswer, minimalAnswer]),
        },
      },
      handle: async (c) => {
        const startedMs = deps.elapsedMs();
        const scope = deps.scopeOf(c);
        const body = await jsonBody(c, deps.readBody);
        const { engine } = scope;
        const spaces = subjectSpaces(engine.verifier);
        const request = checkRequestOf(body, { nowMs: engine.now(), trust: deps.trust, spaces });
        const checked = await check(engine, request);
        const { result } = checked;
        const latencyMs = roundedMs(deps.elapsedMs() - startedMs);
        afterAnswer(deps, scope, {
          ...checked,
          request,
          requestId: c.get('requestId'),
          caller: c.get('caller'),
          latencyMs,
        });
        const retryAfter = retryAfterOf(result.stepUp?.error ?? null);
        return prefersMinimal(c.req.header('prefer'))
          ? jsonReply(minimalAnswerOf(result), 200, { ...MINIMAL_HEADERS, ...retryAfter })
          : jsonReply(answerOf(result, latencyMs), 200, { Vary: 'Prefer', ...retryAfter });
      },
    },
  ];
}

const MINIMAL_HEADERS = { Vary: 'Prefer', 'Preference-Applied': 'return=minimal' } as const;

/** Whether the first `return` among the preferences is `minimal`: of several the first counts. */
function prefersMinimal(prefer: string | undefined): boolean {
  if (prefer === undefined) return false;
  return /(?:^|,)\s*return\s*=\s*"?([^",;\s]*)/i.exec(prefer)?.[1] === 'minimal';
}
