import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { hostileEnvironment } from './stage.ts';

/** A server under attack, in a process of its own. */
export interface Target {
  readonly url: string;
  /** Everything that it wrote. */
  readonly logFile: string;
  /** Memory that it occupies; unknown (NaN) where there is no /proc. */
  residentMiB(): number;
  /** Ends it in peace, and answers with its exit code; null where a signal ended it. */
  stop(): Promise<number | null>;
}

/** So little that what is kept of an attack would soon end the process. */
const HEAP_MIB = 256;

const ROOT = join(import.meta.dirname, '../../..');

/** Starts the service from its source on the rules of the stage, and watches its prototypes. */
export async function startTarget(dir: string): Promise<Target> {
  const logFile = join(dir, 'log');
  const watch = join(import.meta.dirname, 'watch-prototype.ts');
  const child = spawn(
    process.execPath,
    [`--max-old-space-size=${HEAP_MIB}`, '--import', watch, join(ROOT, 'src/node.ts')],
    {
      cwd: ROOT,
      env: { ...process.env, ...(await hostileEnvironment(dir)) },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const reap = (): void => void child.kill('SIGKILL');
  process.once('exit', reap);
  const log = createWriteStream(logFile);
  child.stderr.pipe(log, { end: false });
  child.stdout.pipe(log, { end: false });
  const exited = once(child, 'exit');
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = /"url":"([^"]+)"/.exec(line)?.[1];
      if (found !== undefined) resolve(found);
    });
    void exited.then(([code]) => reject(new Error(`the server ended with ${code} before it listened; see ${logFile}`)));
  });
  return {
    url,
    logFile,
    residentMiB: () => residentMiBOf(child.pid),
    stop: async () => {
      child.kill('SIGTERM');
      const [code] = await exited;
      process.off('exit', reap);
      log.end();
      await once(log, 'close');
      return typeof code === 'number' ? code : null;
    },
  };
}

function residentMiBOf(pid: number | undefined): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
  } catch {
    return Number.NaN;
  }
}
