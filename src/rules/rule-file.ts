import * as z from 'zod';
import { isObject } from '../model/facts.ts';
import { addIssues, type Findings, valueAt } from './findings.ts';
import { parseStrictJson } from './json.ts';
import { ruleFileSchema } from './schema.ts';

/** The text of a rule file and its name, as in `rule.file` of the answer. */
export interface RuleText {
  readonly name: string;
  readonly text: string;
}

const fileShape = ruleFileSchema(z.unknown());

export type RuleFile = z.infer<typeof fileShape>;

export type ActionEntry = NonNullable<RuleFile['actions']>[string];

/** A rule file with a valid shape around its rules. */
export interface OpenedFile {
  readonly name: string;
  readonly body: RuleFile;
}

export function openFile({ name, text }: RuleText, findings: Findings): RuleFile | null {
  const json = parseStrictJson(text);
  if (!json.ok) {
    for (const { path, code, message } of json.problems) {
      findings.problems.push({ file: name, rule: null, path, code, message });
    }
    return null;
  }
  const body = fileShape.safeParse(json.value);
  if (body.success) return body.data;
  addIssues(findings, body.error.issues, json.value, { file: name, path: [], rule: null });
  // Its rules and action names are still checked, so that one run reports everything.
  const value = json.value;
  const rules = typeof value === 'object' && value !== null && 'rules' in value ? value.rules : undefined;
  return Array.isArray(rules) ? { rules, actions: readableActions(value) } : null;
}

/** Actions of a file of invalid shape. An invalid entry keeps its name and its valid routes. */
function readableActions(file: unknown): Record<string, ActionEntry> {
  const found = valueAt(file, ['actions']);
  if (!isObject(found)) return {};
  const read = (actions: object): Record<string, ActionEntry> | null =>
    fileShape.safeParse({ actions }).data?.actions ?? null;
  return Object.fromEntries(
    Object.entries(found).flatMap(([name, entry]) => {
      const routes = valueAt(entry, ['routes']);
      const right = Array.isArray(routes) ? routes.filter((route) => read({ [name]: { routes: [route] } })) : undefined;
      return Object.entries(read({ [name]: entry }) ?? read({ [name]: { routes: right } }) ?? {});
    }),
  );
}
