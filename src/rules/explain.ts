import type { Facts } from '../model/facts.ts';
import type { Comparison } from './comparison.ts';
import { comparisonsOf } from './condition.ts';
import {
  bucketFor,
  type CompiledRules,
  type DecisionRule,
  evaluateRules,
  matchRules,
  type ScoringRule,
} from './evaluate.ts';
import { FALSE, isFactValue, MATCHES_INPUT_LIMIT, TRUE, type Truth, UNKNOWN } from './operators.ts';
import type { ConditionTrace, RulesTrace, RuleTrace } from './ruleset.ts';

/**
 * Shows for each rule and comparison how the facts were judged. Uses the closures and the matching of the evaluation,
 * so the two cannot disagree.
 */
export function traceRules(rules: CompiledRules, facts: Facts): RulesTrace {
  const bucket = bucketFor(rules, facts);
  const live = matchRules(rules.general, bucket, facts, false);
  const dry = matchRules(rules.general, bucket, facts, true);
  const liveBinding = new Set<ScoringRule | DecisionRule>([...live.scoring, ...live.binding]);
  const dryBinding = new Set<ScoringRule | DecisionRule>([...dry.scoring, ...dry.binding]);
  const traces = rules.all.map((rule): RuleTrace => {
    const score = rule.dryRun ? dry.score : live.score;
    const binding = rule.dryRun ? dryBinding : liveBinding;
    const truth = rule.when.test(facts, score);
    const overruledBy =
      truth === TRUE && 'overruledBy' in rule ? rule.overruledBy.filter((other) => binding.has(other)) : [];
    return {
      id: rule.id,
      file: rule.file,
      code: rule.code,
      outcome: outcomeOf(truth, rule.dryRun, overruledBy.length > 0),
      overruledBy: overruledBy.map((other) => other.id),
      points: 'points' in rule ? rule.points : null,
      decision: 'decision' in rule ? rule.decision : null,
      conditions: [...comparisonsOf(rule.when)].map((each) => traceComparison(each, facts, score)),
    };
  });
  return { verdict: evaluateRules(rules, facts), rules: traces };
}

function outcomeOf(truth: Truth, dryRun: boolean, overruled: boolean): RuleTrace['outcome'] {
  if (truth === UNKNOWN) return 'unknown';
  if (truth === FALSE) return 'missed';
  return overruled ? 'overruled' : dryRun ? 'dry_run' : 'hit';
}

function traceComparison(comparison: Comparison, facts: Facts, score: number): ConditionTrace {
  const truth = comparison.test(facts, score);
  const value = comparison.read(facts, score);
  const other = comparison.other?.read(facts, score);
  const absent = isMissing(value) || (comparison.other !== null && isMissing(other));
  return {
    path: comparison.path,
    fact: comparison.fact,
    operator: comparison.operator,
    operand: comparison.operand,
    operandValue: isFactValue(other) ? other : null,
    value: isFactValue(value) ? value : null,
    result: truth === TRUE ? 'true' : truth === FALSE ? 'false' : 'unknown',
    why: truth !== UNKNOWN ? null : absent ? 'absent' : isTooLong(comparison, value) ? 'too_long' : 'type_mismatch',
  };
}

function isTooLong({ operator }: Comparison, value: unknown): boolean {
  return operator === 'matches' && typeof value === 'string' && value.length > MATCHES_INPUT_LIMIT;
}

function isMissing(value: unknown): boolean {
  return value === undefined || value === null;
}
