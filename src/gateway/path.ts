import { folded, isAscii } from '../rules/fold.ts';

/** Every way in which an origin may read a request target, or the verdict that no safe reading exists. */
export type PathReadings =
  | { readonly invalid: null; readonly readings: readonly string[] }
  | { readonly invalid: 'path_invalid'; readonly why: string };

/** Longest request target that is read, in characters. */
export const MAX_TARGET_LENGTH = 8192;
/** Most combinations of readings that are worked out for one target. */
export const MAX_READINGS = 32;
/** Levels of percent-encoding that are followed: once by a sound origin, again by a careless one. */
const MAX_DECODINGS = 3;

/**
 * The distinct normalised readings of a raw request target (RFC 9112, section 3.2), the plain one first.
 *
 * A reading is cut at `?` and `#`, decoded, without double slashes, dot segments and a trailing slash, and in lower
 * case. There is more than one where origins are known to differ: encoded slashes, backslashes, double and triple
 * encoding, `;` parameters, a raw `#`, an encoded `?`, dot segments next to double slashes or left in place,
 * `//host/path` as a network path, dots and blanks at the end of a segment, letters beyond ASCII as in {@link folded},
 * a format at the end (`/transfers.json` is `/transfers` to Rails and Spring), and what a server leaves out or implies:
 * a script (`/index.php/transfers`, `/transfers.php/x`), an index at the end, an ASP.NET session (`/(S(x))/transfers`).
 * An encoded slash that is read as part of a segment stays `%2f`. A path without any of these has one reading: itself.
 *
 * `target` has one character per byte, like a header. Never throws; the work is bounded by {@link MAX_TARGET_LENGTH}
 * and {@link MAX_READINGS}. Invalid: no leading slash, control characters (raw or encoded, including NUL), raw blanks,
 * broken percent-encoding or UTF-8, more than three levels of encoding, a result that depends on the order of decoding
 * and resolving, anything over the bounds.
 */
export function pathReadings(target: string): PathReadings {
  if (target.length > MAX_TARGET_LENGTH) return invalid(`is longer than ${MAX_TARGET_LENGTH} characters`);
  if (!target.startsWith('/')) return invalid('does not begin with a slash');
  if (RAW_CONTROL.test(target)) return invalid('contains a blank or a control character');
  const path = target.split('?', 1)[0] ?? '';
  if (PLAIN.test(path) && !IMPLIED.test(path)) {
    const plain = path.replace(/(?<=.)\/$/, '').toLowerCase();
    // No dot behind the last slash, so no format: the path of nearly every request.
    if (plain.indexOf('.', plain.lastIndexOf('/')) === -1) return { invalid: null, readings: [plain] };
    return bounded(withoutFormats([plain]));
  }

  if (dependsOnOrder(path)) return invalid('depends on the order of decoding and resolving');
  const decoded: string[] = [];
  for (const raw of rawPaths(target)) {
    const levels = decodings(raw);
    if (typeof levels === 'string') return invalid(levels);
    decoded.push(...levels);
  }
  const alike = decoded.filter((text) => !isAscii(text)).map((text) => [text, folded(text)] as const);
  if (alike.some(([text, like]) => hidesStructure(text, like)))
    return invalid('hides a dot segment or an escape in other letters');
  const texts = new Set([...decoded, ...alike.map(([, like]) => like)]);
  const variants = [...texts].map((text) => ({ text, choices: choicesOf(text) }));
  const combinations = variants.reduce((sum, { choices }) => sum + 2 ** choices.length, 0);
  if (combinations > MAX_READINGS) return invalid(`can be read in more than ${MAX_READINGS} ways`);

  const readings = new Set<string>();
  for (const { text, choices } of variants) {
    for (let taken = 0; taken < 2 ** choices.length; taken++) {
      readings.add(readAs(text, new Set(choices.filter((_, i) => (taken & (1 << i)) !== 0))));
    }
  }
  return bounded(withoutFormats(readings));
}

function bounded(readings: ReadonlySet<string>): PathReadings {
  if (readings.size > MAX_READINGS) return invalid(`can be read in more than ${MAX_READINGS} ways`);
  return { invalid: null, readings: [...readings] };
}

