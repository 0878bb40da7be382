import { type FactCatalog, type FactSpec, type Facts, isObject, type Json, type JsonObject } from '../model/facts.ts';
import { FORBIDDEN_KEYS } from '../model/json-text.ts';
import type { Comparison, Condition, Group, Read, Report, Test } from './comparison.ts';
import { reportContradictions } from './contradictions.ts';
import { FALSE, type Held, type Judge, not, OPERATORS, type Operator, TRUE, type Truth, UNKNOWN } from './operators.ts';
import { formatPath, nearestWord, type RuleProblemCode, showFound } from './problems.ts';
import { showValue } from './reason.ts';
import { FREE_FACT, FREE_ROOTS, SCORE_FACT } from './schema.ts';

export interface ConditionScope {
  readonly catalog: FactCatalog;
  /** True for decision rules: scoring rules cannot test `score`. */
  readonly scoreAllowed: boolean;
  readonly report: Report;
}

const COMBINATORS = ['all', 'any', 'not'];

/**
 * Compiles the `when` of a rule to closures and reports everything that is wrong with it; null if anything is. An empty
 * map always holds; below the top it is refused as a mistake.
 */
export function compileCondition(when: unknown, path: readonly PropertyKey[], scope: ConditionScope): Condition | null {
  let failed = false;
  const report: Report = (...problem) => {
    failed = true;
    scope.report(...problem);
  };
  const root = compileMap(when, path, { ...scope, report }, true);
  if (root === null || failed) return null;
  reportContradictions(root, [], path, report);
  return failed ? null : root;
}

/** The spec of a declared fact; `free` for a path below a free root; otherwise what is wrong with the name. */
export function resolveFact(
  name: string,
  catalog: FactCatalog,
  scoreAllowed: boolean,
): FactSpec | 'free' | { readonly code: RuleProblemCode; readonly message: string; readonly nearest?: string } {
  if (name === 'score') {
    if (scoreAllowed) return SCORE_FACT;
    const message = 'A scoring rule cannot test score: the score is the sum of scoring rules. Use a decision rule.';
    return { code: 'score_in_scoring_rule', message };
  }
  const spec = Object.hasOwn(catalog, name) ? catalog[name] : undefined;
  if (spec !== undefined) return spec;
  const root = FREE_ROOTS.find((each) => name.startsWith(`${each}.`));
  if (root !== undefined) {
    const keys = FREE_FACT.exec(name)?.[2]?.slice(1).split('.');
    if (keys === undefined) {
      const message = `"${name}" is not a path of plain keys. Allowed are letters, digits, _, - and : between dots; no filters or indexes.`;
      return { code: 'unknown_fact', message };
    }
    const index = keys.find((key) => /^\d+$/.test(key));
    if (index !== undefined) {
      const message = `"${name}" uses the list index ${index}, and rules cannot read into lists. Have the caller send the value under its own name.`;
      return { code: 'unknown_fact', message };
    }
    const forbidden = keys.find((key) => FORBIDDEN_KEYS.has(key));
    if (forbidden === undefined) return 'free';
    return { code: 'unknown_fact', message: `"${name}" contains the forbidden key "${forbidden}".` };
  }
  const nearest = nearestWord(name, [...Object.keys(catalog), 'score', ...COMBINATORS]);
  return {
    code: 'unknown_fact',
    message: `No signal declares a fact "${name}". Allowed are declared facts and paths below ${FREE_ROOTS.join(', ')}.`,
    ...(nearest === undefined ? {} : { nearest }),
  };
}

/** Reads a fact whose name {@link resolveFact} accepted. */
export function factReader(name: string): Read {
  if (name === 'score') return (_facts, score) => score;
  const free = FREE_FACT.exec(name);
  if (free === null) return (facts) => facts.measured[name];
  const keys = free[2]?.slice(1).split('.') ?? [];
  switch (free[1]) {
    case 'context':
      return (facts) => readOwn(facts.context, keys);
    case 'resource.properties':
      return (facts) => readOwn(facts.resourceProperties, keys);
    default:
      return (facts) => readOwn(facts.subjectProperties, keys);
  }
}

