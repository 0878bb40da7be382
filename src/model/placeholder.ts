import type { DeviceClaim } from './request.ts';

/**
 * Removes what a blocked collector sends instead of traits. Many strangers send the same placeholders, so they identify
 * no one. A placeholder fingerprint makes the whole claim malformed; a placeholder component is dropped. The token
 * stays.
 */
export function withoutPlaceholders(claim: DeviceClaim): DeviceClaim {
  if (claim.fingerprint !== null && isPlaceholder(claim.fingerprint)) {
    return { ...claim, fingerprint: null, confidence: null, bot: null, components: {}, malformed: true };
  }
  const entries = Object.entries(claim.components);
  const telling = entries.filter(([name, value]) => !isEmptyComponent(name, value));
  return telling.length === entries.length ? claim : { ...claim, components: Object.fromEntries(telling) };
}

/**
 * Whether a text replaces a fingerprint that could not be computed: blank, a word or value of the language for nothing,
 * a stand-in word (also with a number appended), a digest of nothing, or a pattern that no digest has.
 */
export function isPlaceholder(text: string): boolean {
  const plain = plainOf(text);
  const parts = partsOf(plain);
  return isPatterned(parts) || sayNothing(plain, NO_FINGERPRINT) || isStandIn(parts);
}

/** Narrower than {@link isPlaceholder}: of a part of a device, `true`, `0` or `a` may well be the value. */
function isEmptyComponent(name: string, text: string): boolean {
  const plain = plainOf(text);
  return sayNothing(plain, NOTHING) || (name === 'canvas' && isNoPicture(plain));
}

/** Values of the group `canvas` that are the same in every browser of a kind, as the collector of `@stepgate/browser` shortens them. */
export const CANVAS_CONSTANTS: readonly string[] = [
  // Digests by FingerprintJS of what it puts for a picture: `skipped` (Firefox 120+, Safari 17+), `unstable`, `unsupported`, nothing;
  // each with and without support for the winding rule.
  '7f024a2de15d02c7fb689595518212b5',
  '6a39f0494aac283fc59e0b585df0ffc3',
  '59e67126992890e120ba5a1d3648ebd6',
  '859677cfb4d3f2456279a81cd44e5a50',
  'aeec4bae2f2e45a14e12ba4365fcb0e4',
  'f4de790cb9cde3bc1734fa5aaf69a5fe',
  'ea54dc340721674455f481f05e0265cd',
  '25db35eb4017bbd2d77be76bb3483d5c',
];

/** Fewer digits could begin any picture's digest. */
const LEAST_DIGITS = 4;

function isNoPicture(plain: string): boolean {
  return plain.length >= LEAST_DIGITS && CANVAS_CONSTANTS.some((digest) => digest.startsWith(plain));
}

const NOTHING: ReadonlySet<string> = new Set([
  ...['undefined', 'null', 'nan', 'none', 'nil', 'void', 'infinity', 'na', 'unknown', 'empty', 'missing', 'error'],
  ...[
    'blocked',
    'disabled',
    'denied',
    'skipped',
    'unstable',
    'unsupported',
    'unavailable',
    'not',
    'available',
    'supported',
  ],
]);
const NO_FINGERPRINT: ReadonlySet<string> = new Set([
  ...[
    ...NOTHING,
    'true',
    'false',
    'default',
    'anonymous',
    'no',
    'fingerprint',
    'timeout',
    'timed',
    'out',
    'failed',
    'failure',
  ],
  ...[
    'hidden',
    'private',
    'privacy',
    'protected',
    'protection',
    'random',
    'randomized',
    'randomised',
    'object',
    'promise',
  ],
]);

