/** Whether Node says that a file or directory does not exist (`ENOENT`). */
export function isMissingFile(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
