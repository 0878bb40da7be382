import type { Requirement } from '../model/decision.ts';
import type { Proof, ProofError, ProofVerifier } from '../model/proof.ts';
import { type NamedSubject, normaliseSubject } from '../model/subject.ts';
import { demandOf, judgeProof } from './requirement.ts';

/** Takes the proof of whomever the token names. */
export const ANYBODY: unique symbol = Symbol('anybody');

/** A token that is shown, by itself, as proof that a requirement is met. */
export interface ShownToken extends Pick<NamedSubject, 'subjectType'> {
  /** Null where the client brought none. */
  readonly token: string | null;
  readonly requirement: Requirement;
  /** Whose proof it must be, normalised; null for nobody, whom no proof can belong to. */
  readonly subject: string | null | typeof ANYBODY;
  /** The space of that subject; null takes any, where anybody's proof is taken. */
  readonly subjectSpace: string | null;
  /** Null takes any session. */
  readonly session: string | null;
  /** The real clock. */
  readonly nowMs: number;
}

/** The proof, or why it is none and what a client has to ask its provider for. */
export type Presented =
  | { readonly valid: true; readonly proof: Proof }
  | { readonly valid: false; readonly error: ProofError; readonly demand: Requirement };

/** Records a single-use proof as spent: null at the first time, otherwise why it does not count. */
export type SpendProof = (proof: Proof) => Promise<ProofError | null>;

/** When trust was last taken away from the proof's subject, in epoch seconds; 0 where it never was or cannot be told. */
export type ProofsNotBefore = (proof: Proof) => Promise<number>;

/**
 * Verifies a token and judges it against a requirement, outside of a check. `notBefore` is asked only for a proof that is
 * enough, `spend` only where that has to be single-use.
 *
 * Codes beside those of the verifier and of {@link judgeProof}: `no_issuer`, `token_missing`.
 */
export async function present(
  verifier: ProofVerifier | null,
  { token, requirement, subject, subjectSpace, subjectType, session, nowMs }: ShownToken,
  spend: SpendProof,
  notBefore: ProofsNotBefore = async () => 0,
): Promise<Presented> {
  const refused = (error: ProofError, issuer: string | null = null): Presented => ({
    valid: false,
    error,
    demand: demandOf(requirement, verifier?.terms(issuer) ?? []),
  });
  if (verifier === null) return refused(NO_ISSUER);
  if (token === null) return refused(NO_TOKEN);
  const verdict = await verifier.verify(token, nowMs);
  if (!verdict.valid) return refused(verdict.error);
  const { proof } = verdict;
  const presenter = subject === ANYBODY ? normaliseSubject(proof.subject) : subject;
  const space = subjectSpace ?? proof.space;
  const presentation = { subject: presenter, subjectSpace: space, subjectType, session, nowMs };
  const judged = judgeProof(proof, requirement, presentation);
  if (!judged.satisfied) return refused(judged.error, proof.issuer);
  const current = judgeProof(proof, requirement, { ...presentation, proofsNotBefore: await notBefore(proof) });
  if (!current.satisfied) return refused(current.error, proof.issuer);
  const spent = requirement.singleUse ? await spend(proof) : null;
  return spent === null ? { valid: true, proof } : refused(spent, proof.issuer);
}

const NO_ISSUER: ProofError = {
  code: 'no_issuer',
  message: 'no issuer is configured; set STEP_UP_ISSUERS',
  suspicious: false,
};

const NO_TOKEN: ProofError = {
  code: 'token_missing',
  message: 'no step-up token came along',
  suspicious: false,
};