/** What is written in the place of a fingerprint by hand, by a test, or by a browser that gives none. */
const STAND_INS: ReadonlySet<string> = new Set([
  ...[
    'test',
    'tests',
    'testing',
    'tester',
    'example',
    'sample',
    'dummy',
    'fake',
    'mock',
    'demo',
    'placeholder',
    'todo',
    'tbd',
  ],
  ...[
    'foo',
    'bar',
    'baz',
    'foobar',
    'qwerty',
    'asdf',
    'asdfgh',
    'hello',
    'world',
    'helloworld',
    'lorem',
    'ipsum',
    'changeme',
  ],
  ...[
    'string',
    'text',
    'value',
    'hash',
    'digest',
    'visitor',
    'visitorid',
    'device',
    'deviceid',
    'browser',
    'id',
    'guest',
  ],
  ...[
    'nofp',
    'nofingerprint',
    'notset',
    'unset',
    'noop',
    'constant',
    'static',
    'fallback',
    'blank',
    'noise',
    'farbled',
    'ssr',
  ],
  ...[
    'brave',
    'firefox',
    'safari',
    'chrome',
    'chromium',
    'edge',
    'opera',
    'tor',
    'torbrowser',
    'webkit',
    'mozilla',
    'webview',
  ],
  ...['librewolf', 'mullvad', 'duckduckgo', 'privacybadger', 'ublock', 'canvasblocker', 'resistfingerprinting', 'rfp'],
]);
/** Words in hexadecimal digits, one or several. */
const HEX_WORDS =
  /^(?:deadbeef|deadc0de|cafebabe|cafed00d|c0ffee|badc0ffee|feedface|baadf00d|badf00d|facefeed|badcafe|decafbad)+$/;

/** Empty words and stand-ins, each with up to three digits appended. */
function isStandIn(parts: readonly string[]): boolean {
  const isWord = (word: string): boolean => STAND_INS.has(word) || NO_FINGERPRINT.has(word);
  const isOne = (part: string): boolean => isWord(part) || isWord(part.replace(/\d{1,3}$/, ''));
  if (HEX_WORDS.test(parts.join(''))) return true;
  return parts.some(isOne) && parts.every((part) => isOne(part) || /^\d{1,3}$/.test(part));
}

/** This much of a digest identifies it, also if it was shortened. */
const TELLING_LENGTH = 16;

/** Beginnings of digests of empty values. */
const DIGESTS_OF_NOTHING: ReadonlySet<string> = new Set([
  // MD5, SHA-1 and SHA-256 in hexadecimal.
  ...['d41d8cd98f00b204', 'da39a3ee5e6b4b0d', 'e3b0c44298fc1c14'], // the empty text
  ...['5e543256c480ac57', 'd5d4cd07616a5428', 'eb045d78d2731073'], // `undefined`
  ...['37a6259cc0c1dae2', '2be88ca4242c76e8', '74234e98afe7498f'], // `null`
  ...['7ecfb3bf076a6a96', 'f7fd9c68f804acda', 'd5b592c05dc25b50'], // `NaN`
  ...['99914b932bd37a50', 'bf21a9e8fbc5a384', '44136fa355b3678a'], // `{}`
  ...['d751713988987e93', '97d170e1550eee4a', '4f53cda18c2baa0c'], // `[]`
  ...['1441a7909c087dbb', 'c1d44ff03aff1372', 'b28c94b2195c8ed2'], // `[object Object]`
  ...['ad921d6048636625', '50d8b4a941c26b89', 'b23a6a8439c0dde5'], // `unknown`
  ...['68934a3e9455fa72', '7cb6efb98ba5972a', 'fcbcf165908dd18a'], // `false`
  ...['cfcd208495d565ef', 'b6589fc6ab0dc82c', '5feceb66ffc86f38'], // `0`
  ...['7215ee9c7d9dc229', 'b858cb282617fb09', '36a9e7f1c95b82ff'], // a blank
  // Of the empty text: SHA-384 and SHA-512; MD5, SHA-1, SHA-256, SHA-384 and SHA-512 in base64, in small letters.
  ...['38b060a751ac9638', 'cf83e1357eefb8bd'],
  ...['1b2m2y8asgtpgamy', '2jmj7l5rsw0yvb/v', '47deqpj8hbsa+/ti', 'olbgp1gsljhm2tj+', 'z4phnx7vul3xvchq'],
  // Of the empty text: SHA-224, SHA3-256, Keccak-256, RIPEMD-160, BLAKE2b, BLAKE3, XXH64, FNV-1a, and MurmurHash3 x64 with the seed of FingerprintJS 2.
  ...['d14a028c2a3a2bc9', 'a7ffc6f8bf1ed766', 'c5d2460186f7233c', '9c1185a5c5e9fc54', '786a02f742015903'],
  ...['af1349b9f5f9a1a6', 'ef46db3751d8e999', 'cbf29ce484222325', '24700f9f1986800a'],
  // MurmurHash3 x64 of `undefined`, `null` and `{}`.
  ...['8dd76da9a0876244', '15c50f0697e94e34', '466e20057851c2d2'],
]);
/** Digests of nothing that are shorter: FNV-1a and XXH32 of the empty text. */
const SHORT_DIGESTS: ReadonlySet<string> = new Set(['811c9dc5', '02cc5d05', '2cc5d05']);

