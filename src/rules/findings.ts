import type * as z from 'zod';
import { formatPath, nearestWord, type RuleProblem, type RuleProblemCode, showFound } from './problems.ts';
import { LANGUAGE_KEYS } from './schema.ts';

/** All problems of one run, and whether something unreadable limits what can be judged. */
export interface Findings {
  readonly problems: RuleProblem[];
  incomplete: boolean;
}

/** Adds a problem; `path` is from the root of the file. */
export function add(
  findings: Findings,
  file: string,
  path: readonly PropertyKey[],
  code: RuleProblemCode,
  message: string,
  more: { readonly rule?: string | null; readonly nearest?: string | undefined } = {},
): void {
  findings.problems.push({
    file,
    rule: more.rule ?? null,
    path: formatPath(path),
    code,
    message,
    ...(more.nearest === undefined ? {} : { nearest: more.nearest }),
  });
}

/** File and path of something. */
export interface Position {
  readonly file: string;
  readonly path: readonly PropertyKey[];
  readonly rule: string | null;
}

/** Adds the issues of a zod schema as problems: each with what was found, unknown keys with the nearest known one. */
export function addIssues(
  findings: Findings,
  issues: readonly z.core.$ZodIssue[],
  value: unknown,
  place: Position,
): void {
  for (const problem of schemaProblems(issues, value)) {
    const { path, code, message, nearest } = problem;
    add(findings, place.file, [...place.path, ...path], code, message, { rule: place.rule, nearest });
  }
}

/** One zod issue, worded as a problem. */
export interface SchemaProblem {
  readonly path: readonly PropertyKey[];
  readonly code: RuleProblemCode;
  readonly message: string;
  readonly nearest: string | undefined;
}

/** Words zod issues as problems. */
export function schemaProblems(issues: readonly z.core.$ZodIssue[], value: unknown): SchemaProblem[] {
  return issues.flatMap((issue): SchemaProblem[] => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        path: [...issue.path, key],
        code: 'unknown_key',
        message: `The key "${key}" is not allowed here. Remove it or correct its spelling.`,
        nearest: nearestWord(key, LANGUAGE_KEYS),
      }));
    }
    const found = valueAt(value, issue.path);
    const options = issue.code === 'invalid_value' ? issue.values.map(String) : [];
    const nearest = typeof found === 'string' ? nearestWord(found, options) : undefined;
    const message = `${issue.message}. Found ${found === undefined ? 'nothing' : showFound(found)}.`;
    return [{ path: issue.path, code: 'shape', message, nearest }];
  });
}

export function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let node = value;
  for (const key of path) {
    if (typeof node !== 'object' || node === null || !Object.hasOwn(node, key)) return undefined;
    node = (node as { readonly [key: PropertyKey]: unknown })[key];
  }
  return node;
}
