import {
  type CheckResult,
  DEFAULT_REQUIREMENT,
  type Decision,
  type Degradation,
  type Reason,
  type Requirement,
  stricter,
  type Verdict,
} from './decision.ts';
import type { Engine } from './engine.ts';
import type { Facts } from './facts.ts';
import { type Lessons, learnLessons, nameDevice } from './learning.ts';
import { observe, outcomeOf } from './observation.ts';
import type { CheckRequest } from './request.ts';
import type { ActionPolicy } from './rules/ruleset.ts';
import { type Measurements, measureAll } from './signals/index.ts';
import { whyPlaceless } from './signals/placeless.ts';
import type { Observation } from './signals/signal.ts';
import { demandOf, judgeProof } from './step-up/requirement.ts';
import { spend } from './step-up/spend.ts';
import type { ProofError, ProofVerdict } from './step-up/verifier.ts';
import { type Attempt, type History, type Pseudonym, StoreError } from './store/store.ts';
import { normaliseSubject } from './subject.ts';

/** An answered check. */
export interface Checked {
  readonly result: CheckResult;
  /** What the rules saw, for the decision record and for `explain`. */
  readonly facts: Facts;
  /** Under which the store knows who asked; null where the request named nobody, or no address. */
  readonly pseudonyms: { readonly subject: Pseudonym | null; readonly address: Pseudonym | null };
  /**
   * Writes what the answer teaches: baseline, trust, denies, forged proofs. The caller runs it after the answer is sent
   * (`waitUntil` on Workers). Rejects with {@link StoreError} when the store would not take it.
   */
  readonly learn: () => Promise<void>;
}

/**
 * One check, in order: observe, ask the store while the proof is verified, measure, judge, hold to the floor, apply the
 * proof, answer. One network wait; a second one only to spend a single-use proof. Never rejects on the store's account.
 */
export async function check(engine: Engine, request: CheckRequest): Promise<Checked> {
  const nowMs = engine.now();
  const rules = engine.rules();
  const policy = rules.policyFor(request.action);
  const observation = await observe(engine, request, nowMs);

  const [{ history, waitedMs }, proof] = await Promise.all([
    askStore(engine, observation),
    verifyProof(engine, request.stepUpToken, nowMs),
  ]);

  const measurements = measureAll(observation, history, proof);
  const facts: Facts = {
    measured: measurements.facts,
    context: request.context,
    resourceProperties: request.resource.properties,
    subjectProperties: request.subjectProperties,
  };
  const verdict = rules.evaluate(facts);

  const degraded = degradations(measurements);
  const demanded = degraded.length === 0 ? verdict.decision : stricter(verdict.decision, policy.floor);
  const requirement = requirementOf(demanded, verdict);
  const stepUp = requirement === null ? null : await applyProof(engine, observation, requirement, proof, waitedMs);
  const decision: Decision = stepUp?.satisfied === true ? 'allow' : demanded;

  const earnedBy = stepUp?.satisfied === true && proof?.valid === true ? proof.proof : null;
  const lessons = lessonsOf(decision, earnedBy, policy, degraded, observation);
  const baseline = history.subject?.state === 'read' ? history.subject.value.baseline : null;
  const device = await nameDevice(engine, observation, baseline, lessons);

  const result: CheckResult = {
    id: engine.newId(),
    decision,
    score: verdict.score,
    level: verdict.level,
    reasons: [...verdict.reasons, ...floorReason(verdict, demanded, degraded), ...proofReason(stepUp)],
    rule: verdict.rule,
    stepUp,
    signals: measurements.signals,
    degraded,
    dryRun: verdict.dryRun,
    device: device === null ? null : { id: device.id, token: device.token, expiresAtMs: device.expiresAtMs },
    rulesRevision: rules.revision,
  };
  const learn = async (): Promise<void> => {
    await Promise.all([
      learnLessons(engine, observation, baseline, device, lessons),
      countBadEnd(engine, observation, decision, refusalOf(stepUp, proof)),
    ]);
  };
  return { result, facts, pseudonyms: observation.keys, learn };
}

/** Counts the attempt and reads what is stored; `waitedMs` is what that took of the store's budget for one check. */
async function askStore(
  engine: Engine,
  observation: Observation,
): Promise<{ readonly history: History; readonly waitedMs: number }> {
  const askedMs = engine.now();
  const history = await engine.store.recordAttempt(attemptOf(observation));
  return { history, waitedMs: engine.now() - askedMs };
}

