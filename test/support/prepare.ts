import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BUNDLED_SHARDS, bundledShards } from './geo/built.ts';

/** Compiles the geo data that Worker suites carry before the first test, since that takes longer than a test may. */
export default async function prepare(): Promise<void> {
  // What is there but old is brought up to date by whoever needs it: that is quick as long as the data is the same.
  if (!existsSync(join(BUNDLED_SHARDS, 'manifest.json'))) await bundledShards();
}
