import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** A server in a process of its own. */
export interface ServerProcess {
  readonly url: string;
  readonly pid: number;
  /** Processor time that it has used, in ms; unknown (NaN) where there is no /proc. */
  processorMs(): number;
  /** Memory that it occupies, in MiB; unknown (NaN) where there is no /proc. */
  residentMiB(): number;
  /** The exit code once it has ended, by itself or not; null where a signal ended it. */
  readonly exited: Promise<number | null>;
  /** To what was preloaded into it: resolves once that has answered. */
  tell(message: number): Promise<void>;
  /** SIGTERM. Answers with the exit code. */
  stop(): Promise<number | null>;
}

/** The API key of every server that a bench starts. */
export const KEY = 'a-key-of-the-bench';

/**
 * Starts a script that prints a JSON line with its `url` once it listens. What it prints later is read and dropped, as a log
 * collector would read it. `flags` go to Node: `--cpu-prof`.
 */
export async function startProcess(
  script: string,
  environment: NodeJS.ProcessEnv,
  flags: readonly string[] = [],
): Promise<ServerProcess> {
  const child: ChildProcess = spawn(process.execPath, [...flags, script], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const reap = (): void => void child.kill('SIGKILL');
  process.once('exit', reap);
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  void exited.then(() => process.off('exit', reap));
  let errors = '';
  child.stderr?.on('data', (data) => (errors += String(data)));
  const url = await new Promise<string>((resolve, reject) => {
    let output = '';
    const listen = (data: unknown): void => {
      output += String(data);
      const found = /"url":"([^"]+)"/.exec(output)?.[1];
      if (found === undefined) return;
      child.stdout?.off('data', listen);
      child.stdout?.resume();
      resolve(found);
    };
    child.stdout?.on('data', listen);
    void exited.then(() => reject(new Error(`${script} ended before it listened: ${errors}`)));
  });
  return {
    url,
    pid: child.pid ?? 0,
    processorMs: () => processorMsOf(child.pid),
    residentMiB: () => residentMiBOf(child.pid),
    exited,
    tell: async (message) => {
      const answered = once(child, 'message');
      child.send(message);
      await answered;
    },
    stop: () => {
      child.kill('SIGTERM');
      return exited;
    },
  };
}

/** Linux counts in hundredths of a second: user and system time are the 14th and 15th field, after the name in brackets. */
function processorMsOf(pid: number | undefined): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return Number.NaN;
  }
}

function residentMiBOf(pid: number | undefined): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
  } catch {
    return Number.NaN;
  }
}
