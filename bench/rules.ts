import { preparsePolicySet, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import jsonLogic, { type RulesLogic } from 'json-logic-js';
import { Engine } from 'json-rules-engine';
import type { FactCatalog, Facts } from '../src/model/facts.ts';
import { compileRules } from '../src/rules/compile.ts';
import type { RuleSet } from '../src/rules/ruleset.ts';
import { bar } from './bar.ts';

/**
 * Rule evaluation side by side with json-rules-engine, json-logic-js and Cedar (its WebAssembly build): the same rules and
 * the same facts, in one run on one machine, so that only the ratios count. Every engine first has to find the same rules
 * to match. Prints a table and exits with 1 when a bar is missed.
 */

const BARS = { jsonRulesEngine: 200, jsonLogic: 8, distinctActions: 1.5 };
const FACT_COUNT = 40;

const catalog: FactCatalog = {
  action: { type: 'string', meaning: 'What the subject does.' },
  ...Object.fromEntries(
    Array.from({ length: FACT_COUNT }, (_, i) => [
      `signal.number_${i}`,
      { type: 'number', unit: '1', meaning: 'A number.' } as const,
    ]),
  ),
  'device.state': { type: 'string', meaning: 'State of the device.' },
};

interface BenchRule {
  readonly id: string;
  readonly fact: string;
  readonly above: number;
  readonly state: string;
}

/** Two comparisons a rule; with the suspicious facts every hundredth matches and gives a reason. */
function makeRules(count: number): BenchRule[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `rule-${i}`,
    fact: `signal.number_${i % FACT_COUNT}`,
    above: i % 100 === 7 ? 10 : 100 + (i % 50),
    state: i % 2 === 0 ? 'new' : 'known',
  }));
}

type Numbers = { readonly [name: string]: number };

function numbersFrom(first: number): Numbers {
  return Object.fromEntries(Array.from({ length: FACT_COUNT }, (_, i) => [`signal.number_${i}`, first + i / 100]));
}

function factsFrom(numbers: Numbers): Facts {
  const measured = { ...numbers, action: 'action-7', 'device.state': 'known' };
  return { measured, context: {}, resourceProperties: {}, subjectProperties: {} };
}

/** An unremarkable check, by far the commonest: no rule matches. */
const quiet = numbersFrom(5);
const suspicious = numbersFrom(50);

function ours(rules: readonly BenchRule[]): RuleSet {
  const written = rules.map(({ id, fact, above, state }) => ({
    id,
    when: { [fact]: { gt: above }, 'device.state': state },
    then: { points: 1 },
  }));
  return compileRules([{ name: 'bench.json', text: JSON.stringify({ rules: written }) }], catalog);
}

function distinctActions(count: number): RuleSet {
  const written = Array.from({ length: count }, (_, i) => ({
    id: `rule-${i}`,
    when: { action: `action-${i}`, 'signal.number_1': { gt: 10 } },
    then: { points: 1 },
  }));
  return compileRules([{ name: 'bench.json', text: JSON.stringify({ rules: written }) }], catalog);
}

function rulesEngine(rules: readonly BenchRule[]): Engine {
  const engine = new Engine([], { allowUndefinedFacts: true });
  for (const { id, fact, above, state } of rules) {
    engine.addRule({
      conditions: {
        all: [
          { fact, operator: 'greaterThan', value: above },
          { fact: 'device.state', operator: 'equal', value: state },
        ],
      },
      event: { type: id, params: { points: 1 } },
    });
  }
  return engine;
}

function logic(rules: readonly BenchRule[]): readonly RulesLogic[] {
  // json-logic reads a dotted name as a path, so its data are nested accordingly.
  return rules.map(({ fact, above, state }) => ({
    and: [{ '>': [{ var: fact }, above] }, { '===': [{ var: 'device.state' }, state] }],
  }));
}

function nestedFrom(numbers: Numbers): object {
  const signal = Object.fromEntries(
    Object.entries(numbers).map(([name, value]) => [name.replace('signal.', ''), value]),
  );
  return { signal, device: { state: 'known' } };
}

