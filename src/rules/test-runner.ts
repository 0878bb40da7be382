import * as z from 'zod';
import type { CheckResult } from '../model/decision.ts';
import type { FactCatalog, Facts, FactValue, Json, JsonObject } from '../model/facts.ts';
import { neverHolds } from './condition.ts';
import { schemaProblems } from './findings.ts';
import { parseStrictJson } from './json.ts';
import { formatPath, nearestWord, type RuleProblem, showFound } from './problems.ts';
import type { RuleText } from './rule-file.ts';
import type { ConditionTrace, RuleSet, RulesTrace } from './ruleset.ts';
import {
  type FactsCase,
  factsCase,
  measuredValue,
  type RequestCase,
  requestCase,
  ruleTestFileSchema,
} from './schema.ts';

/** A case to play through the whole engine, with its times resolved. */
export interface PlayedCase {
  readonly file: string;
  readonly name: string;
  /** What happened before, in written order. */
  readonly history: readonly (
    | { readonly atMs: number; readonly check: JsonObject }
    | { readonly atMs: number; readonly event: JsonObject }
  )[];
  /** Categories by address. */
  readonly standings: { readonly [address: string]: readonly string[] };
  /** Body of `POST /v1/risk-check`. */
  readonly request: JsonObject;
  /** Time of the request in epoch milliseconds. */
  readonly atMs: number;
}

/** The result of a case. With `facts`, a failure shows the compared values. */
export interface Outcome extends Pick<CheckResult, 'decision' | 'score' | 'level' | 'reasons' | 'dryRun'> {
  readonly facts?: Facts;
}

/** Plays a case through the engine. */
export type Play = (playedCase: PlayedCase) => Promise<Outcome>;

export interface Mismatch {
  readonly what: 'decision' | 'score' | 'level' | 'reasons' | 'run';
  readonly expected: Json;
  readonly actual: Json;
  /** Comparisons of the rules, one per line. */
  readonly compared: readonly string[];
}

/** The result of one case. */
export interface CaseReport {
  readonly file: string;
  readonly name: string;
  readonly ok: boolean;
  readonly mismatches: readonly Mismatch[];
}

/** The results of all cases. */
export interface RuleTestReport {
  /** True when at least one case ran, all passed, and every test file could be read. */
  readonly ok: boolean;
  readonly passed: number;
  readonly failed: number;
  readonly cases: readonly CaseReport[];
  /** What is wrong with the test files themselves. */
  readonly problems: readonly RuleProblem[];
  /** Rules that matched in no case, by file, then id; those of a base have their tests beside it. */
  readonly neverHit: readonly { readonly id: string; readonly file: string }[];
  readonly ruleCount: number;
}

const fileShape = ruleTestFileSchema(z.unknown());
const noFacts: Facts = { measured: {}, context: {}, resourceProperties: {}, subjectProperties: {} };

/**
 * Runs test files against a rule set. Cases with facts are judged by the rules alone; cases with a request go through
 * `play`. A report without cases is not ok, because tests that did not run prove nothing. `bases` are the files that others extend.
 */
export async function runRuleTests(
  ruleSet: RuleSet,
  testFiles: readonly RuleText[],
  play: Play,
  catalog: FactCatalog,
  bases: readonly string[] = [],
): Promise<RuleTestReport> {
  const problems: RuleProblem[] = [];
  const cases: CaseReport[] = [];
  const hit = new Set<string>();
  for (const file of [...testFiles].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    for (const each of readCases(file, catalog, problems, ruleSet)) {
      const outcome = await outcomeOf(each, ruleSet, play);
      if (outcome instanceof Error) {
        const mismatch: Mismatch = { what: 'run', expected: 'an answer', actual: outcome.message, compared: [] };
        cases.push({ file: file.name, name: each.written.name, ok: false, mismatches: [mismatch] });
        continue;
      }
      for (const reason of outcome.reasons) if (reason.rule !== null) hit.add(reason.rule);
      for (const id of outcome.dryRun.rules) hit.add(id);
      const trace = outcome.facts === undefined ? null : ruleSet.trace(outcome.facts);
      for (const rule of trace?.rules ?? []) if (rule.outcome === 'overruled') hit.add(rule.id);
      const mismatches = compare(each.written.expect, outcome, trace);
      cases.push({ file: file.name, name: each.written.name, ok: mismatches.length === 0, mismatches });
    }
  }
  if (cases.length === 0 && problems.length === 0) {
    const message = 'No test case ran. Add a test file next to the rule file, with at least one case.';
    problems.push({ file: testFiles[0]?.name ?? 'NAME.test.json', rule: null, path: '', code: 'shape', message });
  }
  const failed = cases.filter((each) => !each.ok).length;
  const own = ruleSet.trace(noFacts).rules.filter(({ file }) => !bases.includes(file));
  return {
    ok: failed === 0 && problems.length === 0,
    passed: cases.length - failed,
    failed,
    cases,
    problems,
    neverHit: own.filter((rule) => !hit.has(rule.id)).map(({ id, file }) => ({ id, file })),
    ruleCount: own.length,
  };
}

