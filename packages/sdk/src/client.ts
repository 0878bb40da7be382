import * as z from 'zod';
import {
  demandAnswer,
  devicesAnswer,
  eventAnswer,
  type KnownDeviceAnswer,
  type MinimalAnswer,
  minimalAnswer,
  type ProofAnswer,
  type RiskCheckAnswer,
  riskCheckAnswer,
  type StepUpAnswer,
  type SubjectAnswer,
  subjectAnswer,
  type VerifyAnswer,
  verifyAnswer,
} from '../../../src/contract/answer.ts';
import type { eventBody, riskCheckBody, verifyBody } from '../../../src/contract/body.ts';
import { DEFAULT_REQUIREMENT, type Decision } from '../../../src/model/decision.ts';
import { type Call, call, type Failure, type Line, type SendRequest } from './call.ts';
import { relaySession, type SessionCall, type SessionReply } from './device-session.ts';
import { type FailureCode, StepgateError } from './error.ts';

/** Body of `POST /v1/risk-check`. */
export type RiskCheck = z.input<typeof riskCheckBody>;
/** Body of `POST /v1/events`. */
export type Event = z.input<typeof eventBody>;
/** Body of `POST /v1/step-up/verify`. */
export type Verification = z.input<typeof verifyBody>;
/** Answer to an event. */
export type EventAnswer = z.infer<typeof eventAnswer>;

export type { SessionCall, SessionReply } from './device-session.ts';
export { StepgateError } from './error.ts';
export type { FailureCode, KnownDeviceAnswer, ProofAnswer, RiskCheckAnswer, SendRequest, StepUpAnswer, SubjectAnswer };

export interface StepgateClientOptions {
  /** URL of the service, such as `https://stepgate.internal:8787`. */
  readonly url: string;
  /** An API key with the rights for the calls. */
  readonly key: string;
  /** Timeout of a call, until its response is read, in milliseconds. 1 to 60,000, default 1000. */
  readonly timeoutMs?: number;
  /** What a risk check decides when Stepgate gives no usable answer. Default `step-up`: fail to friction. */
  readonly onFailure?: Decision;
  /** Called for each risk check and verification without a usable answer, for a metric or an alert. */
  readonly onFailed?: (failure: CallFailure) => void;
  /** Default: the runtime's `fetch`. A service binding: `(request) => env.STEPGATE.fetch(request)`; in process: `app.fetch`. */
  readonly fetch?: SendRequest;
}

/** A risk check or a verification without a usable answer. */
export interface CallFailure {
  readonly call: 'risk-check' | 'verify';
  readonly why: FailureCode;
  /** A sentence for operators. */
  readonly detail: string;
}

/** Options of one call. */
export interface CallOptions {
  /** Aborts the call: it rejects with the signal's reason, and `onFailure` does not apply. */
  readonly signal?: AbortSignal;
}

/** Which subject an id names, and options of the call. */
export interface SubjectOptions extends CallOptions {
  /** Space of the id, if Stepgate's issuers have several. */
  readonly space?: string;
  /** Default `user`. */
  readonly type?: string;
}

/** A decision by Stepgate. */
export interface Decided extends RiskCheckAnswer {
  readonly failed: false;
}

/** A decision by Stepgate, without its explanation. `device` is set only with a `token`. */
export interface DecidedInBrief extends MinimalAnswer {
  readonly failed: false;
}

/** The fallback decision, when Stepgate gave no usable answer. */
export interface StoodIn {
  readonly failed: true;
  readonly why: FailureCode;
  /** A sentence for operators, not for end users. */
  readonly detail: string;
  /** The client's `onFailure`. */
  readonly decision: Decision;
  /** Set if the decision is `step-up`: accepts any fresh step-up. */
  readonly step_up?: StepUpAnswer;
}

