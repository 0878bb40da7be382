import { riskCheckAnswer } from '../contract/answer.ts';
import { riskCheckBody } from '../contract/body.ts';
import { check } from '../engine/check.ts';
import { afterAnswer } from './aftermath.ts';
import { answerOf, retryAfterOf } from './answer.ts';
import type { Route } from './api-route.ts';
import { jsonBody } from './body.ts';
import type { AppDeps } from './deps.ts';
import { plainRiskCheck } from './plain-body.ts';
import { jsonReply } from './reply.ts';
import { checkRequestFrom, subjectSpaces, validated } from './wire.ts';

/** `POST /v1/risk-check`: may this go on, must the user prove themselves first, or is it refused? */
export function riskCheckRoutes(deps: AppDeps): Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/risk-check',
      access: 'check',
      summary: 'Decide about one request: allow, step-up or deny',
      body: riskCheckBody,
      answers: { 200: { description: 'The decision, whatever it is', schema: riskCheckAnswer } },
      handle: async (c) => {
        const startedMs = deps.elapsedMs();
        const scope = deps.scopeOf(c);
        const body = await jsonBody(c, deps.readBody);
        const wire = plainRiskCheck(body) ?? validated(riskCheckBody, body);
        const { engine } = scope;
        const spaces = subjectSpaces(engine.verifier);
        const request = checkRequestFrom(wire, { nowMs: engine.now(), trust: deps.trust, spaces });
        const checked = await check(engine, request);
        const latencyMs = deps.elapsedMs() - startedMs;
        const answer = answerOf(checked.result, latencyMs);
        const requestId = c.get('requestId');
        const caller = c.get('caller');
        afterAnswer(deps, scope, { ...checked, request, requestId, caller, latencyMs: answer.latency_ms });
        return jsonReply(answer, 200, retryAfterOf(checked.result.stepUp?.error ?? null));
      },
    },
  ];
}