type ReadCase =
  | { readonly written: FactsCase; readonly facts: Facts }
  | { readonly written: RequestCase; readonly played: PlayedCase };

function readCases(
  { name: file, text }: RuleText,
  catalog: FactCatalog,
  problems: RuleProblem[],
  ruleSet: RuleSet,
): ReadCase[] {
  const findNearMiss = (action: unknown, path: readonly PropertyKey[]): void => {
    if (typeof action !== 'string' || ruleSet.declares(action)) return;
    const nearest = ruleSet.nearMiss(action);
    if (nearest === undefined) return;
    const message = `No rule file declares the action "${action}". Correct it.`;
    problems.push({ file, rule: null, path: formatPath(path), code: 'unknown_action', message, nearest });
  };
  const json = parseStrictJson(text);
  if (!json.ok) {
    for (const problem of json.problems) problems.push({ file, rule: null, ...problem });
    return [];
  }
  const body = fileShape.safeParse(json.value);
  if (!body.success) {
    addIssues(body.error.issues, json.value, file, [], problems);
    return [];
  }
  const nowMs = Date.parse(body.data.now);
  return body.data.cases.flatMap((value, i): ReadCase[] => {
    const path = ['cases', i];
    const hasFacts = typeof value === 'object' && value !== null && 'facts' in value;
    if (!hasFacts) {
      const parsed = requestCase.safeParse(value);
      if (!parsed.success) {
        addIssues(parsed.error.issues, value, file, path, problems);
        return [];
      }
      findNearMiss(parsed.data.request.action, [...path, 'request', 'action']);
      for (const [step, each] of (parsed.data.history ?? []).entries()) {
        if ('check' in each) findNearMiss(each.check.action, [...path, 'history', step, 'check', 'action']);
      }
      return [{ written: parsed.data, played: playedCaseOf(parsed.data, file, nowMs) }];
    }
    const parsed = factsCase.safeParse(value);
    if (!parsed.success) {
      addIssues(parsed.error.issues, value, file, path, problems);
      return [];
    }
    const { facts, context = {}, resource_properties = {}, subject_properties = {} } = parsed.data;
    const measured = readMeasured(facts, catalog, file, [...path, 'facts'], problems);
    if (measured === null) return [];
    findNearMiss(measured.action, [...path, 'facts', 'action']);
    return [
      {
        written: parsed.data,
        facts: {
          measured,
          context: context as JsonObject,
          resourceProperties: resource_properties as JsonObject,
          subjectProperties: subject_properties as JsonObject,
        },
      },
    ];
  });
}

function addIssues(
  issues: readonly z.core.$ZodIssue[],
  value: unknown,
  file: string,
  at: readonly PropertyKey[],
  problems: RuleProblem[],
): void {
  for (const { path, code, message, nearest } of schemaProblems(issues, value)) {
    const hint = nearest === undefined ? {} : { nearest };
    problems.push({ file, rule: null, path: formatPath([...at, ...path]), code, message, ...hint });
  }
}

