/**
 * Why a call got no usable answer. `timeout`: none within the deadline. `unreachable`: no connection, or it broke.
 * `unavailable`: a 5xx, or a 408, 425 or 429 of something in between. `invalid_answer`: a 2xx that is no answer of Stepgate.
 */
export type FailureCode = 'timeout' | 'unreachable' | 'unavailable' | 'invalid_answer';

/** One fault of the input, as Stepgate names it. */
export interface InputFault {
  readonly path: string;
  readonly message: string;
}

/** What {@link StepgateError} tells beside its message. */
export interface StepgateErrorFacts {
  /** HTTP status of the answer; null where there was none. */
  readonly status: number | null;
  readonly faults: readonly InputFault[];
  /** `X-Request-ID` of the answer, to find the call in Stepgate's log. */
  readonly requestId: string | null;
}

/**
 * Stepgate refused the call, or could not be asked. `code` is the code of its problem document (`unauthorized`,
 * `invalid_request`, `not_found`, …), a {@link FailureCode}, `unexpected_status` for a refusal that Stepgate did not write (a
 * proxy, a wrong address), or `invalid_options`. Never holds the API key.
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