/** Whether a token is enough as a proof. */
export type Verified =
  | (VerifyAnswer & { readonly failed: false })
  /** Stepgate gave no usable answer. A proof that could not be checked does not count, regardless of `onFailure`. */
  | { readonly valid: false; readonly failed: true; readonly why: FailureCode; readonly detail: string };

/**
 * The calls of the HTTP API. Calls are never retried. A call that is rejected (a wrong key, an invalid body) rejects with
 * {@link StepgateError} and is never turned into a decision.
 */
export interface StepgateClient {
  /** Decides about a request. Resolves to `onFailure`, marked `failed`, without a usable answer. */
  riskCheck(check: RiskCheck, options?: CallOptions): Promise<Decided | StoodIn>;
  /** Like `riskCheck`, without reasons, signals and device id, which takes Stepgate less work. */
  decide(check: RiskCheck, options?: CallOptions): Promise<DecidedInBrief | StoodIn>;
  /** Reports an outcome. @throws {StepgateError} also without a usable answer: report it again. */
  sendEvent(event: Event, options?: CallOptions): Promise<EventAnswer>;
  /** Judges a step-up token by itself. */
  verifyStepUp(verification: Verification, options?: CallOptions): Promise<Verified>;
  readonly subjects: {
    /** What is stored about the subject; null if nothing is. @throws {StepgateError} */
    read(subject: string, options?: SubjectOptions): Promise<SubjectAnswer | null>;
    /** Erases everything that is stored about the subject. @throws {StepgateError} */
    erase(subject: string, options?: SubjectOptions): Promise<void>;
  };
  /**
   * Hands a browser's call to `/.stepgate/device/…` on, for applications without a gateway; `deviceSessions()` of the middleware does.
   * Never rejects: without an answer it is 503.
   */
  deviceSession(call: SessionCall): Promise<SessionReply>;
  readonly devices: {
    /** The devices of the subject, newest first. @throws {StepgateError} */
    list(subject: string, options?: SubjectOptions): Promise<readonly KnownDeviceAnswer[]>;
    /** Ends the trust of one device. @throws {StepgateError} `not_found` if the subject has no such device */
    revoke(subject: string, device: string, options?: SubjectOptions): Promise<void>;
    /** Ends the trust of every device. @throws {StepgateError} */
    revokeAll(subject: string, options?: SubjectOptions): Promise<void>;
  };
}

/**
 * A typed client of the HTTP API, for any runtime with `fetch`.
 *
 * @throws {StepgateError} `invalid_options`
 */
export function createStepgateClient(options: StepgateClientOptions): StepgateClient {
  const line = lineOf(options);
  const onFailure = options.onFailure ?? 'step-up';

  const reportFailure = ({ why, detail }: Failure, name: CallFailure['call']): void =>
    options.onFailed?.({ call: name, why, detail });
  const demand = async <T>(schema: z.ZodType<T>, asked: Call): Promise<T> => {
    const answered = await call(line, schema, asked);
    if (answered.ok) return answered.value;
    throw new StepgateError(answered.why, answered.detail, { status: answered.status });
  };
  const decision = async <T extends object>(
    schema: z.ZodType<T>,
    asked: Call,
  ): Promise<(T & { readonly failed: false }) | StoodIn> => {
    const answered = await call(line, schema, asked);
    if (answered.ok) return { ...answered.value, failed: false };
    reportFailure(answered, 'risk-check');
    return stoodIn(onFailure, answered);
  };

  return {
    riskCheck: (body, { signal } = {}) => decision(riskCheckAnswer, { ...RISK_CHECK, body, signal }),
    decide: (body, { signal } = {}) =>
      decision(minimalAnswer, { ...RISK_CHECK, prefer: 'return=minimal', body, signal }),
    sendEvent: (body, { signal } = {}) =>
      demand(eventAnswer, { method: 'POST', path: '/v1/events', expects: 202, body, signal }),
    async verifyStepUp(body, { signal } = {}) {
      const answered = await call(line, verifyAnswer, {
        method: 'POST',
        path: '/v1/step-up/verify',
        expects: 200,
        body,
        signal,
      });
      if (answered.ok) return { ...answered.value, failed: false };
      reportFailure(answered, 'verify');
      return { valid: false, failed: true, why: answered.why, detail: answered.detail };
    },
    subjects: {
      async read(subject, { signal, ...which } = {}) {
        const answer = demand(subjectAnswer, { method: 'GET', path: pathOf(which, subject), expects: 200, signal });
        return orWhereUnknown(answer, null);
      },
      async erase(subject, { signal, ...which } = {}) {
        await demand(nothing, { method: 'DELETE', path: pathOf(which, subject), expects: 204, signal });
      },
    },
    deviceSession: (asked) => relaySession(line, asked),
    devices: {
      async list(subject, { signal, ...which } = {}) {
        const path = pathOf(which, subject, 'devices');
        const answer = demand(devicesAnswer, { method: 'GET', path, expects: 200, signal });
        return (await orWhereUnknown(answer, { devices: [] })).devices;
      },
      async revoke(subject, device, { signal, ...which } = {}) {
        await demand(nothing, {
          method: 'DELETE',
          path: pathOf(which, subject, 'devices', device),
          expects: 204,
          signal,
        });
      },
      async revokeAll(subject, { signal, ...which } = {}) {
        await demand(nothing, { method: 'DELETE', path: pathOf(which, subject, 'devices'), expects: 204, signal });
      },
    },
  };
}

