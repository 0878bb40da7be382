import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { until } from '../until.ts';

/** A program in a process of its own, which ends with the process that started it. */
export interface Program {
  readonly pid: number;
  /** Everything that it has printed so far; nothing after its start when its output is dropped. */
  output(): string;
  /** The exit code once it has ended, by itself or not, and all that it printed has come; null where a signal ended it. */
  readonly exited: Promise<number | null>;
  kill(signal: NodeJS.Signals): void;
  /** Ends it, even one that is frozen; default SIGTERM. Answers with the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** To what was preloaded into it: resolves once that has answered. */
  tell(message: number): Promise<void>;
  /** Memory that it occupies, in MiB; unknown (NaN) where there is no /proc. */
  residentMiB(): number;
}

export interface ProgramOptions {
  readonly cwd?: string | undefined;
  /** All of its environment; default: that of this process. */
  readonly env?: NodeJS.ProcessEnv;
  /** True reads what it prints once it has started as a log collector would, and keeps nothing; default false. */
  readonly dropsOutput?: boolean;
}

/** A program that has said so, or takes connections. */
export interface StartedProgram extends Program {
  /** The first group of what it was waited for. */
  readonly said: string;
}

/** Starts a program without waiting for anything. */
export function spawnProgram(
  command: string,
  args: readonly string[],
  { cwd, env = process.env }: ProgramOptions = {},
): Program & { drop(): void } {
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  const reap = (): void => void child.kill('SIGKILL');
  process.once('exit', reap);
  let output = '';
  let isKept = true;
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (data) => {
      if (isKept) output += data;
    });
  }
  const exited = new Promise<number | null>((resolve) => {
    child.once('close', resolve);
    child.once('error', (error) => {
      output += error.message;
      resolve(null);
    });
  });
  void exited.then(() => process.off('exit', reap));
  return {
    pid: child.pid ?? 0,
    output: () => output,
    exited,
    kill: (signal) => void child.kill(signal),
    stop: (signal = 'SIGTERM') => {
      child.kill('SIGCONT');
      child.kill(signal);
      return exited;
    },
    tell: async (message) => {
      const answered = once(child, 'message');
      child.send(message);
      await answered;
    },
    residentMiB: () => {
      try {
        return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024;
      } catch {
        return Number.NaN;
      }
    },
    drop: () => {
      isKept = false;
    },
  };
}

/**
 * Starts a program and waits until its port takes connections, or until it has printed this.
 *
 * @throws {Error} with what it printed, when it ends before that
 */
export async function startProgram(
  command: string,
  args: readonly string[],
  { ready, dropsOutput = false, ...options }: ProgramOptions & { readonly ready: number | RegExp },
): Promise<StartedProgram> {
  const { drop, ...program } = spawnProgram(command, args, options);
  let hasEnded = false;
  void program.exited.then(() => {
    hasEnded = true;
  });
  let said = '';
  const isReady = async (): Promise<boolean> => {
    if (typeof ready === 'number') return isOpen(ready);
    const found = ready.exec(program.output());
    said = found?.[1] ?? '';
    return found !== null;
  };
  await until(async () => {
    if (await isReady()) return true;
    if (hasEnded) throw new Error(`${command} ended before it listened: ${program.output()}`);
    return false;
  });
  if (dropsOutput) drop();
  return { ...program, said };
}

/** The service in a process of its own. */
export interface Service extends StartedProgram {
  readonly url: string;
}

/** Starts the service from its source and waits until it listens. `flags` go to Node: `--cpu-prof`. */
export async function startService(env: NodeJS.ProcessEnv, flags: readonly string[] = []): Promise<Service> {
  const script = join(import.meta.dirname, '../../../src/node.ts');
  const program = await startProgram(process.execPath, [...flags, script], {
    env: { ...process.env, ...env },
    ready: /"url":"([^"]+)"/,
  });
  return { ...program, url: program.said };
}

/** Whether somebody listens on a port of 127.0.0.1. */
export function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
