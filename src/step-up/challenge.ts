import type { Requirement } from '../model/decision.ts';
import { DPOP_ALGORITHMS } from '../model/possession.ts';

/** Characters that `acr_values` may take without an escape: NQCHAR of RFC 6749, appendix A. */
const PLAIN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
/** Everything outside NQSCHAR, the characters of `error_description` (RFC 6750, section 3). */
const NOT_DESCRIPTION = /[^\x20\x21\x23-\x5b\x5d-\x7e]/gu;
const DESCRIPTION_LENGTH = 200;
const ACR_VALUES_LENGTH = 600;

export interface ChallengeReason {
  /** Code of why the proof that was sent is not enough, e.g. `token_too_old`. */
  readonly code?: string;
  /** A sentence for people. */
  readonly description?: string;
}

/**
 * The value of `WWW-Authenticate` for a step-up: exactly one `Bearer` challenge with `insufficient_user_authentication`,
 * `acr_values` and `max_age` (RFC 9470, section 3). Always printable ASCII and shorter than 1 kB: quotes become
 * apostrophes, other characters outside RFC 6750's set become question marks. An acr value that needs an escape or does
 * not fit is left out, because an altered value would name another class.
 */
export function wwwAuthenticate(requirement: Requirement, reason: ChallengeReason = {}): string {
  const sentence = reason.description ?? 'A fresh or stronger authentication is required';
  const text = reason.code === undefined ? sentence : `${reason.code}: ${sentence}`;
  const parameters = ['error="insufficient_user_authentication"', `error_description="${describe(text)}"`];
  const acrValues = acrList(requirement.acrValues);
  if (acrValues !== '') parameters.push(`acr_values="${acrValues}"`);
  const maxAge = Math.floor(requirement.maxAgeSeconds);
  if (Number.isSafeInteger(maxAge) && maxAge >= 0) parameters.push(`max_age="${maxAge}"`);
  return `Bearer ${parameters.join(', ')}`;
}

/**
 * The value of `WWW-Authenticate` for a rejected session (RFC 6750, section 3.1; RFC 9449, section 7.1); `code` is the reason. With
 * `invalid_dpop_proof`, another proof for the same token helps.
 */
export function refusedSession(code: string): string {
  if (!code.startsWith('dpop_')) {
    return `Bearer error="invalid_token", error_description="${describe(`${code}: the session is not accepted, log in again`)}"`;
  }
  const [error, advice] = BINDING_CODES.has(code)
    ? ['invalid_token', 'the token is not bound to the key of the proof']
    : ['invalid_dpop_proof', 'the proof of possession is not accepted, send another one'];
  return `DPoP error="${error}", error_description="${describe(`${code}: ${advice}`)}", algs="${DPOP_ALGORITHMS.join(' ')}"`;
}

const BINDING_CODES: ReadonlySet<string> = new Set(['dpop_bound_key', 'dpop_unbound']);

function describe(text: string): string {
  return text
    .slice(0, 4 * DESCRIPTION_LENGTH)
    .replace(/["“”„]/g, "'")
    .replace(/[‘’]/g, "'")
    .replace(/\s+/g, ' ')
    .replace(NOT_DESCRIPTION, '?')
    .slice(0, DESCRIPTION_LENGTH)
    .trim();
}

function acrList(values: readonly string[]): string {
  let list = '';
  for (const value of values) {
    if (!PLAIN.test(value) || list.length + value.length + 1 > ACR_VALUES_LENGTH) continue;
    list = list === '' ? value : `${list} ${value}`;
  }
  return list;
}
