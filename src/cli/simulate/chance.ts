/** A seeded source of chance: the same seed gives the same numbers on every machine. */
export interface Chance {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform whole number in [from, to], both ends included. */
  whole(from: number, to: number): number;
  /** Uniform in [from, to). */
  between(from: number, to: number): number;
  /** True with probability `p`. */
  happens(p: number): boolean;
  /** Any one of the list, which must not be empty. */
  pick<T>(list: readonly T[]): T;
  /** `count` different items of the list (all if it has fewer), in random order. */
  sample<T>(list: readonly T[], count: number): T[];
  /** Roughly standard normal: the sum of twelve uniforms less six, so never beyond ±6. */
  bell(): number;
  /** A hash-like text of `length` hexadecimal digits. */
  hex(length: number): string;
  /** An independent source for a part of the world, so that a change in one part does not reshuffle the others. */
  fork(label: string): Chance;
}

/** A source of chance from a text seed (mulberry32 over an FNV-1a hash of the seed; not for secrets). */
export function chanceOf(seed: string): Chance {
  let state = hash(seed);
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const whole = (from: number, to: number): number => from + Math.floor(next() * (to - from + 1));
  const pick = <T>(list: readonly T[]): T => {
    const one = list[whole(0, list.length - 1)];
    if (one === undefined) throw new RangeError('pick: the list is empty; give it at least one entry');
    return one;
  };
  return {
    next,
    whole,
    between: (from, to) => from + next() * (to - from),
    happens: (p) => next() < p,
    pick,
    sample: <T>(list: readonly T[], count: number): T[] => {
      const rest = [...list];
      const taken: T[] = [];
      while (taken.length < count && rest.length > 0) taken.push(...rest.splice(whole(0, rest.length - 1), 1));
      return taken;
    },
    bell: () => {
      let sum = -6;
      for (let term = 0; term < 12; term++) sum += next();
      return sum;
    },
    hex: (length) => Array.from({ length }, () => whole(0, 15).toString(16)).join(''),
    fork: (label) => chanceOf(`${seed}/${label}`),
  };
}

function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value >>> 0;
}
