import type { Requirement } from '../../../src/model/decision.ts';
import type { StepgateClient, Verified } from './client.ts';

/** A question about one proof. */
export interface ProofQuestion {
  /** Null where the client brought none. */
  readonly token: string | null;
  /** Whose it must be; null for nobody, whom no proof can belong to. */
  readonly subject: string | null;
  /** Space of that subject; null for the one that goes without saying. */
  readonly subjectSpace: string | null;
  /** Session it must be of, where the proof names one; null takes any. */
  readonly session: string | null;
  readonly requirement: Requirement;
}

/** Who says whether a token is proof enough: Stepgate, or this process by itself. */
export interface ProofJudge {
  /** Whether it can record that a single-use proof is spent. */
  readonly canSpend: boolean;
  judge(question: ProofQuestion): Promise<Verified>;
}

/** Proofs are judged by `POST /v1/step-up/verify`: issuers, keys and spent proofs are Stepgate's. */
export function proofsByStepgate(client: StepgateClient): ProofJudge {
  return {
    canSpend: true,
    async judge({ token, subject, subjectSpace, session, requirement }) {
      return client.verifyStepUp({
        // Nobody's proof is not asked for by leaving the subject out: that would take anybody's.
        token: subject === null ? null : token,
        subject,
        subject_space: subjectSpace,
        session,
        acr_values: [...requirement.acrValues],
        amr_values: [...requirement.amrValues],
        max_age: requirement.maxAgeSeconds,
        single_use: requirement.singleUse,
      });
    },
  };
}