/** Reads own properties of plain objects only: no prototypes, no indexes or lengths of arrays. */
function readOwn(root: JsonObject, keys: readonly string[]): Held {
  let node: Held = root;
  for (const key of keys) {
    if (typeof node !== 'object' || node === null || Array.isArray(node) || !Object.hasOwn(node, key)) return undefined;
    node = (node as JsonObject)[key];
  }
  return node;
}

function compileMap(when: unknown, path: readonly PropertyKey[], scope: ConditionScope, top: boolean): Group | null {
  if (!isObject(when)) {
    scope.report(
      path,
      'shape',
      `Expected a map of facts, all, any and not; found ${when === undefined ? 'nothing' : showFound(when)}.`,
    );
    return null;
  }
  const entries = Object.entries(when);
  if (entries.length === 0 && !top) {
    scope.report(path, 'empty_condition', 'An empty condition always holds. Remove it or name a fact.');
    return null;
  }
  const parts: Condition[] = [];
  for (const [key, value] of entries) {
    const at = [...path, key];
    if (key === 'not') {
      const part = compileMap(value, at, scope, false);
      if (part !== null) parts.push(negation(part));
    } else if (key === 'all' || key === 'any') {
      const part = compileList(key, value, at, scope);
      if (part !== null) parts.push(part);
    } else {
      parts.push(...compileFact(key, value, at, scope));
    }
  }
  return { kind: 'all', parts, test: allParts(parts) };
}

function compileList(
  kind: 'all' | 'any',
  list: unknown,
  path: readonly PropertyKey[],
  scope: ConditionScope,
): Group | null {
  if (!Array.isArray(list) || list.length === 0) {
    scope.report(path, 'empty_condition', `Expected a list of at least one condition, found ${showFound(list)}.`);
    return null;
  }
  const parts = list
    .map((each, i) => compileMap(each, [...path, i], scope, false))
    .filter((part): part is Group => part !== null);
  return { kind, parts, test: kind === 'all' ? allParts(parts) : anyOf(parts.map((part) => part.test)) };
}

function compileFact(name: string, value: unknown, path: readonly PropertyKey[], scope: ConditionScope): Comparison[] {
  const resolved = resolveFact(name, scope.catalog, scope.scoreAllowed);
  if (resolved !== 'free' && 'code' in resolved) {
    scope.report(path, resolved.code, resolved.message, resolved.nearest);
    return [];
  }
  const spec = resolved === 'free' ? undefined : resolved;
  const entries = isObject(value) ? Object.entries(value) : [['eq', value] as const];
  if (entries.length === 0) {
    scope.report(
      path,
      'empty_condition',
      `Expected a value or an operator, found {}. Name one of ${allowedFor(spec)}.`,
    );
  }
  const comparisons: Comparison[] = [];
  for (const [word, operand] of entries) {
    const at = isObject(value) ? [...path, word] : path;
    const operator = OPERATORS[word];
    if (operator === undefined) {
      const nearest = nearestWord(word, Object.keys(OPERATORS));
      scope.report(at, 'unknown_operator', `No operator "${word}". Allowed here: ${allowedFor(spec)}.`, nearest);
    } else if (spec !== undefined && !operator.left.includes(spec.type)) {
      const message = `${word} cannot be used with the ${spec.type} fact "${name}". Allowed here: ${allowedFor(spec)}.`;
      scope.report(at, 'operator_type', message);
    } else {
      const comparison = compileComparison({ name, spec, word, operator, operand }, at, scope);
      if (comparison !== null) comparisons.push(comparison);
    }
  }
  return comparisons;
}

interface Written {
  readonly name: string;
  readonly spec: FactSpec | undefined;
  readonly word: string;
  readonly operator: Operator;
  readonly operand: unknown;
}

