import type { z } from 'zod';
import { problemDocument } from '../../../src/contract/problem.ts';
import { type FailureCode, StepgateError } from './error.ts';

/** How requests are sent: `fetch`, that of a Worker's service binding, or of an app in the same process. */
export type SendRequest = (request: Request) => Response | Promise<Response>;

/** Where Stepgate is, and how it is asked. */
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
  /** The status of an answer that is one. */
  readonly expects: 200 | 202 | 204;
  /** Already encoded. */
  readonly path: string;
  readonly body?: unknown;
  /** RFC 7240. */
  readonly prefer?: 'return=minimal';
  /** Ends the call early: it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Why there is no answer that could be used. */
export interface Failure {
  readonly ok: false;
  readonly why: FailureCode;
  /** A sentence for people. */
  readonly detail: string;
  readonly status: number | null;
}

/** An answer, or why there is none. */
export type Answered<T> = { readonly ok: true; readonly value: T } | Failure;

/** Statuses by which something in between says that it is overloaded, beside every 5xx. */
const OVERLOADED: ReadonlySet<number> = new Set([408, 425, 429]);

/**
 * Sends one call, once, and waits for the whole answer until the deadline. Redirects are not followed, since the key would go
 * along.
 *
 * @throws {StepgateError} when the call was refused (4xx, redirects)
 * @throws the reason of `signal`
 */
export async function call<T>(line: Line, schema: z.ZodType<T>, asked: Call): Promise<Answered<T>> {
  const { method, path, body, prefer, signal } = asked;
  signal?.throwIfAborted();
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), line.timeoutMs);
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
    return await Promise.race([exchange(line.send, request, schema, asked.expects), rejection(ended)]);
  } catch (error) {
    if (error instanceof StepgateError) throw error;
    signal?.throwIfAborted();
    if (deadline.signal.aborted) return failed('timeout', `no answer within ${line.timeoutMs} ms`);
    return failed('unreachable', `no answer: ${textOf(error)}`);
  } finally {
    clearTimeout(timer);
  }
}

/** The deadline holds for every way of sending, also for one that knows nothing of signals. */
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
  return failed('invalid_answer', `answered ${status} with what is no answer of Stepgate (${flaw})`, status);
}

/** Undefined where the body is no JSON. */
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
      `answered ${status}, and not by Stepgate; look at the url of the client and at what stands between`,
      { status, requestId },
    );
  }
  const { code, detail, errors = [] } = problem.data;
  return new StepgateError(code, detail, { status, faults: errors, requestId });
}

function failed(why: FailureCode, detail: string, status: number | null = null): Failure {
  return { ok: false, why, detail, status };
}

/** undici says only "fetch failed" and puts what happened into the cause. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
