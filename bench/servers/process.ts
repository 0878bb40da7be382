import { readFileSync } from 'node:fs';
import { type Program, startProgram } from '../../test/support/servers/program.ts';

/** A server in a process of its own. */
export interface ServerProcess extends Program {
  readonly url: string;
  /** Processor time that it has used, in ms; unknown (NaN) where there is no /proc. */
  processorMs(): number;
}

/** The API key of every server that a bench starts. */
export const KEY = 'a-key-of-the-bench';

/** Starts a script that prints a JSON line with its `url` once it listens. `flags` go to Node: `--cpu-prof`. */
export async function startProcess(
  script: string,
  environment: NodeJS.ProcessEnv,
  flags: readonly string[] = [],
): Promise<ServerProcess> {
  const program = await startProgram(process.execPath, [...flags, script], {
    env: { ...process.env, ...environment },
    ready: /"url":"([^"]+)"/,
    dropsOutput: true,
  });
  return { ...program, url: program.said, processorMs: () => processorMsOf(program.pid) };
}

/** Linux counts in hundredths of a second: user and system time are the 14th and 15th field, after the name in brackets. */
function processorMsOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return Number.NaN;
  }
}
