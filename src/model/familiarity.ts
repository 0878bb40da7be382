/**
 * How familiar the network and the client of a request are to its subject, by the days on which they were seen before.
 * After Freeman et al., "Who Are You?" (NDSS 2016), with the subject's own counts alone.
 * @see docs/decisions/0033-familiarity.md
 */

/** The two parts of a request that are compared. */
export type FamiliarPart = 'network' | 'client';

interface LevelSpec {
  readonly part: FamiliarPart;
  /** Share of its part; the levels of a part sum to 1. */
  readonly weight: number;
  /** Values that are kept. */
  readonly cap: number;
  /** Characters of a key: letters, digits, `-` and `_`. */
  readonly keyLength: number;
}

/** What is counted of each part, from the finest to the coarsest. */
export const LEVELS = {
  /** /24 or /48. */
  network: { part: 'network', weight: 0.6, cap: 8, keyLength: 3 },
  /** Autonomous system, which stands for the provider. */
  asn: { part: 'network', weight: 0.3, cap: 6, keyLength: 3 },
  country: { part: 'network', weight: 0.1, cap: 6, keyLength: 2 },
  /** Family of browser and system, and class of device. */
  client: { part: 'client', weight: 0.54, cap: 8, keyLength: 2 },
  /** Family and major version of the browser. */
  browser: { part: 'client', weight: 0.27, cap: 8, keyLength: 2 },
  os: { part: 'client', weight: 0.19, cap: 6, keyLength: 2 },
} as const satisfies { readonly [level: string]: LevelSpec };

export type Level = keyof typeof LEVELS;

/** In the order in which they are stored. */
export const LEVEL_NAMES = Object.keys(LEVELS) as Level[];

/** Something of each level. */
export type ByLevel<T> = { readonly [level in Level]: T };

/** Makes something for each level. */
export function byLevel<T>(of: (level: Level) => T): ByLevel<T> {
  return Object.fromEntries(LEVEL_NAMES.map((level) => [level, of(level)])) as { [level in Level]: T };
}

/** The values that a request shows, as short keys; null where unknown. */
export type LevelValues = ByLevel<string | null>;

/** Days since the epoch, in UTC. */
type Day = number;

/** A decayed count of distinct days, as of the last of them. */
export interface DayCount {
  readonly day: Day;
  readonly count: number;
}

export interface SeenValue extends DayCount {
  readonly key: string;
}

/** What was learned of one level. No value has more days than all of them together. */
export interface SeenLevel extends DayCount {
  /** Distinct days on which any value was learned, undecayed. */
  readonly days: number;
  readonly values: readonly SeenValue[];
}

export type Familiarity = ByLevel<SeenLevel>;

const NOT_SEEN: SeenLevel = { days: 0, day: 0, count: 0, values: [] };

/** Of a subject of whom nothing was counted. */
export const NO_FAMILIARITY: Familiarity = byLevel(() => NOT_SEEN);

/** Days after which a day counts half. */
export const HALF_LIFE_DAYS = 120;

/** A level says nothing before it has this many days. */
export const LEAST_DAYS = 4;

/** Keeps the bits of what was never seen finite: 6.6 of a part. */
const NEVER_SEEN = 0.01;

/** Bits that a part with nothing but new values has beyond that. */
const NOVELTY_BITS = Math.log2(10) / 2;

/** The day of a time in epoch seconds. */
export function dayOf(at: number): Day {
  return Math.floor(at / 86_400);
}

/**
 * Counts the day of one confirmed sighting. Pure, and bounded by the caps. The sightings of one day count once for each
 * value, in any order. One of an earlier day than the last teaches nothing: whether that day was counted is not known.
 *
 * Of more values than the cap, the one just seen and those with the most days stay: a single day, however many values it
 * shows, costs no more than one that was seen on many.
 */
export function learnFamiliarity(before: Familiarity, values: LevelValues, at: number): Familiarity {
  const day = dayOf(at);
  const after: { -readonly [level in Level]: SeenLevel } = { ...before };
  for (const level of LEVEL_NAMES) {
    const key = values[level];
    if (key !== null) after[level] = learnValue(before[level], key, day, LEVELS[level].cap);
  }
  return after;
}