/** The readings, and each without its format: what follows any of the dots in the last segment. */
function withoutFormats(readings: Iterable<string>): ReadonlySet<string> {
  const all = new Set(readings);
  for (const reading of [...all]) {
    const slash = reading.lastIndexOf('/');
    const letter = reading.slice(slash + 1).search(/[^.]/);
    if (letter === -1) continue;
    // Text after the first dot of a segment with leading dots; dots alone are not a name.
    if (letter > 0) all.add(reading.slice(0, Math.max(1, slash)));
    for (let dot = reading.indexOf('.', slash + 1 + letter); dot !== -1; dot = reading.indexOf('.', dot + 1)) {
      all.add(reading.slice(0, dot));
      if (all.size > MAX_READINGS) return all;
    }
  }
  return all;
}

/**
 * Whether letters of another alphabet imitate a dot segment or an escape, as `．．` does. No client writes such a path.
 */
function hidesStructure(text: string, like: string): boolean {
  const escapes = (each: string): number => each.match(/%[0-9a-f]{2}/gi)?.length ?? 0;
  return escapes(like) !== escapes(text) || (goesUp(like, DECODED_SEPARATOR) && !goesUp(text, DECODED_SEPARATOR));
}

function invalid(why: string): PathReadings {
  return { invalid: 'path_invalid', why };
}

/** Unreserved characters, single slashes, no segment that begins or ends with a dot: only a format can be read in two ways. */
const PLAIN = /^(?:\/[A-Za-z0-9_~-]+(?:\.+[A-Za-z0-9_~-]+)*)*\/?$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const RAW_CONTROL = /[\u0000-\u0020\u007f]/;
const DECODED_CONTROL = /\p{Cc}/u;

/**
 * Whether the result depends on the order in which proxies and origins decode, drop parameters, convert backslashes,
 * cut the query and resolve dot segments: `/api/%2e%2e%3b/..;a/transfers` is `/api/transfers` to a servlet container,
 * `/open/a\b/../..%5capi` is `/api` to IIS behind nginx. No client writes such a path, so it does not get a reading per
 * order.
 */
function dependsOnOrder(path: string): boolean {
  const hasOther = OTHER_SEPARATOR.test(path);
  return (
    (DISPUTED.filter((spelling) => spelling.test(path)).length > 1 && goesUp(plainSpelling(path), ANY_SEPARATOR)) ||
    (ENCODED_DOT.test(path) && goesUp(path, ANY_SEPARATOR)) ||
    (hasOther && goesUp(path, '/')) ||
    (ENCODED_SEMICOLON.test(path) && path.includes(';')) ||
    (hasOther && path.includes(';') && endOfParametersMatters(path))
  );
}

function goesUp(path: string, separator: string | RegExp): boolean {
  return path.split(separator).some((segment) => /^\.\.(?:;|$)/.test(segment));
}

