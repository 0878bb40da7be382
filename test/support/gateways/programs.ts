import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { basename, join } from 'node:path';

/** A program that a test started. */
export interface Program {
  readonly process: ChildProcess;
  /** Ends it and waits for its end. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/**
 * Starts a program and waits until `port` takes connections.
 *
 * @throws {Error} with what the program printed, when it ends before that
 */
export async function startProgram(
  command: string,
  args: readonly string[],
  options: { readonly port: number; readonly cwd: string; readonly environment?: { readonly [name: string]: string } },
): Promise<Program> {
  // A file and not a pipe: nginx opens /dev/stdout by its name, which the sockets that Node gives for pipes do not take.
  const log = join(options.cwd, `${basename(command)}.log`);
  const output = openSync(log, 'a');
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { PATH: process.env.PATH, HOME: options.cwd, ...options.environment },
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  // A test that dies must not leave its program behind.
  const reap = (): void => void child.kill('SIGKILL');
  process.once('exit', reap);
  let failure: Error | null = null;
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      failure = error;
      resolve();
    });
    child.once('close', () => resolve());
  });
  void ended.then(() => process.off('exit', reap));
  const hasEnded = (): boolean => failure !== null || child.exitCode !== null || child.signalCode !== null;

  while (!(await isOpen(options.port))) {
    if (hasEnded())
      throw new Error(`${command} ended before it listened: ${failure ?? ''}${readFileSync(log, 'utf8')}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    process: child,
    stop: async (signal = 'SIGTERM') => {
      child.kill('SIGCONT');
      child.kill(signal);
      await ended;
    },
  };
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
