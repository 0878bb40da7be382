import {
  DECISIONS,
  DEFAULT_REQUIREMENT,
  type Decision,
  type Level,
  type Reason,
  type Requirement,
  stricter,
  type Verdict,
} from '../model/decision.ts';
import type { Facts } from '../model/facts.ts';
import type { KnownActions } from './actions.ts';
import { TRUE } from './operators.ts';
import { type Explained, reasonOf, showValue } from './reason.ts';

interface CompiledShared extends Explained {
  readonly file: string;
  readonly dryRun: boolean;
}

export interface ScoringRule extends CompiledShared {
  readonly points: number;
}

export interface DecisionRule extends CompiledShared {
  readonly decision: Decision;
  /** Required proof; null unless the decision is `step-up`. */
  readonly requirement: Requirement | null;
  /** Rules that overrule this one when they bind. */
  readonly overruledBy: readonly DecisionRule[];
  /** Position in an order in which every rule follows the rules that overrule it. */
  readonly overRank: number;
}

/**
 * Rules that are evaluated together, split so that rule sets without dry runs do not pay for them. Scoring rules are
 * ordered by weight.
 */
export interface RuleGroup {
  readonly scoring: readonly ScoringRule[];
  readonly decisions: readonly DecisionRule[];
  readonly dryScoring: readonly ScoringRule[];
  readonly dryDecisions: readonly DecisionRule[];
}

/** Everything that evaluation needs. */
export interface CompiledRules {
  /** Rules that may match any action. */
  readonly general: RuleGroup;
  /** Rules that a top-level `action` key limits to one action or a few. */
  readonly byAction: ReadonlyMap<string, RuleGroup>;
  /** All rules by file, then id. */
  readonly all: readonly (ScoringRule | DecisionRule)[];
  readonly levels: { readonly medium: number; readonly high: number };
  /** Decision if no decision rule matches. */
  readonly fallback: Decision;
  readonly actions: KnownActions;
  /** Mildest decision for an action that is not in `actions`. */
  readonly undeclared: Decision;
}

/** Which rules matched. */
export interface Matches {
  readonly scoring: readonly ScoringRule[];
  readonly score: number;
  /** Matching decision rules that are not overruled. */
  readonly binding: readonly DecisionRule[];
  /** All matching decision rules. */
  readonly decisions: readonly DecisionRule[];
}

/** Judges facts by rules. Pure, never throws, and independent of the order of files, rules and keys. */
export function evaluateRules(rules: CompiledRules, facts: Facts): Verdict {
  const bucket = bucketFor(rules, facts);
  const live = matchRules(rules.general, bucket, facts, false);
  // Each group is already in order; only two groups together must be sorted.
  const scoring = bucket === undefined || live.scoring.length < 2 ? live.scoring : [...live.scoring].sort(byWeight);
  const undeclared = undeclaredAction(rules, facts);
  const least = undeclared === null ? 'allow' : rules.undeclared;
  const ruled = strictest(live.binding) ?? rules.fallback;
  const decision = stricter(ruled, least);
  const binding = live.binding.length < 2 ? live.binding : [...live.binding].sort(byStrictness);
  const first = binding[0];
  return {
    decision,
    score: live.score,
    level: levelOf(live.score, rules.levels),
    reasons: [...reasonsFor(scoring, binding, facts, live.score), ...undeclaredReason(rules, undeclared)],
    rule: first === undefined || decision !== ruled ? null : { id: first.id, file: first.file },
    requirement: decision === 'step-up' ? mergeRequirements(binding) : null,
    dryRun: dryRunOf(rules, bucket, facts, decision, least),
  };
}

/** The action of the check if no rule file declares it, otherwise null. */
function undeclaredAction({ actions }: CompiledRules, facts: Facts): string | null {
  const action: unknown = facts.measured.action;
  return typeof action !== 'string' || actions.has(action) ? null : action;
}

function undeclaredReason({ actions }: CompiledRules, action: string | null): Reason[] {
  if (action === null) return [];
  const nearest = actions.nearest(action);
  const hint = nearest === undefined ? '' : `; the closest declared action is ${nearest}`;
  const message = `no rule file declares the action ${showValue(action)}${hint}`;
  return [{ code: 'action_undeclared', rule: null, points: 0, message, facts: { action } }];
}

/** The rules that are limited to the action of the check. */
export function bucketFor(rules: CompiledRules, facts: Facts): RuleGroup | undefined {
  const action: unknown = facts.measured.action;
  return typeof action === 'string' ? rules.byAction.get(action) : undefined;
}

