import { defineConfig } from 'vitest/config';
import { leftOutFiles } from './test/support/services.ts';

export default defineConfig({
  // Packages of this repository are tested by their sources.
  resolve: { tsconfigPaths: true },
  test: {
    // Two cores and real servers: a generous limit keeps a slow machine from failing a right answer.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // One suite waits for servers most of the time: another one fills the core.
    maxWorkers: '100%',
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      { extends: true, test: { name: 'contract', include: ['test/contract/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          exclude: ['node_modules/**', ...leftOutFiles()],
          globalSetup: ['test/support/prepare.ts'],
        },
      },
    ],
  },
});
