import type { CheckResult, Decision } from '../../model/decision.ts';
import { PEOPLE, type PersonKind } from './people.ts';
import { BEYOND_REACH, THIEVES, type ThiefClass } from './thieves.ts';

/** What a policy is held to. */
export const BARS = {
  /** Maximum share of log-ins of honest users, after ten log-ins, that may be asked. */
  askedShare: 0.01,
  /** Smallest share of the thieves of a class that must be challenged or denied. */
  stoppedShare: 0.99,
} as const;

/** Decisions and why they were not `allow`. */
export interface Counts {
  readonly total: number;
  readonly allowed: number;
  readonly asked: number;
  /** Asked at the level `low`: by rules of the action, not by the score. */
  readonly askedByAction: number;
  readonly denied: number;
  /** Reason codes of asked and denied requests, most frequent first. A request may have several. */
  readonly reasons: readonly { readonly code: string; readonly count: number }[];
}

/** What honest people of one kind met. */
export interface PersonTally {
  readonly kind: PersonKind;
  readonly meaning: string;
  /** Log-ins with ten behind them: what the bar is set for. */
  readonly logins: Counts;
  /** Sensitive requests in sessions, where the action's own rules may ask. */
  readonly requests: Counts;
  /** The first ten log-ins. */
  readonly coldStart: Counts;
}

/** What thieves of one class met in the act that mattered. */
export interface ThiefTally {
  readonly class: ThiefClass;
  readonly meaning: string;
  readonly thieves: number;
  /** Never allowed. */
  readonly stopped: number;
  /** Of those stopped: denied at least once. */
  readonly denied: number;
  readonly succeeded: number;
  /** Session thieves who saw a page, even if the theft failed. */
  readonly looked: number;
  /** Whom they succeeded against. */
  readonly victims: readonly { readonly kind: PersonKind; readonly count: number }[];
  readonly reasons: Counts['reasons'];
  /** False for classes that no signal can tell from the victim. */
  readonly withinReach: boolean;
}

/** Result of a simulation. */
export interface Report {
  readonly seed: string;
  readonly weeks: number;
  readonly peoplePerKind: number;
  readonly thievesPerClass: number;
  readonly rulesRevision: string;
  readonly people: readonly PersonTally[];
  readonly thieves: readonly ThiefTally[];
  /** One sentence for each bar that was missed; empty when all were met. */
  readonly misses: readonly string[];
}

/** Takes down what happens while a simulation runs. */
export interface Ledger {
  honest(kind: PersonKind, of: 'login' | 'request', measured: boolean, result: CheckResult): void;
  /** Opens the account of one thief. */
  thief(kind: ThiefClass, victim: PersonKind): { tried(matters: boolean, result: CheckResult): void };
  close(): Report;
}

type Head = Pick<Report, 'seed' | 'weeks' | 'peoplePerKind' | 'thievesPerClass' | 'rulesRevision'>;

interface Theft {
  readonly victim: PersonKind;
  readonly met: Decision[];
  readonly reasons: Set<string>;
  looked: boolean;
}

/** An empty ledger. */
export function ledger(head: Head): Ledger {
  const counters = new Map<string, Counter>();
  const counterOf = (key: string): Counter => {
    const counter = counters.get(key) ?? newCounter();
    counters.set(key, counter);
    return counter;
  };
  const thefts = new Map<ThiefClass, Theft[]>();
  return {
    honest(kind, of, measured, result) {
      if (of === 'login') counterOf(`${kind}/${measured ? 'logins' : 'coldStart'}`).add(result);
      else if (measured) counterOf(`${kind}/requests`).add(result);
    },
    thief(kind, victim) {
      const theft: Theft = { victim, met: [], reasons: new Set(), looked: false };
      thefts.set(kind, [...(thefts.get(kind) ?? []), theft]);
      return {
        tried(matters, result) {
          if (!matters) {
            if (result.decision === 'allow') theft.looked = true;
            return;
          }
          theft.met.push(result.decision);
          if (result.decision !== 'allow') for (const code of codesOf(result)) theft.reasons.add(code);
        },
      };
    },
    close() {
      const people = (Object.keys(PEOPLE) as PersonKind[]).map(
        (kind): PersonTally => ({
          kind,
          meaning: PEOPLE[kind],
          logins: counterOf(`${kind}/logins`).counts(),
          requests: counterOf(`${kind}/requests`).counts(),
          coldStart: counterOf(`${kind}/coldStart`).counts(),
        }),
      );
      const thieves = (Object.keys(THIEVES) as ThiefClass[]).map((kind) => tallyOf(kind, thefts.get(kind) ?? []));
      return { ...head, people, thieves, misses: missesOf(people, thieves) };
    },
  };
}

