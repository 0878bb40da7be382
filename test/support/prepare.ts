import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BUNDLED_SHARDS, bundledShards } from './geo/built.ts';
import { warnOfLeftOut } from './services.ts';

/**
 * Runs once before the system suites: names the suites that are left out, again after the last test, and compiles the geo data that
 * Worker suites carry, which takes longer than a test may.
 */
export default async function prepare(): Promise<() => void> {
  warnOfLeftOut();
  // Data that is there but old is brought up to date by the suite that needs it: quick while its source is the same.
  if (!existsSync(join(BUNDLED_SHARDS, 'manifest.json'))) await bundledShards();
  return warnOfLeftOut;
}
