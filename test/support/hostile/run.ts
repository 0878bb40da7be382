/**
 * Attacks a server of its own, in a process of its own, until the time is over: round after round, each of the next seed. Ends
 * with 1 when an answer was one that none may be; what was sent then lies in a folder that is named.
 * Run: `npm run fuzz`, `npm run fuzz -- --seed 7 --minutes 10`
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Finding, fuzzer } from './fuzz.ts';
import { startTarget } from './target.ts';
import { failuresIn, leaksIn } from './verdict.ts';

const ROUND = 2000;
/** What the server may occupy, beyond the heap that it has been given. */
const MAX_MIB = 600;
const MAX_FINDINGS = 20;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    minutes: { type: 'string', default: '1' },
  },
});
const [first, minutes] = [Number(values.seed), Number(values.minutes)];
if (!Number.isInteger(first) || !(minutes > 0)) {
  console.error('--seed takes a whole number, --minutes a number above 0');
  process.exit(2);
}

const dir = await mkdtemp(join(tmpdir(), 'stepgate-fuzz-'));
const target = await startTarget(dir);
const fuzz = await fuzzer(target.url);
const findings: Finding[] = [];
const answers = new Map<string, number>();
const faults: string[] = [];
let sent = 0;
let mostMiB = 0;
const startedMs = performance.now();
const elapsedMinutes = (): number => (performance.now() - startedMs) / 60_000;

for (let round = 0; elapsedMinutes() < minutes && findings.length < MAX_FINDINGS; round += 1) {
  const seed = first + round;
  const done = await fuzz.round(seed, ROUND);
  sent += done.sent;
  findings.push(...done.findings);
  for (const [name, count] of done.answers) answers.set(name, (answers.get(name) ?? 0) + count);
  const mib = target.residentMiB();
  mostMiB = Math.max(mostMiB, mib);
  const rate = sent / (elapsedMinutes() * 60);
  console.log(`seed ${seed}: ${sent} sent, ${rate.toFixed(0)}/s, ${findings.length} findings, ${mib.toFixed(0)} MiB`);
}

const ended = await target.stop();
if (ended !== 0) faults.push(`the server ended with ${ended}`);
if (mostMiB > MAX_MIB) faults.push(`the server occupied ${mostMiB.toFixed(0)} MiB`);
const log = (await readFile(target.logFile, 'utf8')).split('\n');
faults.push(...[...leaksIn(log), ...failuresIn(log)].slice(0, MAX_FINDINGS));

for (const [i, { request, faults: why }] of findings.entries()) {
  const file = join(dir, `finding-${i + 1}`);
  await writeFile(file, request.bytes);
  console.log(`${why.join('; ')}\n  ${file}`);
}
for (const fault of faults) console.log(fault);
console.log(
  [...answers]
    .sort()
    .map(([name, count]) => `${name}: ${count}`)
    .join(', '),
);
const total = findings.length + faults.length;
console.log(
  `${sent} requests from seed ${first} in ${elapsedMinutes().toFixed(1)} min: ${total === 0 ? 'nothing found' : `${total} faults`}`,
);
if (total === 0) await rm(dir, { recursive: true });
else process.exitCode = 1;
