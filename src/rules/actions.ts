import type { Comparison, Condition } from './comparison.ts';
import { comparisonsOf } from './condition.ts';
import { TRUE } from './operators.ts';
import { nearestWord, nearMiss } from './problems.ts';

/** Action of a request that matches no route. Always declared; rules may name it like any other. */
export const DEFAULT_ACTION = 'request';

/** The actions that the rule files know. */
export interface KnownActions {
  /** Whether `actions` or a rule names it, in full or in part. */
  has(action: string): boolean;
  /** The known name most similar to it. */
  nearest(action: string): string | undefined;
  /** The known name of which it is probably a typo. */
  nearMiss(action: string): string | undefined;
}

/** @param declared the names in `actions`, of all files */
export function knownActions(declared: Iterable<string>, rules: readonly { readonly when: Condition }[]): KnownActions {
  const compared = rules.flatMap((rule) => [...comparisonsOf(rule.when)].filter(namesActions));
  const names = new Set([DEFAULT_ACTION, ...declared, ...compared.flatMap(exactNames)]);
  const patterns = compared.filter((each) => exactNames(each).length === 0);
  return {
    has: (action) => names.has(action) || patterns.some(({ judge }) => judge?.(action) === TRUE),
    nearest: (action) => nearestWord(action, names),
    nearMiss: (action) => nearMiss(action, names),
  };
}

/** Whether a comparison selects by action. */
function namesActions({ fact, operator, judge }: Comparison): boolean {
  return fact === 'action' && judge !== null && operator !== 'known' && operator !== 'longer_than';
}

/** Operators that compare whole texts. */
export const EXACT: ReadonlySet<string> = new Set(['eq', 'ne', 'in', 'not_in']);

/** The actions that a comparison names in full. */
export function exactNames({ fact, operator, operand, judge }: Comparison): readonly string[] {
  if (fact !== 'action' || judge === null || !EXACT.has(operator)) return [];
  return (Array.isArray(operand) ? operand : [operand]).map(String);
}
