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
  if (isFileError(error)) return fileMessage(error);
  if (!(error instanceof ProblemError) || error.faults.length === 0) return error.message;
  return error.faults.map(({ path, message }) => `${path}: ${message}`).join('\n');
}

/** An error of the file system. */
type FileError = Error & { readonly syscall: unknown; readonly code: unknown; readonly path?: unknown };

/** Whether a file or directory cannot be used (ENOENT, EACCES, EISDIR, …). */
export function isFileError(error: Error): error is FileError {
  return 'syscall' in error && 'code' in error;
}

const FILE_FAULTS: ReadonlyMap<unknown, string> = new Map([
  ['ENOENT', 'there is no such file (ENOENT). Check the path.'],
  ['EACCES', 'it must not be read or written by this user (EACCES). Change its permissions, or run as another user.'],
  ['EISDIR', 'it is a directory (EISDIR). Name a file in it.'],
  ['ENOTDIR', 'a part of the path is not a directory (ENOTDIR). Check the path.'],
]);

function fileMessage({ syscall, code, path, message }: FileError): string {
  const fault = FILE_FAULTS.get(code);
  return fault === undefined || typeof path !== 'string' ? message : `cannot ${syscall} ${path}: ${fault}`;
}
