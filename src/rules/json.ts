import { messageOf } from '../model/error-text.ts';
import { FORBIDDEN_KEYS, keysIn, MAX_JSON_NESTING, nestingOver } from '../model/json-text.ts';
import { formatPath, type RuleProblemCode, showFound } from './problems.ts';

/** What is wrong with a JSON text. */
export interface JsonProblem {
  readonly code: RuleProblemCode;
  readonly path: string;
  readonly message: string;
}

/** A document, or why it is invalid. */
export type ParsedJson =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problems: readonly JsonProblem[] };

/**
 * Parses JSON (RFC 8259) strictly. Strips a byte order mark. Rejects empty texts, syntax errors (including comments and
 * trailing commas), nesting over {@link MAX_JSON_NESTING}, duplicate keys (of which `JSON.parse` silently keeps the last)
 * and {@link FORBIDDEN_KEYS}.
 */
export function parseStrictJson(text: string): ParsedJson {
  const source = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  if (source.trim() === '') {
    return { ok: false, problems: [{ code: 'json_empty', path: '', message: 'The file is empty. Expected JSON.' }] };
  }
  const tooDeepAt = nestingOver(source, MAX_JSON_NESTING);
  if (tooDeepAt !== null) {
    const message = `Nesting over ${MAX_JSON_NESTING} at ${lineAndColumn(source, tooDeepAt)}. Flatten it.`;
    return { ok: false, problems: [{ code: 'json_nesting', path: '', message }] };
  }
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch (error) {
    const message = `Not JSON at ${syntaxFault(source, messageOf(error))}. Comments and trailing commas are not allowed.`;
    return { ok: false, problems: [{ code: 'json_syntax', path: '', message }] };
  }
  const problems = keyProblems(source);
  return problems.length === 0 ? { ok: true, value } : { ok: false, problems };
}

/** Where `JSON.parse` stopped and why. V8 omits the position of an unexpected token, and quotes the text around it. */
function syntaxFault(source: string, message: string): string {
  const [, why = message, position = ''] = /^(.*?)(?: in JSON| after JSON)? at position (\d+)/s.exec(message) ?? [];
  if (position !== '') return `${lineAndColumn(source, Number(position))}: ${why}`;
  if (!message.startsWith(UNEXPECTED)) {
    const at = message.includes('end of JSON') ? source.length : 0;
    return `${lineAndColumn(source, at)}: ${message}`;
  }
  let accepted = 0;
  let refused = source.length;
  while (refused - accepted > 1) {
    const middle = Math.floor((accepted + refused) / 2);
    if (hasUnexpectedToken(source.slice(0, middle))) refused = middle;
    else accepted = middle;
  }
  return `${lineAndColumn(source, accepted)}: ${UNEXPECTED} '${source.slice(accepted, refused)}'`;
}

const UNEXPECTED = 'Unexpected token';

function hasUnexpectedToken(text: string): boolean {
  try {
    JSON.parse(text);
    return false;
  } catch (error) {
    return messageOf(error).startsWith(UNEXPECTED);
  }
}

/** Only for texts that `JSON.parse` accepted. */
function keyProblems(source: string): JsonProblem[] {
  return [...keysIn(source)].flatMap(({ key, path: keys, at, isRepeated }): JsonProblem[] => {
    const path = formatPath(keys);
    const found = `The key ${showFound(key)} at ${lineAndColumn(source, at)}`;
    return [
      ...(FORBIDDEN_KEYS.has(key)
        ? [{ code: 'json_forbidden_key' as const, path, message: `${found} is forbidden.` }]
        : []),
      ...(isRepeated
        ? [{ code: 'json_duplicate_key' as const, path, message: `${found} appears twice in one object. Keep one.` }]
        : []),
    ];
  });
}

function lineAndColumn(source: string, at: number): string {
  const before = source.slice(0, at).split('\n');
  return `line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`;
}
