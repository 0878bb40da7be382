import type { Baseline } from '../model/baseline.ts';
import {
  type CheckResult,
  DECISIONS,
  DEFAULT_REQUIREMENT,
  type Decision,
  type Degradation,
  type Reason,
  type Requirement,
  stricter,
  type Verdict,
} from '../model/decision.ts';
import type { Facts, MeasuredFacts } from '../model/facts.ts';
import type { Proof, ProofError, ProofVerdict } from '../model/proof.ts';
import type { CheckRequest, Credential } from '../model/request.ts';
import { normaliseSubject } from '../model/subject.ts';
import type { ActionPolicy } from '../rules/ruleset.ts';
import { type Measurements, measureAll } from '../signals/index.ts';
import { whyPlaceless } from '../signals/placeless.ts';
import type { Observation } from '../signals/signal.ts';
import { demandOf, judgeProof } from '../step-up/requirement.ts';
import { type SpentTogether, spend, wasSentTwice } from '../step-up/spend.ts';
import { type Attempt, type History, type Outcome, type Pseudonym, StoreError } from '../store/store.ts';
import type { Engine } from './engine.ts';
import { type Lessons, learnLessons, nameDevice } from './learn.ts';
import { observe, outcomeOf } from './observe.ts';

/** An answered check. */
export interface Checked {
  readonly result: CheckResult;
  /** The request as it was judged: of several that it may be, the one that decided. */
  readonly request: CheckRequest;
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

/** What the checks of one request do once together. */
export interface OneRequest {
  /** A proof that several of them ask for is spent once, and its outcome shared. */
  readonly spent: SpentTogether;
  /** Bad ends of a subject and an address that are counted already. */
  readonly badEnds: Set<string>;
}

/** One request whose checks have not begun. */
export function oneRequest(): OneRequest {
  return { spent: new Map(), badEnds: new Set() };
}

/** What a check is part of. */
export interface CheckOptions {
  /**
   * The same request under another action or resource id, where it cannot be told which of them the origin will take it for: each is
   * judged, and the strictest decision holds.
   */
  readonly others?: readonly CheckRequest[];
  /** Shared by checks that belong to one request. */
  readonly together?: OneRequest;
}

/**
 * One check, in order: observe, ask the store while the proof is verified, measure, judge, hold to the floor, apply the
 * proof, answer. One network wait; a second one only to spend a single-use proof. Never rejects on the store's account.
 */
export async function check(
  engine: Engine,
  request: CheckRequest,
  { others = [], together = oneRequest() }: CheckOptions = {},
): Promise<Checked> {
  const nowMs = engine.now();
  const rules = engine.rules();
  const observation = await observe(engine, request, nowMs);

  const [{ history, waitedMs }, proof] = await Promise.all([
    askStore(engine, observation),
    verifyProof(engine, request, nowMs),
  ]);

  const measurements = measureAll(observation, history, proof);
  const degraded = degradations(measurements);
  const baseline = history.subject?.state === 'read' ? history.subject.value.baseline : null;
  const judgeOne = (each: CheckRequest, measured: MeasuredFacts): Judgement => {
    const facts: Facts = {
      measured,
      context: each.context,
      resourceProperties: each.resource.properties,
      subjectProperties: each.subjectProperties,
    };
    const verdict = rules.evaluate(facts);
    const policy = rules.policyFor(each.action);
    const hold = policy.guarded ? heldBy(request.credential) : null;
    const floored = degraded.length === 0 ? verdict.decision : stricter(verdict.decision, policy.floor);
    const demanded = hold === null ? floored : stricter(floored, hold.decision);
    const requirement = requirementOf(demanded, verdict);
    const stepUp = requirement === null ? null : applyProof(engine, observation, baseline, requirement, proof);
    return { request: each, facts, verdict, policy, hold, floored, demanded, stepUp };
  };
  const judged = others.reduce(
    (strictest, other) => stricterOf(strictest, judgeOne(other, factsUnder(other, measurements.facts))),
    judgeOne(request, measurements.facts),
  );
  const { facts, verdict, policy, hold, floored, demanded } = judged;
  const stepUp = await spendProof(engine, observation, judged.stepUp, proof, { waitedMs, spent: together.spent });
  const decision: Decision = stepUp?.satisfied === true ? 'allow' : demanded;

  const earnedBy = stepUp?.satisfied === true && proof?.valid === true ? proof.proof : null;
  const actor = request.actor ?? (proof?.valid === true ? proof.proof.actor : null);
  const lessons = lessonsOf(decision, earnedBy, policy, degraded, actor, observation);
  const device = await nameDevice(engine, observation, baseline, lessons);

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
    device: device === null ? null : { id: device.id, token: device.token, expiresAtMs: device.expiresAtMs },
    rulesRevision: rules.revision,
  };
  const learn = async (): Promise<void> => {
    await Promise.all([
      learnLessons(engine, observation, baseline, device, lessons),
      // What a hold refuses is no deny of the rules: strangers behind one address do not count against one another.
      countBadEnd(engine, observation, floored, refusalOf(stepUp, proof), {
        proof: proof?.valid === true ? proof.proof : null,
        counted: together.badEnds,
      }),
    ]);
  };
  return { request: judged.request, result, facts, pseudonyms: observation.keys, learn };
}

