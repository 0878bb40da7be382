import { RE2JS } from 're2js';
import * as z from 'zod';
import { messageOf } from '../model/error-text.ts';
import type { FactSpec, FactValue, Json } from '../model/facts.ts';
import { type Cidr, cidrContains, formatCidr, parseAddress, parseCidr } from '../net/ip.ts';
import type { RuleProblemCode } from './problems.ts';

/**
 * Three-valued truth (Kleene's strong logic) as a number: 1 true, 0 unknown, -1 false. *and* is the minimum, *or* the
 * maximum and *not* the negation.
 */
export type Truth = 1 | 0 | -1;
export const TRUE = 1;
export const UNKNOWN = 0;
export const FALSE = -1;

/**
 * The value of a fact at run time; undefined when unknown. A free fact may be any JSON; anything that is not a
 * {@link FactValue} compares as unknown, except with operators that test the type.
 */
export type Held = FactValue | Json | undefined;

/** Compares the value of a fact with a literal operand. */
export type Judge = (value: Held) => Truth;

/** Type of a fact, as operators distinguish them. */
export type FactType = FactSpec['type'];

/** What is wrong with an operand. */
export interface OperandProblem {
  readonly code: RuleProblemCode;
  readonly message: string;
}

/** One operator of the rule language. */
export interface Operator {
  /** Description for editors and the manual. */
  readonly meaning: string;
  /** How a reason shows it: `speed 1,200 > 1,000`. */
  readonly sign: string;
  /** Types of fact that it accepts. */
  readonly left: readonly FactType[];
  /** Schema of a literal operand. A free fact has no spec. */
  operand(spec: FactSpec | undefined): z.ZodType;
  /** Builds the closure for a literal operand that passed its schema. */
  prepare(operand: unknown): Judge | OperandProblem;
  /** Set when the operand may be another fact: its type for a left fact of the given type. */
  readonly right?: (left: FactType | undefined) => FactType | undefined;
  /** Compares two facts; unknown when either is unknown or of another type. */
  readonly pair?: (value: Held, other: Held) => Truth;
}

/** Longest string that `matches` reads, in UTF-16 units; longer ones are unknown to it. */
export const MATCHES_INPUT_LIMIT = 512;
/** Longest pattern, and largest compiled program, of `matches`: time grows with pattern size times input length. */
const PATTERN_LIMITS = { length: 512, programSize: 512 } as const;

/** Whether rules can compare a value. They cannot compare NaN, infinities, null or mixed lists. */
export function isFactValue(value: unknown): value is FactValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value);
    default:
      return isList(value);
  }
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isText);
}

/** Types that `is` can test a free fact for. */
const FREE_TYPES = ['number', 'string', 'boolean', 'list', 'object'] as const;

