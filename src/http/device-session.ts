import { deviceTokenOf } from '../contract/client-headers.ts';
import { cookieSegments } from '../contract/cookies.ts';
import {
  boundCookie,
  CHALLENGE_HEADER,
  challengeHeader,
  REFRESH_PATH,
  REGISTER_PATH,
  RESPONSE_HEADER,
  SESSION_ID_HEADER,
  sessionInstructions,
  stringItem,
} from '../contract/device-session.ts';
import { BOUND_SECONDS, refreshSession, registerSession, type SessionAnswer } from '../engine/device-session.ts';
import { SESSION_FAULTS, type SessionFault } from '../model/device-session.ts';
import type { AppContext, Route } from './api-route.ts';
import { readOrRefuse } from './body.ts';
import type { AppDeps } from './deps.ts';
import { ProblemError, problemReply } from './problem.ts';
import { jsonReply, type Reply } from './reply.ts';

/**
 * Where browsers register the key of a device bound session and prove that they still have it, on the application's own host: each
 * gateway hands these two paths on. Nobody authenticates here but by what this service itself has signed.
 */
export function deviceSessionRoutes(deps: AppDeps): Route[] {
  return [
    {
      method: 'POST',
      path: REGISTER_PATH,
      access: 'public',
      summary: 'Device bound sessions (DBSC): a browser registers a key for its trusted device',
      headers: { 'Secure-Session-Response': 'The signed challenge of `Secure-Session-Registration`' },
      answers: ANSWERS,
      handle: (c) =>
        answered(deps, c, 'register', ({ response, deviceToken }) =>
          registerSession(deps.scopeOf(c).engine, { response, deviceToken }),
        ),
    },
    {
      method: 'POST',
      path: REFRESH_PATH,
      access: 'public',
      summary: 'Device bound sessions (DBSC): a browser proves that it still has the key',
      headers: {
        'Sec-Secure-Session-Id': 'The session',
        'Secure-Session-Response': 'The signed challenge; without it the answer is 403 with one',
      },
      answers: ANSWERS,
      handle: (c) =>
        answered(deps, c, 'refresh', (sent) => {
          const sessionId = stringItem(c.req.header(SESSION_ID_HEADER) ?? '');
          return refreshSession(deps.scopeOf(c).engine, { ...sent, sessionId });
        }),
    },
  ];
}

const ANSWERS = {
  200: { description: 'Session instructions, and the bound cookie; or `"continue": false`, which ends the session' },
  400: { description: 'Refused; the browser ends the session' },
  403: { description: '`Secure-Session-Challenge` is to be signed first' },
  413: { description: 'These calls have no body' },
  503: { description: 'The store is not available; the browser tries again later' },
} as const;

/** Nothing but the origin's own pages may learn from these answers whether somebody is logged in. */
const HEADERS = { 'Cross-Origin-Resource-Policy': 'same-origin' } as const;

async function answered(
  deps: AppDeps,
  c: AppContext,
  step: 'register' | 'refresh',
  answer: (sent: { readonly response: string | null; readonly deviceToken: string | null }) => Promise<SessionAnswer>,
): Promise<Reply> {
  const bytes = await readOrRefuse(c, deps.readBody, 0);
  if (bytes === null) {
    throw new ProblemError('body_too_large', 'this call has no body', { headers: { Connection: 'close' } });
  }
  const response = c.req.header(RESPONSE_HEADER);
  const given = await answer({
    response: response === undefined ? null : (stringItem(response) ?? response),
    deviceToken: deviceTokenOf(cookieSegments(c.req.header('cookie') ?? null)),
  });
  const fault = given.state === 'live' ? null : given.fault;
  deps.metrics.deviceSession(step, fault ?? 'live');
  if (fault !== null) deps.log.debug('a device bound session was not proven', { step, code: fault });
  return replyOf(given);
}

function replyOf(answer: SessionAnswer): Reply {
  switch (answer.state) {
    case 'live':
      return jsonReply(sessionInstructions(answer.sessionId), 200, {
        ...HEADERS,
        'Set-Cookie': boundCookie(answer.cookie, BOUND_SECONDS),
        [CHALLENGE_HEADER]: challengeHeader(answer.challenge, answer.sessionId),
      });
    case 'challenged':
      return problemReply(
        problem('device_session_challenged', answer.fault, {
          [CHALLENGE_HEADER]: challengeHeader(answer.challenge, answer.sessionId),
        }),
      );
    case 'ended':
      return jsonReply({ session_identifier: answer.sessionId, continue: false }, 200, {
        ...HEADERS,
        'Set-Cookie': boundCookie('', 0),
      });
    case 'refused':
      return problemReply(problem('device_session_refused', answer.fault));
  }
}

function problem(
  code: 'device_session_refused' | 'device_session_challenged',
  fault: SessionFault,
  headers: Reply['headers'] = {},
): ProblemError {
  const faults = [{ path: fault, message: SESSION_FAULTS[fault] }];
  return new ProblemError(code, SESSION_FAULTS[fault], { faults, headers: { ...HEADERS, ...headers } });
}
