import type { CheckResult, Decision, Degradation, Reason, Verdict } from '../model/decision.ts';
import type { Facts } from '../model/facts.ts';
import type { Proof, ProofError, ProofVerdict } from '../model/proof.ts';
import type { CheckRequest } from '../model/request.ts';
import type { ActionPolicy } from '../rules/ruleset.ts';
import type { Observation } from '../signals/signal.ts';
import { settleProof } from '../step-up/apply-proof.ts';
import { showsMethods } from '../step-up/requirement.ts';
import { type SpentTogether, spend, wasSentTwice } from '../step-up/spend.ts';
import type { Outcome, Pseudonym } from '../store/store.ts';
import type { Assessment } from './assess.ts';
import type { Engine } from './engine.ts';
import { engineReason, type Judgement } from './judge.ts';
import { type LearningGrant, learnGranted, nameDevice } from './learn.ts';
import { outcomeOf } from './observe.ts';

/** An answered check. */
export interface Checked {
  readonly result: CheckResult;
  /** The judged request: of several candidates, the one that decided. */
  readonly request: CheckRequest;
  /** What the rules saw, for the decision record and for `explain`. */
  readonly facts: Facts;
  /** The store's names for the subject and address; null if the request had none. */
  readonly pseudonyms: { readonly subject: Pseudonym | null; readonly address: Pseudonym | null };
  /**
   * Writes what the answer teaches: baseline, trust, denies, forged proofs. The caller runs it after the answer is sent
   * (`waitUntil` on Workers). Rejects with a `StoreError` when the store would not take it.
   */
  readonly learn: () => Promise<void>;
}

/** Acts on one judgement: spends the proof, names the device, answers. */
export type Settle = (judgement: Judgement) => Promise<Checked>;

/**
 * Settles the judgements of one request, however many it contains. A proof that several of them need is spent once with
 * a shared outcome, and the same failure of the same subject and address is counted once. `learn` does the learning.
 */
export function settlement(engine: Engine): Settle {
  const spent: SpentTogether = new Map();
  const counted = new Set<string>();
  const countOnce: CountOutcome = async (end, outcome) => {
    if (counted.has(end)) return;
    counted.add(end);
    await engine.store.recordOutcome(outcome);
  };
  return (judgement) => settle(engine, judgement, spent, countOnce);
}

/** Counts an outcome; `end` is the same for outcomes that are one. */
type CountOutcome = (end: string, outcome: Outcome) => Promise<void>;

async function settle(
  engine: Engine,
  judgement: Judgement,
  spent: SpentTogether,
  countOnce: CountOutcome,
): Promise<Checked> {
  const { assessment, request, facts, verdict, policy, hold, floored, demanded } = judgement;
  const { observation, proof, measurements, degraded, waitedMs } = assessment;
  const { nowMs } = observation;
  const stepUp =
    judgement.stepUp === null || request.dryRun
      ? judgement.stepUp
      : await settleProof(judgement.stepUp, proof, (each) => spend(engine, each, nowMs, waitedMs, spent));
  const decision: Decision = stepUp?.satisfied === true ? 'allow' : demanded;

  const earnedBy = stepUp?.satisfied === true && proof?.valid === true ? proof.proof : null;
  const actor = request.actor ?? (proof?.valid === true ? proof.proof.actor : null);
  const grant = grantOf(decision, earnedBy, policy, degraded, actor, observation);
  const device = await nameDevice(engine, assessment, grant);

  const result: CheckResult = {
    id: engine.newId(),
    decision,
    score: verdict.score,
    level: verdict.level,
    reasons: [
      ...verdict.reasons,
      ...floorReason(verdict, floored, degraded),
      ...(hold === null ? [] : [hold.reason]),
      ...proofReason(stepUp),
    ],
    rule: verdict.rule,
    stepUp,
    signals: measurements.signals,
    degraded,
    dryRun: verdict.dryRun,
    device: device && {
      id: device.id,
      token: device.token,
      expiresAtMs: device.expiresAtMs,
      invitation: device.invitation,
    },
    rulesRevision: judgement.rulesRevision,
  };
  const learn = async (): Promise<void> => {
    await Promise.all([
      learnGranted(engine, assessment, device, grant),
      // A hold is not a denial by the rules: strangers behind one address do not count against one another.
      countBadEnd(engine, assessment, floored, refusalOf(stepUp, proof), countOnce),
    ]);
  };
  return { request, result, facts, pseudonyms: observation.keys, learn };
}

function floorReason(verdict: Verdict, demanded: Decision, degraded: readonly Degradation[]): Reason[] {
  if (demanded === verdict.decision) return [];
  const parts = degraded.map(({ part, why }) => `${part} (${why})`).join(', ');
  return [engineReason('degraded', `decided without ${parts}, so at least ${demanded}`)];
}

function proofReason(stepUp: { satisfied: boolean } | null): Reason[] {
  return stepUp?.satisfied === true
    ? [engineReason('step_up_satisfied', 'a valid proof meets the required step-up')]
    : [];
}

/**
 * What this answer may teach. Nothing while an input is missing: an unreadable baseline would be replaced by a poorer
 * one, and an attacker who can slow down the store must not choose what is learned. Nothing from someone who acts for
 * the subject, who is not present.
 */
function grantOf(
  decision: Decision,
  earnedBy: Proof | null,
  policy: ActionPolicy,
  degraded: readonly Degradation[],
  actor: string | null,
  { request, standing }: Observation,
): LearningGrant {
  const isWhole = degraded.length === 0 && !request.dryRun;
  const may = decision === 'allow' && isWhole && request.subject !== null && actor === null;
  const { trust } = policy;
  return {
    sighting: may && policy.learn === 'decision' && standing?.stale?.holds !== true,
    trust: may && earnedBy !== null && trust.onStepUp && showsMethods(earnedBy, trust) ? trust : null,
    renewDays: may ? trust.idleDays : null,
    visit: request.dryRun ? 'reported' : may ? 'allowed' : 'stopped',
    earnedBy,
  };
}

/** Why the proof was refused, whether or not the decision required one. */
function refusalOf(stepUp: { error: ProofError | null } | null, proof: ProofVerdict | null): ProofError | null {
  if (stepUp !== null) return stepUp.error;
  return proof === null || proof.valid ? null : proof.error;
}

async function countBadEnd(
  engine: Engine,
  { observation, proof: verdict }: Assessment,
  decision: Decision,
  refusal: ProofError | null,
  countOnce: CountOutcome,
): Promise<void> {
  if (observation.request.dryRun) return;
  const { subject, address } = observation.keys;
  const proof = verdict?.valid === true ? verdict.proof : null;
  const countFailure = async (): Promise<void> => {
    const isReplay = refusal?.code === 'replayed' && proof !== null;
    if (isReplay && (await wasSentTwice(engine, proof, observation.nowMs))) return;
    await countOnce(JSON.stringify(['failure', address, subject]), outcomeOf(observation, 'failure'));
  };
  await Promise.all([
    decision === 'deny' ? countOnce(JSON.stringify(['deny', address]), outcomeOf(observation, 'deny')) : null,
    refusal?.suspicious === true ? countFailure() : null,
  ]);
}