/** With the dots and semicolons in it that any number of decodings would bring out, and cut nowhere. */
function plainSpelling(path: string): string {
  return path.replace(ENCODED_DOT_GLOBAL, '.').replace(/%(?:25)*(?:3b|3f|23)|#/gi, ';');
}

/**
 * Whether parameters contain a separator at which some parsers end them, and there is another one: `/a\b;x\y/c` is
 * `/a/b/c` if they end only at a slash and are dropped first, otherwise `/a/b/y/c`.
 */
function endOfParametersMatters(path: string): boolean {
  const segments = path.split('/').map((segment) => {
    const semicolon = segment.indexOf(';');
    return semicolon === -1 ? [segment, ''] : [segment.slice(0, semicolon), segment.slice(semicolon)];
  });
  return (
    segments.some(([, parameters = '']) => OTHER_SEPARATOR.test(parameters)) &&
    segments.some(([name = '']) => OTHER_SEPARATOR.test(name))
  );
}

const ENCODED_DOT = /%(?:25)*2e/i;
const ENCODED_DOT_GLOBAL = /%(?:25)*2e/gi;
const ENCODED_SEMICOLON = /%(?:25)*3b/i;
const OTHER_SEPARATOR = /\\|%(?:25)*(?:2f|5c)/i;
const ANY_SEPARATOR = /[/\\]|%(?:25)*(?:2f|5c)/i;

/** Spellings that origins are known to read differently, each with its own readings. */
const DISPUTED = [
  ENCODED_DOT,
  ENCODED_SEMICOLON,
  /;/,
  /\\/,
  /%(?:25)*2f/i,
  /%(?:25)*5c/i,
  /#|%(?:25)*(?:23|3f)/i,
  /\/\//,
];

/** Stands for an encoded slash while a text is worked on: no valid UTF-8 decodes to an unpaired surrogate. */
const ENCODED_SLASH = '\ud800';

/** The path in the target, before decoding; several if origins disagree on where it begins or ends. */
function rawPaths(target: string): string[] {
  const beforeQuery = target.split('?', 1)[0] ?? '';
  const cut = beforeQuery.split('#', 1)[0] ?? '';
  const paths = cut === beforeQuery ? [cut] : [cut, beforeQuery];
  // A URL parser takes what follows two slashes for a host and reads the path behind it.
  return paths.flatMap((path) => (/^[/\\]{2}/.test(path) ? [path, path.replace(/^[/\\]+[^/\\]*/, '') || '/'] : [path]));
}

/** The path decoded once, twice and so on while that changes it; a sentence when it cannot be decoded soundly. */
function decodings(raw: string): string[] | string {
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) {
    const code = raw.charCodeAt(i);
    if (code > 0xff) return 'contains a character above one byte';
    bytes[i] = code;
  }
  if (/%(?![0-9A-Fa-f]{2})/.test(raw)) return 'has a broken percent-encoding';
  const first = decode(bytes);
  if (first === null) return 'is not UTF-8 when decoded';
  if (DECODED_CONTROL.test(first)) return 'holds an encoded control character';
  const levels = [first];
  for (let text = first; ; ) {
    const next = decodeAgain(text);
    if (next === null || next === text) return levels;
    if (levels.length === MAX_DECODINGS) return `is encoded more than ${MAX_DECODINGS} times`;
    if (DECODED_CONTROL.test(next)) return 'holds an encoded control character';
    levels.push(next);
    text = next;
  }
}

/** One more decoding, as by a careless origin; null if there is nothing valid to decode. */
function decodeAgain(text: string): string | null {
  if (!/%[0-9A-Fa-f]{2}/.test(text)) return null;
  const parts = text.split(ENCODED_SLASH).map((part) => decode(encoder.encode(part)));
  return parts.includes(null) ? null : parts.join(ENCODED_SLASH);
}

const encoder = new TextEncoder();
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** One level of percent-decoding; an encoded slash becomes {@link ENCODED_SLASH}. Null when the bytes are not UTF-8. */
function decode(bytes: Uint8Array): string | null {
  const parts: string[] = [];
  const out = new Uint8Array(bytes.length);
  let length = 0;
  try {
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] ?? 0;
      const escaped = byte === PERCENT ? hexPair(bytes[i + 1], bytes[i + 2]) : null;
      if (escaped !== null) i += 2;
      if (escaped === SLASH) {
        parts.push(utf8.decode(out.subarray(0, length)));
        length = 0;
      } else {
        out[length++] = escaped ?? byte;
      }
    }
    parts.push(utf8.decode(out.subarray(0, length)));
    return parts.join(ENCODED_SLASH);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

const PERCENT = 0x25;
const SLASH = 0x2f;

function hexPair(high: number | undefined, low: number | undefined): number | null {
  if (high === undefined || low === undefined) return null;
  const value = hexDigit(high) * 16 + hexDigit(low);
  return Number.isNaN(value) ? null : value;
}

/** NaN if it is not one. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : Number.NaN;
}

/** Something that one origin does with a decoded path and another does not. */
type Choice =
  | 'encoded_slash'
  | 'backslash'
  | 'parameters'
  | 'cut_again'
  | 'dots_first'
  | 'dots_kept'
  | 'ends_trimmed'
  | 'implied_dropped'
  | 'path_info_cut';