/** Checks names and types against the catalog: with a misspelt fact, a test would pass for the wrong reason. */
function readMeasured(
  facts: { readonly [name: string]: unknown },
  catalog: FactCatalog,
  file: string,
  at: readonly PropertyKey[],
  problems: RuleProblem[],
): Facts['measured'] | null {
  const before = problems.length;
  const measured: { [name: string]: FactValue } = Object.create(null);
  for (const [name, value] of Object.entries(facts)) {
    const path = formatPath([...at, name]);
    const spec = Object.hasOwn(catalog, name) ? catalog[name] : undefined;
    if (spec === undefined) {
      const nearest = nearestWord(name, Object.keys(catalog));
      const hint = nearest === undefined ? {} : { nearest };
      const message = `No signal declares a fact "${name}". Free facts belong under context, resource_properties or subject_properties.`;
      problems.push({ file, rule: null, path, code: 'unknown_fact', message, ...hint });
      continue;
    }
    const parsed = measuredValue(spec).safeParse(value);
    if (parsed.success) measured[name] = parsed.data as FactValue;
    else {
      const known = spec.values !== undefined && typeof value === 'string';
      const message = known
        ? neverHolds(name, value, spec)
        : `${parsed.error.issues[0]?.message ?? 'Invalid value'}. Found ${showFound(value)}.`;
      const nearest = known ? nearestWord(value, spec.values ?? []) : undefined;
      problems.push({ file, rule: null, path, code: 'operand', message, ...(nearest !== undefined && { nearest }) });
    }
  }
  return problems.length > before ? null : measured;
}

/** The case with times resolved; `nowMs` is the time of the request without `at`. */
export function playedCaseOf(written: RequestCase, file: string, nowMs: number): PlayedCase {
  return {
    file,
    name: written.name,
    history: (written.history ?? []).map((each) => {
      const atMs = Date.parse(each.at);
      return 'check' in each ? { atMs, check: each.check as JsonObject } : { atMs, event: each.event as JsonObject };
    }),
    standings: written.standings ?? {},
    request: written.request as JsonObject,
    atMs: written.at === undefined ? nowMs : Date.parse(written.at),
  };
}

/** A case that cannot be played fails alone; the others still run. */
async function outcomeOf(each: ReadCase, ruleSet: RuleSet, play: Play): Promise<Outcome | Error> {
  if ('facts' in each) return { ...ruleSet.evaluate(each.facts), facts: each.facts };
  try {
    return await play(each.played);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function compare(expected: FactsCase['expect'], outcome: Outcome, trace: RulesTrace | null): Mismatch[] {
  const mismatches: Mismatch[] = [];
  const matched = outcome.reasons.map((reason) => `${reason.code} (${reason.rule ?? 'engine'}): ${reason.message}`);
  for (const what of ['decision', 'score', 'level'] as const) {
    const wanted = expected[what];
    if (wanted === undefined || wanted === outcome[what]) continue;
    mismatches.push({ what, expected: wanted, actual: outcome[what], compared: matched });
  }
  if (expected.reasons !== undefined) {
    const wanted = [...new Set(expected.reasons)].sort();
    const actual = [...new Set(outcome.reasons.map((reason) => reason.code))].sort();
    const missing = wanted.filter((code) => !actual.includes(code));
    if (missing.length > 0 || wanted.length !== actual.length) {
      const compared = [...matched, ...missing.flatMap((code) => whyMissing(code, trace))];
      mismatches.push({ what: 'reasons', expected: wanted, actual, compared });
    }
  }
  return mismatches;
}

function whyMissing(code: string, trace: RulesTrace | null): string[] {
  if (trace === null) return [`${code}: missing`];
  const rules = trace.rules.filter((rule) => rule.code === code);
  if (rules.length === 0) return [`${code}: no rule gives this reason`];
  return rules.map((rule) => {
    const outcome = rule.outcome === 'overruled' ? `overruled by ${rule.overruledBy.join(', ')}` : rule.outcome;
    return `${code} (${rule.id}): ${outcome}; ${rule.conditions.map(writeCondition).join('; ')}`;
  });
}

const WHY_UNKNOWN = { absent: '', type_mismatch: ' (wrong type)', too_long: ' (too long)' } as const;

function writeCondition({ fact, value, operator, operand, result, why }: ConditionTrace): string {
  const found = value === null ? 'unknown' : showFound(value);
  return `${fact} ${found} ${operator} ${showFound(operand)} is ${result}${WHY_UNKNOWN[why ?? 'absent']}`;
}
