import { expect, test } from 'vitest';
import { challengeOf } from '../../../src/contract/answer.ts';

const REQUIREMENT = { acrValues: [], amrValues: [], maxAgeSeconds: 600, singleUse: false, unsatisfiable: false };

test('A challenge tells the client why its proof was refused', () => {
  const error = { code: 'token_too_old', message: 'the subject authenticated 700 s ago, allowed are at most 600 s' };
  expect(challengeOf(REQUIREMENT, error)).toContain('token_too_old: the subject authenticated 700 s ago');
});

test.each([
  ['keys_unavailable', 'the keys of https://issuer.test are not available: http://10.0.0.5:8080/keys answered 503'],
  ['issuer_unknown', 'the token is issued by "x", configured are: https://issuer.internal'],
  ['spend_unrecorded', 'the store could not record that this single-use proof is spent (timeout)'],
])('A client learns no more than %s of what lies behind the service', (code, message) => {
  const challenge = challengeOf(REQUIREMENT, { code, message });
  expect(challenge).toContain(`error_description="${code}: A fresh or stronger authentication is required"`);
  expect(challenge).not.toMatch(/http|10\.0|store/);
});
