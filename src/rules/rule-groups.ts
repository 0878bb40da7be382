import { boundActions } from './condition.ts';
import { byPlace, byWeight, type DecisionRule, type RuleGroup, type ScoringRule } from './evaluate.ts';

/** Rules grouped by the actions that they name, and those for every action, in the order of an answer. */
export function indexByAction(rules: readonly (ScoringRule | DecisionRule)[]): {
  readonly general: RuleGroup;
  readonly byAction: ReadonlyMap<string, RuleGroup>;
} {
  const general = emptyGroup();
  const byAction = new Map<string, DraftGroup>();
  for (const rule of rules.toSorted(byAnswerOrder)) {
    const actions = boundActions(rule.when);
    if (actions === null) place(rule, general);
    for (const action of actions ?? []) {
      const group = byAction.get(action) ?? emptyGroup();
      byAction.set(action, group);
      place(rule, group);
    }
  }
  return { general, byAction };
}

interface DraftGroup {
  readonly scoring: ScoringRule[];
  readonly decisions: DecisionRule[];
  readonly dryScoring: ScoringRule[];
  readonly dryDecisions: DecisionRule[];
}

function emptyGroup(): DraftGroup {
  return { scoring: [], decisions: [], dryScoring: [], dryDecisions: [] };
}

function byAnswerOrder(a: ScoringRule | DecisionRule, b: ScoringRule | DecisionRule): number {
  return 'points' in a && 'points' in b
    ? byWeight(a, b)
    : Number('points' in b) - Number('points' in a) || byPlace(a, b);
}

export function place(rule: ScoringRule | DecisionRule, into: DraftGroup): void {
  if ('points' in rule) (rule.dryRun ? into.dryScoring : into.scoring).push(rule);
  else (rule.dryRun ? into.dryDecisions : into.decisions).push(rule);
}
