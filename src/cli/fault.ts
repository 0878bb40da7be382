import { ProblemError } from '../http/problem.ts';

/** Something that keeps a command from being carried out. The message says what was found and what to do. */
export class CliError extends Error {
  override readonly name = 'CliError';
}

/** Runs `work`, turning what it throws into a {@link CliError} when `expected` says that it is no fault of the program. */
export async function orCliError<T>(work: () => Promise<T> | T, expected: (error: Error) => boolean): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error && expected(error)) throw new CliError(messageOf(error), { cause: error });
    throw error;
  }
}

/** An answer over HTTP is brief about its faults, since it lists them beside the message; here there is only the message. */
function messageOf(error: Error): string {
  if (!(error instanceof ProblemError) || error.faults.length === 0) return error.message;
  return error.faults.map(({ path, message }) => `${path}: ${message}`).join('\n');
}

/** Whether Node says that a file or directory cannot be used (ENOENT, EACCES, EISDIR, …). */
export function isFileError(error: Error): boolean {
  return 'syscall' in error && 'code' in error;
}