/** What the rules and the proof made of a request, before anything is spent. */
interface Judgement {
  readonly request: CheckRequest;
  readonly facts: Facts;
  readonly verdict: Verdict;
  readonly policy: ActionPolicy;
  /** What becomes of it because its session is not accepted. */
  readonly hold: Hold | null;
  /** After the floor of what was missing, before the hold. */
  readonly floored: Decision;
  readonly demanded: Decision;
  readonly stepUp: AppliedProof | null;
}

/** The facts of the same request under another action or resource id. */
function factsUnder({ action, resource }: CheckRequest, measured: MeasuredFacts): MeasuredFacts {
  return { ...measured, action, 'resource.id': resource.id ?? undefined };
}

/** The first of equals. Among those that a proof turns to allow, the one that spends it, so that another reading saves nobody the spending. */
function stricterOf(one: Judgement, other: Judgement): Judgement {
  return rankOf(other) > rankOf(one) ? other : one;
}

function rankOf({ demanded, stepUp }: Judgement): number {
  if (stepUp?.satisfied !== true) return DECISIONS.indexOf(demanded) * 4;
  return stepUp.requirement.singleUse ? 2 : 1;
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
        : {
            key: keys.subject,
            // Where somebody who acts for the subject is says nothing about where the subject is.
            address: request.actor === null ? keys.address : null,
            country: request.actor === null && isPlaced ? located.place.country : null,
          },
    address:
      keys.address === null || keys.network === null
        ? null
        : { key: keys.address, network: keys.network, subject: keys.subject },
    device: keys.device === null ? null : { key: keys.device, subject: keys.subject },
  };
}

