/**
 * Asks the registry for known vulnerabilities of the production packages, as `npm audit` does, and exits with 1 when there is one.
 * A registry that does not serve its audit endpoint leaves the question open: that is said loudly, and fails with `--required`.
 * Run: `npm run audit`
 */
import { spawnSync } from 'node:child_process';
import { z } from 'zod';

const report = z.object({
  vulnerabilities: z.record(z.string(), z.object({ severity: z.string(), range: z.string() })),
});
const failure = z.object({ message: z.string().default('neither a report nor an error came back') });

const { stdout, error } = spawnSync('npm', ['audit', '--omit=dev', '--json'], { encoding: 'utf8' });
if (error !== undefined) throw error;
const answer = answerIn(stdout);
const read = report.safeParse(answer);
if (read.success) {
  const found = Object.entries(read.data.vulnerabilities);
  for (const [name, { severity, range }] of found) console.error(`${name} ${range}: ${severity}`);
  console.log(`${found.length} production packages with a known vulnerability`);
  if (found.length > 0) process.exitCode = 1;
} else {
  const { message } = failure.parse(answer);
  console.error(`!!! NOT AUDITED: the registry gave no answer about known vulnerabilities (${message})`);
  console.error('!!! Run `npm run audit -- --required` where its audit endpoint can be reached before you release.');
  if (process.argv.includes('--required')) process.exitCode = 1;
}

function answerIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { message: 'npm printed no JSON' };
  }
}
