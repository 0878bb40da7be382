import type { Cause } from './cause.ts';
import type { Frequency } from './frequencies.ts';
import type { MixName } from './mixes.ts';
import type { PersonKind } from './people/kinds.ts';
import type { Phase } from './tally.ts';
import type { Measure, ThiefClass } from './thieves.ts';

/** What a simulation came to. */
export interface Report {
  readonly seeds: readonly string[];
  readonly rulesRevision: string;
  readonly mixes: readonly MixReport[];
}

/** What one population met. All shares are 0..1, weighted by the mix: those of log-ins by how often their people come. */
export interface MixReport {
  readonly mix: MixName;
  readonly meaning: string;
  /** People and log-ins that were played. */
  readonly people: number;
  readonly logins: number;
  /** Log-ins that were denied, unweighted. */
  readonly denied: number;
  readonly all: Group;
  /** People whose browser keeps cookies and shows the same traits. */
  readonly keepers: Group;
  readonly frequencies: readonly (Group & {
    readonly frequency: Frequency;
    readonly meaning: string;
    readonly share: number;
  })[];
  readonly kinds: readonly KindReport[];
  /** Log-ins after the tenth that were asked, by cause, as a share of all of them. */
  readonly causes: readonly { readonly cause: Cause; readonly meaning: string; readonly share: number }[];
  /** Requests in sessions; `byAction`: asked by a rule of the action at a low score. */
  readonly requests: {
    readonly total: number;
    readonly byScore: number;
    readonly byAction: number;
    readonly denied: number;
  };
  readonly thieves: readonly ThiefReport[];
  readonly bars: readonly Bar[];
}

/** Shares of log-ins asked, and what that means for a person. */
export interface Group {
  /** Share asked of first log-ins, of the second to the tenth, and of all after. */
  readonly asked: { readonly [phase in Phase]: number };
  readonly perPerson: {
    /** Log-ins asked in a year, after the tenth. */
    readonly asksPerYear: number;
    /** Step-ups that were not gone through with in a year. */
    readonly gaveUpPerYear: number;
    /** Share of people who were never asked after the tenth log-in. */
    readonly neverAsked: number;
  };
}

export interface KindReport extends Group {
  readonly kind: PersonKind;
  readonly meaning: string;
  readonly keeps: boolean;
  readonly regular: boolean;
  readonly share: number;
  /** Log-ins after the tenth, by frequency; unweighted. */
  readonly later: {
    readonly [frequency in Frequency]: { readonly logins: number; readonly asked: number; readonly denied: number };
  };
  readonly denied: number;
  /** Most frequent cause first; shares of the log-ins of this kind after the tenth. */
  readonly causes: readonly { readonly cause: Cause; readonly share: number }[];
}

/** What the thieves of one class met. Counts of thieves. */
export interface ThiefReport {
  readonly class: ThiefClass;
  readonly meaning: string;
  readonly measure: Measure;
  readonly regular: boolean;
  readonly thieves: number;
  /** Allowed at the first try, and at any of the five. */
  readonly first: number;
  readonly best: number;
  /** Those whose victim's browser has a key, and how many of them were allowed at any try. */
  readonly keyed: { readonly thieves: number; readonly best: number };
  /** Never allowed, and denied at least once. */
  readonly denied: number;
  /** Asked for a step-up that the thief could answer, and let in. */
  readonly answered: number;
  /** Made a payment or changed credentials. */
  readonly took: number;
  /** Saw a page of the account in a stolen session. */
  readonly looked: number;
  /** Of those let in with a copied token: whose victim was asked at the next log-in. */
  readonly discovered: { readonly of: number; readonly count: number };
  /** Reason codes of tries that were not allowed, most frequent first. */
  readonly reasons: readonly { readonly code: string; readonly count: number }[];
}

/** What a policy is held to, and what it came to. */
export interface Bar {
  /** `promise`: what the shipped policy is built for; `aim`: what it is to reach in traffic that is like life. */
  readonly kind: 'promise' | 'aim';
  readonly what: string;
  readonly wanted: string;
  readonly found: string;
  readonly met: boolean;
}
