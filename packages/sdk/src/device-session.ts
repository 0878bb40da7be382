import {
  REFRESH_PATH,
  REGISTER_PATH,
  RESPONSE_HEADER,
  SESSION_ID_HEADER,
} from '../../../src/contract/device-session.ts';
import type { Line } from './call.ts';

/** A call of a browser to one of the paths of device bound sessions. */
export interface SessionCall {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** By lower-case name. */
  readonly headers: { readonly [name: string]: string };
}

/** The answer for the browser. */
export interface SessionReply {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

const SENT = ['cookie', RESPONSE_HEADER, SESSION_ID_HEADER];
const ANSWERED = [
  'content-type',
  'cache-control',
  'cross-origin-resource-policy',
  'secure-session-challenge',
  'x-request-id',
];

/** What browsers take for a passing fault: they keep the session and try again later. */
const UNAVAILABLE: SessionReply = { status: 503, headers: [['retry-after', '5']], body: '' };

/** Hands a call on, with the headers that it is about and no others. Never rejects. */
export async function relaySession(line: Line, { method, path, headers }: SessionCall): Promise<SessionReply> {
  if (path !== REGISTER_PATH && path !== REFRESH_PATH) return { status: 404, headers: [], body: '' };
  const sent = SENT.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]] as [string, string]]));
  const request = new Request(`${line.url}${path}`, {
    method,
    headers: sent,
    redirect: 'manual',
    signal: AbortSignal.timeout(line.timeoutMs),
  });
  try {
    const answer = await line.send(request);
    const passed = ANSWERED.flatMap((name) => {
      const value = answer.headers.get(name);
      return value === null ? [] : [[name, value] as const];
    });
    const cookies = answer.headers.getSetCookie().map((cookie) => ['set-cookie', cookie] as const);
    return { status: answer.status, headers: [...passed, ...cookies], body: await answer.text() };
  } catch {
    return UNAVAILABLE;
  }
}
