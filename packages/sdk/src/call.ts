import type { z } from 'zod';
import { problemDocument } from '../../../src/contract/problem.ts';
import { within } from '../../../src/net/within.ts';
import { type FailureCode, StepgateError } from './error.ts';

/** Sends a request: `fetch`, a Worker's service binding, or an app in the same process. */
export type SendRequest = (request: Request) => Response | Promise<Response>;

/** Connection settings. */
export interface Line {
  /** Without a trailing slash. */
  readonly url: string;
  readonly key: string;
  readonly timeoutMs: number;
  readonly send: SendRequest;
}

/** One call of the HTTP contract. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Status of a successful response. */
  readonly expects: 200 | 202 | 204;
  /** Already encoded. */
  readonly path: string;
  readonly body?: unknown;
  /** RFC 7240. */
  readonly prefer?: 'return=minimal';
  /** Aborts the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Why there is no usable answer. */
export interface Failure {
  readonly ok: false;
  readonly why: FailureCode;
  /** A sentence for people. */
  readonly detail: string;
  readonly status: number | null;
}

export type Answered<T> = { readonly ok: true; readonly value: T } | Failure;

/** Statuses, besides 5xx, that mean an overloaded intermediary. */
const OVERLOADED: ReadonlySet<number> = new Set([408, 425, 429]);

/**
 * Sends one call, once, and waits for the complete response until the deadline. Redirects are not followed, because the key would
 * be sent with them.
 *
 * @throws {StepgateError} when the call was rejected (4xx, redirects)
 * @throws the reason of `signal`
 */
export async function call<T>(line: Line, schema: z.ZodType<T>, asked: Call): Promise<Answered<T>> {
  const { method, path, body, prefer, signal } = asked;
  signal?.throwIfAborted();
  const deadline = new AbortController();
  const ended = signal === undefined ? deadline.signal : AbortSignal.any([deadline.signal, signal]);
  const request = new Request(`${line.url}${path}`, {
    method,
    redirect: 'manual',
    headers: {
      Authorization: `Bearer ${line.key}`,
      Accept: 'application/json',
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...(prefer !== undefined && { Prefer: prefer }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: ended,
  });
  try {
    const answer = within(line.timeoutMs, exchange(line.send, request, schema, asked.expects), () => {
      deadline.abort();
      return failed('timeout', `no answer within ${line.timeoutMs} ms`);
    });
    return await (signal === undefined ? answer : Promise.race([answer, rejection(signal)]));
  } catch (error) {
    if (error instanceof StepgateError) throw error;
    signal?.throwIfAborted();
    return failed('unreachable', `no answer: ${textOf(error)}`);
  }
}

/** Ends the wait for transports that ignore signals, too. */
function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

async function exchange<T>(
  send: SendRequest,
  request: Request,
  schema: z.ZodType<T>,
  expected: number,
): Promise<Answered<T>> {
  const response = await send(request);
  const { status } = response;
  if (status >= 500 || OVERLOADED.has(status)) {
    await response.body?.cancel();
    return failed('unavailable', `answered ${status}`, status);
  }
  const body = await bodyOf(response);
  if (!response.ok) throw refusal(response, body);
  const read = schema.safeParse(body);
  if (read.success && status === expected) return { ok: true, value: read.data };
  const [issue] = read.error?.issues ?? [];
  const flaw = issue === undefined ? `expected ${expected}` : `${issue.path.join('.')}: ${issue.message}`;
  return failed('invalid_answer', `answered ${status}, but not with an answer of Stepgate (${flaw})`, status);
}

/** Undefined if the body is not JSON. */
async function bodyOf(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function refusal({ status, headers }: Response, body: unknown): StepgateError {
  const requestId = headers.get('x-request-id');
  const problem = problemDocument.safeParse(body);
  if (!problem.success) {
    return new StepgateError(
      'unexpected_status',
      `answered ${status}, and not by Stepgate; check the url of the client and any proxy in between`,
      { status, requestId },
    );
  }
  const { code, detail, errors = [] } = problem.data;
  return new StepgateError(code, detail, { status, faults: errors, requestId });
}

function failed(why: FailureCode, detail: string, status: number | null = null): Failure {
  return { ok: false, why, detail, status };
}

/** undici reports only "fetch failed" and puts the details into the cause. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
