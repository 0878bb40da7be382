import type * as z from 'zod';
import {
  demandAnswer,
  type deviceAnswer,
  isoOf,
  type MinimalAnswer,
  type ProofFault,
  type RiskCheckAnswer,
} from '../contract/answer.ts';
import { registrationHeader } from '../contract/device-session.ts';
import type { CheckResult, Measurement } from '../model/decision.ts';
import type { FactValue, MeasuredFacts } from '../model/facts.ts';

/** What a caller acts on, and nothing that explains it. */
export function minimalAnswerOf({ id, decision, score, stepUp, device }: CheckResult): MinimalAnswer {
  return {
    id,
    decision,
    score,
    ...(stepUp !== null && { step_up: stepUpOf(stepUp) }),
    ...(device !== null && (device.token !== null || device.invitation !== null) && { device: deviceOf(device) }),
  };
}

/** A result as it goes on the wire. */
export function answerOf(result: CheckResult, latencyMs: number): RiskCheckAnswer {
  return {
    id: result.id,
    decision: result.decision,
    score: result.score,
    level: result.level,
    reasons: [...result.reasons],
    rule: result.rule,
    ...(result.stepUp !== null && { step_up: stepUpOf(result.stepUp) }),
    signals: signalsOf(result.signals),
    degraded: result.degraded.map(({ part, why }) => ({ part, why })),
    dry_run: { decision: result.dryRun.decision, rules: [...result.dryRun.rules] },
    ...(result.device !== null && { device: deviceOf(result.device) }),
    rules_revision: result.rulesRevision,
    latency_ms: latencyMs,
  };
}

/** Milliseconds rounded to hundredths. */
export function roundedMs(ms: number): number {
  return Math.round(ms * 100) / 100;
}

/** A device as it goes on the wire; also the answer to an event that granted trust. */
export function deviceOf(device: NonNullable<CheckResult['device']>): z.infer<typeof deviceAnswer> {
  return {
    id: device.id,
    ...(device.token !== null && { token: device.token }),
    ...(device.expiresAtMs !== null && { expires_at: isoOf(device.expiresAtMs) }),
    ...(device.invitation !== null && { secure_session_registration: registrationHeader(device.invitation) }),
  };
}

function stepUpOf({ satisfied, requirement, error }: NonNullable<CheckResult['stepUp']>) {
  return {
    required: true as const,
    satisfied,
    ...demandAnswer(requirement, error),
    ...(error !== null && { error: { code: error.code, message: error.message } }),
  };
}

/** The header that says when a token may be shown again that nobody can judge now. */
export function retryAfterOf(error: ProofFault | null): { readonly 'Retry-After'?: string } {
  return error?.retryAfterSeconds === undefined ? {} : { 'Retry-After': String(error.retryAfterSeconds) };
}

function signalsOf(signals: CheckResult['signals']): RiskCheckAnswer['signals'] {
  const shown: RiskCheckAnswer['signals'] = {};
  for (const name in signals) {
    const { state, why, facts } = signals[name] as Measurement;
    shown[name] = why === undefined ? { state } : { state, why };
    // JSON leaves out what is undefined, and with it what is unknown.
    if (isAnyKnown(facts)) shown[name].facts = facts as { [name: string]: FactValue };
  }
  return shown;
}

function isAnyKnown(facts: MeasuredFacts): boolean {
  for (const name in facts) if (facts[name] !== undefined) return true;
  return false;
}