function compileComparison(written: Written, path: readonly PropertyKey[], scope: ConditionScope): Comparison | null {
  const { name, spec, word, operator, operand } = written;
  const read = factReader(name);
  const shared = {
    kind: 'comparison',
    path: formatPath(path),
    fact: name,
    operator: word,
    operand: operand as Json,
    measured: spec !== undefined && name !== 'score',
    values: spec?.type === 'string' ? (spec.values ?? null) : null,
    shown: `${operator.sign} ${showValue(operand)}`,
    open: spec?.unknownIn !== undefined && operator.left.every((type) => type === 'list'),
    read,
  } as const;
  if (typeof operand === 'object' && operand !== null && 'fact' in operand) {
    const other = compileOperandFact(written, operand, path, scope);
    const pair = operator.pair;
    if (other === null || pair === undefined) return null;
    const test: Test = (facts, score) => pair(read(facts, score), other.read(facts, score));
    const inOpen: Test = (facts, score) => pair(openMembers(spec, facts), other.read(facts, score));
    return { ...shared, other, judge: null, test: shared.open ? unlessOpen(test, inOpen) : test };
  }
  const shape = operator.operand(spec).safeParse(operand);
  if (!shape.success) {
    const wrong = wrongValues(spec, operand);
    if (wrong.length === 0) {
      const expected = shape.error.issues[0]?.message ?? 'Invalid operand';
      scope.report(path, 'operand', `${word} of "${name}": ${expected}. Found ${showFound(operand)}.`);
    }
    for (const [at, value] of wrong) {
      scope.report(
        [...path, ...at],
        'unknown_value',
        neverHolds(name, value, spec),
        nearestWord(value, spec?.values ?? []),
      );
    }
    return null;
  }
  const judge = operator.prepare(operand);
  if (typeof judge !== 'function') {
    scope.report(path, judge.code, judge.message);
    return null;
  }
  // The common readers are written out, which saves a call per comparison in the hottest loop of the engine.
  const test: Test =
    name === 'score'
      ? (_facts, score) => judge(score)
      : spec === undefined
        ? (facts, score) => judge(read(facts, score))
        : (facts) => judge(facts.measured[name]);
  const inOpen: Test = (facts) => judge(openMembers(spec, facts));
  return { ...shared, other: null, judge, test: shared.open ? unlessOpen(test, inOpen) : test };
}

/** A list may contain members of unknown presence: false becomes unknown if such a member would make it true. */
function unlessOpen(test: Test, inOpen: Test): Test {
  return (facts, score) => {
    const truth = test(facts, score);
    return truth === FALSE && inOpen(facts, score) === TRUE ? UNKNOWN : truth;
  };
}

function openMembers(spec: FactSpec | undefined, { measured }: Facts): Held {
  return spec?.unknownIn === undefined ? undefined : measured[spec.unknownIn];
}

function compileOperandFact(
  { name, spec, word, operator }: Written,
  operand: object,
  path: readonly PropertyKey[],
  scope: ConditionScope,
): Comparison['other'] {
  const other: unknown = 'fact' in operand ? operand.fact : undefined;
  if (typeof other !== 'string' || Object.keys(operand).length !== 1) {
    scope.report(path, 'operand', `Expected {"fact": "name"} and nothing else, found ${showFound(operand)}.`);
    return null;
  }
  if (operator.pair === undefined || operator.right === undefined) {
    scope.report(path, 'operand', `${word} needs a literal operand; it cannot compare with another fact.`);
    return null;
  }
  if (other === name) {
    scope.report(path, 'operand', `"${name}" is compared with itself. Name another fact.`);
    return null;
  }
  const resolved = resolveFact(other, scope.catalog, scope.scoreAllowed);
  if (resolved !== 'free' && 'code' in resolved) {
    scope.report([...path, 'fact'], resolved.code, resolved.message, resolved.nearest);
    return null;
  }
  const expected = operator.right(spec?.type);
  const scalarOnly = expected === undefined && resolved !== 'free' && resolved.type === 'list';
  if (resolved !== 'free' && (scalarOnly || (expected !== undefined && resolved.type !== expected))) {
    const message = `${word} of "${name}" needs a ${expected ?? 'scalar'} fact as its operand; "${other}" is a ${resolved.type}.`;
    scope.report([...path, 'fact'], 'operand', message);
    return null;
  }
  if (spec?.type === 'number' && expected === 'list') {
    scope.report(
      path,
      'operand',
      `A list fact holds strings, and "${name}" is a number. Write the numbers as literals.`,
    );
    return null;
  }
  return { fact: other, read: factReader(other) };
}

/** Reports that a fact never has this string. A long list of values is described instead of listed. */
export function neverHolds(name: string, value: string, spec: FactSpec | undefined): string {
  const values = spec?.values ?? [];
  const allowed = values.length > 40 ? spec?.meaning : values.join(', ');
  return `"${name}" is never ${showFound(value)}. Its values are ${allowed}.`;
}

