import type { Decision, Verdict } from '../decision.ts';
import type { Facts } from '../facts.ts';

/** What holds for one action beside the rules themselves. */
export interface ActionPolicy {
  /** `decision`: an allowed request teaches the baseline; `event`: only a reported success does. */
  readonly learn: 'decision' | 'event';
  /** Mildest decision while something the check needs is missing. */
  readonly floor: Decision;
  /** How long trust lasts, in days, and whether a satisfied step-up grants it. */
  readonly trust: { readonly days: number; readonly onStepUp: boolean };
}

/** One line of `routes`: method and path pattern that stand for an action. */
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
  readonly routes: readonly RoutePattern[];
  /** Own policy of the action where a file gives one, else the files' own. */
  policyFor(action: string): ActionPolicy;
  evaluate(facts: Facts): Verdict;
}
