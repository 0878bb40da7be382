import type { CheckResult, Decision } from '../model/decision.ts';

/**
 * Headers of every answer to a gateway. All are always present, empty without a value, so that the gateway overwrites
 * or removes any copy that a client sent.
 */
export interface HookHeaders {
  /** `allow`, `step-up` or `deny`. */
  readonly 'X-Stepgate-Decision': Decision;
  readonly 'X-Stepgate-Score': string;
  readonly 'X-Stepgate-Level': string;
  /** Codes, separated by commas. */
  readonly 'X-Stepgate-Reasons': string;
  /** Verified subject, percent-encoded. */
  readonly 'X-Stepgate-Subject': string;
  /** Action that decided, percent-encoded. */
  readonly 'X-Stepgate-Action': string;
  /** Id of the check, as in its decision record. */
  readonly 'X-Stepgate-Check': string;
  readonly 'X-Stepgate-Request-Id': string;
  /** Names of what was missing, separated by commas. */
  readonly 'X-Stepgate-Degraded': string;
  /** Why the call of the gateway could not be answered, or the session not be taken. */
  readonly 'X-Stepgate-Error': string;
  /** Address of the step-up page for this navigation, for gateways that redirect themselves; empty in a redirect, which has it in `Location`. */
  readonly 'X-Stepgate-Location': string;
}

/** Why a hook call is refused, other than by the rules. */
export type HookError =
  /** `X-Stepgate-Key` is missing or unknown. */
  | 'unauthorized'
  /** The key of the gateway lacks the right `check`. */
  | 'right_missing'
  /** The gateway did not send the path of the original request. */
  | 'target_missing'
  | 'path_invalid'
  /** The path can be read as more actions than are checked for one request. */
  | 'path_ambiguous'
  /** Bearer token and session cookie are of two subjects: the origin may take another one than was judged. */
  | 'session_ambiguous'
  /** `Authorization` or the session cookie is not in the one form that every origin reads alike. */
  | 'session_unread'
  /** The session was read and refused, so the client must log in. */
  | 'session_refused'
  | 'rules_not_loaded'
  | 'internal';

const MAX_REASONS_LENGTH = 384;
const MAX_SUBJECT_LENGTH = 768;
const MAX_ACTION_LENGTH = 256;

/** A decided request, for its answer. */
export interface Decided {
  readonly result: CheckResult;
  readonly subject: string | null;
  readonly action: string;
  readonly requestId: string;
  readonly error: HookError | null;
  /** Codes in addition to the reasons of the result. */
  readonly flags: readonly string[];
}

/** The headers of a decided request. Printable ASCII; all headers of an answer together stay below 4 kB. */
export function decidedHeaders({ result, subject, action, requestId, error, flags }: Decided): HookHeaders {
  return {
    ...bareHeaders(result.decision, requestId),
    'X-Stepgate-Score': String(result.score),
    'X-Stepgate-Level': result.level,
    'X-Stepgate-Reasons': listed([...new Set([...flags, ...result.reasons.map(({ code }) => code)])]),
    'X-Stepgate-Subject': subject === null ? '' : encoded(subject, MAX_SUBJECT_LENGTH),
    'X-Stepgate-Action': encoded(action, MAX_ACTION_LENGTH),
    'X-Stepgate-Check': result.id,
    'X-Stepgate-Degraded': listed(result.degraded.map(({ part }) => part)),
    'X-Stepgate-Error': error ?? '',
  };
}

/** The headers of an answer without a check. */
export function bareHeaders(
  decision: Decision,
  requestId: string,
  more: { readonly error?: HookError; readonly reason?: string } = {},
): HookHeaders {
  return {
    'X-Stepgate-Decision': decision,
    'X-Stepgate-Score': '',
    'X-Stepgate-Level': '',
    'X-Stepgate-Reasons': more.reason ?? more.error ?? '',
    'X-Stepgate-Subject': '',
    'X-Stepgate-Action': '',
    'X-Stepgate-Check': '',
    'X-Stepgate-Request-Id': requestId,
    'X-Stepgate-Degraded': '',
    'X-Stepgate-Error': more.error ?? '',
    'X-Stepgate-Location': '',
  };
}

/** The headers with one more code behind their reasons. */
export function withReason(headers: HookHeaders, code: string): HookHeaders {
  const reasons = headers['X-Stepgate-Reasons'];
  return { ...headers, 'X-Stepgate-Reasons': reasons === '' ? code : `${reasons},${code}` };
}

/** The first codes in order; if some have no room, the last item is their number: `+54`. */
function listed(codes: readonly string[]): string {
  const room = MAX_REASONS_LENGTH - ',+9999'.length;
  let list = '';
  for (const [index, code] of codes.entries()) {
    const item = encodeURIComponent(code.toWellFormed());
    const longer = list === '' ? item : `${list},${item}`;
    if (longer.length > room) return `${list === '' ? '' : `${list},`}+${codes.length - index}`;
    list = longer;
  }
  return list;
}

/** Percent-encoded; empty rather than cut, for half a name is another name. */
function encoded(text: string, max: number): string {
  const ascii = encodeURIComponent(text.toWellFormed());
  return ascii.length <= max ? ascii : '';
}
