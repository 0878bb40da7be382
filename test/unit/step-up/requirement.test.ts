import { describe, expect, test } from 'vitest';
import type { Requirement } from '../../../src/model/decision.ts';
import type { Proof } from '../../../src/model/proof.ts';
import { judgeProof, unrankedAcrValues } from '../../../src/step-up/requirement.ts';
import { NOW, NOW_MS, proofOf, sign, signingKey, verifierOf } from '../../support/step-up/tokens.ts';

const PROOF: Proof = {
  issuer: 'https://idp.example',
  subject: 'u1',
  actor: null,
  space: 'default',
  steppedUp: true,
  acr: '2',
  amr: ['pwd', 'otp'],
  authTime: 1_741_608_000,
  authTimeStated: true,
  maxAgeSeconds: 600,
  expiresAt: 1_741_608_300,
  id: 'j-1',
  session: 's1',
  toleranceSeconds: 5,
};
const ANY: Requirement = { acrValues: [], amrValues: [], maxAgeSeconds: 600, singleUse: false, unsatisfiable: false };
const BY_U1 = { subject: 'u1', subjectSpace: 'default', subjectType: 'user', session: 's1', nowMs: NOW_MS };

function codeFor(
  proof: Partial<Proof>,
  requirement: Partial<Requirement> = {},
  presentation: Partial<typeof BY_U1> | { subject: null } | { session: null } = {},
): string {
  const judged = judgeProof({ ...PROOF, ...proof }, { ...ANY, ...requirement }, { ...BY_U1, ...presentation });
  return judged.satisfied ? 'satisfied' : judged.error.code;
}

describe('who the proof belongs to', () => {
  /** @see https://github.com/Senthil455/Atlas-Workforce-System/issues/157 */
  test('A proof of another subject is refused and counts as an attack', () => {
    const judged = judgeProof({ ...PROOF, subject: 'u2', session: 's9' }, ANY, BY_U1);
    expect(judged).toEqual({
      satisfied: false,
      error: { code: 'subject_mismatch', message: 'the proof is of "u2", the request is of "u1"', suspicious: true },
    });
  });

  test.each([
    ['a spelling of the same subject', { subject: 'Ann@Example.com ' }, { subject: 'ann@example.com' }, 'satisfied'],
    ['another case of an opaque id', { subject: 'U1' }, {}, 'subject_mismatch'],
    ['an anonymous request', {}, { subject: null }, 'subject_mismatch'],
    ['another session', { session: 's9' }, {}, 'session_mismatch'],
    ['a request that tells no session', { session: 's9' }, { session: null }, 'satisfied'],
    ['a token that tells no session', { session: null }, {}, 'satisfied'],
  ])('%s', (_what, proof, presentation, code) => {
    expect(codeFor(proof, {}, presentation)).toBe(code);
  });

  test('An anonymous request with a proof is no attack on anybody', () => {
    const judged = judgeProof(PROOF, ANY, { ...BY_U1, subject: null });
    expect(judged).toMatchObject({ satisfied: false, error: { suspicious: false } });
  });
});

describe('assurance class', () => {
  const levels = ['0', '1', '2', 'phishing-resistant'];

  /** @see https://github.com/keycloak/keycloak/issues/43968 */
  test('A level that a refresh dropped is too low, whatever it was before', () => {
    expect(codeFor({ acr: '2', acrOrder: levels }, { acrValues: ['2'] })).toBe('satisfied');
    expect(codeFor({ acr: '0', acrOrder: levels, steppedUp: false }, { acrValues: ['2'] })).toBe('acr_too_low');
  });

  /** @see https://github.com/keycloak/keycloak/issues/8724 */
  test('A value that the order does not name ranks below everything', () => {
    expect(codeFor({ acr: 'gold-typo', acrOrder: levels }, { acrValues: ['phishing-resistant'] })).toBe('acr_unknown');
    expect(codeFor({ acr: 'gold-typo', acrOrder: levels }, { acrValues: ['0'] })).toBe('acr_unknown');
    expect(codeFor({ acr: 'gold-typo', acrOrder: levels }, { acrValues: ['gold-typo'] })).toBe('acr_unknown');
  });

  /** @see https://github.com/leodip/goiabada/issues/125 */
  test('Freshness alone never satisfies a level', () => {
    const order = ['urn:example:level1', 'urn:example:level2'];
    const demand = { acrValues: ['urn:example:level2'] };
    const fresh = { acr: 'urn:example:pwd', acrOrder: order, authTime: NOW };
    expect(codeFor({ acr: 'urn:example:level2', acrOrder: order }, demand)).toBe('satisfied');
    expect(codeFor(fresh, demand)).toBe('acr_unknown');
  });

  /** @see https://github.com/better-auth/better-auth/pull/10790 */
  test('acr "0" is no proof of anything above it', () => {
    expect(codeFor({ acr: '0', acrOrder: levels }, { acrValues: ['1'] })).toBe('acr_too_low');
    expect(codeFor({ acr: '0' }, { acrValues: ['1'] })).toBe('acr_mismatch');
  });

  /** @see https://github.com/keycloak/keycloak/issues/39773 */
  test.each([
    ['1', false, 'acr_too_low'],
    [1, false, 'acr_invalid'],
    ['2', false, 'satisfied'],
    [2, false, 'acr_invalid'],
    [1, true, 'acr_too_low'],
    [2, true, 'satisfied'],
    [2.5, true, 'acr_invalid'],
    ['10', false, 'acr_unknown'],
    [10, true, 'acr_unknown'],
    [['2'], false, 'acr_invalid'],
    ['2 ', false, 'acr_invalid'],
    ['', false, 'acr_invalid'],
    [null, false, 'acr_invalid'],
    [undefined, false, 'acr_missing'],
  ])(
    'Of acr %j (numbers read: %s) against "2" in the order 0, 1, 2 the answer is %s',
    async (acr, acrNumbers, code) => {
      const key = await signingKey();
      const verifier = verifierOf([key.jwk], { acr_order: ['0', '1', '2'], acr_numbers: acrNumbers });
      const proof = await proofOf(verifier, await sign(key, { acr }));
      expect(codeFor(proof, { acrValues: ['2'] }, { session: null })).toBe(code);
    },
  );

  test.each([
    ['any of several is enough', { acr: 'phr' }, ['mfa', 'phr'], 'satisfied'],
    ['without an order only the same text counts', { acr: '3' }, ['2'], 'acr_mismatch'],
    ['a higher level satisfies a lower one', { acr: 'phishing-resistant', acrOrder: levels }, ['1'], 'satisfied'],
    ['the lowest of several named levels is enough', { acr: '1', acrOrder: levels }, ['2', '1'], 'satisfied'],
    ['a demand outside the order helps nobody', { acr: '1', acrOrder: levels }, ['platinum', '2'], 'acr_too_low'],
    ['a demand outside the order is never met', { acr: '2', acrOrder: levels }, ['platinum'], 'acr_unknown'],
    ['a token of `su: true` has no acr and needs none', { acr: null }, ['urn:stepgate:su'], 'satisfied'],
    ['any step-up still has to be one', { acr: '2', steppedUp: false }, ['urn:stepgate:su'], 'not_stepped_up'],
    ['a level without the mark of a step-up', { acr: '2', steppedUp: false }, ['2'], 'not_stepped_up'],
  ])('%s', (_what, proof, acrValues, code) => {
    expect(codeFor(proof, { acrValues })).toBe(code);
  });

  test('A demand that every issuer ranks and none names is reported', () => {
    const ranked = { acrOrder: levels };
    expect(unrankedAcrValues(['2', 'gold', 'urn:stepgate:su'], [ranked])).toEqual(['gold']);
    expect(unrankedAcrValues(['gold'], [ranked, { acrOrder: ['gold'] }])).toEqual([]);
    expect(unrankedAcrValues(['gold'], [ranked, { acrOrder: null }])).toEqual([]);
    expect(unrankedAcrValues(['gold'], [])).toEqual([]);
  });
});

