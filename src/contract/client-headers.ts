import type { SessionClaim } from '../model/device-session.ts';
import { cookieValue, DEVICE_COOKIE } from './cookies.ts';
import { BOUND_COOKIE, skipReason } from './device-session.ts';
import { MAX_CLIENT_HINT_LENGTH, MAX_DEVICE_TOKEN_LENGTH } from './limits.ts';

/** Header with a step-up token, in lower case. */
export const STEP_UP_HEADER = 'x-step-up-token';

/** Header with the proof of possession of the page's key, in lower case. */
export const DEVICE_PROOF_HEADER = 'x-stepgate-device-proof';

/** Reads one header of a request; null when it is absent or empty. */
export type ReadHeader = (name: string) => string | null;

/**
 * Whether a browser shows the answer to a person as a page: a top-level load or a posted form, which can follow a redirect to the
 * step-up page. Frames and the requests of scripts cannot.
 */
export function isNavigation({ method }: { readonly method: string | null }, header: ReadHeader): boolean {
  const mode = header('sec-fetch-mode');
  const destination = header('sec-fetch-dest');
  return (
    (method === 'GET' || method === 'POST') &&
    (mode === null || mode === 'navigate') &&
    (destination === null || destination === 'document') &&
    header('x-requested-with') === null &&
    /(?:^|,)\s*text\/html\s*(?:;|,|$)/i.test(header('accept') ?? '')
  );
}

/** The token of an `Authorization: Bearer` header; null if there is none. */
export function bearerOf(authorization: string | null): string | null {
  return /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization ?? '')?.[1] ?? null;
}

/** The token of the device cookie among the segments of the header; null if there is none, or one that is too long to be a token. */
export function deviceTokenOf(cookies: readonly string[]): string | null {
  const token = cookieValue(cookies, DEVICE_COOKIE);
  return token !== null && token.length <= MAX_DEVICE_TOKEN_LENGTH ? token : null;
}

/** What a request shows of a device bound session, in its cookies and in `Secure-Session-Skipped`. */
export function sessionClaimOf(cookies: readonly string[], skipped: string | null): SessionClaim {
  const cookie = cookieValue(cookies, BOUND_COOKIE);
  return {
    cookie: cookie !== null && cookie.length <= MAX_DEVICE_TOKEN_LENGTH ? cookie : null,
    skipped: skipReason(skipped),
  };
}

/** The client hints of a request, each cut to its limit; null if it has none. */
export function clientHintsOf(header: ReadHeader): {
  readonly brands: string | null;
  readonly platform: string | null;
  readonly mobile: string | null;
} | null {
  const hint = (name: string): string | null => header(name)?.slice(0, MAX_CLIENT_HINT_LENGTH) ?? null;
  const hints = { brands: hint('sec-ch-ua'), platform: hint('sec-ch-ua-platform'), mobile: hint('sec-ch-ua-mobile') };
  return hints.brands === null && hints.platform === null && hints.mobile === null ? null : hints;
}