function digestKey(plain: string): string {
  return plain.slice(0, TELLING_LENGTH).replaceAll('-', '+').replaceAll('_', '/');
}

function sayNothing(plain: string, words: ReadonlySet<string>): boolean {
  if (NO_WORD.test(plain)) return isDigestOfNothing(plain, plain.slice(0, TELLING_LENGTH));
  return (
    partsOf(plain).every((part) => words.has(part) || isZeros(part) || JOINED.test(part)) ||
    SAYING.test(plain) ||
    isDigestOfNothing(plain, digestKey(plain))
  );
}

/** Most values: a digit other than zero among letters and digits is in none of the words and marks below. */
const NO_WORD = /^[a-z0]*[1-9][a-z0-9]*$/;

function isDigestOfNothing(plain: string, key: string): boolean {
  return plain.length >= TELLING_LENGTH ? DIGESTS_OF_NOTHING.has(key) : SHORT_DIGESTS.has(plain);
}

/** Values of nothing joined without a mark between them. */
const JOINED = /^(?:undefined|null|nan)+$/;

/** How the language prints an object, an error and a function, and marks that would be split. */
const SAYING = /^(?:\[object .+\]|[a-z]*error\b.*|(?:async )?function\b.*|\(.*\) ?=>.*|n[/.]a\.?)$/s;

/** A single 0 may be a count. */
function isZeros(part: string): boolean {
  return part.length > 1 && /^(?:0x)?0+$/.test(part);
}

/** The shortest text in which counting up or down is a pattern: `1234`, `fedc`. */
const LEAST_SEQUENCE = 4;
/** The shortest in which the same with some characters several times is one. */
const LEAST_STEPS = 12;
/** Minimum length that a repeated piece must predict: hardly one in ten million digests of any length has as much. */
const LEAST_FORETOLD = 8;
/** From this length on, so few characters never make a digest: one at any length, two from 12, three from 16, four from 24 on. */
const LENGTH_OF_FEW = [0, 0, 12, 16, 24] as const;

/** One character or piece repeated, characters that count up or down, or very few distinct ones in a long text. */
function isPatterned(parts: readonly string[]): boolean {
  const text = parts.join('');
  return (
    isOfFew(text) ||
    isSequence(text, text.length >= LEAST_STEPS) ||
    parts.every((part) => isSequence(part, false)) ||
    isRepeated(text)
  );
}

/** Characters in the order in which people count: nine is followed by ten or by the `a` of hexadecimal digits. */
const COUNTED = '01234567890 9abcdefghijklmnopqrstuvwxyza f0';

/** Whether all characters count up, or all down; `slowly`: perhaps with some of them several times, as in `aabbcc`. */
function isSequence(text: string, slowly: boolean): boolean {
  if (text.length < LEAST_SEQUENCE) return false;
  let [isUp, isDown] = [true, true];
  for (let i = 1; i < text.length && (isUp || isDown); i++) {
    const [one = '', next = ''] = [text[i - 1], text[i]];
    if (slowly && one === next) continue;
    isUp &&= COUNTED.includes(one + next);
    isDown &&= COUNTED.includes(next + one);
  }
  return isUp || isDown;
}

function isOfFew(text: string): boolean {
  let seen = '';
  for (const character of text) {
    if (seen.includes(character)) continue;
    seen += character;
    if (seen.length >= LENGTH_OF_FEW.length) return false;
  }
  return text.length >= (LENGTH_OF_FEW[seen.length] ?? 0);
}

function isRepeated(text: string): boolean {
  for (let period = 2; period <= text.length - LEAST_FORETOLD; period++) {
    let i = period;
    while (i < text.length && text.charCodeAt(i) === text.charCodeAt(i - period)) i++;
    if (i === text.length) return true;
  }
  return false;
}

/** Most values are one word of small letters and digits, which neither spelling nor splitting changes. */
const ONE_WORD = /^[a-z0-9]+$/;

function plainOf(text: string): string {
  return ONE_WORD.test(text) ? text : text.normalize('NFKC').trim().toLowerCase();
}

/** Letters and digits between everything else: a nil UUID, an address of zeros, a word in quotes come apart. */
function partsOf(plain: string): readonly string[] {
  return ONE_WORD.test(plain) ? [plain] : plain.split(/[^\p{L}\p{N}]+/u).filter((part) => part !== '');
}