describe('methods, age and the rest', () => {
  test.each([
    ['all methods were used', {}, { amrValues: ['otp', 'pwd'] }, 'satisfied'],
    ['one method is missing', {}, { amrValues: ['otp', 'hwk'] }, 'amr_missing'],
    ['the token shows no step-up', { steppedUp: false }, {}, 'not_stepped_up'],
    ['demands that exclude one another', {}, { unsatisfiable: true }, 'requirement_unsatisfiable'],
    ['just as old as the rule permits', { authTime: NOW - 300 }, { maxAgeSeconds: 300 }, 'satisfied'],
    ['a moment older than the rule permits', { authTime: NOW - 300.001 }, { maxAgeSeconds: 300 }, 'token_too_old'],
    ['older than the issuer permits', { authTime: NOW - 601 }, { maxAgeSeconds: 3600 }, 'token_too_old'],
    ['expired since it was verified', { expiresAt: NOW - 5 }, {}, 'expired'],
  ])('%s', (_what, proof, requirement, code) => {
    expect(codeFor(proof, requirement)).toBe(code);
  });

  /** @see https://github.com/AzureAD/microsoft-authentication-library-for-js/pull/5125 */
  test('The clock is in milliseconds and auth_time in seconds', () => {
    const judged = judgeProof(
      { ...PROOF, authTime: 1_741_600_000, maxAgeSeconds: 3600 },
      { ...ANY, maxAgeSeconds: 3600 },
      { ...BY_U1, nowMs: 1_741_608_000_000 },
    );
    expect(judged).toMatchObject({
      error: { code: 'token_too_old', message: 'the subject authenticated 8000 s ago, allowed are at most 3600 s' },
    });
  });

  test('The reason why a token shows no step-up names the values', async () => {
    const key = await signingKey();
    const proof = await proofOf(verifierOf([key.jwk]), await sign(key, { su: 'true' }));
    expect(judgeProof(proof, ANY, { ...BY_U1, session: null })).toMatchObject({
      error: { code: 'not_stepped_up', message: 'the token shows no step-up: claim su is "true", expected true' },
    });
  });
});

describe('a subject space', () => {
  test('A subject space is part of who a proof is of: the same id in another one is somebody else, and an attack', () => {
    const judged = judgeProof({ ...PROOF, space: 'shop' }, ANY, { ...BY_U1, subjectSpace: 'bank' });
    expect(judged).toEqual({
      satisfied: false,
      error: {
        code: 'subject_mismatch',
        message: 'the proof is of "u1" in the subject space "shop", the request is of "u1" in the subject space "bank"',
        suspicious: true,
      },
    });
    expect(codeFor({ space: 'bank' }, {}, { subjectSpace: 'bank' })).toBe('satisfied');
  });

  test('A subject space has proofs of its users only: a service of the same name is none', () => {
    const judged = judgeProof(PROOF, ANY, { ...BY_U1, subjectType: 'service' });
    expect(judged).toEqual({
      satisfied: false,
      error: {
        code: 'subject_mismatch',
        message: 'the proof is of "u1", a user; the request is of "u1", of type "service"',
        suspicious: true,
      },
    });
  });
});
