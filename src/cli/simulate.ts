import { writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { geoipLiteSource } from '../data/geo/local-geo.ts';
import { loadRules } from '../rules/load.ts';
import { RulesError } from '../rules/problems.ts';
import { FACT_CATALOG } from '../signals/index.ts';
import { memoryStore } from '../store/memory.ts';
import { isFileError, orCliError } from './fault.ts';
import { JSON_FLAG, RULES_DIR, wholeNumber } from './options.ts';
import { endProgress, print, progress } from './output.ts';
import { chartOf } from './simulate/chart.ts';
import { MIX_NAMES, type MixName } from './simulate/mixes.ts';
import { DEFAULT_SIZE, type SimulationSize, simulate } from './simulate/run.ts';
import type { SimulationParts } from './simulate/stage.ts';
import { writeSimulation } from './simulation-report.ts';

/** Bytes for each key of a store: more than any baseline or counter takes. */
const BYTES_PER_KEY = 8192;

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
    .option('--seed <text>', 'the same seed gives the same report', DEFAULT_SIZE.seed)
    .option('--people <n>', 'people of each kind and frequency', wholeNumber, DEFAULT_SIZE.people)
    .option('--victims <n>', 'victims, each tried by every class of thieves', wholeNumber, DEFAULT_SIZE.victims)
    .option('--chart <file>', 'write a chart as SVG')
    .option('--strict', 'exit with 1 when a bar is missed', false)
    .option(...JSON_FLAG)
    .action(play);
}

interface Options {
  readonly dir: string;
  readonly mix: MixName | 'all';
  readonly seed: string;
  readonly people: number;
  readonly victims: number;
  readonly chart?: string;
  readonly strict: boolean;
  readonly json: boolean;
}

async function play({ dir, mix, seed, people, victims, chart, strict, json }: Options): Promise<void> {
  const rules = await orCliError(
    () => loadRules(dir, FACT_CATALOG),
    (error) => error instanceof RulesError || isFileError(error),
  );
  const size: SimulationSize = { ...DEFAULT_SIZE, seed, mixes: mix === 'all' ? MIX_NAMES : [mix], people, victims };
  const report = await simulate({ ...simulationParts(), rules }, size, tell);
  endProgress();
  if (chart !== undefined) await orCliError(() => writeFile(chart, chartOf(report)), isFileError);
  print(json, report, () => writeSimulation(report));
  if (strict && report.mixes.some(({ bars }) => bars.some(({ met }) => !met))) process.exitCode = 1;
}

/** The drivers that a simulation runs on here; the rules are still to be chosen. */
export function simulationParts(): Omit<SimulationParts, 'rules'> {
  return {
    geo: geoipLiteSource(),
    store: (now, keys) => memoryStore({ now, maxKeys: keys, maxBytes: keys * BYTES_PER_KEY }),
  };
}

function tell(what: string, done: number, total: number): void {
  const percent = Math.floor((100 * done) / total);
  progress(`${what}: ${done} of ${total} (${percent} %)`);
}