function learnValue(before: SeenLevel, key: string, day: Day, cap: number): SeenLevel {
  if (day < before.day) return before;
  const known = before.values.find((value) => value.key === key);
  if (known?.day === day) return before;
  const others = before.values.filter((value) => value !== known);
  const seen = { key, day, count: (known === undefined ? 0 : decayed(known, day)) + 1 };
  const isCounted = day === before.day && before.days > 0;
  return {
    days: isCounted ? before.days : before.days + 1,
    day,
    count: isCounted ? before.count : decayed(before, day) + 1,
    values: [...(others.length < cap ? others : withoutRarest(others, day)), seen],
  };
}

function withoutRarest(values: readonly SeenValue[], day: Day): readonly SeenValue[] {
  const rarest = values.reduce((least, value) => (decayed(value, day) < decayed(least, day) ? value : least));
  return values.filter((value) => value !== rarest);
}

/** What a count is worth on a later day. */
export function decayed({ day, count }: DayCount, on: Day): number {
  return on <= day ? count : count * 2 ** ((day - on) / HALF_LIFE_DAYS);
}

/** Days on which a value was seen, of all that were learned; both decayed. */
export interface Share {
  readonly days: number;
  readonly of: number;
}

/** What is known of one part of a request. */
export interface PartFamiliarity {
  /** 0 for what is always seen, {@link MOST_BITS} for what never was. */
  readonly bits: number;
  /** By level; absent for one that has too few days or no value in the request. */
  readonly shares: Partial<ByLevel<Share>>;
}

/** Bits of a part with nothing but new values. */
export const MOST_BITS = NOVELTY_BITS - Math.log2(NEVER_SEEN);

/**
 * How familiar one part of a request is: `−log2(own + 0.01) + ½·log2(10)·novelty`, where `own` is the weighted mean of
 * `days / (all days + ½)` over the levels, and `novelty` the weight of those whose value was never seen. A level with fewer
 * than {@link LEAST_DAYS} days, or without a value, is left out and the others weigh more. Null if none is left, or if the
 * first one is left out: the coarse ones alone say too little.
 */
export function familiarityOf(
  known: Familiarity,
  part: FamiliarPart,
  values: LevelValues,
  at: number,
): PartFamiliarity | null {
  const day = dayOf(at);
  const shares: { [level in Level]?: Share } = {};
  let weights = 0;
  let own = 0;
  let novelty = 0;
  for (const level of LEVELS_OF[part]) {
    const seen = known[level];
    const key = values[level];
    if (key === null || seen.days < LEAST_DAYS) continue;
    const { weight } = LEVELS[level];
    const value = seen.values.find((one) => one.key === key);
    const share = { days: value === undefined ? 0 : decayed(value, day), of: decayed(seen, day) };
    shares[level] = share;
    weights += weight;
    if (value === undefined) novelty += weight;
    else own += (weight * share.days) / (share.of + 0.5);
  }
  if (shares[part] === undefined) return null;
  const bits = NOVELTY_BITS * (novelty / weights) - Math.log2(own / weights + NEVER_SEEN);
  return { bits: Math.max(0, bits), shares };
}

const LEVELS_OF: { readonly [part in FamiliarPart]: readonly Level[] } = {
  network: LEVEL_NAMES.filter((level) => LEVELS[level].part === 'network'),
  client: LEVEL_NAMES.filter((level) => LEVELS[level].part === 'client'),
};

/** The counts without days after `now` (epoch seconds), which a clock that was ahead has counted: they were seen today. */
export function withoutFutureDays(known: Familiarity, now: number): Familiarity {
  const today = dayOf(now);
  const past = <C extends DayCount>(seen: C): C => (seen.day > today ? { ...seen, day: today } : seen);
  return byLevel((level) => ({ ...past(known[level]), values: known[level].values.map(past) }));
}
