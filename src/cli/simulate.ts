import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { compileRules } from '../rules/compile.ts';
import { readRuleFiles } from '../rules/load.ts';
import { RulesError } from '../rules/problems.ts';
import { FACT_CATALOG } from '../signals/index.ts';
import { isFileError, orCliError } from './fault.ts';
import { JSON_FLAG, RULES_DIR, wholeNumber } from './options.ts';
import { endProgress, print, progress } from './output.ts';
import { chartOf } from './simulate/chart.ts';
import { simulateOnCores } from './simulate/cores.ts';
import { MIX_NAMES, type MixName } from './simulate/mixes.ts';
import { DEFAULT_SIZE, type SimulationSize } from './simulate/run.ts';
import { writeSimulation } from './simulation-report.ts';

/** `simulate` */
export function addSimulate(program: Command): void {
  program
    .command('simulate')
    .description('play years of honest people and thieves through the rules, and say who was allowed, asked and denied')
    .option(...RULES_DIR)
    .addOption(
      new Option('--mix <name>', 'how often people come, and what kinds they are of')
        .choices([...MIX_NAMES, 'all'])
        .default('all'),
    )
    .option(
      '--seed <texts>',
      'the same seed gives the same report; several, as in 1,2,3, are added up',
      seedsOf,
      DEFAULT_SIZE.seeds,
    )
    .option('--people <n>', 'people of each kind and frequency', wholeNumber, DEFAULT_SIZE.people)
    .option('--victims <n>', 'victims, each tried by every class of thieves', wholeNumber, DEFAULT_SIZE.victims)
    .option('--cores <n>', 'cores to play on; the report is the same on any', wholeNumber, availableParallelism())
    .option('--chart <file>', 'write a chart as SVG')
    .option('--strict', 'exit with 1 when a bar is missed', false)
    .option(...JSON_FLAG)
    .action(play);
}

interface Options {
  readonly dir: string;
  readonly mix: MixName | 'all';
  readonly seed: readonly string[];
  readonly cores: number;
  readonly people: number;
  readonly victims: number;
  readonly chart?: string;
  readonly strict: boolean;
  readonly json: boolean;
}

async function play({ dir, mix, seed, cores, people, victims, chart, strict, json }: Options): Promise<void> {
  const { rules, revision } = await orCliError(
    async () => {
      const texts = await readRuleFiles(dir);
      return { rules: texts, revision: compileRules(texts, FACT_CATALOG).revision };
    },
    (error) => error instanceof RulesError || isFileError(error),
  );
  const size: SimulationSize = {
    ...DEFAULT_SIZE,
    seeds: seed,
    mixes: mix === 'all' ? MIX_NAMES : [mix],
    people,
    victims,
  };
  const report = await simulateOnCores({ rules, size }, revision, cores, tell);
  endProgress();
  if (chart !== undefined) await orCliError(() => writeFile(chart, chartOf(report)), isFileError);
  print(json, report, () => writeSimulation(report));
  if (strict && report.mixes.some(({ bars }) => bars.some(({ met }) => !met))) process.exitCode = 1;
}

function tell(share: number): void {
  progress(`${Math.floor(100 * share)} % played`);
}

/** Seeds separated by commas. */
function seedsOf(text: string): readonly string[] {
  const seeds = text.split(',').map((seed) => seed.trim());
  if (seeds.every((seed) => seed !== '') && new Set(seeds).size === seeds.length) return seeds;
  throw new InvalidArgumentError('must be different texts, separated by commas.');
}