/** Runs scoring rules, then decision rules, with or without dry runs. */
export function matchRules(
  general: RuleGroup,
  bucket: RuleGroup | undefined,
  facts: Facts,
  withDryRuns: boolean,
): Matches {
  const scoring: ScoringRule[] = [];
  collect(general.scoring, facts, 0, scoring);
  if (withDryRuns) collect(general.dryScoring, facts, 0, scoring);
  if (bucket !== undefined) {
    collect(bucket.scoring, facts, 0, scoring);
    if (withDryRuns) collect(bucket.dryScoring, facts, 0, scoring);
  }
  let sum = 0;
  for (const rule of scoring) sum += rule.points;
  const score = Math.min(100, Math.max(0, sum));
  const decisions: DecisionRule[] = [];
  collect(general.decisions, facts, score, decisions);
  if (withDryRuns) collect(general.dryDecisions, facts, score, decisions);
  if (bucket !== undefined) {
    collect(bucket.decisions, facts, score, decisions);
    if (withDryRuns) collect(bucket.dryDecisions, facts, score, decisions);
  }
  return { scoring, score, decisions, binding: withoutOverruled(decisions) };
}

/** Removes rules that a binding rule overrules. */
function withoutOverruled(matched: readonly DecisionRule[]): readonly DecisionRule[] {
  if (matched.length === 0 || !matched.some((rule) => rule.overruledBy.length > 0)) return matched;
  const binding = new Set<DecisionRule>();
  for (const rule of [...matched].sort((a, b) => a.overRank - b.overRank)) {
    if (!rule.overruledBy.some((other) => binding.has(other))) binding.add(rule);
  }
  return [...binding];
}

function collect<Rule extends ScoringRule | DecisionRule>(
  rules: readonly Rule[],
  facts: Facts,
  score: number,
  into: Rule[],
): void {
  for (const rule of rules) {
    if (rule.when.test(facts, score) === TRUE) into.push(rule);
  }
}

function strictest(rules: readonly DecisionRule[]): Decision | null {
  let index = -1;
  for (const rule of rules) index = Math.max(index, DECISIONS.indexOf(rule.decision));
  return DECISIONS[index] ?? null;
}

function dryRunOf(
  rules: CompiledRules,
  bucket: RuleGroup | undefined,
  facts: Facts,
  decision: Decision,
  least: Decision,
): Verdict['dryRun'] {
  if (!hasDryRuns(rules.general) && (bucket === undefined || !hasDryRuns(bucket))) return { decision, rules: [] };
  const matches = matchRules(rules.general, bucket, facts, true);
  const matched = [...matches.scoring, ...matches.decisions].filter((rule) => rule.dryRun).sort(byPlace);
  const ruled = strictest(matches.binding) ?? rules.fallback;
  return { decision: stricter(ruled, least), rules: matched.map((rule) => rule.id) };
}

function hasDryRuns(group: RuleGroup): boolean {
  return group.dryScoring.length > 0 || group.dryDecisions.length > 0;
}

/** Scoring rules by weight, then binding decision rules by strictness. */
function reasonsFor(
  scoring: readonly ScoringRule[],
  binding: readonly DecisionRule[],
  facts: Facts,
  score: number,
): Reason[] {
  const reasons: Reason[] = [];
  for (const rule of scoring) reasons.push(reasonOf(rule, rule.points, facts, score));
  for (const rule of binding) reasons.push(reasonOf(rule, 0, facts, score));
  return reasons;
}

function levelOf(score: number, levels: CompiledRules['levels']): Level {
  return score >= levels.high ? 'high' : score >= levels.medium ? 'medium' : 'low';
}

/**
 * One requirement that meets each rule's own: the smallest age, single use if any requires it, every method, and the
 * classes that all accept. If the rules have no class in common, it cannot be met, and all classes are listed.
 */
function mergeRequirements(rules: readonly DecisionRule[]): Requirement {
  const asked = rules.map((rule) => rule.requirement).filter((each) => each !== null);
  const [first, second] = asked;
  if (first === undefined) return DEFAULT_REQUIREMENT;
  if (second === undefined) return first;
  const classes = asked.map((each) => each.acrValues).filter((each) => each.length > 0);
  const union = [...new Set(classes.flat())];
  const shared = union.filter((acr) => classes.every((each) => each.includes(acr)));
  const unsatisfiable = classes.length > 0 && shared.length === 0;
  return {
    acrValues: unsatisfiable ? union : shared,
    amrValues: [...new Set(asked.flatMap((each) => each.amrValues))],
    maxAgeSeconds: Math.min(...asked.map((each) => each.maxAgeSeconds)),
    singleUse: asked.some((each) => each.singleUse),
    unsatisfiable,
  };
}

/** By file, then id, in code unit order, independent of the locale. */
export function byPlace(
  a: { readonly id: string; readonly file: string },
  b: { readonly id: string; readonly file: string },
): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.id === b.id ? 0 : a.id < b.id ? -1 : 1;
}

/** Order of scoring rules in an answer: heaviest first. */
export function byWeight(a: ScoringRule, b: ScoringRule): number {
  return b.points - a.points || byPlace(a, b);
}

function byStrictness(a: DecisionRule, b: DecisionRule): number {
  return DECISIONS.indexOf(b.decision) - DECISIONS.indexOf(a.decision) || byPlace(a, b);
}