function choicesOf(text: string): Choice[] {
  const choices: Choice[] = [];
  if (text.includes(ENCODED_SLASH)) choices.push('encoded_slash');
  if (text.includes('\\')) choices.push('backslash');
  if (text.includes(';')) choices.push('parameters');
  if (/[?#]/.test(text)) choices.push('cut_again');
  if (text.includes('..') && SEPARATORS_IN_A_ROW.test(text)) choices.push('dots_first');
  if (goesUp(text, DECODED_SEPARATOR)) choices.push('dots_kept');
  if (TRIMMED_END.test(text)) choices.push('ends_trimmed');
  if (IMPLIED.test(text)) choices.push('implied_dropped');
  if (SCRIPT_INSIDE.test(text)) choices.push('path_info_cut');
  return choices;
}

/** A script by its name, `index.php`: what follows it is for the script to read, and a script in front of all is often left out. */
const SCRIPT = /\.(?:php\d?|phtml|f?cgi|pl|py|aspx?|ashx|asmx|cfm|dll)$/i;
const SCRIPT_INSIDE = /\.(?:php\d?|phtml|f?cgi|pl|py|aspx?|ashx|asmx|cfm|dll)(?=[/\\\ud800?#;. ])/i;
/** Documents of a directory: `/admin/index.html` is `/admin`, and so is the action `index` of a controller. */
const INDEX = /^(?:index(?:\.[a-z0-9]{1,5})?|default\.[a-z0-9]{1,5})$/i;
/** The id of a session in the path, `(S(…))`, as ASP.NET takes it out. */
const PATH_SESSION = /^\((?:[a-z]\([^()]*\))+\)$/i;
/** Whether there may be one of these. */
const IMPLIED = new RegExp(
  `${SCRIPT_INSIDE.source}|(?:^|[/\\\\\ud800])(?:index(?![a-z0-9_-])|default\\.[a-z0-9]|\\([a-z]\\()`,
  'i',
);

function withoutImplied(segments: readonly string[]): readonly string[] {
  const last = segments.length - 1;
  return segments.filter((segment, i) => !PATH_SESSION.test(segment) && !(i < last ? SCRIPT : INDEX).test(segment));
}

/** The segments up to a script that handles everything after it. */
function beforePathInfo(segments: readonly string[]): readonly string[] {
  const script = segments.findIndex((segment) => SCRIPT.test(segment));
  return script === -1 ? segments : segments.slice(0, script + 1);
}

const DECODED_SEPARATOR = /[/\\\ud800?#]/;
/** Dots and blanks behind a name, which Windows takes away. */
const TRIMMED_END = /(?<=[^/\\\ud800?#;. ])[. ]+(?=[/\\\ud800?#;]|$)/;
const SEPARATORS_IN_A_ROW = /[/\\\ud800](?:;[^/\\\ud800]*)?[/\\\ud800]/;

function readAs(text: string, taken: ReadonlySet<Choice>): string {
  let path = taken.has('cut_again') ? (text.split(/[?#]/, 1)[0] ?? '') : text;
  path = path.replaceAll(ENCODED_SLASH, taken.has('encoded_slash') ? '/' : '%2f');
  if (taken.has('backslash')) path = path.replaceAll('\\', '/');
  const segments: string[] = [];
  const dropsParameters = taken.has('parameters');
  const keepsEmpty = taken.has('dots_first');
  // Express and other routers match the path as it was sent: `/admin/../x` begins with `/admin` to them.
  const keepsDots = taken.has('dots_kept');
  const trimsEnds = taken.has('ends_trimmed');
  for (let start = 1; start <= path.length; ) {
    const slash = path.indexOf('/', start);
    const end = slash === -1 ? path.length : slash;
    const whole = path.slice(start, end);
    start = end + 1;
    const semicolon = dropsParameters ? whole.indexOf(';') : -1;
    const named = semicolon === -1 ? whole : whole.slice(0, semicolon);
    const segment = trimsEnds ? withoutEnds(named) : named;
    if (segment === '..' && !keepsDots) segments.pop();
    else if (segment !== '.' && (segment !== '' || keepsEmpty)) segments.push(segment);
  }
  let named: readonly string[] = keepsEmpty ? segments.filter((segment) => segment !== '') : segments;
  if (taken.has('path_info_cut')) named = beforePathInfo(named);
  if (taken.has('implied_dropped')) named = withoutImplied(named);
  return `/${named.join('/')}`.toLowerCase();
}

/** Without dots and blanks at the end, unless there is nothing else. No pattern: one that looks for the end of a run takes the square of its length. */
function withoutEnds(segment: string): string {
  let end = segment.length;
  while (end > 0 && (segment[end - 1] === '.' || segment[end - 1] === ' ')) end -= 1;
  return end === 0 ? segment : segment.slice(0, end);
}
