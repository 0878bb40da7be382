import { verifyAnswer, verifyAnswerOf } from '../contract/answer.ts';
import { verifyBody } from '../contract/body.ts';
import { verify } from '../engine/verify.ts';
import { retryAfterOf } from './answer.ts';
import type { Route } from './api-route.ts';
import { jsonBody } from './body.ts';
import type { AppDeps } from './deps.ts';
import { jsonReply } from './reply.ts';
import { shownTokenOf, subjectSpaces } from './wire.ts';

/** `POST /v1/step-up/verify`: is this token proof enough? Answers 200 either way. */
export function stepUpRoutes(deps: AppDeps): Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/step-up/verify',
      access: 'check',
      summary: 'Verify a step-up token by itself',
      body: verifyBody,
      answers: { 200: { description: 'Whether the token is proof enough, and why not', schema: verifyAnswer } },
      handle: async (c) => {
        const { engine } = deps.scopeOf(c);
        const body = await jsonBody(c, deps.readBody);
        const spaces = subjectSpaces(engine.verifier);
        const presented = await verify(engine, shownTokenOf(body, { nowMs: engine.now(), spaces }));
        return jsonReply(verifyAnswerOf(presented), 200, retryAfterOf(presented.valid ? null : presented.error));
      },
    },
  ];
}
