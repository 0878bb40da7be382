/** Deepest nesting of arrays and objects in a JSON text. */
export const MAX_JSON_NESTING = 32;

/** Keys that reach a prototype when an object is copied carelessly. */
export const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** A key of an object, where it is in the text. */
export interface KeyInText {
  readonly key: string;
  /** From the root, this key included. */
  readonly path: readonly (string | number)[];
  /** Offset of its opening quote. */
  readonly at: number;
  /** Whether the same object has it before. */
  readonly isRepeated: boolean;
}

/** The keys of a text that `JSON.parse` takes, in order: it keeps the last of two equal ones in silence. */
export function* keysIn(source: string): Generator<KeyInText> {
  const open: { readonly keys: Set<string> | null; at: string | number; isKeyNext: boolean }[] = [];
  for (const { text, at } of tokensIn(source)) {
    const container = open.at(-1);
    if (text === '{') open.push({ keys: new Set(), at: '', isKeyNext: true });
    else if (text === '[') open.push({ keys: null, at: 0, isKeyNext: false });
    else if (text === '}' || text === ']') open.pop();
    else if (container === undefined || text === ':') continue;
    else if (text === ',') {
      if (container.keys === null) container.at = Number(container.at) + 1;
      else container.isKeyNext = true;
    } else if (container.keys !== null && container.isKeyNext) {
      const key: string = JSON.parse(text);
      container.at = key;
      container.isKeyNext = false;
      yield { key, path: open.map((each) => each.at), at, isRepeated: container.keys.has(key) };
      container.keys.add(key);
    }
  }
}

/** Offset of the bracket that opens one level too many; null where none does. */
export function nestingOver(source: string, limit: number): number | null {
  let depth = 0;
  for (const { text, at } of tokensIn(source)) {
    if (text === '{' || text === '[') {
      depth++;
      if (depth > limit) return at;
    } else if (text === '}' || text === ']') {
      depth--;
    }
  }
  return null;
}

interface Token {
  readonly text: string;
  readonly at: number;
}

/** Strings and structural characters of a JSON text in order; stops at an unterminated string. */
function* tokensIn(source: string): Generator<Token> {
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
