import type { Facts, Json } from '../model/facts.ts';
import type { Held, Judge, Truth } from './operators.ts';
import type { RuleProblemCode } from './problems.ts';

/** Judges facts. The score is a separate parameter, as it exists only after the scoring rules. */
export type Test = (facts: Facts, score: number) => Truth;

/** Reads the value of one fact. */
export type Read = (facts: Facts, score: number) => Held;

export interface Comparison {
  readonly kind: 'comparison';
  /** Path from the root of the file. */
  readonly path: string;
  readonly fact: string;
  readonly operator: string;
  /** As written: a literal or `{"fact": "..."}`. */
  readonly operand: Json;
  /** All strings that the fact can have, if known. */
  readonly values: readonly string[] | null;
  readonly read: Read;
  /** The operand, if it is a fact. */
  readonly other: { readonly fact: string; readonly read: Read } | null;
  /** Operator and literal operand as a reason shows them: `> 1,000`. */
  readonly shown: string;
  /** Whether a signal or the request measures the fact: it is neither free nor the score. */
  readonly measured: boolean;
  /** Whether the presence of some members in the list may be unknown. */
  readonly open: boolean;
  /** Null if the operand is a fact. */
  readonly judge: Judge | null;
  readonly test: Test;
}

/** Conditions joined by an operator; `not` has one part. */
export interface Group {
  readonly kind: 'all' | 'any' | 'not';
  readonly parts: readonly Condition[];
  readonly test: Test;
}

/** A part of `when`, compiled. */
export type Condition = Comparison | Group;

/** Reports a problem at a path below the rule. */
export type Report = (path: readonly PropertyKey[], code: RuleProblemCode, message: string, nearest?: string) => void;