async function verifyProof(
  engine: Engine,
  { stepUpToken, stepUpVerdict }: CheckRequest,
  nowMs: number,
): Promise<ProofVerdict | null> {
  if (stepUpToken === null) return null;
  if (engine.verifier === null) return { valid: false, error: NO_ISSUER };
  const verdict = stepUpVerdict ?? (await engine.verifier.verify(stepUpToken, nowMs));
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

interface Hold {
  readonly decision: Decision;
  readonly reason: Reason;
}

/**
 * What becomes of a guarded action whose session is not accepted. One that could not be read may be anybody's to the application,
 * so that no proof makes it pass; one that was refused takes a new log-in, and no proof belongs to nobody.
 */
function heldBy(credential: Credential | null): Hold | null {
  switch (credential?.state) {
    case 'unread':
    case 'ambiguous':
      return {
        decision: 'deny',
        reason: engineReason(`session_${credential.state}`, `the session is ${credential.state} (${credential.code})`),
      };
    case 'refused':
      return {
        decision: 'step-up',
        reason: engineReason('session_refused', `the session was refused (${credential.code})`),
      };
    default:
      return null;
  }
}

/** A step-up that only the floor asks for demands any fresh step-up, and never one that would need the store. */
function requirementOf(demanded: Decision, verdict: Verdict): Requirement | null {
  if (demanded !== 'step-up') return null;
  return verdict.requirement ?? DEFAULT_REQUIREMENT;
}

interface AppliedProof {
  readonly satisfied: boolean;
  readonly requirement: Requirement;
  readonly error: ProofError | null;
}

interface SpendingOfCheck {
  /** What the check has waited for the store. */
  readonly waitedMs: number;
  readonly spent: SpentTogether;
}

/** The requirement of the answer is what the client has to ask for; the proof is judged by the rules' own. */
function applyProof(
  engine: Engine,
  { request, nowMs }: Observation,
  baseline: Baseline | null,
  requirement: Requirement,
  verdict: ProofVerdict | null,
): AppliedProof {
  const issuer = verdict?.valid === true ? verdict.proof.issuer : null;
  const demand = demandOf(requirement, engine.verifier?.terms(issuer) ?? []);
  const refused = (error: ProofError | null) => ({ satisfied: false, requirement: demand, error });
  if (verdict === null) return refused(null);
  if (!verdict.valid) return refused(verdict.error);
  const { proof } = verdict;
  const proofsNotBefore = baseline?.proofsNotBefore ?? 0;
  const judged = judgeProof(proof, requirement, { ...request, nowMs, proofsNotBefore });
  return judged.satisfied ? { satisfied: true, requirement: demand, error: null } : refused(judged.error);
}

/** Spends the proof that satisfies a single-use requirement; one that cannot be spent satisfies nothing. */
async function spendProof(
  engine: Engine,
  { request, nowMs }: Observation,
  stepUp: AppliedProof | null,
  verdict: ProofVerdict | null,
  { waitedMs, spent }: SpendingOfCheck,
): Promise<AppliedProof | null> {
  if (stepUp?.satisfied !== true || verdict?.valid !== true) return stepUp;
  if (!stepUp.requirement.singleUse || request.dryRun) return stepUp;
  const error = await spend(engine, verdict.proof, nowMs, waitedMs, spent);
  return error === null ? stepUp : { ...stepUp, satisfied: false, error };
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
 * a poorer one, and an attacker who can slow the store down must not choose what is learned. Nothing of somebody who acts for
 * the subject: it is not the subject who is there.
 */
function lessonsOf(
  decision: Decision,
  earnedBy: Lessons['earnedBy'],
  policy: ActionPolicy,
  degraded: readonly Degradation[],
  actor: string | null,
  { request, standing }: Observation,
): Lessons {
  const isWhole = degraded.length === 0 && !request.dryRun;
  const may = decision === 'allow' && isWhole && request.subject !== null && actor === null;
  return {
    sighting: may && policy.learn === 'decision' && standing?.stale?.holds !== true,
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
  { proof, counted }: { readonly proof: Proof | null; readonly counted: Set<string> },
): Promise<void> {
  if (observation.request.dryRun) return;
  const count = async (kind: Outcome['kind']): Promise<void> => {
    const { subject, address } = observation.keys;
    const end = JSON.stringify(kind === 'deny' ? [kind, address] : [kind, address, subject]);
    if (counted.has(end)) return;
    counted.add(end);
    await engine.store.recordOutcome(outcomeOf(observation, kind));
  };
  const countFailure = async (): Promise<void> => {
    const isReplay = refusal?.code === 'replayed' && proof !== null;
    if (isReplay && (await wasSentTwice(engine, proof, observation.nowMs))) return;
    await count('failure');
  };
  await Promise.all([decision === 'deny' ? count('deny') : null, refusal?.suspicious === true ? countFailure() : null]);
}
