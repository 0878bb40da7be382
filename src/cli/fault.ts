import { ProblemError } from '../http/problem.ts';

/** A command that cannot be carried out. The message says what was found and what to do. */
export class CliError extends Error {
  override readonly name = 'CliError';
}

/** Runs `work`, and turns an error that `expected` accepts into a {@link CliError}. */
export async function orCliError<T>(work: () => Promise<T> | T, expected: (error: Error) => boolean): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error && expected(error)) throw new CliError(messageWithFaults(error), { cause: error });
    throw error;
  }
}

/** HTTP answers list faults next to a short message; here the message must contain them. */
function messageWithFaults(error: Error): string {
  if (!(error instanceof ProblemError) || error.faults.length === 0) return error.message;
  return error.faults.map(({ path, message }) => `${path}: ${message}`).join('\n');
}

/** Whether a file or directory cannot be used (ENOENT, EACCES, EISDIR, …). */
export function isFileError(error: Error): boolean {
  return 'syscall' in error && 'code' in error;
}
