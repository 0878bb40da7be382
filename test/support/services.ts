import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** System suites by the ending of their file names, and the programs that they run. */
const SERVICES = [
  { suites: 'Redis', files: 'test/system/**/*.redis.test.ts', programs: ['redis-server', 'redis-cli', 'openssl'] },
  { suites: 'gateway', files: 'test/system/**/*.gateway.test.ts', programs: ['nginx', 'caddy', 'haproxy', 'python3'] },
  { suites: 'Worker', files: 'test/system/**/*.worker.test.ts', programs: ['redis-server', 'python3'] },
  {
    suites: 'container',
    files: 'test/system/**/*.container.test.ts',
    programs: ['buildah', 'unshare', 'setpriv'],
    root: true,
  },
  { suites: 'browser', files: 'test/system/**/*.browser.test.ts', programs: ['chromium'] },
  { suites: 'browser and Caddy', files: 'test/system/**/*-caddy.browser.test.ts', programs: ['chromium', 'caddy'] },
];

/** Suites that cannot run on this machine, and why. None with STEPGATE_TEST_SERVICES=required: then they run, and fail. */
function leftOut(): { suites: string; files: string; why: string }[] {
  if (process.env.STEPGATE_TEST_SERVICES === 'required') return [];
  return SERVICES.flatMap(({ suites, files, programs, root = false }) => {
    const missing = programs.filter((program) => !isInstalled(program));
    const reasons = [
      ...(missing.length === 0 ? [] : [`${missing.join(', ')} not installed`]),
      ...(root && process.getuid?.() !== 0 ? ['they need root'] : []),
    ];
    return reasons.length === 0 ? [] : [{ suites, files, why: reasons.join(', ') }];
  });
}

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

/** Globs of the suites that are left out. */
export function leftOutFiles(): string[] {
  return leftOut().map(({ files }) => files);
}

/** Prints a line for each kind of suite that is left out. */
export function warnOfLeftOut(): void {
  for (const { suites, why } of leftOut()) console.warn(`${suites} suites left out: ${why}`);
}
