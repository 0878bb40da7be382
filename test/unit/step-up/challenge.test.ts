import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Requirement } from '../../../src/model/decision.ts';
import { wwwAuthenticate } from '../../../src/step-up/challenge.ts';

const REQUIREMENT: Requirement = {
  acrValues: ['urn:stepgate:su'],
  amrValues: [],
  maxAgeSeconds: 600,
  singleUse: false,
  unsatisfiable: false,
};

/** RFC 9110 (challenge, auth-param, quoted-string without escapes), narrowed by RFC 6750, section 3. */
const GRAMMAR =
  /^Bearer error="insufficient_user_authentication", error_description="[\x20\x21\x23-\x5b\x5d-\x7e]*"(, acr_values="[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*")?(, max_age="\d+")?$/;

test('A challenge names class and age in the words of RFC 9470', () => {
  expect(wwwAuthenticate(REQUIREMENT)).toBe(
    'Bearer error="insufficient_user_authentication", ' +
      'error_description="A fresh or stronger authentication is required", acr_values="urn:stepgate:su", max_age="600"',
  );
});

test('A challenge without a demanded class names none, and why a proof was not taken comes first', () => {
  const reason = { code: 'token_too_old', description: 'Sign in again' };
  expect(wwwAuthenticate({ ...REQUIREMENT, acrValues: [] }, reason)).toBe(
    'Bearer error="insufficient_user_authentication", error_description="token_too_old: Sign in again", max_age="600"',
  );
});

test('Text that would break out of its quotes or start a header of its own is made harmless', () => {
  const description = 'a "quoted\\" wörd\r\nSet-Cookie: x=1';
  expect(wwwAuthenticate({ ...REQUIREMENT, acrValues: ['ok', 'a"b', 'a b', 'ü', 'c\r\nd', ''] }, { description })).toBe(
    'Bearer error="insufficient_user_authentication", ' +
      'error_description="a \'quoted?\' w?rd Set-Cookie: x=1", acr_values="ok", max_age="600"',
  );
});

test('Classes for which no room is left are left out whole', () => {
  const acrValues = Array.from({ length: 100 }, (_, index) => `urn:example:assurance:level:${index}`);
  const challenge = wwwAuthenticate({ ...REQUIREMENT, acrValues: ['x'.repeat(5000), ...acrValues] });
  expect(challenge.length).toBeLessThan(1000);
  const listed = /acr_values="([^"]*)"/.exec(challenge)?.[1]?.split(' ') ?? [];
  expect(listed).toEqual(acrValues.slice(0, listed.length));
  expect(listed.length).toBeGreaterThan(10);
});

test('Whatever a rule holds, there is one grammatical challenge of less than a kilobyte', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ minLength: 200, maxLength: 3000 }), fc.string());
  fc.assert(
    fc.property(
      fc.array(text, { maxLength: 40 }),
      fc.oneof(fc.double(), fc.integer()),
      fc.record({ code: text, description: text }, { requiredKeys: [] }),
      (acrValues, maxAgeSeconds, reason) => {
        const challenge = wwwAuthenticate({ ...REQUIREMENT, acrValues, maxAgeSeconds }, reason);
        expect(challenge).toMatch(GRAMMAR);
        expect(challenge.length).toBeLessThan(1000);
        const listed = /acr_values="([^"]*)"/.exec(challenge)?.[1]?.split(' ') ?? [];
        for (const value of listed) expect(acrValues).toContain(value);
      },
    ),
  );
});
