import type { Requirement } from '../model/decision.ts';
import type { Proof, ProofError, ProofVerdict, ProofVerifier } from '../model/proof.ts';
import { type NamedSubject, normaliseSubject } from '../model/subject.ts';
import { applyProof, type SpendProof, settleProof, termsFor, verifyProof } from './apply-proof.ts';
import { demandOf } from './requirement.ts';

/** Accepts the proof of any subject. */
export const ANYBODY: unique symbol = Symbol('anybody');

/** A token presented by itself as proof of a requirement. */
export interface ShownToken extends Pick<NamedSubject, 'subjectType'> {
  /** Null where the client sent no token. */
  readonly token: string | null;
  readonly requirement: Requirement;
  /** Normalised subject that the proof must be for; null for an anonymous client, which no proof can belong to. */
  readonly subject: string | null | typeof ANYBODY;
  /** Space of that subject; null accepts any space, together with {@link ANYBODY}. */
  readonly subjectSpace: string | null;
  /** Null accepts any session. */
  readonly session: string | null;
  /** The real clock. */
  readonly nowMs: number;
}

/** The proof, or why it is not enough and what to ask the provider for. */
export type Presented =
  | { readonly valid: true; readonly proof: Proof }
  | { readonly valid: false; readonly error: ProofError; readonly demand: Requirement };

/** Epoch seconds at which the proof's subject last lost trust; 0 if never, or if the store cannot say. */
export type ProofsNotBefore = (proof: Proof) => Promise<number>;

/**
 * Verifies a token and judges it against a requirement, outside of a check. `notBefore` is called only for a proof that is
 * enough, `spend` only where it must also be single-use.
 *
 * Codes, in addition to those of the verifier and of `judgeProof`: `no_issuer`, `token_missing`.
 */
export async function present(
  verifier: ProofVerifier | null,
  { token, requirement, subject, subjectSpace, subjectType, session, nowMs }: ShownToken,
  spend: SpendProof,
  notBefore: ProofsNotBefore = async () => 0,
): Promise<Presented> {
  const verdict: ProofVerdict =
    token === null && verifier !== null ? NO_TOKEN : await verifyProof(verifier, token ?? '', nowMs);
  const terms = termsFor(verifier, verdict);
  if (!verdict.valid) return { valid: false, error: verdict.error, demand: demandOf(requirement, terms) };
  const { proof } = verdict;
  const presentation = {
    subject: subject === ANYBODY ? normaliseSubject(proof.subject) : subject,
    subjectSpace: subjectSpace ?? proof.space,
    subjectType,
    session,
    nowMs,
  };
  const judged = applyProof(verdict, requirement, presentation, terms);
  const current = judged.satisfied
    ? applyProof(verdict, requirement, { ...presentation, proofsNotBefore: await notBefore(proof) }, terms)
    : judged;
  const { error, requirement: demand } = await settleProof(current, verdict, spend);
  return error === null ? { valid: true, proof } : { valid: false, error, demand };
}

const NO_TOKEN: ProofVerdict = {
  valid: false,
  error: { code: 'token_missing', message: 'no step-up token was sent', suspicious: false },
};
