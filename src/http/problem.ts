import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { type Fault, problemOf } from '../contract/problem.ts';
import type { Reply } from './reply.ts';

/** Every problem that this service answers with: stable code to status and title. */
export const PROBLEMS = {
  empty_body: { status: 400, title: 'The body is empty' },
  incomplete_body: { status: 400, title: 'The body did not arrive in full' },
  invalid_encoding: { status: 400, title: 'The body is not UTF-8' },
  invalid_json: { status: 400, title: 'The body is not valid JSON' },
  nesting_too_deep: { status: 400, title: 'The body is nested too deeply' },
  duplicate_key: { status: 400, title: 'The body names a key twice' },
  invalid_request: { status: 400, title: 'The request is not valid' },
  device_session_refused: { status: 400, title: 'The device bound session is refused' },
  unauthorized: { status: 401, title: 'No valid API key' },
  device_session_challenged: { status: 403, title: 'A challenge is to be signed first' },
  right_missing: { status: 403, title: 'The API key lacks a right' },
  not_a_hook: { status: 403, title: 'Not a route for gateways' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  body_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'The body is not JSON' },
  headers_too_large: { status: 431, title: 'The header lines are too large' },
  internal: { status: 500, title: 'Internal error' },
  no_metrics: { status: 501, title: 'No counters are kept here' },
  misconfigured: { status: 503, title: 'The service is not configured' },
  store_unavailable: { status: 503, title: 'The store is not available' },
} as const satisfies { readonly [code: string]: { readonly status: ContentfulStatusCode; readonly title: string } };

/** Stable code of a problem document. */
export type ProblemCode = keyof typeof PROBLEMS;

/** Maximum number of faults in one problem, so that answers stay small. */
export const MAX_FAULTS = 20;
const MAX_PATH_LENGTH = 200;
const MAX_DETAIL_LENGTH = 1000;

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`.toWellFormed();
}

/** Ends a request with a problem document (RFC 9457). Thrown below a route, answered by the app. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly code: ProblemCode;
  /** Names the first {@link MAX_FAULTS} faults of the input; empty for other problems. */
  readonly faults: readonly Fault[];
  readonly headers: { readonly [name: string]: string };
  constructor(
    code: ProblemCode,
    detail: string,
    more: { faults?: readonly Fault[]; headers?: { readonly [name: string]: string } } = {},
  ) {
    super(cut(detail, MAX_DETAIL_LENGTH));
    this.code = code;
    this.faults = (more.faults ?? []).slice(0, MAX_FAULTS).map(({ path, message }) => ({
      path: cut(path, MAX_PATH_LENGTH),
      message: cut(message, MAX_DETAIL_LENGTH),
    }));
    this.headers = more.headers ?? {};
  }
}

/** The problem document as an answer. */
export function problemReply(problem: ProblemError): Reply {
  const { status, title } = PROBLEMS[problem.code];
  const document = {
    ...problemOf(problem.code, { title, status, detail: problem.message }),
    ...(problem.faults.length > 0 && { errors: problem.faults }),
  };
  const headers = { 'Content-Type': 'application/problem+json', ...problem.headers };
  return { status, headers, body: JSON.stringify(document) };
}

/** The same outside an app. */
export function problemResponse(problem: ProblemError): Response {
  const { status, headers, body } = problemReply(problem);
  return new Response(body, { status, headers });
}

/** One sentence for `detail`: the first fault, and how many more there are. */
export function faultsInBrief(faults: readonly Fault[]): string {
  const [first] = faults;
  if (first === undefined) return 'the request is not valid';
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : '';
  return `${first.path === '' ? 'the body' : first.path}: ${first.message}${more}`;
}
