import { createHash } from 'node:crypto';
import { hashComponents } from '@fingerprintjs/fingerprintjs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CANVAS_CONSTANTS, isPlaceholder, withoutPlaceholders } from '../../../src/model/placeholder.ts';
import type { DeviceClaim } from '../../../src/model/request.ts';

const NIL_UUID = '00000000-0000-0000-0000-000000000000';
const digest = (name: string, text = ''): string => createHash(name).update(text).digest('hex');
const base64 = (name: string): string => createHash(name).update('').digest('base64');

const claim = (parts: Partial<DeviceClaim>): DeviceClaim => ({
  fingerprint: null,
  token: 'eyJ',
  confidence: 0.5,
  bot: false,
  components: {},
  malformed: false,
  ...parts,
});

describe('a fingerprint that a blocked collector sends', () => {
  /** @see https://github.com/fingerprintjs/fingerprintjs/issues/781 */
  test.each([
    ...['undefined', 'null', 'NaN', '[object Object]', 'none', 'unknown', 'true', 'false', '', '   ', '\u200b'],
    ...[
      'UNDEFINED',
      ' Null ',
      '"undefined"',
      "'null'",
      '[object Promise]',
      'undefined-undefined',
      'nullnull',
      'n/a',
      'N/A',
    ],
    ...[
      '{}',
      '[]',
      '-',
      '-1',
      '0',
      '0x0',
      '0x0000',
      '0'.repeat(32),
      'f'.repeat(64),
      'a',
      'xxxx',
      NIL_UUID,
      '00:00:00:00:00:00',
    ],
    ...[
      'TypeError: x is undefined',
      'Error: blocked by a policy',
      'function () { [native code] }',
      '() => hash',
      'n.a.',
    ],
    ...['timed out', 'failed', 'no fingerprint', 'randomized', 'privacy-protected', 'fingerprint: undefined'],
    ...['not available', 'unsupported', 'ｕｎｄｅｆｉｎｅｄ', '😃😃😃'],
    ...['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'].map((name) => digest(name)),
    ...['md5', 'sha1', 'sha256'].flatMap((name) => [
      base64(name),
      base64(name).replace(/=+$/, ''),
      digest(name).slice(0, 20),
    ]),
    ...['test', 'Test_2', 'test123', 'brave', 'nofp', 'device-1', 'qwerty', 'visitorId', 'nofp (Brave)'],
    ...['1234', '1234567890', '0987654321', 'abcdef', '0123456789abcdef0123456789ABCDEF', 'aabbccddeeff', '1,2,3,4,5'],
    ...['12345678-1234-1234-1234-123456789012', '11111111-2222-3333-4444-555555555555', `${NIL_UUID.slice(0, -1)}1`],
    ...['deadbeef', 'DeadBeef'.repeat(4), 'dead-beef-cafe-babe', 'c0ffee00'.repeat(4), 'ababababab', '0001'.repeat(8)],
    ...['ffffffff00000000ffffffff00000001', 'xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx'],
    ...[digest('md5').toUpperCase(), digest('md5', 'undefined'), digest('sha256', '{}'), hashComponents({})],
  ])('A fingerprint that a blocked collector sends is a placeholder: %j', (text) => {
    expect(isPlaceholder(text)).toBe(true);
    expect(withoutPlaceholders(claim({ fingerprint: text, components: { canvas: 'a1b2' } }))).toEqual(
      claim({ confidence: null, bot: null, malformed: true }),
    );
  });

  test('A fingerprint that a blocked collector sends is none where it is the digest of anything, shortened or not, or an id', () => {
    const made = fc
      .tuple(fc.constantFrom('md5', 'sha1', 'sha256'), fc.string({ minLength: 2 }), fc.constantFrom('hex', 'base64url'))
      .filter(([, text]) => !isPlaceholder(text))
      .map(([name, text, form]) =>
        createHash(name)
          .update(text)
          .digest(form as 'hex' | 'base64url'),
      );
    // Evenly distributed, unlike fc.uuid(), whose ids of zeros are placeholders.
    const id = fc
      .nat()
      .map((n) => digest('md5', `${n}`).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'));
    const given = fc.tuple(fc.oneof(made, id), fc.integer({ min: 12, max: 64 }));
    fc.assert(fc.property(given, ([text, length]) => !isPlaceholder(text.slice(0, length))));
    const number = fc.integer({ min: 2 ** 28, max: 2 ** 32 - 1 }).map((hash) => createHash('md5').update(`${hash}`));
    const visitor = number.map((hash) => hash.digest('base64').replace(/[+/=]/g, '').slice(0, 20));
    fc.assert(
      fc.property(visitor, (text) => !isPlaceholder(text)),
      { numRuns: 2000 },
    );
    for (const text of ['fp', 'x1', 'm2', 'fp-null', 'v3:aaaa11112222', 'of stranger-0'])
      expect(isPlaceholder(text)).toBe(false);
  });

  test('A fingerprint that a blocked collector sends is one however it is written: its letters in any case, its parts joined by anything', () => {
    const word = fc.constantFrom('undefined', 'null', 'NaN', 'unknown', '0000');
    const written = fc.tuple(
      fc.array(word, { minLength: 1, maxLength: 4 }),
      fc.constantFrom(' ', '-', '|', ':', ' / ', ','),
      fc.boolean(),
    );
    fc.assert(
      fc.property(written, ([words, between, upper]) => {
        const text = words.join(between);
        return isPlaceholder(upper ? text.toUpperCase() : text);
      }),
    );
    const character = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 1 });
    fc.assert(
      fc.property(character, fc.integer({ min: 1, max: 200 }), (one, times) => isPlaceholder(one.repeat(times))),
    );
  });
});

