import type { Command } from 'commander';
import { DataError } from '../data/data-error.ts';
import { DEFAULT_FEED_TIMEOUT_MS } from '../data/lists/feeds.ts';
import type { ListConfig } from '../data/lists/list-config.ts';
import { listConfigSchema } from '../data/lists/lists.ts';
import {
  buildLists,
  isUrl,
  type ListOutcome,
  type ListProgress,
  loadReputation,
  readFeeds,
  readListFile,
  updateLists,
} from '../data/lists/lists-file.ts';
import { CliError, isFileError, orCliError } from './fault.ts';
import { JSON_FLAG, LISTS_DIR, wholeNumber } from './options.ts';
import { endProgress, print, progress, table } from './output.ts';

const SHRINK = ['--accept-shrink', 'take versions that shrank below half', false] as const;

/** `lists build`, `lists update` and `lists status`. */
export function addLists(program: Command): void {
  const lists = program.command('lists').description('address lists: build, update and inspect them');
  lists
    .command('build')
    .description('compile lists from files')
    .argument(
      '[list...]',
      'name=category:file, for example office=allow:office.txt; without any, the files of feeds.json',
    )
    .option(...LISTS_DIR)
    .option('--max-age-days <days>', 'age at which the given lists are outdated', wholeNumber, 30)
    .option(...SHRINK)
    .option(...JSON_FLAG)
    .action(build);
  lists
    .command('update')
    .description('fetch the configured feeds and compile what is new')
    .argument('[name...]', 'only these lists')
    .option(...LISTS_DIR)
    .option('--timeout-ms <ms>', 'budget of one feed', wholeNumber, DEFAULT_FEED_TIMEOUT_MS)
    .option(...SHRINK)
    .option(...JSON_FLAG)
    .action(update);
  lists
    .command('status')
    .description('name, source, age and size of every compiled list')
    .option(...LISTS_DIR)
    .option(...JSON_FLAG)
    .action(status);
}

interface Options {
  readonly dir: string;
  readonly json: boolean;
  readonly acceptShrink: boolean;
}

async function build(given: readonly string[], options: Options & { readonly maxAgeDays: number }): Promise<void> {
  const outcomes = await orCliError(async () => {
    const configs =
      given.length > 0
        ? given.map((text) => configOf(text, options))
        : (await readFeeds(options.dir)).filter(({ source }) => !isUrl(source));
    if (configs.length === 0) {
      throw new CliError(
        `no list to build: name one, as in office=allow:office.txt, or add files to ${options.dir}/feeds.json`,
      );
    }
    // A path from the command line is relative to here, one from feeds.json to that file.
    const base = given.length > 0 ? '.' : options.dir;
    const inputs = await Promise.all(configs.map((config) => readListFile(config, base)));
    return buildLists(inputs, { ...options, onProgress: tell });
  }, isExpected);
  report(outcomes, options.json);
}

async function update(names: readonly string[], options: Options & { readonly timeoutMs: number }): Promise<void> {
  const outcomes = await orCliError(async () => {
    const configs = await readFeeds(options.dir);
    const unknownNames = names.filter((name) => !configs.some((config) => config.name === name));
    if (unknownNames.length > 0) {
      throw new CliError(
        `no list is called ${unknownNames.join(', ')}; there are ${configs.map(({ name }) => name).join(', ')}`,
      );
    }
    const chosen = names.length === 0 ? configs : configs.filter(({ name }) => names.includes(name));
    const { dir, acceptShrink, timeoutMs } = options;
    return updateLists(chosen, {
      dir,
      acceptShrink,
      timeoutMs,
      nowMs: Date.now(),
      fetch: globalThis.fetch,
      onProgress: tell,
    });
  }, isExpected);
  report(outcomes, options.json);
}

async function status({ dir, json }: Options): Promise<void> {
  const reputation = await orCliError(() => loadReputation(dir), isExpected);
  const lists = reputation.status(Date.now());
  print(json, { configured: reputation.configured, lists }, () =>
    lists.length === 0
      ? `no list is built in ${dir}: the ip signal is off (stepgate lists update builds the default feeds)`
      : table([
          ['LIST', 'CATEGORY', 'RANGES', 'AGE', 'AT MOST', 'STATE', 'SOURCE'],
          ...lists.map(({ name, category, ranges, ageDays, maxAgeDays, judged, source, problem }) => [
            name,
            category,
            String(ranges),
            `${ageDays.toFixed(1)} d`,
            `${maxAgeDays} d`,
            problem ?? (judged ? 'in force' : 'too old'),
            source,
          ]),
        ]),
  );
  if (lists.some(({ judged }) => !judged)) process.exitCode = 1;
}

function configOf(text: string, { maxAgeDays }: { readonly maxAgeDays: number }): ListConfig {
  const match = /^([^=]+)=([^:]+):(.+)$/.exec(text);
  if (match === null)
    throw new CliError(`${JSON.stringify(text)} is not name=category:file, as in office=allow:office.txt`);
  const [, name, category = '', source = ''] = match;
  const parsed = listConfigSchema.safeParse({
    name,
    category,
    source,
    format: formatOf(category, source),
    max_age_days: maxAgeDays,
  });
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
  throw new CliError(`${JSON.stringify(text)} is not name=category:file (${faults})`);
}

/** The file extension decides the format; the default is one address or network per line. */
function formatOf(category: string, source: string): string {
  const ending = /\.([a-z]+)$/i.exec(source)?.[1]?.toLowerCase();
  if (category === 'asn') return ending === 'tsv' ? 'asn_tsv' : 'asn_csv';
  return ending === 'csv' || ending === 'json' ? ending : 'text';
}

function tell({ name, index, total, step, outcome }: ListProgress): void {
  progress(`${index}/${total} ${name}${step === 'started' ? ' …' : `: ${outcome?.outcome ?? ''}`}`);
}

function report(outcomes: readonly ListOutcome[], json: boolean): void {
  endProgress();
  print(json, outcomes, () =>
    table([
      ['LIST', 'OUTCOME', 'ENTRIES', 'NOT PUBLIC', 'PROBLEM'],
      ...outcomes.map(({ name, outcome, entries, notPublic, problem }) => [
        name,
        outcome,
        entries === null ? '-' : String(entries),
        String(notPublic),
        problem === null ? '' : `${problem.code}: ${problem.message}`,
      ]),
    ]),
  );
  if (outcomes.some(({ outcome }) => outcome === 'refused' || outcome === 'unavailable')) process.exitCode = 1;
}

function isExpected(error: Error): boolean {
  return error instanceof DataError || isFileError(error);
}
