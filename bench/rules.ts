import jsonLogic, { type RulesLogic } from 'json-logic-js';
import { Engine } from 'json-rules-engine';
import type { FactCatalog, Facts } from '../src/facts.ts';
import { compileRules } from '../src/rules/compile.ts';
import type { RuleSet } from '../src/rules/ruleset.ts';

/**
 * Rule evaluation side by side with json-rules-engine and json-logic-js: the same rules and the same facts, in one run
 * on one machine, so that only the ratios count. Prints a table and exits with 1 when a bar is missed.
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

/** Two comparisons a rule; about one rule in a hundred matches, as in a policy where most checks are unremarkable. */
function makeRules(count: number): BenchRule[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `rule-${i}`,
    fact: `signal.number_${i % FACT_COUNT}`,
    above: i % 100 === 7 ? 10 : 100 + (i % 50),
    state: i % 2 === 0 ? 'new' : 'known',
  }));
}

const numbers = Object.fromEntries(Array.from({ length: FACT_COUNT }, (_, i) => [`signal.number_${i}`, 50 + i / 2]));
const measured = Object.assign(Object.create(null), numbers, { action: 'action-7', 'device.state': 'known' });
const facts: Facts = { measured, context: {}, resourceProperties: {}, subjectProperties: {} };

function ours(rules: readonly BenchRule[]): RuleSet {
  const written = rules.map(({ id, fact, above, state }) => ({
    id,
    when: { [fact]: { gt: above }, 'device.state': state },
    // biome-ignore lint/suspicious/noThenProperty: the word of the rule language.
    then: { points: 1 },
  }));
  return compileRules([{ name: 'bench.json', text: JSON.stringify({ rules: written }) }], catalog);
}

function distinctActions(count: number): RuleSet {
  const written = Array.from({ length: count }, (_, i) => ({
    id: `rule-${i}`,
    when: { action: `action-${i}`, 'signal.number_1': { gt: 10 } },
    // biome-ignore lint/suspicious/noThenProperty: the word of the rule language.
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

const nested = {
  signal: Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name.replace('signal.', ''), value])),
  device: { state: 'known' },
};

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

const missed: string[] = [];
function bar(name: string, value: number, holds: boolean, wanted: string): void {
  console.log(`  ${holds ? 'ok    ' : 'MISSED'} ${name}: ${value.toFixed(value < 10 ? 2 : 0)}× (bar ${wanted})`);
  if (!holds) missed.push(name);
}

function micro(ns: number): string {
  return `${(ns / 1000).toFixed(2)} µs`;
}

for (const count of [10, 100, 1000]) {
  const rules = makeRules(count);
  const set = ours(rules);
  const engine = rulesEngine(rules);
  const expressions = logic(rules);
  const hits = set.evaluate(facts).reasons.length;
  const { events } = await engine.run(numbersAndState());
  const logicHits = expressions.filter((each) => jsonLogic.apply(each, nested)).length;
  if (events.length !== hits || logicHits !== hits) {
    throw new Error(`The engines disagree on ${count} rules: ${hits}, ${events.length} and ${logicHits} hits.`);
  }
  const own = await measure(() => set.evaluate(facts), 600);
  const jsonLogicTime = await measure(() => expressions.filter((each) => jsonLogic.apply(each, nested)), 600);
  const engineTime = await measure(() => engine.run(numbersAndState()), 1200);
  console.log(
    `${count} rules, ${hits} hits: stepgate ${micro(own)}, json-logic-js ${micro(jsonLogicTime)}, ` +
      `json-rules-engine ${micro(engineTime)}`,
  );
  const engineRatio = engineTime / own;
  const logicRatio = jsonLogicTime / own;
  bar(`${count} rules against json-rules-engine`, engineRatio, engineRatio >= BARS.jsonRulesEngine, '≥ 200');
  bar(`${count} rules against json-logic-js`, logicRatio, logicRatio >= BARS.jsonLogic, '≥ 8');
}

const few = distinctActions(100);
const many = distinctActions(10_000);
const fewTime = await measure(() => few.evaluate(facts), 600);
const manyTime = await measure(() => many.evaluate(facts), 600);
console.log(`distinct actions: 100 rules ${micro(fewTime)}, 10,000 rules ${micro(manyTime)}`);
const growth = manyTime / fewTime;
bar(
  '10,000 rules on distinct actions against 100',
  growth,
  growth <= BARS.distinctActions,
  `≤ ${BARS.distinctActions}`,
);

if (missed.length > 0) {
  console.error(`Missed: ${missed.join('; ')}.`);
  process.exitCode = 1;
}

function numbersAndState(): { [name: string]: string | number } {
  return { ...numbers, 'device.state': 'known' };
}