describe('a component', () => {
  test('A component that says nothing is left out, and the rest of the claim stays', () => {
    const telling = { fonts: 'c3d4', hdr: 'true', dark: 'false', touch: '0', model: 'x', canvas: 'a1b2' };
    const nothing = {
      audio: 'undefined',
      webgl: 'null',
      screen: '',
      locale: ' ',
      plugins: '[object Object]',
      cpu: '0000',
      gpu: digest('md5'),
    };
    const given = claim({ fingerprint: 'b1946ac92492d2347c6235b4d2611184', components: { ...telling, ...nothing } });
    expect(withoutPlaceholders(given)).toEqual({ ...given, components: telling });
    expect(withoutPlaceholders(claim({ components: nothing }))).toEqual(claim({ components: {} }));
  });

  test('A component of the canvas is left out where every browser of a kind sends it, as digest, shortened and in words', () => {
    const constants = ['skipped', 'unstable', 'unsupported', ''].flatMap((picture) =>
      [true, false].map((winding) =>
        hashComponents({ canvas: { value: { winding, geometry: picture, text: picture }, duration: 1 } }),
      ),
    );
    expect(CANVAS_CONSTANTS).toEqual(constants);
    const values = [...constants, ...constants.map((each) => each.slice(0, 4)), 'skipped', 'unstable', 'unsupported'];
    for (const canvas of values) {
      expect(withoutPlaceholders(claim({ components: { canvas, fonts: 'c3d4' } })).components).toEqual({
        fonts: 'c3d4',
      });
    }
    // The same digits in another group are what that group is.
    expect(withoutPlaceholders(claim({ components: { fonts: '7f02', canvas: '7f0' } })).components).toEqual({
      fonts: '7f02',
      canvas: '7f0',
    });
  });

  test('A component is never invented, and a claim without placeholders is the same object', () => {
    const components = fc.dictionary(fc.string(), fc.string());
    fc.assert(
      fc.property(components, (given) => {
        const kept = withoutPlaceholders(claim({ components: given })).components;
        for (const [name, value] of Object.entries(kept)) expect(given[name]).toBe(value);
      }),
    );
    const sound = claim({ fingerprint: 'b1946ac92492d2347c6235b4d2611184', components: { canvas: 'a1b2' } });
    expect(withoutPlaceholders(sound)).toBe(sound);
  });
});
