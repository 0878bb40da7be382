import type { ProofError } from '../model/proof.ts';

/** Thrown for a token that is not accepted; carries a {@link ProofError}. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: string;
  readonly suspicious: boolean;
  readonly more: RefusalDetails;
  constructor(code: string, message: string, suspicious = false, more: RefusalDetails = {}) {
    super(message);
    this.code = code;
    this.suspicious = suspicious;
    this.more = more;
  }

  toProofError(): ProofError {
    return { code: this.code, message: this.message, suspicious: this.suspicious, ...this.more };
  }
}

type RefusalDetails = Pick<ProofError, 'retryAfterSeconds' | 'holder'>;

/** Longest part of a token's value that a message repeats, in UTF-16 code units. */
const SHOWN_LENGTH = 80;

/**
 * A value from a token for use in a message: as JSON, so that control characters are escaped, and shortened, so that it
 * cannot flood a log or a response.
 */
export function show(value: unknown): string {
  if (value === undefined) return 'absent';
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return text.length <= SHOWN_LENGTH ? text : `${text.slice(0, SHOWN_LENGTH)}…`;
}
