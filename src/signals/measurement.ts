import type { Baseline } from '../model/baseline.ts';
import type { Measurement } from '../model/decision.ts';
import type { FactValue, MeasuredFacts } from '../model/facts.ts';
import type { History, Reading, SubjectRecord } from '../store/store.ts';

/** Facts as a signal writes them down, in an object of their own: null and undefined mean *unknown*. */
export interface Findings {
  [name: string]: FactValue | null | undefined;
}

/** A measured signal; `why` if a part of it is missing. */
export function measured(findings: Findings, why?: string): Measurement {
  const facts = known(findings);
  return why === undefined ? { state: 'measured', facts } : { state: 'measured', why, facts };
}

/** The signal could not be measured for a reason that lies in the request or in what has been learned so far. */
export function unknown(why: string, findings: Findings = {}): Measurement {
  return { state: 'unknown', why, facts: known(findings) };
}

/** The store was unavailable; `findings` hold what does not need it. */
export function failed(why: string, findings: Findings = {}): Measurement {
  return { state: 'failed', why, facts: known(findings) };
}

/** The signal is not set up; `findings` hold what needs no setting up. */
export function off(why: string, findings: Findings = {}): Measurement {
  return { state: 'off', why, facts: known(findings) };
}

/** Why the first of these parts that failed did; null when none did. */
export function failureOf(...parts: readonly (Reading<unknown> | null)[]): string | null {
  for (const part of parts) if (part?.state === 'failed') return part.why;
  return null;
}

/** What is stored of the subject; null when it was not asked for or could not be read. */
export function subjectOf(history: History): SubjectRecord | null {
  return history.subject?.state === 'read' ? history.subject.value : null;
}

/** The subject's baseline; null on a cold start and when it could not be read. */
export function baselineOf(history: History): Baseline | null {
  return subjectOf(history)?.baseline?.value ?? null;
}

/** The subject's baseline if anything was learned. One that only records a revocation makes nothing new or dormant. */
export function seenBaselineOf(history: History): Baseline | null {
  const baseline = baselineOf(history);
  return baseline !== null && (baseline.learned > 0 || baseline.devices.length > 0) ? baseline : null;
}

/** Whole days from `from` to `to` (epoch seconds), never negative. */
export function daysBetween(from: number, to: number): number {
  return Math.max(0, Math.floor((to - from) / 86_400));
}

/** In place: the facts of a signal always have the same names, which a copy without some of them would pay for dearly. */
function known(findings: Findings): MeasuredFacts {
  for (const name in findings) findings[name] ??= undefined;
  return findings as MeasuredFacts;
}
