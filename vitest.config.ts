import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** Suites that talk to real programs, by the ending of their file names, and the programs that they need. */
const SERVICES = [
  { suites: 'Redis', files: 'test/**/*.redis.test.ts', programs: ['redis-server', 'redis-cli', 'openssl'] },
  { suites: 'gateway', files: 'test/**/*.gateway.test.ts', programs: ['nginx', 'caddy', 'haproxy', 'python3'] },
  { suites: 'Worker', files: 'test/**/*.worker.test.ts', programs: ['redis-server', 'python3'] },
  {
    suites: 'container',
    files: 'test/**/*.container.test.ts',
    programs: ['buildah', 'unshare', 'setpriv'],
    root: true,
  },
  { suites: 'browser', files: 'test/**/*.browser.test.ts', programs: ['chromium'] },
  { suites: 'browser and Caddy', files: 'test/**/*-caddy.browser.test.ts', programs: ['chromium', 'caddy'] },
];

function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** With STEPGATE_TEST_SERVICES=required every suite runs, and one whose program is missing fails. */
function leftOut(): string[] {
  if (process.env.STEPGATE_TEST_SERVICES === 'required') return [];
  return SERVICES.flatMap(({ suites, files, programs, root = false }) => {
    const missing = programs.filter((program) => !isInstalled(program));
    const why = [
      ...(missing.length === 0 ? [] : [`${missing.join(', ')} not installed`]),
      ...(root && process.getuid?.() !== 0 ? ['they need root'] : []),
    ];
    if (why.length === 0) return [];
    console.warn(`${suites} suites left out: ${why.join(', ')}`);
    return [files];
  });
}

export default defineConfig({
  // Packages of this repository are tested by their sources.
  resolve: { tsconfigPaths: true },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/prepare.ts'],
    exclude: ['node_modules/**', ...leftOut()],
    // Two cores and real servers: a generous limit keeps a slow machine from failing a right answer.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // One suite waits for servers most of the time: another one fills the core.
    maxWorkers: '100%',
  },
});
