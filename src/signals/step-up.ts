import { failed, measured, unknown } from '../model/measurement.ts';
import { awaitsKeys } from '../model/proof.ts';
import { isProofOf } from '../model/subject.ts';
import type { Signal } from './signal.ts';

/** The proof sent with the request, so that a rule can require more than its default. */
export const stepUp: Signal = {
  name: 'step_up',
  facts: {
    'step_up.present': {
      type: 'boolean',
      meaning: 'Whether a genuine step-up proof of this subject was sent, of any age',
    },
    'step_up.age_s': { type: 'number', unit: 's', meaning: 'Age of the last active authentication, by the real clock' },
    'step_up.acr': { type: 'string', meaning: 'Assurance class that the proof names' },
    'step_up.amr': { type: 'list', meaning: 'Authentication methods that the proof names (RFC 8176)' },
  },
  measure({ request, nowMs }, _history, verdict) {
    if (verdict === null) return measured({ 'step_up.present': false });
    if (!verdict.valid) {
      // A token that cannot be judged now is neither present nor absent: an input is missing.
      return awaitsKeys(verdict.error)
        ? failed(verdict.error.code)
        : unknown(verdict.error.code, { 'step_up.present': false });
    }
    const { proof } = verdict;
    if (!isProofOf(proof, request)) return unknown('subject_mismatch', { 'step_up.present': false });
    return measured({
      'step_up.present': proof.steppedUp,
      'step_up.age_s': proof.authTime === 0 ? null : Math.max(0, Math.floor(nowMs / 1000 - proof.authTime)),
      'step_up.acr': proof.acr,
      'step_up.amr': proof.amr,
    });
  },
};
