import { isObject } from '../model/facts.ts';
import { add, type Findings } from './findings.ts';
import { parseStrictJson } from './json.ts';
import type { OpenedFile, RuleText } from './rule-file.ts';

/** Settings that an extending file replaces as a whole. */
const SETTINGS = ['levels', 'floor', 'default', 'undeclared', 'trust', 'events'] as const;

/** The path in `extends` of a rule file; null without one, and for a file that cannot be read. */
export function extendedPath({ text }: RuleText): string | null {
  const body = bodyOf(text);
  return typeof body?.extends === 'string' && body.extends !== '' ? body.extends : null;
}

/**
 * The base without all that the extending file replaces: settings, actions of the same name, rules of the same id. Unchanged when
 * either cannot be read, so that it is refused where files are compiled.
 */
export function withoutReplaced(base: RuleText, { text }: RuleText): RuleText {
  const [body, over] = [bodyOf(base.text), bodyOf(text)];
  if (body === null || over === null) return base;
  const ids = new Set(rulesOf(over).map(idOf));
  const left = Object.entries(body).filter(([key]) => !SETTINGS.some((name) => name === key && key in over));
  return {
    name: base.name,
    text: JSON.stringify({
      ...Object.fromEntries(left),
      ...(isObject(body.actions) && isObject(over.actions) ? { actions: without(body.actions, over.actions) } : {}),
      ...(Array.isArray(body.rules) ? { rules: rulesOf(body).filter((rule) => !ids.has(idOf(rule))) } : {}),
    }),
  };
}

/** Adds a problem for each file whose base is not there: it is read with the directory, and no file stands in for it. */
export function findMissingBases(opened: readonly OpenedFile[], given: readonly RuleText[], findings: Findings): void {
  for (const { name, body } of opened) {
    const path = body.extends;
    if (path === undefined || given.some((other) => other.name === baseName(path))) continue;
    const message = `"${path}" is not among the rule files. Give it as well, and let no base extend another.`;
    add(findings, name, ['extends'], 'base_missing', message);
  }
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function bodyOf(text: string): { readonly [key: string]: unknown } | null {
  const json = parseStrictJson(text);
  return json.ok && isObject(json.value) ? json.value : null;
}

function rulesOf({ rules }: { readonly [key: string]: unknown }): readonly unknown[] {
  return Array.isArray(rules) ? rules : [];
}

function idOf(rule: unknown): unknown {
  return isObject(rule) ? rule.id : undefined;
}

function without(all: object, replaced: object): object {
  return Object.fromEntries(Object.entries(all).filter(([name]) => !Object.hasOwn(replaced, name)));
}
