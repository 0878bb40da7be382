import type * as z from 'zod';
import { DEFAULT_MAX_AGE_SECONDS, type Requirement } from '../model/decision.ts';
import { conjunctsOf } from './condition.ts';
import type { DraftRule } from './draft-rule.ts';
import { byPlace, type DecisionRule, type ScoringRule } from './evaluate.ts';
import { add, type Findings } from './findings.ts';
import { nearestWord } from './problems.ts';
import type { decisionSchema } from './schema.ts';

/** Checks how rules refer to one another and builds them, overruling rules first. */
export function relate(drafts: readonly DraftRule[], findings: Findings): (ScoringRule | DecisionRule)[] {
  const byId = new Map<string, DraftRule>();
  for (const draft of drafts) {
    const first = byId.get(draft.head.id);
    if (first === undefined) byId.set(draft.head.id, draft);
    else {
      const message = `The id "${draft.head.id}" is already used by rules[${first.index}] of ${first.file}. Ids must be unique across all files.`;
      add(findings, draft.file, ['rules', draft.index, 'id'], 'duplicate_id', message, { rule: draft.head.id });
    }
  }
  const overruledBy = new Map<string, DraftRule[]>();
  for (const draft of drafts) {
    if (!('over' in draft.then)) continue;
    for (const [i, id] of (draft.then.over ?? []).entries()) {
      const target = byId.get(id);
      const wrong = wrongTarget(draft, id, target, byId.keys());
      if (wrong === null) overruledBy.set(id, [...(overruledBy.get(id) ?? []), draft]);
      // The named rule may be in a part that could not be read.
      else if (target !== undefined || !findings.incomplete) {
        const path = ['rules', draft.index, 'then', 'over', i];
        add(findings, draft.file, path, 'over_unknown', wrong.message, { rule: draft.head.id, nearest: wrong.nearest });
      }
    }
  }
  for (const [id, overrulers] of overruledBy) {
    const target = byId.get(id);
    const always = target && overrulers.find((each) => alwaysOverrules(each, target, overruledBy));
    if (target === undefined || always === undefined) continue;
    const message = `Never binds: "${always.head.id}" overrules it whenever it matches. Narrow that rule or remove this one.`;
    add(findings, target.file, ['rules', target.index], 'never_binds', message, { rule: id });
  }
  const order = overOrder(drafts, overruledBy, findings);
  if (order === null) return [];
  const decisions = new Map<string, DecisionRule>();
  return order.map((draft, overRank) => {
    const { head, then, file, dryRun, when, message } = draft;
    const code = then.reason ?? defaultCode(head.id);
    const shared = { id: head.id, file, code, dryRun, when, message };
    if ('points' in then) return { ...shared, points: then.points };
    const overrulers = (overruledBy.get(head.id) ?? []).flatMap((each) => decisions.get(each.head.id) ?? []);
    const { decision } = then;
    const rule = { ...shared, decision, requirement: requirementOf(then), overruledBy: overrulers, overRank };
    decisions.set(head.id, rule);
    return rule;
  });
}

function wrongTarget(
  draft: DraftRule,
  id: string,
  target: DraftRule | undefined,
  ids: Iterable<string>,
): { readonly message: string; readonly nearest?: string | undefined } | null {
  if (target === undefined) return { message: `There is no rule "${id}" to overrule.`, nearest: nearestWord(id, ids) };
  if (id === draft.head.id) return { message: `"${id}" overrules itself. Name another rule.` };
  if ('points' in target.then) {
    return {
      message: `"${id}" is a scoring rule, and only decision rules can be overruled. Use negative points.`,
    };
  }
  return null;
}

/** Whether a rule matches whenever the other does, and cannot be overruled itself. */
function alwaysOverrules(
  draft: DraftRule,
  target: DraftRule,
  overruledBy: ReadonlyMap<string, readonly DraftRule[]>,
): boolean {
  if (overruledBy.has(draft.head.id) || (draft.dryRun && !target.dryRun)) return false;
  const met = conjunctsOf(target.when);
  return [...conjunctsOf(draft.when)].every((each) => met.has(each));
}

/** Rules in an order in which overruling rules come first (ties by file, then id); null if they form a cycle. */
function overOrder(
  drafts: readonly DraftRule[],
  overruledBy: ReadonlyMap<string, readonly DraftRule[]>,
  findings: Findings,
): DraftRule[] | null {
  const place = (draft: DraftRule) => ({ id: draft.head.id, file: draft.file });
  let waiting = drafts.toSorted((a, b) => byPlace(place(a), place(b)));
  const order: DraftRule[] = [];
  const placed = new Set<DraftRule>();
  while (waiting.length > 0) {
    const ready = waiting.filter((each) => (overruledBy.get(each.head.id) ?? []).every((other) => placed.has(other)));
    if (ready.length === 0) {
      for (const each of waiting) {
        const message = `Rules overrule one another in a cycle: ${waiting.map((other) => other.head.id).join(', ')}. Break it.`;
        add(findings, each.file, ['rules', each.index, 'then'], 'over_cycle', message, { rule: each.head.id });
      }
      return null;
    }
    for (const each of ready) placed.add(each);
    order.push(...ready);
    waiting = waiting.filter((each) => !placed.has(each));
  }
  return order;
}

function requirementOf(then: z.infer<typeof decisionSchema>): Requirement | null {
  if (then.decision !== 'step-up') return null;
  return {
    acrValues: [...new Set(then.acr_values)],
    amrValues: [...new Set(then.amr_values)],
    maxAgeSeconds: then.max_age ?? DEFAULT_MAX_AGE_SECONDS,
    singleUse: then.single_use ?? false,
    unsatisfiable: false,
  };
}

function defaultCode(id: string): string {
  return id
    .toLowerCase()
    .replace(/[^a-z0-9_]/g, '_')
    .replace(/^(?=\d)/, 'rule_')
    .slice(0, 64);
}
