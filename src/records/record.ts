import type { Checked } from '../engine/settle.ts';
import type { CheckResult, Decision, Degradation, Level, Measurement, SignalState } from '../model/decision.ts';
import type { Facts, MeasuredFacts } from '../model/facts.ts';
import type { CheckRequest } from '../model/request.ts';
import { redact } from './redact.ts';

/** Version of the shape of a decision record; raised when a field changes its meaning or goes away. */
const RECORD_VERSION = 1;

/**
 * What is kept of one decision: enough to answer "why was this person asked?" and to count, nothing that identifies the
 * person. Subject and address are the store's pseudonyms, so that a person's records can be linked.
 */
export interface DecisionRecord {
  readonly type: 'decision';
  readonly version: typeof RECORD_VERSION;
  /** Id of the check, as in the answer. */
  readonly id: string;
  readonly request_id: string;
  readonly caller: string;
  readonly action: string;
  /** Pseudonyms; null if the request had none. */
  readonly subject: string | null;
  readonly address: string | null;
  /** RFC 3339: the moment that was judged. */
  readonly occurred_at: string;
  readonly decision: Decision;
  readonly score: number;
  readonly level: Level;
  readonly rule: { readonly id: string; readonly file: string } | null;
  /** Sentences are left out: they quote the values that were compared. */
  readonly reasons: readonly {
    readonly code: string;
    readonly rule: string | null;
    readonly points: number;
    readonly facts: MeasuredFacts;
  }[];
  readonly step_up: { readonly satisfied: boolean; readonly error: string | null } | null;
  readonly facts: MeasuredFacts;
  readonly signals: { readonly [name: string]: { readonly state: SignalState; readonly why?: string } };
  readonly degraded: readonly Degradation[];
  readonly dry_run: { readonly request: boolean; readonly decision: Decision; readonly rules: readonly string[] };
  readonly rules_revision: string;
  readonly latency_ms: number;
  /** Names of what was there and was left out, sorted. */
  readonly erased: readonly string[];
}

/** An answered check and its caller. */
export interface AnsweredCheck extends Checked {
  readonly request: CheckRequest;
  readonly requestId: string;
  readonly caller: string;
  readonly latencyMs: number;
}

/** The redacted record of one answered check. */
export function decisionRecord(answered: AnsweredCheck): DecisionRecord {
  const { request, result, pseudonyms } = answered;
  const erased = namesErasedOf(request, answered.facts);
  const reasons = result.reasons.map(({ code, rule, points, facts }) => ({
    code,
    rule,
    points,
    facts: redact(facts, erased),
  }));
  const facts = redact(answered.facts.measured, erased);
  return {
    type: 'decision',
    version: RECORD_VERSION,
    id: result.id,
    request_id: answered.requestId,
    caller: answered.caller,
    action: request.action,
    subject: pseudonyms.subject,
    address: pseudonyms.address,
    occurred_at: new Date(request.occurredAtMs).toISOString(),
    decision: result.decision,
    score: result.score,
    level: result.level,
    rule: result.rule,
    reasons,
    step_up:
      result.stepUp === null
        ? null
        : { satisfied: result.stepUp.satisfied, error: result.stepUp.error === null ? null : result.stepUp.error.code },
    facts,
    signals: statesOf(result.signals),
    degraded: result.degraded,
    dry_run: { request: request.dryRun, decision: result.dryRun.decision, rules: result.dryRun.rules },
    rules_revision: result.rulesRevision,
    latency_ms: answered.latencyMs,
    erased: erased.sort(),
  };
}

function statesOf(signals: CheckResult['signals']): DecisionRecord['signals'] {
  const states: { [name: string]: { readonly state: SignalState; readonly why?: string } } = {};
  for (const name in signals) {
    const { state, why } = signals[name] as Measurement;
    states[name] = why === undefined ? { state } : { state, why };
  }
  return states;
}

function namesErasedOf(
  { subject, address, session, userAgent, clientHints, device, place, proof, resource }: CheckRequest,
  facts: Facts,
): string[] {
  const names: string[] = [];
  if (subject !== null) names.push('subject');
  if (address !== null) names.push('ip');
  if (session !== null) names.push('session');
  if (userAgent !== null) names.push('user_agent');
  if (clientHints !== undefined) names.push('client_hints');
  if (device !== null && device.fingerprint !== null) names.push('device.fingerprint');
  if (device !== null && device.token !== null) names.push('device.token');
  if (device !== null && Object.keys(device.components).length > 0) names.push('device.components');
  if (place !== null) names.push('geo');
  if (proof !== null) names.push('step_up_token');
  if (resource.id !== null) names.push('resource.id');
  for (const name of Object.keys(facts.context)) names.push(`context.${name}`);
  for (const name of Object.keys(facts.resourceProperties)) names.push(`resource.properties.${name}`);
  for (const name of Object.keys(facts.subjectProperties)) names.push(`subject.properties.${name}`);
  return names;
}
