import type { Decision, Verdict } from '../model/decision.ts';
import type { Facts, FactValue, Json } from '../model/facts.ts';
import type { SuccessEvent } from '../model/request.ts';

/** Policy of one action besides its rules. */
export interface ActionPolicy {
  /** `decision`: an allowed request teaches the baseline; `event`: only a reported success does. */
  readonly learn: 'decision' | 'event';
  /** Mildest decision of a degraded check. */
  readonly floor: Decision;
  /** Whether a session that is not accepted never passes: the action is declared, and its floor is above `allow`. */
  readonly guarded: boolean;
  readonly trust: {
    /** Greatest life of the trust in days from its proof, and of a device token. */
    readonly days: number;
    /** Life without use, in days; null when use renews nothing, so that trust lasts `days`. */
    readonly idleDays: number | null;
    /** Whether a satisfied step-up grants trust. */
    readonly onStepUp: boolean;
    /** What its proof must show for that, beyond what let it in: any of the classes, and all of the methods. */
    readonly acrValues: readonly string[];
    readonly amrValues: readonly string[];
  };
}

/** One line of `routes`: method and path pattern of an action. */
export interface RoutePattern {
  /** Upper case; `*` matches any. */
  readonly method: string;
  /** `/api/transfers/{id}`, `/admin/*`. */
  readonly path: string;
  readonly action: string;
}

/** Routes of one rule set, ready to be matched. */
export interface RouteTable {
  /**
   * Every action that the request may be, with the reading of the path that makes it one. All routes that match a
   * reading count, not only the most specific; a reading without a route is the default action. A method of null
   * matches every method and also the default, as an unknown method must not select a lenient route. Never empty.
   *
   * `templates`: a reading may be a gateway's pattern (`/users/{id}`, `/users/:id`), which may represent any route it
   * covers.
   */
  match(method: string | null, readings: readonly string[], templates?: boolean): readonly RouteMatch[];
}

/** What a request may be. */
export interface RouteMatch {
  readonly action: string;
  readonly reading: string;
}

/** Compiled rules: immutable, replaced as a whole on reload. */
export interface RuleSet {
  /** `sha256-…` over the files in canonical form. */
  readonly revision: string;
  readonly files: readonly string[];
  readonly ruleCount: number;
  /** Sentences with file and path about things that are probably not what the author wants. */
  readonly warnings: readonly string[];
  readonly routes: readonly RoutePattern[];
  readonly routeTable: RouteTable;
  /** Ids of the rules that require a single-use proof. */
  readonly singleUse: readonly string[];
  /** The action's own policy, if a file has one, else that of the files. */
  policyFor(action: string): ActionPolicy;
  /** The action of a reported success. */
  actionOf(event: SuccessEvent): string;
  /** Whether `actions` or a rule names the action, in full or in part. */
  declares(action: string): boolean;
  /** Whether any rule compares this fact. */
  tests(fact: string): boolean;
  /** The declared name of which this one is probably a typo. */
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
  /** Why the result is unknown: a side is absent, has the wrong type, or is longer than a pattern reads. Null when it is known. */
  readonly why: 'absent' | 'type_mismatch' | 'too_long' | null;
}

/** The result of one rule. */
export interface RuleTrace {
  readonly id: string;
  readonly file: string;
  /** Reason code. */
  readonly code: string;
  /** `dry_run`: matches, but does not bind. `overruled`: matches, but another rule overrules it. */
  readonly outcome: 'hit' | 'missed' | 'unknown' | 'overruled' | 'dry_run';
  /** Binding rules that overrule this one. */
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
  /** All rules, by file, then id. */
  readonly rules: readonly RuleTrace[];
}
