/**
 * Runs every bench of this folder, one after the other, and sums up which bars were met. Exits with 1 when one was missed or a
 * bench failed. Run: `npm run bench`
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { MET, MISSED } from './bar.ts';

const NOT_A_BENCH = new Set(['all.ts', 'bar.ts']);

const folder = import.meta.dirname;
const benches = readdirSync(folder)
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts') && !NOT_A_BENCH.has(name))
  .sort();
const bars: string[] = [];
const broken: string[] = [];
for (const bench of benches) {
  console.log(`\n${bench}`);
  const child = spawn(process.execPath, [join(folder, bench)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let judged = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    console.log(line);
    if (!line.startsWith(MET) && !line.startsWith(MISSED)) continue;
    bars.push(`${line}  ${basename(bench, '.ts')}`);
    if (line.startsWith(MISSED)) judged += 1;
  }
  const code = await ended;
  // A missed bar exits with 1 as well; anything else is a bench that did not come to its end.
  if (code !== 0 && judged === 0) broken.push(`${bench} ended with ${code}`);
}

const missed = bars.filter((line) => line.startsWith(MISSED));
console.log(`\n${bars.length - missed.length} of ${bars.length} bars met`);
for (const line of [...missed, ...broken]) console.log(line);
if (missed.length + broken.length > 0) process.exitCode = 1;