function typeOf(value: unknown): (typeof FREE_TYPES)[number] | null {
  if (Array.isArray(value)) return 'list';
  if (isNumber(value)) return 'number';
  if (isText(value)) return 'string';
  return typeof value === 'boolean' || typeof value === 'object' ? (typeof value as 'boolean' | 'object') : null;
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function isScalar(value: unknown): value is number | string | boolean {
  return isText(value) || typeof value === 'boolean' || isNumber(value);
}

const eq = (value: Held, other: Held): Truth =>
  typeof value === typeof other && isScalar(value) && isScalar(other) ? (value === other ? TRUE : FALSE) : UNKNOWN;
const ne = (value: Held, other: Held): Truth => not(eq(value, other));
const gt = (value: Held, other: Held): Truth =>
  isNumber(value) && isNumber(other) ? (value > other ? TRUE : FALSE) : UNKNOWN;
const gte = (value: Held, other: Held): Truth =>
  isNumber(value) && isNumber(other) ? (value >= other ? TRUE : FALSE) : UNKNOWN;
const lt = (value: Held, other: Held): Truth =>
  isNumber(value) && isNumber(other) ? (value < other ? TRUE : FALSE) : UNKNOWN;
const lte = (value: Held, other: Held): Truth =>
  isNumber(value) && isNumber(other) ? (value <= other ? TRUE : FALSE) : UNKNOWN;
const isIn = (value: Held, other: Held): Truth =>
  isText(value) && isList(other) ? (other.includes(value) ? TRUE : FALSE) : UNKNOWN;
const notIn = (value: Held, other: Held): Truth => not(isIn(value, other));
const has = (value: Held, other: Held): Truth =>
  isList(value) && isText(other) ? (value.includes(other) ? TRUE : FALSE) : UNKNOWN;
const hasAny = (value: Held, other: Held): Truth =>
  isList(value) && isList(other) ? (other.some((each) => value.includes(each)) ? TRUE : FALSE) : UNKNOWN;
const startsWith = (value: Held, other: Held): Truth =>
  isText(value) && isText(other) ? (value.startsWith(other) ? TRUE : FALSE) : UNKNOWN;
const endsWith = (value: Held, other: Held): Truth =>
  isText(value) && isText(other) ? (value.endsWith(other) ? TRUE : FALSE) : UNKNOWN;
const contains = (value: Held, other: Held): Truth =>
  isText(value) && isText(other) ? (value.includes(other) ? TRUE : FALSE) : UNKNOWN;

/** *not* unknown is unknown. */
export function not(truth: Truth): Truth {
  return truth === TRUE ? FALSE : truth === FALSE ? TRUE : UNKNOWN;
}

const number = z.number();
const text = z.string().min(1);

/** One string that the fact can have. */
function oneOf(spec: FactSpec | undefined): z.ZodType<string> {
  return spec?.values === undefined ? z.string() : z.enum(spec.values);
}

function scalar(spec: FactSpec | undefined): z.ZodType {
  if (spec === undefined) return z.union([z.string(), number, z.boolean()]);
  return spec.type === 'number' ? number : spec.type === 'boolean' ? z.boolean() : oneOf(spec);
}

function set(spec: FactSpec | undefined): z.ZodType {
  if (spec === undefined) return z.union([z.array(z.string()), z.array(number)]);
  return z.array(spec.type === 'number' ? number : oneOf(spec));
}

function member(operand: unknown, yes: Truth): Judge | OperandProblem {
  if (!Array.isArray(operand) || operand.length === 0) return emptyList;
  const values: ReadonlySet<unknown> = new Set(operand);
  const type = typeof operand[0];
  const no = not(yes);
  return (value) =>
    typeof value === type && (type !== 'number' || isNumber(value)) ? (values.has(value) ? yes : no) : UNKNOWN;
}

const emptyList: OperandProblem = {
  code: 'never_binds',
  message: 'The list is empty, so the condition can never match. Name at least one value.',
};

// An operand has passed its schema before a closure is made, hence the casts.
const table: { readonly [name: string]: Operator } = {
  eq: {
    meaning: 'equals; a plain value means the same',
    sign: '=',
    left: ['number', 'string', 'boolean'],
    operand: scalar,
    prepare: (operand) => {
      const other = operand as Held;
      return (value) => eq(value, other);
    },
    right: (left) => left,
    pair: eq,
  },
  ne: {
    meaning: 'is known and differs',
    sign: '≠',
    left: ['number', 'string', 'boolean'],
    operand: scalar,
    prepare: (operand) => {
      const other = operand as Held;
      return (value) => ne(value, other);
    },
    right: (left) => left,
    pair: ne,
  },
  gt: {
    meaning: 'greater than',
    sign: '>',
    left: ['number'],
    operand: () => number,
    prepare: (operand) => {
      const other = operand as number;
      return (value) => gt(value, other);
    },
    right: () => 'number',
    pair: gt,
  },
  gte: {
    meaning: 'greater than or equal to',
    sign: '≥',
    left: ['number'],
    operand: () => number,
    prepare: (operand) => {
      const other = operand as number;
      return (value) => gte(value, other);
    },
    right: () => 'number',
    pair: gte,
  },
  lt: {
    meaning: 'less than',
    sign: '<',
    left: ['number'],
    operand: () => number,
    prepare: (operand) => {
      const other = operand as number;
      return (value) => lt(value, other);
    },
    right: () => 'number',
    pair: lt,
  },
  lte: {
    meaning: 'less than or equal to',
    sign: '≤',
    left: ['number'],
    operand: () => number,
    prepare: (operand) => {
      const other = operand as number;
      return (value) => lte(value, other);
    },
    right: () => 'number',
    pair: lte,
  },
  between: {
    meaning: 'between the two numbers, inclusive',
    sign: 'between',
    left: ['number'],
    operand: () => z.tuple([number, number]),
    prepare: (operand) => {
      const [low, high] = operand as [number, number];
      if (low > high) {
        return {
          code: 'never_binds',
          message: `No number lies between ${low} and ${high}. Put the smaller one first.`,
        };
      }
      return (value) => (isNumber(value) ? (value >= low && value <= high ? TRUE : FALSE) : UNKNOWN);
    },
  },
  in: {
    meaning: 'equals one of the values',
    sign: 'in',
    left: ['number', 'string'],
    operand: set,
    prepare: (operand) => member(operand, TRUE),
    right: () => 'list',
    pair: isIn,
  },
  not_in: {
    meaning: 'is known and equals none of the values',
    sign: 'not in',
    left: ['number', 'string'],
    operand: set,
    prepare: (operand) => member(operand, FALSE),
    right: () => 'list',
    pair: notIn,
  },
  has: {
    meaning: 'the list contains this string',
    sign: 'has',
    left: ['list'],
    operand: oneOf,
    prepare: (operand) => {
      const other = operand as string;
      return (value) => has(value, other);
    },
    right: () => 'string',
    pair: has,
  },
  has_any: {
    meaning: 'the list contains at least one of these strings',
    sign: 'has any of',
    left: ['list'],
    operand: (spec) => z.array(oneOf(spec)),
    prepare: (operand) => {
      const other = operand as readonly string[];
      return other.length === 0 ? emptyList : (value) => hasAny(value, other);
    },
    right: () => 'list',
    pair: hasAny,
  },
  starts_with: {
    meaning: 'starts with this text; case-sensitive',
    sign: 'starts with',
    left: ['string'],
    operand: () => text,
    prepare: (operand) => {
      const other = operand as string;
      return (value) => startsWith(value, other);
    },
    right: () => 'string',
    pair: startsWith,
  },
  ends_with: {
    meaning: 'ends with this text; case-sensitive',
    sign: 'ends with',
    left: ['string'],
    operand: () => text,
    prepare: (operand) => {
      const other = operand as string;
      return (value) => endsWith(value, other);
    },
    right: () => 'string',
    pair: endsWith,
  },
  contains: {
    meaning: 'contains this; case-sensitive',
    sign: 'contains',
    left: ['string'],
    operand: () => text,
    prepare: (operand) => {
      const other = operand as string;
      return (value) => contains(value, other);
    },
    right: () => 'string',
    pair: contains,
  },
  matches: {
    meaning:
      `RE2 pattern found anywhere in the string; anchor with ^ and $; no backreferences or lookaround; unknown for more than ` +
      `${MATCHES_INPUT_LIMIT} characters`,
    sign: 'matches',
    left: ['string'],
    operand: () => z.string().min(1).max(PATTERN_LIMITS.length),
    prepare: (operand) => preparePattern(operand as string),
  },
  longer_than: {
    meaning: 'has more characters than this',
    sign: 'longer than',
    left: ['string'],
    operand: () => z.int().min(0),
    prepare: (operand) => {
      const length = operand as number;
      return (value) => (isText(value) ? (value.length > length ? TRUE : FALSE) : UNKNOWN);
    },
  },
  in_cidr: {
    meaning: 'the address is in this network, or in one of these networks',
    sign: 'in',
    left: ['string'],
    operand: () => z.union([z.string(), z.array(z.string())]),
    prepare: (operand) => prepareNetworks(typeof operand === 'string' ? [operand] : (operand as readonly string[])),
  },
  known: {
    meaning: 'true: has a value; false: unknown',
    sign: 'known',
    left: ['number', 'string', 'boolean', 'list'],
    operand: () => z.boolean(),
    prepare: (operand) => {
      const yes = operand === true ? TRUE : FALSE;
      return (value) => (isFactValue(value) ? yes : not(yes));
    },
  },
  is: {
    meaning: 'has a value of this type',
    sign: 'is a',
    left: [],
    operand: () => z.enum(FREE_TYPES),
    prepare: (operand) => (value) => (isPresent(value) ? (typeOf(value) === operand ? TRUE : FALSE) : UNKNOWN),
  },
  is_not: {
    meaning: 'has a value of another type',
    sign: 'is no',
    left: [],
    operand: () => z.enum(FREE_TYPES),
    prepare: (operand) => (value) => (isPresent(value) ? (typeOf(value) === operand ? FALSE : TRUE) : UNKNOWN),
  },
};

/** All operators by name. Without a prototype, so that `constructor` and `toString` are not found. */
export const OPERATORS: { readonly [name: string]: Operator } = Object.freeze(
  Object.assign(Object.create(null), table),
);

/** RE2 syntax (https://github.com/google/re2/wiki/Syntax): time is linear in the input for every pattern. */
function preparePattern(source: string): Judge | OperandProblem {
  let pattern: RE2JS;
  try {
    pattern = RE2JS.compile(source);
  } catch (error) {
    const message = `${messageOf(error)}. RE2 syntax is allowed: no backreferences, no lookaround.`;
    return { code: 'pattern', message };
  }
  if (pattern.programSize() > PATTERN_LIMITS.programSize) {
    const message = `The pattern compiles to ${pattern.programSize()} steps; at most ${PATTERN_LIMITS.programSize} are allowed. Use smaller repeat counts.`;
    return { code: 'pattern', message };
  }
  return (value) =>
    isText(value) && value.length <= MATCHES_INPUT_LIMIT ? (pattern.test(value) ? TRUE : FALSE) : UNKNOWN;
}

function prepareNetworks(texts: readonly string[]): Judge | OperandProblem {
  if (texts.length === 0) return emptyList;
  const networks: Cidr[] = [];
  for (const each of texts) {
    const network = parseNetwork(each);
    if (typeof network === 'string') return { code: 'operand', message: network };
    networks.push(network);
  }
  return (value) => {
    const address = isText(value) ? parseAddress(value) : null;
    if (address === null) return UNKNOWN;
    return networks.some((network) => cidrContains(network, address)) ? TRUE : FALSE;
  };
}

/** A network within 6to4 or NAT64 is read as the IPv4 network inside it, as addresses are. */
function parseNetwork(text: string): Cidr | string {
  const base = /^([0-9A-Fa-f.:]+)\/\d{1,3}$/.exec(text)?.[1] ?? '';
  const address = parseAddress(base);
  if (address === null || base.toLowerCase().includes('::ffff:')) {
    return `Expected a network such as 10.0.0.0/8 or 2001:db8::/32, found "${text}".`;
  }
  const network = parseCidr(text);
  if (network === null) return `The prefix of "${text}" is longer than the address.`;
  if (network.version !== address.version) {
    return `"${text}" contains no address: 6to4 and NAT64 addresses are read as the IPv4 address inside them. Write IPv4 networks.`;
  }
  const hasHostBits = network.words.some((word, i) => word !== address.words[i]);
  return hasHostBits ? `"${text}" has host bits set. Write ${formatCidr(network)}.` : network;
}
