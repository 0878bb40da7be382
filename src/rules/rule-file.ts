import * as z from 'zod';
import { isObject } from '../model/facts.ts';
import { addIssues, type Findings, valueAt } from './findings.ts';
import { parseStrictJson } from './json.ts';
import { ruleFileSchema } from './schema.ts';

/** The text of one rule file under its name, as in the answer's `rule.file`. */
export interface RuleText {
  readonly name: string;
  readonly text: string;
}

const fileShape = ruleFileSchema(z.unknown());

export type RuleFile = z.infer<typeof fileShape>;

export type ActionEntry = NonNullable<RuleFile['actions']>[string];

/** A file that has the right shape around its rules. */
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
  // Its rules and the names of its actions are still looked at, so that one run tells everything.
  const value = json.value;
  const rules = typeof value === 'object' && value !== null && 'rules' in value ? value.rules : undefined;
  return Array.isArray(rules) ? { rules, actions: readableActions(value) } : null;
}

/** The actions of a file that has not the right shape; of an entry that has not, its name and those of its routes that are right. */
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
