import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deviceHeader, readDeviceHeader } from '../../../../src/contract/device-header.ts';
import { deviceShown } from '../../../../src/http/device-shown.ts';

const fingerprint = fc.stringMatching(/^[A-Za-z0-9._~+/=-]{1,256}$/);
const traits = fc.record({
  fingerprint,
  confidence: fc.option(fc.integer({ min: 0, max: 100 }).map((hundredths) => hundredths / 100)),
  bot: fc.option(fc.boolean()),
  components: fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9_]{0,9}$/), fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/), {
    maxKeys: 16,
  }),
});

describe('the device header', () => {
  test('The device header reads as it is documented', () => {
    expect(
      readDeviceHeader('v=1;fp=b1946ac92492d2347c6235b4d2611184;confidence=0.7;bot=0;c.canvas=a1b2;c.webgl=c3d4'),
    ).toEqual({
      fingerprint: 'b1946ac92492d2347c6235b4d2611184',
      confidence: 0.7,
      bot: false,
      components: { canvas: 'a1b2', webgl: 'c3d4' },
    });
    expect(readDeviceHeader('v=1;fp=abc')).toEqual({ fingerprint: 'abc', confidence: null, bot: null, components: {} });
  });

  test('The device header is read by the engine as the client wrote it, and is printable ASCII of bounded length', () => {
    fc.assert(
      fc.property(traits, (device) => {
        const header = deviceHeader(device);
        expect(header).toMatch(/^[!-~]{1,1024}$/);
        expect(readDeviceHeader(header)).toEqual(device);
      }),
    );
  });

  test('The device header is refused whole where anything was put in, taken out or changed for what cannot stand there', () => {
    const strange = fc.constantFrom(
      ';',
      ',',
      '=',
      ' ',
      'ü',
      '\t',
      '"',
      ';x=1',
      ';fp=b',
      ';bot=2',
      ';c.A=1',
      ';c.a=',
      ', v=1;fp=b',
    );
    fc.assert(
      fc.property(traits, strange, fc.nat(), (device, text, seed) => {
        const header = deviceHeader(device);
        const at = seed % (header.length + 1);
        const read = readDeviceHeader(header.slice(0, at) + text + header.slice(at));
        // What still reads holds its own marks of a fingerprint: never an empty or a half one.
        if (read !== null)
          expect(deviceHeader({ ...read, fingerprint: read.fingerprint ?? '' })).toMatch(/^v=1;fp=[^;]+/);
      }),
    );
  });

  test('The device header never throws, whatever a client sends', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.string().map((text) => `v=1;fp=${text}`),
        ),
        (text) => {
          const read = readDeviceHeader(text);
          if (read !== null) expect(read.fingerprint).toMatch(/^[A-Za-z0-9._~+/=-]{1,256}$/);
        },
      ),
    );
  });

  test.each([
    ['another version', 'v=2;fp=abc'],
    ['no version', 'fp=abc'],
    ['the version not first', 'fp=abc;v=1'],
    ['two lines joined by a comma', 'v=1;fp=abc, v=1;fp=def'],
    ['no fingerprint', 'v=1;bot=1'],
    ['an empty fingerprint', 'v=1;fp='],
    ['a fingerprint that is too long', `v=1;fp=${'a'.repeat(257)}`],
    ['a key twice', 'v=1;fp=abc;bot=0;bot=1'],
    ['a component twice', 'v=1;fp=abc;c.a=1;c.a=2'],
    ['an unknown key', 'v=1;fp=abc;trusted=1'],
    ['a pair without a value', 'v=1;fp=abc;bot'],
    ['an empty pair', 'v=1;fp=abc;'],
    ['a confidence above 1', 'v=1;fp=abc;confidence=1.01'],
    ['a negative confidence', 'v=1;fp=abc;confidence=-0.1'],
    ['a confidence in another notation', 'v=1;fp=abc;confidence=1e-1'],
    ['another truth', 'v=1;fp=abc;bot=true'],
    ['a name of the language', 'v=1;fp=abc;c.__proto__=1'],
    ['more components than are kept', `v=1;fp=abc${Array.from({ length: 33 }, (_, i) => `;c.a${i}=1`).join('')}`],
    [
      'more than 1,024 characters',
      `v=1;fp=abc${Array.from({ length: 20 }, (_, i) => `;c.a${i}=${'x'.repeat(60)}`).join('')}`,
    ],
    ['a blank', 'v=1; fp=abc'],
    ['base64 of JSON', 'eyJmcCI6ImFiYyJ9'],
  ])('The device header with %s is refused', (_fault, header) => {
    expect(readDeviceHeader(header)).toBeNull();
    const session = { cookie: null, skipped: null };
    expect(deviceShown('token', header, null, session)).toEqual({
      token: 'token',
      session,
      fingerprint: null,
      confidence: null,
      bot: null,
      components: {},
      malformed: true,
    });
  });

  test.each([
    ['a fingerprint with a blank', { fingerprint: 'a b' }, /^fingerprint must match/],
    ['an empty fingerprint', { fingerprint: '' }, /^fingerprint must match/],
    ['a confidence that is none', { fingerprint: 'a', confidence: Number.NaN }, /^confidence must be 0 to 1/],
    ['an odd name', { fingerprint: 'a', components: { 'A;b': '1' } }, /^component name must match/],
    ['an odd value', { fingerprint: 'a', components: { canvas: 'a;bot=1' } }, /^component canvas must match/],
    [
      'too many components',
      { fingerprint: 'a', components: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`a${i}`, '1'])) },
      /^at most 32 components/,
    ],
    [
      'too long ones',
      {
        fingerprint: 'a',
        components: Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`a${i}`, 'x'.repeat(60)])),
      },
      /^the header may have 1024 characters/,
    ],
  ])('The device header is not written from %s', (_fault, device, message) => {
    expect(() => deviceHeader(device)).toThrow(message);
  });
});
