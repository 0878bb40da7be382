import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stepUpChallenge, stepUpOf } from '../../../../packages/browser/src/challenge.ts';
import { wwwAuthenticate } from '../../../../src/step-up/challenge.ts';

const UNASKED = { amrValues: [], singleUse: false, unsatisfiable: false };
const INSUFFICIENT = 'error="insufficient_user_authentication"';

describe('a step-up challenge', () => {
  test('A step-up challenge is read as the server writes it', () => {
    const header = wwwAuthenticate(
      { acrValues: ['urn:stepgate:su', 'phr'], maxAgeSeconds: 300, ...UNASKED },
      { code: 'token_too_old', description: 'The authentication is older than "5 min"' },
    );
    expect(stepUpChallenge(header)).toEqual({
      acrValues: ['urn:stepgate:su', 'phr'],
      maxAge: 300,
      reason: "token_too_old: The authentication is older than '5 min'",
    });
  });

  test.each([
    ['among others, in one line', `Basic realm="a, b", Bearer ${INSUFFICIENT}, max_age="60", Digest nonce="x"`],
    ['after one with a token68', `Negotiate YWJj==, Bearer ${INSUFFICIENT}, max_age=60`],
    ['after a scheme alone', `Negotiate, Bearer ${INSUFFICIENT}, max_age="60"`],
    ['with letters of any case', `bEARER ERROR="insufficient_user_authentication", Max_Age="60"`],
    ['with blanks and empty elements', `,, Bearer  error = "insufficient_user_authentication" ,, max_age="60" ,`],
    [
      'after a quotation that looks like one',
      `Basic realm="Bearer error=\\"x\\", max_age=1", Bearer ${INSUFFICIENT}, max_age="60"`,
    ],
    ['as a token instead of a quotation', 'Bearer error=insufficient_user_authentication, max_age=60'],
    ['of a DPoP-bound token', `DPoP algs="ES256", ${INSUFFICIENT}, max_age="60"`],
  ])('A step-up challenge is found %s', (_case, header) => {
    expect(stepUpChallenge(header)?.maxAge).toBe(60);
  });

  test.each([
    ['no header', null],
    ['an empty header', ''],
    ['another error', 'Bearer error="invalid_token", error_description="insufficient_user_authentication"'],
    ['the words in a quotation of another scheme', `Basic realm="Bearer ${INSUFFICIENT.replaceAll('"', "'")}"`],
    ['the parameters of another scheme', `Bearer realm="x", Digest ${INSUFFICIENT}`],
    ['a quotation that never ends', 'Bearer error="insufficient_user_authentication'],
    ['a value that does not begin', 'Bearer error=, max_age=1'],
  ])('A step-up challenge is not found in %s', (_case, header) => {
    expect(stepUpChallenge(header)).toBeNull();
  });

  test.each([['-1'], ['1e3'], ['soon'], ['99999999999'], ['']])(
    'A step-up challenge with the max_age %j names no age',
    (age) => {
      expect(stepUpChallenge(`Bearer ${INSUFFICIENT}, max_age="${age}"`)).toEqual({
        acrValues: [],
        maxAge: null,
        reason: null,
      });
    },
  );

  test('A step-up challenge undoes escapes in a description', () => {
    expect(stepUpChallenge(`Bearer ${INSUFFICIENT}, error_description="a \\"b\\" \\\\ c"`)?.reason).toBe('a "b" \\ c');
  });

  test('A step-up challenge is only one on a 401', () => {
    const headers = new Headers({ 'WWW-Authenticate': `Bearer ${INSUFFICIENT}` });
    expect(stepUpOf({ status: 401, headers })).not.toBeNull();
    expect(stepUpOf({ status: 403, headers })).toBeNull();
  });

  test('A step-up challenge is read in linear time and without an exception from any header', () => {
    const piece = fc.constantFrom(
      'Bearer',
      ' ',
      ',',
      '=',
      '"',
      '\\',
      'error',
      'insufficient_user_authentication',
      'a',
      'ü',
      '\t',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        stepUpChallenge(pieces.join(''));
      }),
    );
    expect(stepUpChallenge(`Bearer ${'a="b", '.repeat(20_000)}x`)).toBeNull();
    expect(stepUpChallenge(`Bearer a="${'\\"'.repeat(100_000)}`)).toBeNull();
  });

  test('A step-up challenge survives the way through any requirement', () => {
    const acr = fc.stringMatching(/^[\x21\x23-\x5b\x5d-\x7e]{1,20}$/);
    fc.assert(
      fc.property(fc.array(acr, { maxLength: 5 }), fc.nat(999_999_999), (acrValues, maxAgeSeconds) => {
        const read = stepUpChallenge(wwwAuthenticate({ acrValues, maxAgeSeconds, ...UNASKED }));
        expect(read).toMatchObject({ acrValues, maxAge: maxAgeSeconds });
      }),
    );
  });
});
