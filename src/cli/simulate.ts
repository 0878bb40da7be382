import type { Command } from 'commander';
import { geoipLiteSource } from '../data/geo/local-geo.ts';
import { loadRules } from '../rules/load.ts';
import { RulesError } from '../rules/problems.ts';
import { FACT_CATALOG } from '../signals/index.ts';
import { memoryStore } from '../store/memory.ts';
import { isFileError, orCliError } from './fault.ts';
import { JSON_FLAG, RULES_DIR, wholeNumber } from './options.ts';
import { endProgress, print, progress } from './output.ts';
import { DEFAULT_SIZE, type SimulationParts, type SimulationSize, simulate } from './simulate/run.ts';
import { writeSimulation } from './simulation-report.ts';

/** Room for every baseline and for the counters of a day. The embedded store takes its memory at once, so no more. */
const MAX_KEYS = 250_000;
const MAX_BYTES = 2 ** 30;

/** `simulate` */
export function addSimulate(program: Command): void {
  program
    .command('simulate')
    .description(
      'play weeks of honest users and thieves through the rules, and report who was allowed, asked and denied',
    )
    .option(...RULES_DIR)
    .option('--seed <text>', 'the same seed gives the same report', DEFAULT_SIZE.seed)
    .option('--weeks <n>', 'weeks of honest traffic', wholeNumber, DEFAULT_SIZE.weeks)
    .option('--people <n>', 'people of each kind', wholeNumber, DEFAULT_SIZE.peoplePerKind)
    .option('--thieves <n>', 'thieves of each class', wholeNumber, DEFAULT_SIZE.thievesPerClass)
    .option(...JSON_FLAG)
    .action(play);
}

interface Options {
  readonly dir: string;
  readonly seed: string;
  readonly weeks: number;
  readonly people: number;
  readonly thieves: number;
  readonly json: boolean;
}

async function play({ dir, seed, weeks, people, thieves, json }: Options): Promise<void> {
  const rules = await orCliError(
    () => loadRules(dir, FACT_CATALOG),
    (error) => error instanceof RulesError || isFileError(error),
  );
  const size: SimulationSize = { ...DEFAULT_SIZE, seed, weeks, peoplePerKind: people, thievesPerClass: thieves };
  const report = await simulate({ ...simulationParts(), rules, onProgress: tell }, size);
  endProgress();
  print(json, report, () => writeSimulation(report));
  if (report.misses.length > 0) process.exitCode = 1;
}

/** The drivers that a simulation runs on here; the rules are still to be chosen. */
export function simulationParts(): Omit<SimulationParts, 'rules'> {
  return {
    geo: geoipLiteSource(),
    store: (now) => memoryStore({ now, maxKeys: MAX_KEYS, maxBytes: MAX_BYTES }),
  };
}

function tell(done: number, total: number): void {
  progress(`${done} of ${total} requests`);
}
