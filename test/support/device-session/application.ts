import { REFRESH_PATH, REGISTER_PATH } from '../../../src/contract/device-session.ts';
import type { Incoming, Network, Outgoing } from './browser.ts';

/** Rules of an application that lets people at its vault only on a trusted device, and at payments only after a step-up. */
export const SESSION_RULES = {
  version: 1,
  actions: {
    pay: { routes: ['POST /pay'], trust: { days: 30, on_step_up: true } },
    vault: { routes: ['GET /vault', 'GET /vault/*'], learn: 'event' },
  },
  levels: { medium: 30, high: 70 },
  floor: 'step-up',
  default: 'allow',
  rules: [
    { id: 'pay-once', when: { action: 'pay' }, then: { decision: 'step-up', max_age: 300, reason: 'payment' } },
    {
      id: 'vault-device',
      when: { action: 'vault', not: { 'device.trusted': true } },
      then: { decision: 'step-up', reason: 'device_not_trusted' },
    },
    said('unconfirmed', { 'device.state': 'unconfirmed' }),
    said('bound', { 'device.bound': true }),
    said('key_changed', { 'device.key_changed': true }),
    said('quota_exceeded', { 'device.session_skipped': 'quota_exceeded' }),
    said('unreachable', { 'device.session_skipped': 'unreachable' }),
  ],
};

/** A rule that does no more than appear in `X-Stepgate-Reasons`. */
function said(reason: string, when: object): object {
  return { id: reason.replaceAll('_', '-'), when, then: { points: 1, reason } };
}

/** Sends a request to the service itself. */
export type CallService = (
  path: string,
  init: { readonly method: string; readonly headers: { readonly [name: string]: string } },
) => Promise<Response>;

export interface ApplicationOptions {
  readonly call: CallService;
  /** `X-Stepgate-Key` of the gateway. */
  readonly key: string;
  /** Headers that the application adds to its answers, by path. */
  readonly answers?: { readonly [path: string]: { readonly [name: string]: string } };
}

/**
 * The network between a browser and an application behind a gateway, which asks the service about each request and hands the paths
 * of device bound sessions on, as the examples do. An answer has the `X-Stepgate-*` headers, which a browser would not see.
 */
export function applicationBehind({ call, key, answers = {} }: ApplicationOptions): Network {
  return async ({ method, url, headers }: Outgoing): Promise<Incoming> => {
    const { pathname, search, host, protocol } = new URL(url);
    if (pathname === REGISTER_PATH || pathname === REFRESH_PATH) {
      return incoming(await call(pathname, { method, headers }));
    }
    const asked = await call('/forward-auth', {
      method: 'GET',
      headers: {
        ...headers,
        'x-stepgate-key': key,
        'x-forwarded-method': method,
        'x-forwarded-uri': `${pathname}${search}`,
        'x-forwarded-host': host,
        'x-forwarded-proto': protocol.replace(':', ''),
      },
    });
    const answer = await incoming(asked);
    return { ...answer, headers: [...answer.headers, ...Object.entries(answers[pathname] ?? {})] };
  };
}

/** A response with each line of its headers. */
export async function incoming(response: Response): Promise<Incoming> {
  const others = [...response.headers].filter(([name]) => name !== 'set-cookie');
  const cookies = response.headers.getSetCookie().map((line) => ['set-cookie', line] as const);
  return { status: response.status, headers: [...others, ...cookies], body: await response.text() };
}

/** The value of a header; null without one. */
export function headerOf({ headers }: Incoming, name: string): string | null {
  return headers.find(([each]) => each.toLowerCase() === name.toLowerCase())?.[1] ?? null;
}

/** The codes that the service gave as reasons. */
export function reasonsOf(answer: Incoming): readonly string[] {
  return (headerOf(answer, 'x-stepgate-reasons') ?? '').split(',');
}
