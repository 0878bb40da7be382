import type { Decision, Verdict } from '../model/decision.ts';
import type { Facts, FactValue, Json } from '../model/facts.ts';
import type { SuccessEvent } from '../model/request.ts';

/** Policy of one action besides its rules. */
export interface ActionPolicy {
  /** `decision`: an allowed request teaches the baseline; `event`: only a reported success does. */
  readonly learn: 'decision' | 'event';
  /** Mildest decision while something the check needs is missing. */
  readonly floor: Decision;
  /** Whether a session that is not accepted never passes: the action is declared, and its floor is above `allow`. */
  readonly guarded: boolean;
  /** How long trust lasts, in days, and whether a satisfied step-up grants it. */
  readonly trust: { readonly days: number; readonly onStepUp: boolean };
}

/** One line of `routes`: method and path pattern of an action. */
export interface RoutePattern {
  /** Upper case; `*` for any. */
  readonly method: string;
  /** `/api/transfers/{id}`, `/admin/*`. */
  readonly path: string;
  readonly action: string;
}

/** Compiled rules: immutable, replaced as a whole on reload. */
export interface RuleSet {
  /** `sha256-…` over the canonical files. */
  readonly revision: string;
  readonly files: readonly string[];
  readonly ruleCount: number;
  /** What the author should know, though nothing is wrong: sentences with file and path. */
  readonly warnings: readonly string[];
  readonly routes: readonly RoutePattern[];
  /** Ids of the rules that require a single-use proof. */
  readonly singleUse: readonly string[];
  /** The action's own policy, if a file has one, else that of the files. */
  policyFor(action: string): ActionPolicy;
  /** The action that a reported success is. */
  actionOf(event: SuccessEvent): string;
  /** Whether `actions` or a rule names the action, exactly or by a part of its name. */
  declares(action: string): boolean;
  /** Whether any rule compares this fact. */
  tests(fact: string): boolean;
  /** The declared name that one that is not declared was probably meant to be; only that of a near miss. */
  nearMiss(action: string): string | undefined;
  evaluate(facts: Facts): Verdict;
  /** The result of every rule for the facts, by the same closures as `evaluate`. */
  trace(facts: Facts): RulesTrace;
}

/** The result of one comparison of a rule. */
export interface ConditionTrace {
  /** From the root of the file: `rules[3].when["travel.speed_kmh"].gt`. */
  readonly path: string;
  readonly fact: string;
  readonly operator: string;
  /** As written: a literal or `{"fact": "..."}`. */
  readonly operand: Json;
  /** Value of the operand if it is a fact; null for a literal or if unknown. */
  readonly operandValue: FactValue | null;
  /** Null when unknown. */
  readonly value: FactValue | null;
  readonly result: 'true' | 'false' | 'unknown';
  /**
   * Why the result is unknown: a side is absent, or there but of the wrong type, or longer than a pattern reads. Null when it is
   * known.
   */
  readonly why: 'absent' | 'type_mismatch' | 'too_long' | null;
}

/** The result of one rule. */
export interface RuleTrace {
  readonly id: string;
  readonly file: string;
  /** Reason code. */
  readonly code: string;
  /** `dry_run`: matched, but does not bind. `overruled`: matched, but another rule took it out. */
  readonly outcome: 'hit' | 'missed' | 'unknown' | 'overruled' | 'dry_run';
  /** Binding rules that took this one out. */
  readonly overruledBy: readonly string[];
  /** Points of a match; null for a decision rule. */
  readonly points: number | null;
  /** Null for a scoring rule. */
  readonly decision: Decision | null;
  readonly conditions: readonly ConditionTrace[];
}

/** The verdict and its derivation. */
export interface RulesTrace {
  readonly verdict: Verdict;
  /** Every rule by file, then id. */
  readonly rules: readonly RuleTrace[];
}