function attemptOf(observation: Observation): Attempt {
  const { request, located, keys } = observation;
  const isPlaced = located.known && whyPlaceless(observation) === null;
  return {
    atMs: request.occurredAtMs,
    write: request.isCounted && !request.dryRun,
    subject:
      keys.subject === null
        ? null
        : { key: keys.subject, address: keys.address, country: isPlaced ? located.place.country : null },
    address:
      keys.address === null || keys.network === null
        ? null
        : { key: keys.address, network: keys.network, subject: keys.subject },
    device: keys.device === null ? null : { key: keys.device, subject: keys.subject },
  };
}

async function verifyProof(engine: Engine, token: string | null, nowMs: number): Promise<ProofVerdict | null> {
  if (token === null) return null;
  if (engine.verifier === null) return { valid: false, error: NO_ISSUER };
  const verdict = await engine.verifier.verify(token, nowMs);
  if (!verdict.valid) return verdict;
  const subject = normaliseSubject(verdict.proof.subject);
  return subject === null ? verdict : { valid: true, proof: { ...verdict.proof, subject } };
}

const NO_ISSUER: ProofError = {
  code: 'no_issuer',
  message: 'a step-up token came along, but no issuer is configured; set STEP_UP_ISSUERS',
  suspicious: false,
};

function degradations({ signals }: Measurements): Degradation[] {
  return Object.entries(signals).flatMap(([part, { state, why }]) =>
    state === 'failed' ? [{ part, why: why ?? 'failed' }] : [],
  );
}

/** A step-up that only the floor asks for demands any fresh step-up, and never one that would need the store. */
function requirementOf(demanded: Decision, verdict: Verdict): Requirement | null {
  if (demanded !== 'step-up') return null;
  return verdict.requirement ?? DEFAULT_REQUIREMENT;
}

/** The requirement of the answer is what the client has to ask for; the proof is judged by the rules' own. */
async function applyProof(
  engine: Engine,
  { request, nowMs }: Observation,
  requirement: Requirement,
  verdict: ProofVerdict | null,
  waitedMs: number,
): Promise<{ satisfied: boolean; requirement: Requirement; error: ProofError | null }> {
  const issuer = verdict?.valid === true ? verdict.proof.issuer : null;
  const demand = demandOf(requirement, engine.verifier?.terms(issuer) ?? []);
  const refused = (error: ProofError | null) => ({ satisfied: false, requirement: demand, error });
  if (verdict === null) return refused(null);
  if (!verdict.valid) return refused(verdict.error);
  const { proof } = verdict;
  const judged = judgeProof(proof, requirement, { ...request, nowMs });
  if (!judged.satisfied) return refused(judged.error);
  if (requirement.singleUse && !request.dryRun) {
    const spent = await spend(engine, proof, nowMs, waitedMs);
    if (spent !== null) return refused(spent);
  }
  return { satisfied: true, requirement: demand, error: null };
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

function engineReason(code: string, message: string): Reason {
  return { code, rule: null, points: 0, message, facts: {} };
}

/**
 * What this answer may teach. Nothing while an input is missing: a baseline that could not be read would be replaced by
 * a poorer one, and an attacker who can slow the store down must not choose what is learned.
 */
function lessonsOf(
  decision: Decision,
  earnedBy: Lessons['earnedBy'],
  policy: ActionPolicy,
  degraded: readonly Degradation[],
  { request }: Observation,
): Lessons {
  const may = decision === 'allow' && degraded.length === 0 && !request.dryRun && request.subject !== null;
  return {
    sighting: may && policy.learn === 'decision',
    trustDays: may && earnedBy !== null && policy.trust.onStepUp ? policy.trust.days : null,
    earnedBy,
  };
}

/** Why the proof that came along was refused, whether or not the decision asked for one. */
function refusalOf(stepUp: { error: ProofError | null } | null, proof: ProofVerdict | null): ProofError | null {
  if (stepUp !== null) return stepUp.error;
  return proof === null || proof.valid ? null : proof.error;
}

async function countBadEnd(
  engine: Engine,
  observation: Observation,
  decision: Decision,
  refusal: ProofError | null,
): Promise<void> {
  if (observation.request.dryRun) return;
  await Promise.all([
    decision === 'deny' ? engine.store.recordOutcome(outcomeOf(observation, 'deny')) : null,
    refusal?.suspicious === true ? engine.store.recordOutcome(outcomeOf(observation, 'failure')) : null,
  ]);
}
