import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';

const FILE = join(import.meta.dirname, 'RESULTS.md');

/** What one part printed, and which of its lines judge a bar. */
export interface PartResult {
  readonly part: string;
  readonly lines: readonly string[];
  readonly seconds: number;
}

/** Puts the results of these parts into `bench/RESULTS.md`; the parts that did not run keep what they had. */
export function writeResults(results: readonly PartResult[]): void {
  const sections = readSections();
  for (const result of results) sections.set(result.part, sectionOf(result));
  const parts = [...sections].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text);
  writeFileSync(FILE, [HEAD, ...parts].join('\n'));
}

const HEAD = `# Results

Written by \`npm run bench\` (all parts) and \`npm run bench -- PART\` (one part); do not edit. Every comparison is measured side by
side in one run, so that the ratios hold where the absolute figures do not.
`;

function readSections(): Map<string, string> {
  if (!existsSync(FILE)) return new Map();
  const [, ...sections] = readFileSync(FILE, 'utf8').split(/^(?=## )/m);
  return new Map(sections.map((text) => [/^## (\S+)/.exec(text)?.[1] ?? '', text.trimEnd().concat('\n')]));
}

function sectionOf({ part, lines, seconds }: PartResult): string {
  const command = `npm run bench -- ${part}`;
  return [
    `## ${part}`,
    '',
    `\`${command}\`, ${new Date().toISOString().slice(0, 16)}Z, commit ${commit()}, ${Math.round(seconds)} s. ${machine()}.`,
    '',
    '```text',
    ...lines,
    '```',
    '',
  ].join('\n');
}

function machine(): string {
  const [cpu] = cpus();
  const model = cpu?.model.trim() ?? 'unknown processor';
  return `${cpus().length} × ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.versions.node}`;
}

function commit(): string {
  const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();
  return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain', 'src') === '' ? '' : ' with changes'}`;
}
