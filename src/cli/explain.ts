import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { assembleEngine } from '../app/assemble-engine.ts';
import { randomFractions, secretsOf } from '../app/assembly.ts';
import type { Settings } from '../app/settings.ts';
import { openLocalGeo } from '../data/geo/local-geo.ts';
import { loadReputation } from '../data/lists/lists-file.ts';
import { check } from '../engine/check.ts';
import type { Checked } from '../engine/settle.ts';
import { answerOf } from '../http/answer.ts';
import { parseObject } from '../http/body.ts';
import { ProblemError } from '../http/problem.ts';
import { checkRequestOf, subjectSpaces } from '../http/wire.ts';
import type { Measurement } from '../model/decision.ts';
import type { FactValue, JsonObject } from '../model/facts.ts';
import { StoreError } from '../model/store-error.ts';
import { schemaProblems } from '../rules/findings.ts';
import { loadRules } from '../rules/load.ts';
import { describeProblem, formatPath, RulesError } from '../rules/problems.ts';
import type { ConditionTrace, RuleSet, RulesTrace, RuleTrace } from '../rules/ruleset.ts';
import { requestCase } from '../rules/schema.ts';
import { playedCaseOf } from '../rules/test-runner.ts';
import { FACT_CATALOG } from '../signals/index.ts';
import { memoryStore } from '../store/memory.ts';
import { CliError, isFileError, orCliError } from './fault.ts';
import { demand, localSettings } from './local-settings.ts';
import { JSON_FLAG, RULES_DIR } from './options.ts';
import { print, table } from './output.ts';
import { playCase } from './play.ts';
import { connectedRedis } from './redis.ts';

/** `explain <request.json>` */
export function addExplain(program: Command): void {
  program
    .command('explain')
    .description('decide one request and show every signal and rule; writes nothing')
    .argument('<request.json>', 'body of POST /v1/risk-check, or a case of a rule test file; - reads standard input')
    .option(...RULES_DIR)
    .option(...JSON_FLAG)
    .addHelpText(
      'after',
      '\nA body is judged with the history in REDIS_URL if it is set, otherwise without history.\nA case has its own history, clock and standings.',
    )
    .action(explain);
}

interface Options {
  readonly dir: string;
  readonly json: boolean;
}

async function explain(path: string, { dir, json }: Options): Promise<void> {
  const settings = await localSettings();
  const { checked, trace } = await orCliError(
    async () => {
      const document = parseObject(path === '-' ? await text(process.stdin) : await readFile(path, 'utf8'));
      const rules = await loadRules(dir, FACT_CATALOG);
      const answered = await judge(document, rules, settings);
      return { checked: answered, trace: rules.trace(answered.facts) };
    },
    (error) =>
      error instanceof ProblemError || error instanceof RulesError || error instanceof StoreError || isFileError(error),
  );
  const answer = answerOf(checked.result, 0);
  print(json, { answer, rules: trace.rules }, () => writeExplanation(checked, trace));
}

async function judge(document: JsonObject, rules: RuleSet, settings: Settings): Promise<Checked> {
  const { geo, close } = await openLocalGeo({ data: settings.geoData, dir: settings.geoDir });
  close();
  if ('request' in document) {
    const written = requestCase.safeParse({ name: 'explained', expect: { decision: 'allow' }, ...document });
    if (written.success) return playCase({ rules, geo }, playedCaseOf(written.data, '', Date.now()));
    const lines = schemaProblems(written.error.issues, document).map(({ path, code, message, nearest }) => {
      const hint = nearest === undefined ? {} : { nearest };
      return describeProblem({ file: 'the case', rule: null, path: formatPath(path), code, message, ...hint });
    });
    throw new CliError(lines.join('\n'));
  }
  if ('cases' in document) throw new CliError('this is a whole test file; give one of its cases that has a "request"');
  if ('facts' in document) {
    throw new CliError('a case with "facts" has no request to measure; run it with `stepgate rules test`');
  }
  if (settings.redisUrl !== null) demand(settings, ['PRIVACY_KEY']);
  const now = (): number => Date.now();
  const reputation = await loadReputation(settings.ipListsDir);
  const store = settings.redisUrl === null ? memoryStore({ now }) : await connectedRedis(settings.redisUrl);
  const engine = assembleEngine({
    rules: () => rules,
    store,
    geo,
    lists: () => reputation,
    issuers: settings.stepUpIssuers,
    secrets: secretsOf(settings),
    now,
    random: randomFractions(),
  });
  try {
    const trust = { trusted: settings.trustedProxies, declared: settings.clientIpHeader };
    const request = checkRequestOf(document, { nowMs: now(), trust, spaces: subjectSpaces(engine.verifier) });
    return await check(engine, { ...request, dryRun: true });
  } finally {
    await store.close();
  }
}

function writeExplanation({ result }: Checked, { rules }: RulesTrace): string {
  const { decision, score, level, rule, stepUp, degraded, rulesRevision } = result;
  const by = rule === null ? 'the default' : `${rule.file} › ${rule.id}`;
  return [
    `${decision} by ${by}; score ${score} (${level}); rules ${rulesRevision.slice(0, 15)}`,
    ...(stepUp === null ? [] : [`step-up: ${stepUp.satisfied ? 'satisfied' : (stepUp.error?.message ?? 'no proof')}`]),
    ...(degraded.length === 0 ? [] : [`degraded: ${degraded.map(({ part, why }) => `${part} (${why})`).join(', ')}`]),
    '',
    table([['SIGNAL', 'STATE', 'FACT', 'VALUE'], ...Object.entries(result.signals).flatMap(signalRows)]),
    '',
    table([['RULE', 'OUTCOME', 'GIVES', 'COMPARED'], ...[...rules].sort(byOutcome).flatMap(ruleRows)]),
  ].join('\n');
}

function signalRows([name, { state, why, facts }]: [string, Measurement]): string[][] {
  const known = Object.entries(facts).flatMap(([fact, value]) =>
    value === undefined ? [] : [[fact, writeValue(value)]],
  );
  const rows = known.length === 0 ? [['', '']] : known;
  return rows.map(([fact = '', value = ''], i) =>
    i === 0 ? [name, why === undefined ? state : `${state}: ${why}`, fact, value] : ['', '', fact, value],
  );
}

const OUTCOMES: readonly RuleTrace['outcome'][] = ['hit', 'overruled', 'dry_run', 'unknown', 'missed'];

/** What decided comes first. */
function byOutcome(a: RuleTrace, b: RuleTrace): number {
  return OUTCOMES.indexOf(a.outcome) - OUTCOMES.indexOf(b.outcome);
}

function ruleRows({ id, outcome, overruledBy, points, decision, conditions }: RuleTrace): string[][] {
  const gives = decision ?? `${(points ?? 0) > 0 ? '+' : ''}${points ?? 0}`;
  const became = overruledBy.length === 0 ? outcome : `${outcome} by ${overruledBy.join(', ')}`;
  const compared = conditions.map(writeCondition);
  return [[id, became, gives, compared[0] ?? 'always'], ...compared.slice(1).map((line) => ['', '', '', line])];
}

function writeCondition({ fact, operator, operand, operandValue, value, result, why }: ConditionTrace): string {
  const found = value === null ? `unknown${why === 'type_mismatch' ? ' (wrong type)' : ''}` : writeValue(value);
  const against =
    operandValue === null ? JSON.stringify(operand) : `${JSON.stringify(operand)} = ${writeValue(operandValue)}`;
  return `${fact} ${found} ${operator} ${against}: ${result}`;
}

function writeValue(value: FactValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
