import { describe, expect, it } from 'vitest';
import type { Proof, ProofVerdict } from '../../../src/model/proof.ts';
import { stepUp } from '../../../src/signals/step-up.ts';
import { DAY, type Given, HOUR, history, MINUTE, measure, NOON, observation } from '../../support/signals/given.ts';

describe('the step-up proof', () => {
  const proof: Proof = {
    issuer: 'https://idp.example',
    subject: 'u1',
    actor: null,
    space: 'default',
    steppedUp: true,
    acr: 'urn:stepgate:su',
    amr: ['pwd', 'otp'],
    authTime: NOON - 5 * MINUTE,
    authTimeStated: true,
    maxAgeSeconds: 600,
    expiresAt: NOON + HOUR,
    id: 'j1',
    session: null,
    toleranceSeconds: 5,
  };
  const measureProof = (verdict: ProofVerdict | null, given: Given = {}) =>
    measure(stepUp, observation(given), history(), verdict);

  it('The step-up proof is told with its age by the real clock, its class and its methods', () => {
    expect(measureProof({ valid: true, proof }, { at: NOON - 30 * DAY, nowMs: NOON * 1000 }).facts).toEqual({
      'step_up.present': true,
      'step_up.age_s': 300,
      'step_up.acr': 'urn:stepgate:su',
      'step_up.amr': ['pwd', 'otp'],
    });
  });

  it('The step-up proof is not present when none came, when it is refused, of somebody else or no step-up', () => {
    const error = { code: 'expired', message: '', suspicious: false };
    expect(measureProof(null)).toEqual({ state: 'measured', facts: { 'step_up.present': false } });
    expect(measureProof({ valid: false, error })).toEqual({
      state: 'unknown',
      why: 'expired',
      facts: { 'step_up.present': false },
    });
    expect(measureProof({ valid: true, proof: { ...proof, subject: 'u2' } })).toEqual({
      state: 'unknown',
      why: 'subject_mismatch',
      facts: { 'step_up.present': false },
    });
    expect(measureProof({ valid: true, proof: { ...proof, steppedUp: false } }).facts['step_up.present']).toBe(false);
  });
});
