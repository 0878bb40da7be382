/**
 * Runs the benches of this folder, one after the other, or only the parts that are named; writes what they print to
 * `RESULTS.md` and sums up which bars were met. Exits with 1 when one was missed or a bench failed.
 * Run: `npm run bench`, `npm run bench -- rules proof`
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { MET, MISSED } from './bar.ts';
import { type PartResult, writeResults } from './results.ts';

/** Files of this folder that do not belong to a run. */
const NOT_A_BENCH: ReadonlySet<string> = new Set(['all', 'bar', 'results']);
/** Too long for a run of everything. */
const ONLY_BY_NAME: ReadonlySet<string> = new Set(['soak']);

const folder = import.meta.dirname;
const parts = readdirSync(folder)
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
  .map((name) => basename(name, '.ts'))
  .filter((name) => !NOT_A_BENCH.has(name))
  .sort();
const named = process.argv.slice(2);
const unknownNames = named.filter((name) => !parts.includes(name));
if (unknownNames.length > 0) {
  console.error(`no part has the name ${unknownNames.join(', ')}; the parts are ${parts.join(', ')}`);
  process.exit(2);
}

const bars: string[] = [];
const broken: string[] = [];
const results: PartResult[] = [];
for (const part of named.length > 0 ? named : parts.filter((name) => !ONLY_BY_NAME.has(name))) {
  console.log(`\n${part}`);
  const startedMs = performance.now();
  const child = spawn(process.execPath, [join(folder, `${part}.ts`)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const lines: string[] = [];
  let judged = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    console.log(line);
    lines.push(line);
    if (!line.startsWith(MET) && !line.startsWith(MISSED)) continue;
    bars.push(`${line}  ${part}`);
    if (line.startsWith(MISSED)) judged += 1;
  }
  const code = await ended;
  // A missed bar exits with 1 as well; anything else is a bench that did not come to its end.
  if (code !== 0 && judged === 0) broken.push(`${part} ended with ${code}`);
  else results.push({ part, lines, seconds: (performance.now() - startedMs) / 1000 });
  writeResults(results);
}

const missed = bars.filter((line) => line.startsWith(MISSED));
console.log(`\n${bars.length - missed.length} of ${bars.length} bars met`);
for (const line of [...missed, ...broken]) console.log(line);
if (missed.length + broken.length > 0) process.exitCode = 1;
