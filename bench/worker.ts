/**
 * What an isolate costs before its first request: the size of the bundle that `wrangler deploy` uploads, and the processor time in
 * which workerd reads and runs it. The time is that of all threads of workerd, as the kernel counts it, until it listens, less that of
 * a Worker of one line; the least of several starts, since other work on the machine only adds. Linux only.
 * Run: `npm run bench -- worker`
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { workerCode } from '../test/support/servers/worker.ts';
import { WORKERD, writeWorkerd } from '../test/support/servers/workerd.ts';
import { bar } from './bar.ts';

const STARTS = 10;
const MAX_KIB = 700;
const MAX_START_MS = 50;
const EMPTY = 'export default { fetch: () => new Response() };';

/** Processor time of all threads so far, in ms. */
function processorMs(pid: number): number {
  let ns = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  }
  return ns / 1e6;
}

function listening(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.stdio[3]?.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`workerd ended with ${code} before it listened`)));
  });
}

/** What workerd has used when it listens, in ms. */
async function startMs(code: string): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-start-'));
  const config = writeWorkerd(folder, code, { vars: { NODE_ENV: 'production' } });
  const child = spawn(WORKERD, ['serve', '--control-fd=3', config], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  try {
    await listening(child);
    if (child.pid === undefined) throw new Error('workerd has no process id');
    return processorMs(child.pid);
  } finally {
    child.removeAllListeners('exit').kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

const code = await workerCode();
const kib = gzipSync(code).length / 1024;
bar('Worker bundle, gzip', `${kib.toFixed(0)} KiB`, kib <= MAX_KIB, `≤ ${MAX_KIB} KiB`);

const empty: number[] = [];
const whole: number[] = [];
for (let i = 0; i < STARTS; i += 1) {
  empty.push(await startMs(EMPTY));
  whole.push(await startMs(code));
}
const [leastEmpty, leastWhole] = [Math.min(...empty), Math.min(...whole)];
console.log(
  `  workerd with one line ${leastEmpty.toFixed(0)} ms, with the bundle ${leastWhole.toFixed(0)} ms of processor time`,
);
const own = leastWhole - leastEmpty;
bar('Worker start, processor time', `${own.toFixed(0)} ms`, own <= MAX_START_MS, `≤ ${MAX_START_MS} ms`);
