import type { Baseline } from '../model/baseline.ts';
import type { History, Reading, SubjectRecord } from './store.ts';

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
