import { eventAnswer } from '../contract/answer.ts';
import { eventBody } from '../contract/body.ts';
import { recordEvent } from '../engine/event.ts';
import { deviceOf } from './answer.ts';
import type { Route } from './api-route.ts';
import { jsonBody } from './body.ts';
import type { AppDeps } from './deps.ts';
import { jsonReply } from './reply.ts';
import { subjectEventOf, subjectSpaces } from './wire.ts';

/** `POST /v1/events`: how an attempt ended, reported by the application or the identity provider. */
export function eventRoutes(deps: AppDeps): Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/events',
      access: 'events',
      summary: 'Report an outcome: a log-in, a step-up, a revoked session, a changed credential',
      body: eventBody,
      answers: {
        202: {
          description: 'Recorded; `device` is there when trust was granted',
          schema: eventAnswer,
        },
        503: { description: 'The store did not take it: report it again' },
      },
      handle: async (c) => {
        const { engine } = deps.scopeOf(c);
        const body = await jsonBody(c, deps.readBody);
        const spaces = subjectSpaces(engine.verifier);
        const event = subjectEventOf(body, { nowMs: engine.now(), trust: deps.trust, spaces });
        const { device } = await recordEvent(engine, event);
        return jsonReply(device === null ? {} : { device: deviceOf(device) }, 202);
      },
    },
  ];
}
