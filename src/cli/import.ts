import { createReadStream } from 'node:fs';
import { access } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { loadRules } from '../rules/load.ts';
import { RulesError } from '../rules/problems.ts';
import { FACT_CATALOG } from '../signals/index.ts';
import { isFileError, orCliError } from './fault.ts';
import { playRba, type RbaCounts, type RbaReport } from './import/rba-play.ts';
import { rbaRows } from './import/rba-rows.ts';
import { JSON_FLAG, RULES_DIR, wholeNumber } from './options.ts';
import { endProgress, print, progress, table } from './output.ts';
import { percent } from './simulate/bars.ts';
import { chanceOf } from './simulate/chance.ts';

/** `import rba` */
export function addImport(program: Command): void {
  const imports = program.command('import').description('play public data sets through the rules');
  imports
    .command('rba')
    .description('play the RBA data set of Wiefling et al. (2022), and compare with the published figures')
    .argument('<csv>', 'rba-dataset.csv, or - for standard input')
    .option(...RULES_DIR)
    .option('--users <n>', 'most users remembered at once; some 8 KB of memory each', wholeNumber, 100_000)
    .option('--one-in <n>', 'play only the users of one of so many groups', wholeNumber, 1)
    .option('--cookies', 'browsers keep the device tokens that step-ups earn', false)
    .option(...JSON_FLAG)
    .action(play);
}

interface Options {
  readonly dir: string;
  readonly users: number;
  readonly oneIn: number;
  readonly cookies: boolean;
  readonly json: boolean;
}

async function play(csv: string, { dir, users, oneIn, cookies, json }: Options): Promise<void> {
  const report = await orCliError(
    async () => {
      const rules = await loadRules(dir, FACT_CATALOG);
      if (csv !== '-') await access(csv);
      const input = csv === '-' ? process.stdin : createReadStream(csv);
      const rows = rbaRows(createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }));
      const random = chanceOf('import').next;
      return playRba(rows, { rules, users, oneIn, cookies, random }, (done) => progress(`${done} rows`));
    },
    (error) => error instanceof RulesError || isFileError(error),
  ).finally(endProgress);
  print(json, report, () => writeReport(report));
}

function writeReport(report: RbaReport): string {
  const { rows, failed, skipped, forgotten, outOfOrder, honest, medians, attackAddresses, takeovers } = report;
  return [
    `${rows} rows, ${failed} with a wrong password; ${skipped} of other users; ${forgotten} baselines forgotten, ${outOfOrder} rows out of order; rules ${report.rulesRevision.slice(0, 15)}`,
    '',
    table(
      [
        ['log-ins with the right password', 'log-ins', 'asked', 'denied'],
        ...honest.map((counts) => cells(`honest, ${counts.logins_before} before`, counts)),
        cells('honest, from the address of an attacker', attackAddresses),
        cells('account takeovers', takeovers),
      ],
      (column) => column > 0,
    ),
    '',
    table(
      [
        ['median share asked per user', 'users', 'found', 'published'],
        ...medians.map(({ logins, users, found, published }) => [
          `after ${logins} log-ins`,
          String(users),
          found === null ? '' : percent(found),
          percent(published),
        ]),
      ],
      (column) => column > 0,
    ),
    'published: model of Freeman et al. at a threshold that stops 99 % of targeted attackers',
  ].join('\n');
}

function cells(name: string, { logins, asked, denied }: RbaCounts): string[] {
  return [name, String(logins), logins === 0 ? '' : percent(asked / logins), String(denied)];
}
