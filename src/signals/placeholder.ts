import { hash } from 'node:crypto';
import type { DeviceClaim } from '../request.ts';

/**
 * A claim without what a blocked collector puts in the place of traits: many strangers send the very same, so it tells nobody from anybody.
 * A fingerprint of that kind makes the whole claim malformed; a component of that kind is left out. The token stays.
 */
export function withoutPlaceholders(claim: DeviceClaim): DeviceClaim {
  if (claim.fingerprint !== null && isPlaceholder(claim.fingerprint)) {
    return { fingerprint: null, token: claim.token, confidence: null, bot: null, components: {}, malformed: true };
  }
  const entries = Object.entries(claim.components);
  const telling = entries.filter(([name, value]) => !isEmptyComponent(name, value));
  return telling.length === entries.length ? claim : { ...claim, components: Object.fromEntries(telling) };
}

/**
 * Whether a text stands for a fingerprint that could not be made: blank, a word or value of the language that says so, one character
 * over and over, or a digest of nothing.
 */
export function isPlaceholder(text: string): boolean {
  const plain = plainOf(text);
  const parts = partsOf(plain);
  return isOneCharacter(parts.join('')) || sayNothing(plain, parts, NO_FINGERPRINT);
}

/** Narrower than {@link isPlaceholder}: of a part of a device, `true`, `0` or `a` may well be the value. */
function isEmptyComponent(name: string, text: string): boolean {
  const plain = plainOf(text);
  return sayNothing(plain, partsOf(plain), NOTHING) || (name === 'canvas' && isNoPicture(plain));
}

/** Values of the group `canvas` that are the same in every browser of a kind, as the collector of `stepgate/client` shortens them. */
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
const NO_FINGERPRINT: ReadonlySet<string> = new Set([...NOTHING, 'true', 'false', 'default', 'anonymous']);

/** Texts that a collector hashes when it has found nothing. */
const EMPTY_TEXTS = ['', ' ', '0', 'undefined', 'null', 'NaN', 'false', 'unknown', '{}', '[]', '""', '[object Object]'];
const DIGESTS = ['md5', 'sha1', 'sha256', 'sha384', 'sha512'] as const;

/** So much of a digest tells it from all others, also where it was shortened. */
const TELLING_LENGTH = 16;

const DIGESTS_OF_NOTHING: ReadonlySet<string> = new Set(
  [
    ...EMPTY_TEXTS.flatMap((text) => DIGESTS.flatMap((name) => [hash(name, text, 'hex'), hash(name, text, 'base64')])),
    // Of the empty text: MurmurHash3 x64 as FingerprintJS 2 seeded it, XXH64, FNV-1a, SHA-224, SHA3-256, Keccak-256, RIPEMD-160, BLAKE2b, BLAKE3.
    ...[
      '24700f9f1986800ab4fcc880530dd0ed',
      'ef46db3751d8e999',
      'cbf29ce484222325',
      'd14a028c2a3a2bc9',
      'a7ffc6f8bf1ed766',
    ],
    ...['c5d2460186f7233c', '9c1185a5c5e9fc54', '786a02f742015903', 'af1349b9f5f9a1a6'],
    // MurmurHash3 x64 of `undefined`, `null` and `{}`.
    ...['8dd76da9a0876244', '15c50f0697e94e34', '466e20057851c2d2'],
  ].map((digest) => digestKey(digest.toLowerCase())),
);
/** Digests of nothing that are shorter: FNV-1a and XXH32 of the empty text. */
const SHORT_DIGESTS: ReadonlySet<string> = new Set(['811c9dc5', '02cc5d05', '2cc5d05']);

function digestKey(plain: string): string {
  return plain.slice(0, TELLING_LENGTH).replaceAll('-', '+').replaceAll('_', '/');
}

function sayNothing(plain: string, parts: readonly string[], words: ReadonlySet<string>): boolean {
  return (
    parts.every((part) => words.has(part) || isZeros(part) || JOINED.test(part)) ||
    SAYING.test(plain) ||
    SHORT_DIGESTS.has(plain) ||
    (plain.length >= TELLING_LENGTH && DIGESTS_OF_NOTHING.has(digestKey(plain)))
  );
}

/** Values of nothing joined without a mark between them. */
const JOINED = /^(?:undefined|null|nan)+$/;

/** What the language makes of an object, and a slash that would come apart. */
const SAYING = /^(?:\[object .+\]|n\/a)$/;

/** A single 0 may be a count. */
function isZeros(part: string): boolean {
  return part.length > 1 && /^(?:0x)?0+$/.test(part);
}

function isOneCharacter(text: string): boolean {
  const [first] = text;
  return first === undefined || text === first.repeat(text.length / first.length);
}

function plainOf(text: string): string {
  return text.normalize('NFKC').trim().toLowerCase();
}

/** Letters and digits between everything else: a nil UUID, an address of zeros, a word in quotes come apart. */
function partsOf(plain: string): readonly string[] {
  return plain.split(/[^\p{L}\p{N}]+/u).filter((part) => part !== '');
}