const RISK_CHECK = { method: 'POST', path: '/v1/risk-check', expects: 200 } as const;

/** `DELETE` responses have no body. */
const nothing = z.undefined();

function stoodIn(decision: Decision, { why, detail }: Failure): StoodIn {
  return {
    failed: true,
    why,
    detail,
    decision,
    ...(decision === 'step-up' && { step_up: demandAnswer(DEFAULT_REQUIREMENT, null) }),
  };
}

async function orWhereUnknown<T, F>(answer: Promise<T>, fallback: F): Promise<T | F> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof StepgateError && error.code === 'not_found') return fallback;
    throw error;
  }
}

/** A path below a subject. Rejects parts that are empty or made of dots: URLs resolve them to another resource. */
function pathOf({ space, type }: SubjectOptions, subject: string, ...rest: readonly string[]): string {
  const parts = [subject, ...rest].map((part) => {
    if (part !== '' && part !== '.' && part !== '..') return encodeURIComponent(part.toWellFormed());
    throw new StepgateError('invalid_request', `an id must not be ${JSON.stringify(part)}`);
  });
  const query = new URLSearchParams({
    ...(space !== undefined && { subject_space: space }),
    ...(type !== undefined && { subject_type: type }),
  });
  return `/v1/subjects/${parts.join('/')}${query.size === 0 ? '' : `?${query}`}`;
}

const MAX_TIMEOUT_MS = 60_000;

function lineOf(options: StepgateClientOptions): Line {
  const { url, key, timeoutMs = 1000, fetch: send = (request) => globalThis.fetch(request) } = options;
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (
    parsed === null ||
    !/^https?:$/.test(parsed.protocol) ||
    `${parsed.username}${parsed.password}${parsed.search}${parsed.hash}` !== ''
  ) {
    throw invalid('url', 'must be an absolute http(s) address without user, query and fragment');
  }
  if (!/^[!-~]{1,512}$/.test(key))
    throw invalid('key', 'must be an API key of Stepgate: printable ASCII without spaces');
  if (!(timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS)) {
    throw invalid('timeoutMs', `must be from 1 to ${MAX_TIMEOUT_MS}, found ${timeoutMs}`);
  }
  return { url: parsed.href.replace(/\/+$/, ''), key, timeoutMs, send };
}

function invalid(name: string, message: string): StepgateError {
  return new StepgateError('invalid_options', `${name} ${message}`);
}
