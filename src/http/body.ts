import type { Fault } from '../contract/problem.ts';
import { messageOf } from '../model/error-text.ts';
import { isObject, type JsonObject } from '../model/facts.ts';
import { issuePath } from '../model/issue.ts';
import { FORBIDDEN_KEYS, keysIn, MAX_JSON_NESTING } from '../model/json-text.ts';
import { readUpTo } from '../net/body.ts';
import type { AppContext } from './api-route.ts';
import { faultsInBrief, MAX_FAULTS, ProblemError } from './problem.ts';

/** Largest body in bytes. */
export const MAX_BODY_BYTES = 64 * 1024;

/**
 * Reads the raw body; null as soon as it exceeds `limit` bytes. Bytes are counted while they are read, as
 * `Content-Length` is only a claim.
 */
export type ReadBody = (c: AppContext, limit: number) => Promise<Uint8Array | null>;

/** Reads the body as a web stream; works on every runtime. */
export const readStream: ReadBody = async (c, limit) => {
  const stream = c.req.raw.body;
  return stream === null ? new Uint8Array(0) : readUpTo(stream, limit);
};

/**
 * The JSON object in the body. Taken: UTF-8 with or without a byte order mark. Refused with a problem: another media
 * type, more than {@link MAX_BODY_BYTES}, broken UTF-8, anything but one JSON object (RFC 8259), nesting beyond
 * {@link MAX_JSON_NESTING}, a key named twice, numbers that are not finite, unpaired surrogates, and keys that could reach a
 * prototype.
 */
export async function jsonBody(c: AppContext, read: ReadBody): Promise<JsonObject> {
  const mediaType = c.req.header('content-type');
  if (mediaType !== undefined && !JSON_MEDIA_TYPE.test(mediaType)) {
    throw new ProblemError(
      'unsupported_media_type',
      'the Content-Type is not JSON; send application/json in UTF-8, or leave the header out',
      { headers: { Accept: 'application/json' } },
    );
  }
  const bytes = await readOrRefuse(c, read, MAX_BODY_BYTES);
  if (bytes === null) {
    throw new ProblemError('body_too_large', `the body has more than the ${MAX_BODY_BYTES} bytes allowed`, {
      headers: { Connection: 'close' },
    });
  }
  return parseObject(decode(bytes));
}

/**
 * The body, or null if it has more than `limit` bytes. One that cannot be read is the sender's affair: it went away, or broke off in
 * the middle of a chunk.
 */
export async function readOrRefuse(c: AppContext, read: ReadBody, limit: number): Promise<Uint8Array | null> {
  try {
    return await read(c, limit);
  } catch (error) {
    throw new ProblemError('incomplete_body', `the body did not arrive in full (${messageOf(error)}); send it again`);
  }
}

// Each run of blanks ends in something else: two in a row would be tried in every division.
const JSON_MEDIA_TYPE = /^application\/(?:json|[a-z0-9!#$&^_.+-]+\+json)\s*(?:;\s*(?:charset\s*=\s*"?utf-?8"?\s*)?)?$/i;

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw new ProblemError('invalid_encoding', `the body is not valid UTF-8 (${messageOf(error)}); send UTF-8`);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Parses the text as one JSON object, with all checks of {@link jsonBody}. */
export function parseObject(text: string): JsonObject {
  if (text.trim() === '') throw new ProblemError('empty_body', 'the body is empty; send a JSON object');
  const names = countNames(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ProblemError('invalid_json', withoutExcerpt(messageOf(error)));
  }
  if (!isObject(value)) {
    const found = value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`;
    throw new ProblemError('invalid_request', `the body is ${found}; send a JSON object`, {
      faults: [{ path: '', message: `expected an object, found ${found}` }],
    });
  }
  const parsedNames = soundNames(value, !text.includes('\\') && text.isWellFormed());
  if (Number.isNaN(parsedNames)) {
    const faults: Fault[] = [];
    inspect(value, '', faults);
    throw new ProblemError('invalid_request', faultsInBrief(faults), { faults });
  }
  if (parsedNames !== names) {
    const path = issuePath([...keysIn(text)].find(({ isRepeated }) => isRepeated)?.path ?? []);
    throw new ProblemError('duplicate_key', `the key ${path} is named twice in one object; name it once`, {
      faults: [{ path, message: 'named twice' }],
    });
  }
  // JSON.parse gives nothing but JSON.
  return value as JsonObject;
}

/** V8 quotes the text around the fault; a body may hold a token, so only the position is passed on. */
function withoutExcerpt(message: string): string {
  const position = /at position \d+(?: \(line \d+ column \d+\))?/.exec(message)?.[0];
  return `the body is not valid JSON${position === undefined ? '' : `, ${position}`}`;
}

/**
 * Counts the member names of a JSON text and refuses deep nesting, before the parser can be hurt by either. Exact for
 * valid JSON: outside strings there is one colon for each member.
 */
function countNames(text: string): number {
  let names = 0;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: // "
        i = endOfString(text, i);
        break;
      case 0x3a: // :
        names++;
        break;
      case 0x5b: // [
      case 0x7b: // {
        depth++;
        if (depth > MAX_JSON_NESTING) {
          throw new ProblemError(
            'nesting_too_deep',
            `nesting over ${MAX_JSON_NESTING} at position ${i}; send a flatter body`,
          );
        }
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
    }
  }
  return names;
}

/** Index of the closing quote of the string that opens at `start`, or the end of the text. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return text.length;
}

/**
 * How many members the objects of a value have, or NaN when {@link inspect} finds a fault in it. `isClean`: no string of
 * it can hold an unpaired surrogate.
 */
function soundNames(value: unknown, isClean: boolean): number {
  if (typeof value === 'string') return isClean || value.isWellFormed() ? 0 : Number.NaN;
  if (typeof value === 'number') return Number.isFinite(value) ? 0 : Number.NaN;
  if (typeof value !== 'object' || value === null) return 0;
  let names = 0;
  if (Array.isArray(value)) {
    for (const entry of value) names += soundNames(entry, isClean);
    return names;
  }
  // The object is from JSON.parse: all enumerable properties are its own.
  for (const name in value) {
    if (FORBIDDEN_KEYS.has(name) || !(isClean || name.isWellFormed())) return Number.NaN;
    names += 1 + soundNames((value as JsonObject)[name], isClean);
  }
  return names;
}

function inspect(value: unknown, path: string, faults: Fault[]): void {
  if (typeof value === 'string') {
    if (!value.isWellFormed()) addFault(faults, path, 'holds an unpaired surrogate; send well-formed Unicode');
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) addFault(faults, path, 'is too large for a double-precision number');
  } else if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) inspect(value[i], `${path}[${i}]`, faults);
  } else if (isObject(value)) {
    for (const name of Object.keys(value)) {
      const at = path === '' ? name : `${path}.${name}`;
      if (FORBIDDEN_KEYS.has(name)) addFault(faults, at, 'is a forbidden key');
      else if (!name.isWellFormed()) addFault(faults, path, 'has a key with an unpaired surrogate');
      else inspect(value[name], at, faults);
    }
  }
}

function addFault(faults: Fault[], path: string, message: string): void {
  if (faults.length < MAX_FAULTS) faults.push({ path, message });
}
