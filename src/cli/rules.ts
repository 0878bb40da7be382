import type { Command } from 'commander';
import { geoipLiteSource } from '../data/geo/local-geo.ts';
import { DEFAULT_ACTION } from '../rules/actions.ts';
import { baseName, extendedPath } from '../rules/base-file.ts';
import { compileRules } from '../rules/compile.ts';
import { loadRules, readRuleFiles, readRuleTestFiles } from '../rules/load.ts';
import { describeProblem, RulesError } from '../rules/problems.ts';
import { openMethods } from '../rules/route-table.ts';
import { type CaseReport, type Play, type RuleTestReport, runRuleTests } from '../rules/test-runner.ts';
import { FACT_CATALOG } from '../signals/index.ts';
import type { IssuerSettings } from '../step-up/issuer.ts';
import { stepUpIssuersText } from '../step-up/issuers.ts';
import { singleUseGap, unrankedAcrValues } from '../step-up/requirement.ts';
import { CliError, isFileError, orCliError } from './fault.ts';
import { JSON_FLAG, RULES_DIR } from './options.ts';
import { print } from './output.ts';
import { playCase } from './play.ts';

/** `rules lint` and `rules test`. */
export function addRules(program: Command): void {
  const rules = program.command('rules').description('check and test rule files');
  rules
    .command('lint')
    .description('load the rule files like the service, and list every problem')
    .option(...RULES_DIR)
    .option(...JSON_FLAG)
    .action(lint);
  rules
    .command('test')
    .description('run the NAME.test.json files next to the rule files')
    .option(...RULES_DIR)
    .option(...JSON_FLAG)
    .action(test);
}

interface Options {
  readonly dir: string;
  readonly json: boolean;
}

async function lint({ dir, json }: Options): Promise<void> {
  try {
    const issuers = issuersOf(process.env.STEP_UP_ISSUERS);
    const ruleSet = await loadRules(dir, FACT_CATALOG, (acrValues) => unrankedAcrValues(acrValues, issuers));
    const open = openMethods(ruleSet.routes).map(({ path, methods }) => `${path} (${methods.join(', ')})`);
    const fallThrough = `methods without a route fall to the action "${DEFAULT_ACTION}" on ${open.join(', ')}`;
    const gap = singleUseGap(ruleSet.singleUse, issuers);
    const warnings = [...ruleSet.warnings, ...(open.length === 0 ? [] : [fallThrough]), ...(gap === null ? [] : [gap])];
    const { revision, files, ruleCount } = ruleSet;
    print(json, { ok: true, revision, files, rules: ruleCount, warnings, problems: [] }, () =>
      [
        ...warnings.map((warning) => `warning: ${warning}`),
        `${ruleCount} rules in ${files.join(', ')} are good (${revision})`,
      ].join('\n'),
    );
  } catch (error) {
    if (error instanceof RulesError) {
      const { problems } = error;
      print(json, { ok: false, problems }, () => problems.map(describeProblem).join('\n'));
      process.exitCode = 1;
    } else if (error instanceof Error && isFileError(error)) throw new CliError(error.message);
    else throw error;
  }
}

/** The issuers of the service; without them their values cannot be checked. */
function issuersOf(text: string | undefined): readonly IssuerSettings[] {
  if (text === undefined || text === '') return [];
  const parsed = stepUpIssuersText.safeParse(text);
  if (parsed.success) return parsed.data;
  const [first] = parsed.error.issues;
  throw new CliError(`STEP_UP_ISSUERS ${first?.path.join('.') ?? ''} ${first?.message ?? 'cannot be read'}`);
}

async function test({ dir, json }: Options): Promise<void> {
  const report = await orCliError(
    async () => {
      const files = await readRuleFiles(dir);
      const rules = compileRules(files, FACT_CATALOG);
      const bases = files.flatMap((file) => extendedPath(file) ?? []).map(baseName);
      const geo = geoipLiteSource();
      const play: Play = async (played) => {
        const { result, facts } = await playCase({ rules, geo }, played);
        return { ...result, facts };
      };
      return runRuleTests(rules, await readRuleTestFiles(dir), play, FACT_CATALOG, bases);
    },
    (error) => error instanceof RulesError || isFileError(error),
  );
  print(json, report, () => writeReport(report));
  if (!report.ok) process.exitCode = 1;
}

function writeReport(report: RuleTestReport): string {
  const covered = report.ruleCount - report.neverHit.length;
  return [
    ...report.problems.map(describeProblem),
    ...report.cases.filter(({ ok }) => !ok).map(writeCase),
    ...report.neverHit.map(({ id, file }) => `no case hits ${file} › ${id}`),
    `${report.passed} passed, ${report.failed} failed; ${covered} of ${report.ruleCount} rules hit`,
  ].join('\n');
}

function writeCase({ file, name, mismatches }: CaseReport): string {
  return [
    `FAILED ${file} › ${name}`,
    ...mismatches.flatMap(({ what, expected, actual, compared }) => [
      `  ${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`,
      ...compared.map((line) => `    ${line}`),
    ]),
  ].join('\n');
}
