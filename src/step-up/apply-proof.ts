import type { Requirement } from '../model/decision.ts';
import type { Proof, ProofError, ProofTerms, ProofVerdict, ProofVerifier } from '../model/proof.ts';
import { demandOf, judgeProof, type Presentation } from './requirement.ts';

/** The result of judging a proof against a requirement. */
export interface AppliedProof {
  readonly satisfied: boolean;
  /** What to ask the provider for. The proof itself is judged by the requirement of the rules. */
  readonly requirement: Requirement;
  /** Why the proof is not enough; null if it is, or if none was sent. */
  readonly error: ProofError | null;
}

/** Records a single-use proof as spent: null the first time, otherwise why the proof does not count. */
export type SpendProof = (proof: Proof) => Promise<ProofError | null>;

/** The verdict on a token; the same token is verified once. */
export type VerifyOnce = (token: string) => Promise<ProofVerdict>;

/** Verifies each distinct token of one request once; `no_issuer` without a verifier. */
export function verifiedOnce(verifier: Pick<ProofVerifier, 'verify'> | null, nowMs: number): VerifyOnce {
  const verdicts = new Map<string, Promise<ProofVerdict>>();
  return (token) => {
    const verdict = verdicts.get(token) ?? verifyProof(verifier, token, nowMs);
    verdicts.set(token, verdict);
    return verdict;
  };
}

/** The verdict on a token, with the key whose possession was proven with it; `no_issuer` without a verifier. */
export async function verifyProof(
  verifier: Pick<ProofVerifier, 'verify'> | null,
  token: string,
  nowMs: number,
  thumbprint?: string,
): Promise<ProofVerdict> {
  return verifier === null ? { valid: false, error: NO_ISSUER } : verifier.verify(token, nowMs, thumbprint);
}

/** Terms of the proof's issuer; of all issuers without a valid proof. */
export function termsFor(verifier: ProofVerifier | null, verdict: ProofVerdict | null): readonly ProofTerms[] {
  return verifier?.terms(verdict?.valid === true ? verdict.proof.issuer : null) ?? [];
}

/** Judges a verified proof against a requirement. Pure. `verdict` is null when no proof was sent. */
export function applyProof(
  verdict: ProofVerdict | null,
  requirement: Requirement,
  presentation: Presentation,
  terms: readonly ProofTerms[],
): AppliedProof {
  const demand = demandOf(requirement, terms);
  if (verdict === null) return { satisfied: false, requirement: demand, error: null };
  if (!verdict.valid) return { satisfied: false, requirement: demand, error: verdict.error };
  const judged = judgeProof(verdict.proof, requirement, presentation);
  return { satisfied: judged.satisfied, requirement: demand, error: judged.satisfied ? null : judged.error };
}

/** Spends a proof that meets a single-use requirement. The requirement is not met unless the spend is recorded. */
export async function settleProof(
  applied: AppliedProof,
  verdict: ProofVerdict | null,
  spend: SpendProof,
): Promise<AppliedProof> {
  if (!applied.satisfied || !applied.requirement.singleUse || verdict?.valid !== true) return applied;
  const error = await spend(verdict.proof);
  return error === null ? applied : { ...applied, satisfied: false, error };
}

const NO_ISSUER: ProofError = {
  code: 'no_issuer',
  message: 'no issuer is configured; set STEP_UP_ISSUERS',
  suspicious: false,
};
