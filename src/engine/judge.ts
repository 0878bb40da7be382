import {
  DECISIONS,
  DEFAULT_REQUIREMENT,
  type Decision,
  type Reason,
  type Requirement,
  stricter,
  type Verdict,
} from '../model/decision.ts';
import type { Facts, MeasuredFacts } from '../model/facts.ts';
import type { CheckRequest, Credential } from '../model/request.ts';
import type { ActionPolicy, RuleSet } from '../rules/ruleset.ts';
import { type AppliedProof, applyProof } from '../step-up/apply-proof.ts';
import type { Assessment } from './assess.ts';

/** What the rules and the proof made of a request, before anything is spent. */
export interface Judgement {
  readonly assessment: Assessment;
  readonly request: CheckRequest;
  readonly facts: Facts;
  readonly verdict: Verdict;
  readonly policy: ActionPolicy;
  /** What becomes of it because its session is not accepted. */
  readonly hold: Hold | null;
  /** After the floor of what was missing, before the hold. */
  readonly floored: Decision;
  readonly demanded: Decision;
  /** The proof's result; null if no step-up is required. */
  readonly stepUp: AppliedProof | null;
  readonly rulesRevision: string;
}

/** What the rules make of an assessment under the action and resource of `request`. Pure. */
function judge(rules: RuleSet, assessment: Assessment, request: CheckRequest): Judgement {
  const { degraded } = assessment;
  const facts: Facts = {
    measured: factsUnder(request, assessment),
    context: request.context,
    resourceProperties: request.resource.properties,
    subjectProperties: request.subjectProperties,
  };
  const verdict = rules.evaluate(facts);
  const policy = rules.policyFor(request.action);
  const hold = policy.guarded ? heldBy(request.credential) : null;
  const floored = degraded.length === 0 ? verdict.decision : stricter(verdict.decision, policy.floor);
  const demanded = hold === null ? floored : stricter(floored, hold.decision);
  const requirement = requirementOf(demanded, verdict);
  const stepUp = requirement === null ? null : applied(requirement, assessment);
  return {
    assessment,
    request,
    facts,
    verdict,
    policy,
    hold,
    floored,
    demanded,
    stepUp,
    rulesRevision: rules.revision,
  };
}

function applied(requirement: Requirement, { observation, baseline, proof, terms }: Assessment): AppliedProof {
  const { request, nowMs } = observation;
  const proofsNotBefore = baseline?.value.proofsNotBefore ?? 0;
  return applyProof(proof, requirement, { ...request, nowMs, proofsNotBefore }, terms);
}

/** A copy only for another action or resource than the one that was measured with. */
function factsUnder(request: CheckRequest, { observation, measurements }: Assessment): MeasuredFacts {
  if (request === observation.request) return measurements.facts;
  const { action, resource } = request;
  return {
    ...measurements.facts,
    action,
    'resource.type': resource.type ?? undefined,
    'resource.id': resource.id ?? undefined,
  };
}

/**
 * The strictest judgement of all that a request may be; the first among equals. Among those that a proof turns to
 * allow, the one that spends it, so that no other reading avoids the spending.
 */
export function judgeStrictest(
  rules: RuleSet,
  assessment: Assessment,
  first: CheckRequest,
  others: readonly CheckRequest[],
): Judgement {
  return others.reduce(
    (strictest, request) => {
      const other = judge(rules, assessment, request);
      return rankOf(other) > rankOf(strictest) ? other : strictest;
    },
    judge(rules, assessment, first),
  );
}

function rankOf({ demanded, stepUp }: Judgement): number {
  if (stepUp?.satisfied !== true) return DECISIONS.indexOf(demanded) * 4;
  return stepUp.requirement.singleUse ? 2 : 1;
}

/** A decision that the session alone brings about. */
export interface Hold {
  readonly decision: Decision;
  readonly reason: Reason;
}

/**
 * What a session that is not accepted means for a guarded action. An unread one may be anyone's to the application, so
 * no proof lets it pass; a refused one needs a new log-in, and a proof cannot belong to no one.
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

/** A step-up that only the floor requires accepts any fresh step-up, and never needs the store. */
function requirementOf(demanded: Decision, verdict: Verdict): Requirement | null {
  if (demanded !== 'step-up') return null;
  return verdict.requirement ?? DEFAULT_REQUIREMENT;
}

/** A reason that no rule gives. */
export function engineReason(code: string, message: string): Reason {
  return { code, rule: null, points: 0, message, facts: {} };
}