/** One Cedar policy a rule, parsed once; the ids of those that hold come back with each answer. Numbers are whole: Cedar's are. */
function cedar(rules: readonly BenchRule[]): (numbers: Numbers) => readonly string[] {
  const name = `bench-${rules.length}`;
  const parsed = preparsePolicySet(name, {
    staticPolicies: Object.fromEntries(
      rules.map(({ id, fact, above, state }) => [
        id,
        `permit(principal, action, resource) when { context["${fact}"] > ${above * 100} && context["device.state"] == "${state}" };`,
      ]),
    ),
  });
  if (parsed.type === 'failure') throw new Error(JSON.stringify(parsed.errors[0]));
  return (numbers) => {
    const answer = statefulIsAuthorized({
      principal: { type: 'User', id: 'alice' },
      action: { type: 'Action', id: 'action-7' },
      resource: { type: 'Account', id: '42' },
      context: { ...hundredths(numbers), 'device.state': 'known' },
      preparsedPolicySetId: name,
      entities: [],
    });
    if (answer.type === 'failure') throw new Error(JSON.stringify(answer.errors[0]));
    return answer.response.diagnostics.reason;
  };
}

function hundredths(numbers: Numbers): Numbers {
  return Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, Math.round(value * 100)]));
}

/** @throws Error when another engine finds other rules to match. */
function sameRules(ours: readonly (string | null)[], others: { readonly [engine: string]: readonly string[] }): void {
  const expected = ours.toSorted().join();
  for (const [engine, theirs] of Object.entries(others)) {
    if (theirs.toSorted().join() !== expected) throw new Error(`${engine} matches ${theirs}, not ${expected}`);
  }
}

/** Median of several rounds in nanoseconds a run, after a warm-up of one round. */
async function measure(run: () => unknown, budgetMs: number): Promise<number> {
  const rounds: number[] = [];
  for (let round = 0; round < 6; round++) {
    const end = performance.now() + budgetMs / 6;
    const begin = performance.now();
    let runs = 0;
    do {
      const result = run();
      if (result instanceof Promise) await result;
      runs++;
    } while ((runs & 7) !== 0 || performance.now() < end);
    if (round > 0) rounds.push(((performance.now() - begin) * 1e6) / runs);
  }
  return rounds.sort((a, b) => a - b)[2] ?? Number.NaN;
}

function ratio(name: string, value: number, least: number | null): void {
  if (least === null) console.log(`         ${name}: ${times(value)}`);
  else bar(name, times(value), value >= least, `≥ ${least}`);
}

function times(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 0)}×`;
}

function micro(ns: number): string {
  return `${(ns / 1000).toFixed(2)} µs`;
}

for (const count of [10, 100, 1000, 10_000]) {
  const rules = makeRules(count);
  const set = ours(rules);
  const engine = rulesEngine(rules);
  const expressions = logic(rules);
  const authorize = cedar(rules);
  for (const [name, numbers] of Object.entries({ quiet, suspicious })) {
    const facts = factsFrom(numbers);
    const nested = nestedFrom(numbers);
    const flat = { ...numbers, 'device.state': 'known' };
    const applyLogic = () => expressions.filter((each) => jsonLogic.apply(each, nested));
    const matched = set.evaluate(facts).reasons.map(({ rule }) => rule);
    const { events } = await engine.run({ ...flat });
    sameRules(matched, {
      'json-rules-engine': events.map(({ type }) => type),
      'json-logic-js': applyLogic().map((each) => rules[expressions.indexOf(each)]?.id ?? ''),
      Cedar: authorize(numbers),
    });
    const hits = matched.length;
    const own = await measure(() => set.evaluate(facts), 600);
    const logicTime = await measure(applyLogic, 600);
    const engineTime = await measure(() => engine.run({ ...flat }), 1200);
    const cedarTime = await measure(() => authorize(numbers), 600);
    console.log(
      `${count} rules, ${name}, ${hits} hits: stepgate ${micro(own)}, json-logic-js ${micro(logicTime)}, ` +
        `json-rules-engine ${micro(engineTime)}, Cedar ${micro(cedarTime)}`,
    );
    // The reasons of what matched are in ours: work that json-logic-js does not do at all.
    ratio(`${count} rules, ${name}, against json-rules-engine`, engineTime / own, BARS.jsonRulesEngine);
    ratio(`${count} rules, ${name}, against json-logic-js`, logicTime / own, BARS.jsonLogic);
    ratio(`${count} rules, ${name}, against Cedar`, cedarTime / own, null);
  }
}

const few = distinctActions(100);
const many = distinctActions(10_000);
const bound = factsFrom(suspicious);
const fewTime = await measure(() => few.evaluate(bound), 600);
const manyTime = await measure(() => many.evaluate(bound), 600);
console.log(`distinct actions: 100 rules ${micro(fewTime)}, 10,000 rules ${micro(manyTime)}`);
const growth = manyTime / fewTime;
bar(
  '10,000 rules on distinct actions against 100',
  times(growth),
  growth <= BARS.distinctActions,
  `≤ ${BARS.distinctActions}`,
);