interface Counter {
  add(result: CheckResult): void;
  counts(): Counts;
}

function newCounter(): Counter {
  const decisions = { allow: 0, 'step-up': 0, deny: 0 };
  let askedByAction = 0;
  const reasons = new Map<string, number>();
  return {
    add(result) {
      decisions[result.decision]++;
      if (result.decision === 'allow') return;
      if (result.decision === 'step-up' && result.level === 'low') askedByAction++;
      for (const code of codesOf(result)) reasons.set(code, (reasons.get(code) ?? 0) + 1);
    },
    counts: () => ({
      total: decisions.allow + decisions['step-up'] + decisions.deny,
      allowed: decisions.allow,
      asked: decisions['step-up'],
      askedByAction,
      denied: decisions.deny,
      reasons: ranked(reasons).map(([code, count]) => ({ code, count })),
    }),
  };
}

/** Codes that speak against a request; trust speaks for it. */
function codesOf({ reasons }: CheckResult): Set<string> {
  return new Set(reasons.filter(({ points }) => points >= 0).map(({ code }) => code));
}

function tallyOf(kind: ThiefClass, thefts: readonly Theft[]): ThiefTally {
  const reasons = new Map<string, number>();
  const victims = new Map<PersonKind, number>();
  let denied = 0;
  let succeeded = 0;
  for (const theft of thefts) {
    for (const code of theft.reasons) reasons.set(code, (reasons.get(code) ?? 0) + 1);
    if (theft.met.includes('allow')) {
      succeeded++;
      victims.set(theft.victim, (victims.get(theft.victim) ?? 0) + 1);
    } else if (theft.met.includes('deny')) denied++;
  }
  return {
    class: kind,
    meaning: THIEVES[kind],
    thieves: thefts.length,
    stopped: thefts.length - succeeded,
    denied,
    succeeded,
    looked: thefts.filter(({ looked }) => looked).length,
    victims: ranked(victims).map(([victim, count]) => ({ kind: victim, count })),
    reasons: ranked(reasons).map(([code, count]) => ({ code, count })),
    withinReach: !BEYOND_REACH.includes(kind),
  };
}

function ranked<K extends string>(counts: ReadonlyMap<K, number>): [K, number][] {
  return [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
}

function missesOf(people: readonly PersonTally[], thieves: readonly ThiefTally[]): string[] {
  return [
    ...people.flatMap(({ kind, logins, requests }) => [
      ...(logins.asked > logins.total * BARS.askedShare
        ? [`${kind}: asked in ${share(logins.asked, logins.total)} of log-ins, at most 1 % is wanted`]
        : []),
      ...(logins.denied + requests.denied > 0
        ? [`${kind}: denied ${logins.denied} log-ins and ${requests.denied} requests, none is wanted`]
        : []),
    ]),
    ...thieves
      .filter(({ withinReach, stopped, thieves: all }) => withinReach && stopped < all * BARS.stoppedShare)
      .map(
        ({ class: kind, stopped, thieves: all }) => `${kind}: ${share(stopped, all)} stopped, at least 99 % is wanted`,
      ),
  ];
}

/** A part of a whole in percent, as people read it. */
export function share(part: number, whole: number): string {
  return whole === 0 ? '–' : `${((100 * part) / whole).toFixed(2)} %`;
}
