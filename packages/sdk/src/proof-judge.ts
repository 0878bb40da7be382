import type { Requirement } from '../../../src/model/decision.ts';
import type { StepgateClient, Verified } from './client.ts';

/** A question about one proof. */
export interface ProofQuestion {
  /** Null if the client sent none. */
  readonly token: string | null;
  /** Subject that the proof must be for; null for an anonymous client, which no proof can belong to. */
  readonly subject: string | null;
  /** Space of that subject; null for the only one. */
  readonly subjectSpace: string | null;
  /** Session that the proof must be of, if it names one; null accepts any. */
  readonly session: string | null;
  readonly requirement: Requirement;
}

/** Judges whether a token is enough as a proof: by Stepgate, or in this process. */
export interface ProofJudge {
  /** Whether it can record spent single-use proofs. */
  readonly canSpend: boolean;
  judge(question: ProofQuestion): Promise<Verified>;
}

/** Judges proofs by `POST /v1/step-up/verify`, with Stepgate's issuers, keys and spent proofs. */
export function proofsByStepgate(client: StepgateClient): ProofJudge {
  return {
    canSpend: true,
    async judge({ token, subject, subjectSpace, session, requirement }) {
      return client.verifyStepUp({
        // Without a subject the call would accept the proof of anyone, so an anonymous client sends no token.
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
