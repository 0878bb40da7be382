import { SESSION_ALGORITHMS, type SessionInvitation, SKIP_REASONS, type SkipReason } from '../model/device-session.ts';

/**
 * The wire of Device Bound Session Credentials (DBSC).
 *
 * @see https://w3c.github.io/webappsec-dbsc/
 */

/** Where the browser registers a key, on the application's own host. */
export const REGISTER_PATH = '/.stepgate/device/register';
/** Where the browser proves possession of its key anew. */
export const REFRESH_PATH = '/.stepgate/device/refresh';

/** Response header that invites a browser to register a key. */
export const REGISTRATION_HEADER = 'Secure-Session-Registration';
/** Response header with a challenge to sign. */
export const CHALLENGE_HEADER = 'Secure-Session-Challenge';
/** Request header with the signed challenge, in lower case. */
export const RESPONSE_HEADER = 'secure-session-response';
/** Request header with the id of the session to refresh, in lower case. */
export const SESSION_ID_HEADER = 'sec-secure-session-id';
/** Request header in which a browser says why it did not refresh a session, in lower case. */
export const SKIPPED_HEADER = 'secure-session-skipped';

/** Cookie that shows a recent proof of possession. */
export const BOUND_COOKIE = '__Host-stepgate-bound';
/** Browsers compare these with the cookie that they have: without one that fits, they refresh before the next request. */
const BOUND_COOKIE_ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Lax';

/** The value of `Secure-Session-Registration`. */
export function registrationHeader({ challenge, authorization }: SessionInvitation): string {
  const parameters = [
    `path=${quoted(REGISTER_PATH)}`,
    `challenge=${quoted(challenge)}`,
    `authorization=${quoted(authorization)}`,
  ];
  return [`(${SESSION_ALGORITHMS.join(' ')})`, ...parameters].join(';');
}

/** The value of `Secure-Session-Challenge` for one session. */
export function challengeHeader(challenge: string, sessionId: string): string {
  return `${quoted(challenge)};id=${quoted(sessionId)}`;
}

/** `Set-Cookie` for a proof that was just given. */
export function boundCookie(value: string, maxAgeSeconds: number): string {
  return `${BOUND_COOKIE}=${value}; Max-Age=${maxAgeSeconds}; ${BOUND_COOKIE_ATTRIBUTES}`;
}

/** What a browser is told of a session. */
export interface SessionInstructions {
  readonly session_identifier: string;
  readonly refresh_url: string;
  readonly scope: {
    /** False: the session is the origin's own, as its cookies are. */
    readonly include_site: false;
    readonly scope_specification: readonly {
      readonly type: 'exclude';
      readonly domain: string;
      readonly path: string;
    }[];
  };
  readonly credentials: readonly { readonly type: 'cookie'; readonly name: string; readonly attributes: string }[];
}

/** The instructions for a session of the origin that serves them. */
export function sessionInstructions(sessionId: string): SessionInstructions {
  return {
    session_identifier: sessionId,
    refresh_url: REFRESH_PATH,
    scope: {
      include_site: false,
      scope_specification: [{ type: 'exclude', domain: '*', path: '/.stepgate/device' }],
    },
    credentials: [{ type: 'cookie', name: BOUND_COOKIE, attributes: BOUND_COOKIE_ATTRIBUTES }],
  };
}

const LONGEST_SKIPPED = 1024;

/** The first reason of `Secure-Session-Skipped`; null without the header. */
export function skipReason(header: string | null): SkipReason | null {
  if (header === null) return null;
  const word = /^\s*([a-z_]+)/.exec(header.slice(0, LONGEST_SKIPPED))?.[1];
  return SKIP_REASONS.find((reason) => reason === word) ?? 'other';
}

/**
 * The text of a string item (RFC 9651, section 3.3.3), without its parameters; null for anything else. Chromium sends the text
 * without quotes, which is taken where it is a token.
 */
export function stringItem(header: string): string | null {
  const string = /^ *"((?:[ !#-[\]-~]|\\["\\])*)" *(?:;.*)?$/.exec(header)?.[1];
  if (string !== undefined) return string.replace(/\\(.)/g, '$1');
  return /^ *([\w.~+/=-]+) *$/.exec(header)?.[1] ?? null;
}

/** A string item. Nothing that is sent here has a quote or a backslash. */
function quoted(text: string): string {
  return `"${text}"`;
}
