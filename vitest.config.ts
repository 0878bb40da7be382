import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Two cores and real servers: a generous limit keeps a slow machine from failing a right answer.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
  },
});
