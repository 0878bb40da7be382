/** Judges a measured value by its bar: prints one line, and lets the process exit with 1 when the bar is missed. */
export function bar(name: string, value: string, holds: boolean, wanted: string): void {
  console.log(`${holds ? MET : MISSED} ${name}: ${value} (bar ${wanted})`);
  if (!holds) process.exitCode = 1;
}

/** How the lines of {@link bar} begin. */
export const MET = '  ok    ';
export const MISSED = '  MISSED';
