import type { SessionInvitation } from './device-session.ts';
import type { FactValue, MeasuredFacts } from './facts.ts';

/** From mildest to strictest. */
export const DECISIONS = ['allow', 'step-up', 'deny'] as const;
export type Decision = (typeof DECISIONS)[number];

/** The stricter of two decisions. */
export function stricter(a: Decision, b: Decision): Decision {
  return DECISIONS.indexOf(a) >= DECISIONS.indexOf(b) ? a : b;
}

/** Where a score lies between the thresholds `medium` and `high` of the rules. */
export type Level = 'low' | 'medium' | 'high';

/** Why a decision came out as it did: a stable code, a sentence for people, the numbers compared. */
export interface Reason {
  readonly code: string;
  /** Id of the rule; null for reasons of the engine itself. */
  readonly rule: string | null;
  /** Points that the rule added; 0 for a decision rule. */
  readonly points: number;
  readonly message: string;
  readonly facts: { readonly [name: string]: FactValue };
}

/** What a step-up must prove. */
export interface Requirement {
  /** Any one of these satisfies; empty means any step-up. */
  readonly acrValues: readonly string[];
  /** All of these methods must have been used. */
  readonly amrValues: readonly string[];
  /** Greatest age of the authentication in seconds. */
  readonly maxAgeSeconds: number;
  readonly singleUse: boolean;
  /** No proof meets demands that exclude one another; the check then stays at step-up. */
  readonly unsatisfiable: boolean;
}

/** Greatest age of an authentication unless a rule overrides it, in seconds (Descope's `su` lives ten minutes). */
export const DEFAULT_MAX_AGE_SECONDS = 600;

/** Requirement of a step-up unless a rule adds to it: a fresh authentication. Never needs the store. */
export const DEFAULT_REQUIREMENT: Requirement = Object.freeze({
  acrValues: [],
  amrValues: [],
  maxAgeSeconds: DEFAULT_MAX_AGE_SECONDS,
  singleUse: false,
  unsatisfiable: false,
});

/** What rules alone made of the facts. */
export interface Verdict {
  readonly decision: Decision;
  /** 0..100. */
  readonly score: number;
  readonly level: Level;
  readonly reasons: readonly Reason[];
  /** The strictest rule that bound (ties: first by file, then id); null when `default` held. */
  readonly rule: { readonly id: string; readonly file: string } | null;
  /**
   * Combination of all binding step-up rules, or the default requirement if `default` asks; null unless the decision is
   * `step-up`.
   */
  readonly requirement: Requirement | null;
  /** What would have been decided had the dry-run rules bound, and which of them matched. */
  readonly dryRun: { readonly decision: Decision; readonly rules: readonly string[] };
}

/** State of one signal in the answer. */
export type SignalState = 'measured' | 'unknown' | 'failed' | 'off';

/** What a signal measured. `facts` may be partly filled in any state; a fact that is absent is unknown. */
export interface Measurement {
  readonly state: SignalState;
  /** Stable code for every state but `measured`, and for a partial measurement. */
  readonly why?: string;
  readonly facts: MeasuredFacts;
}

/** A part of the input that was unavailable. */
export interface Degradation {
  /** Name of the signal, or `proof`. */
  readonly part: string;
  readonly why: string;
}

/** The whole answer to one check, before it is put on the wire. */
export interface CheckResult {
  readonly id: string;
  readonly decision: Decision;
  readonly score: number;
  readonly level: Level;
  readonly reasons: readonly Reason[];
  readonly rule: { readonly id: string; readonly file: string } | null;
  readonly stepUp: {
    readonly satisfied: boolean;
    readonly requirement: Requirement;
    /** Why the proof was not accepted; null if none was sent or it was accepted. */
    readonly error: { readonly code: string; readonly message: string; readonly retryAfterSeconds?: number } | null;
  } | null;
  readonly signals: { readonly [name: string]: Measurement };
  readonly degraded: readonly Degradation[];
  readonly dryRun: { readonly decision: Decision; readonly rules: readonly string[] };
  /** Set when the request names a device; `token` only when it has just become trusted. */
  readonly device: {
    readonly id: string;
    readonly token: string | null;
    readonly expiresAtMs: number | null;
    /** For the browser to bind the device to a key; null unless trust was just earned by a proof and sessions are offered. */
    readonly invitation: SessionInvitation | null;
  } | null;
  readonly rulesRevision: string;
}
