import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  boundCookie,
  challengeHeader,
  registrationHeader,
  sessionInstructions,
  skipReason,
  stringItem,
} from '../../../src/contract/device-session.ts';

describe('string items', () => {
  test.each([
    ['"text"', 'text'],
    ['"text";id="other"', 'text'],
    [' "text" ', 'text'],
    ['"a \\"quoted\\" \\\\ text"', 'a "quoted" \\ text'],
    ['""', ''],
    // As Chromium sends it.
    ['eyJ.eyJ.c2ln', 'eyJ.eyJ.c2ln'],
  ])('%j is read as %j', (header, text) => {
    expect(stringItem(header)).toBe(text);
  });

  test.each(['', 'two words', '"open', '"a", "b"', 'a, b', '"a" b', '"a\u00e4"', '"a\\n"', '(a)'])(
    '%j is none',
    (header) => {
      expect(stringItem(header)).toBeNull();
    },
  );

  test('Every printable text that is written by the draft’s rules is read again', () => {
    const printable = fc.string({
      unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
    });
    fc.assert(
      fc.property(printable, (text) => {
        expect(stringItem(`"${text.replace(/["\\]/g, '\\$&')}"`)).toBe(text);
      }),
    );
  });

  test('No header makes the reading slow or fail', () => {
    for (const text of ['"'.repeat(60_000), `"${'\\'.repeat(60_000)}`, ' '.repeat(60_000), `"${' '.repeat(60_000)}`]) {
      expect(stringItem(text)).toBeNull();
    }
  });
});

describe('Secure-Session-Skipped', () => {
  test.each([
    [null, null],
    ['unreachable;session_identifier="123"', 'unreachable'],
    ['quota_exceeded', 'quota_exceeded'],
    [' server_error ;session_identifier=1, quota_exceeded', 'server_error'],
    ['signing_quota_exceeded', 'other'],
    ['', 'other'],
    ['7', 'other'],
  ])('%j is %j', (header, reason) => {
    expect(skipReason(header)).toBe(reason);
  });
});

test('The headers are those of the draft’s examples', () => {
  expect(registrationHeader({ challenge: 'cv', authorization: 'ac' })).toBe(
    '(ES256 RS256);path="/.stepgate/device/register";challenge="cv";authorization="ac"',
  );
  expect(challengeHeader('new', 'my session')).toBe('"new";id="my session"');
});

test('The cookie has exactly the attributes that the session states for it, but for its age', () => {
  const [credential] = sessionInstructions('s').credentials;
  expect(boundCookie('v', 600)).toBe(`${credential?.name}=v; Max-Age=600; ${credential?.attributes}`);
});
