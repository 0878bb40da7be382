/**
 * Why a call got no usable answer. `timeout`: none within the deadline. `unreachable`: no connection, or it broke.
 * `unavailable`: a 5xx, or a 408, 425 or 429 of an intermediary. `invalid_answer`: a 2xx that is not an answer of Stepgate.
 */
export type FailureCode = 'timeout' | 'unreachable' | 'unavailable' | 'invalid_answer';

/** One fault of the input, as Stepgate reports it. */
export interface InputFault {
  readonly path: string;
  readonly message: string;
}

/** Details of a {@link StepgateError}. */
export interface StepgateErrorFacts {
  /** HTTP status of the response; null without a response. */
  readonly status: number | null;
  readonly faults: readonly InputFault[];
  /** `X-Request-ID` of the response, to find the call in Stepgate's log. */
  readonly requestId: string | null;
}

/**
 * Stepgate rejected the call, or could not be reached. `code` is the code of its problem document (`unauthorized`,
 * `invalid_request`, `not_found`, …), a {@link FailureCode}, `unexpected_status` for a rejection by something else (a proxy, a
 * wrong URL), or `invalid_options`. Never contains the API key.
 */
export class StepgateError extends Error {
  override readonly name = 'StepgateError';
  readonly code: string;
  readonly status: number | null;
  readonly faults: readonly InputFault[];
  readonly requestId: string | null;
  constructor(code: string, message: string, facts: Partial<StepgateErrorFacts> = {}) {
    super(message);
    this.code = code;
    this.status = facts.status ?? null;
    this.faults = facts.faults ?? [];
    this.requestId = facts.requestId ?? null;
  }
}