/** Strings of an operand that the fact can never have, with their path in the operand. */
function wrongValues(spec: FactSpec | undefined, operand: unknown): [readonly number[], string][] {
  const values = spec?.values;
  if (values === undefined) return [];
  if (typeof operand === 'string') return values.includes(operand) ? [] : [[[], operand]];
  if (!Array.isArray(operand)) return [];
  return operand.flatMap((each, i): [readonly number[], string][] =>
    typeof each === 'string' && !values.includes(each) ? [[[i], each]] : [],
  );
}

function allowedFor(spec: FactSpec | undefined): string {
  return Object.entries(OPERATORS)
    .filter(([, operator]) => spec === undefined || operator.left.includes(spec.type))
    .map(([name]) => name)
    .join(', ');
}

function negation(part: Group): Group {
  const test = part.test;
  return { kind: 'not', parts: [part], test: (facts, score) => not(test(facts, score)) };
}

/**
 * The most common rule compares two measured facts with literals. Writing that case out saves a call per comparison, a
 * third of such a rule's cost.
 */
function allParts(parts: readonly Condition[]): Test {
  const [first, second] = parts.map(measuredComparison);
  if (parts.length === 2 && first && second) {
    const { name, judge } = first;
    const { name: otherName, judge: otherJudge } = second;
    return (facts) => {
      const left = judge(facts.measured[name]);
      if (left === FALSE) return FALSE;
      const right = otherJudge(facts.measured[otherName]);
      if (right < left) return right;
      return left;
    };
  }
  return allOf(parts.map((part) => part.test));
}

function measuredComparison(part: Condition): { readonly name: string; readonly judge: Judge } | null {
  if (part.kind !== 'comparison' || part.judge === null || !part.measured || part.open) return null;
  return { name: part.fact, judge: part.judge };
}

function allOf(tests: readonly Test[]): Test {
  const [first, second] = tests;
  if (first === undefined) return () => TRUE;
  if (second === undefined) return first;
  if (tests.length === 2) {
    return (facts, score) => {
      const left = first(facts, score);
      if (left === FALSE) return FALSE;
      const right = second(facts, score);
      if (right < left) return right;
      return left;
    };
  }
  return (facts, score) => {
    let least: Truth = TRUE;
    for (const test of tests) {
      const truth = test(facts, score);
      if (truth === FALSE) return FALSE;
      if (truth < least) least = truth;
    }
    return least;
  };
}

function anyOf(tests: readonly Test[]): Test {
  return (facts, score) => {
    let most: Truth = FALSE;
    for (const test of tests) {
      const truth = test(facts, score);
      if (truth === TRUE) return TRUE;
      if (truth > most) most = truth;
    }
    return most;
  };
}

/** Every comparison of a condition, in written order. */
export function* comparisonsOf(condition: Condition): Generator<Comparison> {
  if (condition.kind === 'comparison') yield condition;
  else for (const part of condition.parts) yield* comparisonsOf(part);
}

/**
 * Conditions that hold whenever the given one does: the condition itself and the parts of every nested `all`, in canonical
 * form.
 */
export function conjunctsOf(condition: Condition): ReadonlySet<string> {
  const found = new Set<string>();
  const collect = (each: Condition): void => {
    if (each.kind === 'all') each.parts.forEach(collect);
    else found.add(canonical(each));
  };
  collect(condition);
  return found;
}

function canonical(condition: Condition): string {
  if (condition.kind === 'comparison') {
    return `${condition.fact} ${condition.operator} ${JSON.stringify(condition.operand)}`;
  }
  return `${condition.kind}(${condition.parts.map(canonical).sort().join('; ')})`;
}

/** The actions that a top-level `action` key limits a condition to; null when it may hold for any action. */
export function boundActions(condition: Condition): readonly string[] | null {
  if (condition.kind !== 'all') return null;
  for (const part of condition.parts) {
    if (part.kind !== 'comparison' || part.fact !== 'action' || part.judge === null) continue;
    if (part.operator === 'eq') return [String(part.operand)];
    if (part.operator === 'in' && Array.isArray(part.operand)) return [...new Set(part.operand.map(String))];
  }
  return null;
}
