import { formatPath, type RuleProblemCode, showFound } from './problems.ts';

/** Deepest nesting of arrays and objects in a rule or test file. */
const MAX_JSON_NESTING = 32;

/** Keys that could reach a prototype when objects are merged; refused at any depth. */
export const FORBIDDEN_KEYS: readonly string[] = ['__proto__', 'constructor', 'prototype'];

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
  const tooDeepAt = nestingOver(source);
  if (tooDeepAt !== null) {
    const message = `Nesting over ${MAX_JSON_NESTING} at ${lineAndColumn(source, tooDeepAt)}. Flatten it.`;
    return { ok: false, problems: [{ code: 'json_nesting', path: '', message }] };
  }
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `Not JSON: ${reason}. Comments and trailing commas are not allowed.`;
    return { ok: false, problems: [{ code: 'json_syntax', path: '', message }] };
  }
  const problems = keyProblems(source);
  return problems.length === 0 ? { ok: true, value } : { ok: false, problems };
}

interface Token {
  readonly text: string;
  readonly at: number;
}

/** Strings and structural characters of a JSON text in order; stops at an unterminated string. */
function* tokens(source: string): Generator<Token> {
  const string = /"[^"\\]*(?:\\.[^"\\]*)*"/sy;
  for (let at = 0; at < source.length; at++) {
    const character = source.charAt(at);
    if (character === '"') {
      string.lastIndex = at;
      const text = string.exec(source)?.[0];
      if (text === undefined) return;
      yield { text, at };
      at += text.length - 1;
    } else if ('{}[],:'.includes(character)) {
      yield { text: character, at };
    }
  }
}

function nestingOver(source: string): number | null {
  let depth = 0;
  for (const { text, at } of tokens(source)) {
    if (text === '{' || text === '[') {
      depth++;
      if (depth > MAX_JSON_NESTING) return at;
    } else if (text === '}' || text === ']') {
      depth--;
    }
  }
  return null;
}

interface Container {
  /** Keys seen so far; null for an array. */
  readonly keys: Set<string> | null;
  at: string | number;
  keyNext: boolean;
}

/** Only for texts that `JSON.parse` accepted. */
function keyProblems(source: string): JsonProblem[] {
  const problems: JsonProblem[] = [];
  const open: Container[] = [];
  for (const { text, at } of tokens(source)) {
    const container = open.at(-1);
    if (text === '{') open.push({ keys: new Set(), at: '', keyNext: true });
    else if (text === '[') open.push({ keys: null, at: 0, keyNext: false });
    else if (text === '}' || text === ']') open.pop();
    else if (container === undefined || text === ':') continue;
    else if (text === ',') {
      if (container.keys === null) container.at = Number(container.at) + 1;
      else container.keyNext = true;
    } else if (container.keys !== null && container.keyNext) {
      const key: string = JSON.parse(text);
      container.at = key;
      container.keyNext = false;
      const path = formatPath(open.map((each) => each.at));
      const where = lineAndColumn(source, at);
      if (FORBIDDEN_KEYS.includes(key)) {
        problems.push({
          code: 'json_forbidden_key',
          path,
          message: `The key ${showFound(key)} at ${where} is forbidden.`,
        });
      }
      if (container.keys.has(key)) {
        const message = `The key ${showFound(key)} at ${where} appears twice in one object. Keep one.`;
        problems.push({ code: 'json_duplicate_key', path, message });
      }
      container.keys.add(key);
    }
  }
  return problems;
}

function lineAndColumn(source: string, at: number): string {
  const before = source.slice(0, at).split('\n');
  return `line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`;
}
