import type { Measurement } from './decision.ts';
import type { FactValue, MeasuredFacts } from './facts.ts';

/** Facts as a signal writes them down, in an object of their own: null and undefined mean *unknown*. */
export interface DraftFacts {
  [name: string]: FactValue | null | undefined;
}

/** A measured signal; `why` if a part of it is missing. */
export function measured(facts: DraftFacts, why?: string): Measurement {
  const settled = known(facts);
  return why === undefined ? { state: 'measured', facts: settled } : { state: 'measured', why, facts: settled };
}

/** The signal could not be measured for a reason that lies in the request or in what has been learned so far. */
export function unknown(why: string, facts: DraftFacts = {}): Measurement {
  return { state: 'unknown', why, facts: known(facts) };
}

/** The store was unavailable; `facts` hold what does not need it. */
export function failed(why: string, facts: DraftFacts = {}): Measurement {
  return { state: 'failed', why, facts: known(facts) };
}

/** The signal is not set up; `facts` hold what needs no setting up. */
export function off(why: string, facts: DraftFacts = {}): Measurement {
  return { state: 'off', why, facts: known(facts) };
}

/** Whole days from `from` to `to` (epoch seconds), never negative. */
export function daysBetween(from: number, to: number): number {
  return Math.max(0, Math.floor((to - from) / 86_400));
}

/** In place: the facts of a signal always have the same names, which a copy without some of them would pay for dearly. */
function known(facts: DraftFacts): MeasuredFacts {
  for (const name in facts) facts[name] ??= undefined;
  return facts as MeasuredFacts;
}
