import type { CheckResult, Decision, Degradation, Level, SignalState } from '../decision.ts';
import type { Facts, FactValue } from '../facts.ts';
import type { CheckRequest } from '../request.ts';
import type { Pseudonymize } from '../store/keys.ts';
import { redact } from './redact.ts';

/** Version of the shape of a decision record; raised when a field changes its meaning or goes away. */
export const RECORD_VERSION = 1;

/**
 * What is kept of one decision: enough to answer "why was this person asked?" and to count, nothing that names the
 * person. Subject and address stand as the pseudonyms that the store uses, so records of one person belong together.
 */
export interface DecisionRecord {
  readonly type: 'decision';
  readonly version: typeof RECORD_VERSION;
  /** Id of the check, as in the answer. */
  readonly id: string;
  readonly request_id: string;
  readonly caller: string;
  readonly action: string;
  /** Pseudonyms; null where the request named none. */
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
    readonly facts: { readonly [name: string]: FactValue };
  }[];
  readonly step_up: { readonly satisfied: boolean; readonly error: string | null } | null;
  readonly facts: { readonly [name: string]: FactValue };
  readonly signals: { readonly [name: string]: { readonly state: SignalState; readonly why?: string } };
  readonly degraded: readonly Degradation[];
  readonly dry_run: { readonly request: boolean; readonly decision: Decision; readonly rules: readonly string[] };
  readonly rules_revision: string;
  readonly latency_ms: number;
  /** Names of what was there and was left out, sorted. */
  readonly erased: readonly string[];
}

/** What is known of a check once it is answered. */
export interface AnsweredCheck {
  readonly request: CheckRequest;
  readonly requestId: string;
  readonly caller: string;
  readonly result: CheckResult;
  readonly facts: Facts;
  readonly latencyMs: number;
}

/** The redacted record of one answered check. */
export function decisionRecord(answered: AnsweredCheck, pseudonym: Pseudonymize): DecisionRecord {
  const { request, result } = answered;
  const erased = new Set<string>(namesErasedOf(request, answered.facts));
  const kept = (facts: Facts['measured']): { readonly [name: string]: FactValue } => {
    const redacted = redact(facts);
    for (const name of redacted.erased) erased.add(name);
    return redacted.facts;
  };
  const reasons = result.reasons.map(({ code, rule, points, facts }) => ({ code, rule, points, facts: kept(facts) }));
  const facts = kept(answered.facts.measured);
  return {
    type: 'decision',
    version: RECORD_VERSION,
    id: result.id,
    request_id: answered.requestId,
    caller: answered.caller,
    action: request.action,
    subject: request.subject === null ? null : pseudonym('subject', request.subject),
    address: request.address === null ? null : pseudonym('address', request.address.counterKey),
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
    signals: Object.fromEntries(
      Object.entries(result.signals).map(([name, { state, why }]) => [
        name,
        why === undefined ? { state } : { state, why },
      ]),
    ),
    degraded: result.degraded,
    dry_run: { request: request.dryRun, decision: result.dryRun.decision, rules: result.dryRun.rules },
    rules_revision: result.rulesRevision,
    latency_ms: answered.latencyMs,
    erased: [...erased].sort(),
  };
}

function namesErasedOf(request: CheckRequest, facts: Facts): string[] {
  const { device } = request;
  const named = (name: string, isThere: boolean): string[] => (isThere ? [name] : []);
  return [
    ...named('subject', request.subject !== null),
    ...named('ip', request.address !== null),
    ...named('session', request.session !== null),
    ...named('user_agent', request.userAgent !== null),
    ...named('device.fingerprint', device !== null && device.fingerprint !== null),
    ...named('device.token', device !== null && device.token !== null),
    ...named('device.components', device !== null && Object.keys(device.components).length > 0),
    ...named('geo', request.place !== null),
    ...named('step_up_token', request.stepUpToken !== null),
    ...named('resource.id', request.resource.id !== null),
    ...Object.keys(facts.context).map((name) => `context.${name}`),
    ...Object.keys(facts.resourceProperties).map((name) => `resource.properties.${name}`),
    ...Object.keys(facts.subjectProperties).map((name) => `subject.properties.${name}`),
  ];
}
