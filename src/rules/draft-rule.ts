import * as z from 'zod';
import { type FactCatalog, isObject } from '../model/facts.ts';
import type { Condition } from './comparison.ts';
import { compileCondition, factReader, resolveFact } from './condition.ts';
import { add, addIssues, type Findings, type Position, valueAt } from './findings.ts';
import { nearestWord, showFound } from './problems.ts';
import type { MessagePart } from './reason.ts';
import type { OpenedFile } from './rule-file.ts';
import { decisionSchema, pointsSchema, ruleSchema } from './schema.ts';

// `when` and `then` have their own checks.
const ruleShape = ruleSchema(z.unknown().optional(), z.unknown().optional());

type RuleHead = z.infer<typeof ruleShape>;

/** A rule that compiled, before its relations to other rules are checked. */
export interface DraftRule {
  readonly file: string;
  readonly index: number;
  readonly head: RuleHead;
  readonly when: Condition;
  readonly message: readonly MessagePart[];
  readonly then: z.infer<typeof pointsSchema> | z.infer<typeof decisionSchema>;
  readonly dryRun: boolean;
}

/** Returns the acr values that no issuer can ever meet. */
export type UnmetAcrValues = (acrValues: readonly string[]) => readonly string[];

/** Reports the acr values of a rule that no issuer can ever meet. */
export function findUnmet({ file, index, head, then }: DraftRule, unmet: UnmetAcrValues, findings: Findings): void {
  if (!('decision' in then) || then.decision !== 'step-up') return;
  for (const value of unmet(then.acr_values ?? [])) {
    const message = `No issuer ranks "${value}", so no proof can ever meet this rule. Correct it, or add it to an acr_order of STEP_UP_ISSUERS.`;
    add(findings, file, ['rules', index, 'then', 'acr_values'], 'acr_unranked', message, { rule: head.id });
  }
}

/** The same for what a file asks of the proof that earns trust. */
export function findUnmetTrust({ name, body }: OpenedFile, unmet: UnmetAcrValues, findings: Findings): void {
  const asked = [
    { path: ['trust'], trust: body.trust },
    ...Object.entries(body.actions ?? {}).map(([action, { trust }]) => ({ path: ['actions', action, 'trust'], trust })),
  ];
  for (const { path, trust } of asked) {
    for (const value of unmet(trust?.acr_values ?? [])) {
      const message = `No issuer ranks "${value}", so no proof can ever earn trust. Correct it, or add it to an acr_order of STEP_UP_ISSUERS.`;
      add(findings, name, [...path, 'acr_values'], 'acr_unranked', message);
    }
  }
}

export function compileFile(file: OpenedFile, catalog: FactCatalog, findings: Findings): DraftRule[] {
  return (file.body.rules ?? []).flatMap((value, index) => {
    const draft = compileRule(file, value, index, catalog, findings);
    if (draft === null) findings.incomplete = true;
    return draft ?? [];
  });
}

function compileRule(
  file: OpenedFile,
  value: unknown,
  index: number,
  catalog: FactCatalog,
  findings: Findings,
): DraftRule | null {
  const before = findings.problems.length;
  const path = ['rules', index];
  const rule =
    typeof value === 'object' && value !== null && 'id' in value && typeof value.id === 'string' ? value.id : null;
  const place: Position = { file: file.name, path, rule };
  const head = ruleShape.safeParse(value);
  if (!head.success) addIssues(findings, head.error.issues, value, place);
  if (!isObject(value)) return null;
  const parts: { readonly when?: unknown; readonly then?: unknown; readonly description?: unknown } = value;
  const then = parseThen(parts.then, { ...place, path: [...path, 'then'] }, findings);
  const scoreAllowed = then === null || 'decision' in then;
  const when = compileCondition(parts.when, [...path, 'when'], {
    catalog,
    scoreAllowed,
    report: (at, code, message, nearest) => add(findings, file.name, at, code, message, { rule, nearest }),
  });
  const message = cutDescription(parts.description, place, catalog, scoreAllowed, findings);
  if (findings.problems.length > before || !head.success || then === null || when === null) return null;
  const dryRun = head.data.mode === 'dry_run' || file.body.mode === 'dry_run';
  return { file: file.name, index, head: head.data, when, message, then, dryRun };
}

function parseThen(value: unknown, place: Position, findings: Findings): DraftRule['then'] | null {
  const has = (key: string): boolean => typeof value === 'object' && value !== null && key in value;
  if (!has('points') && !has('decision')) {
    const message = `Expected {"points": …} or {"decision": …}, found ${value === undefined ? 'nothing' : showFound(value)}.`;
    add(findings, place.file, place.path, 'shape', message, { rule: place.rule });
    return null;
  }
  const then = has('decision') ? decisionSchema.safeParse(value) : pointsSchema.safeParse(value);
  if (then.success) return then.data;
  // The union's own issue lists no options, so list them here and suggest the nearest.
  const options = decisionSchema.options.map((option) => option.shape.decision.value);
  for (const issue of then.error.issues) {
    if (issue.code === 'invalid_union') {
      const found = valueAt(value, ['decision']);
      const message = `Expected one of ${options.join(', ')}; found ${showFound(found)}.`;
      const nearest = typeof found === 'string' ? nearestWord(found, options) : undefined;
      add(findings, place.file, [...place.path, 'decision'], 'shape', message, { rule: place.rule, nearest });
    } else {
      addIssues(findings, [issue], value, place);
    }
  }
  return null;
}

/** Splits a description at its `{fact}` placeholders. */
function cutDescription(
  description: unknown,
  place: Position,
  catalog: FactCatalog,
  scoreAllowed: boolean,
  findings: Findings,
): MessagePart[] {
  if (typeof description !== 'string') return [];
  // Split by one capture group: texts are at even indexes, names at odd ones.
  return description.split(/\{([A-Za-z][\p{L}\p{N}_.:-]*)\}/u).flatMap((part, i): MessagePart[] => {
    if (i % 2 === 0) return part === '' ? [] : [part];
    const resolved = resolveFact(part, catalog, scoreAllowed);
    if (resolved !== 'free' && 'code' in resolved) {
      const { code, message, nearest } = resolved;
      add(findings, place.file, [...place.path, 'description'], code, message, { rule: place.rule, nearest });
      return [];
    }
    return [{ fact: part, read: factReader(part) }];
  });
}
