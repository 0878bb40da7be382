import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Takes away what an earlier build compiled, so that it cannot get into a package. The scripts of the browser are replaced in place. */
const DIST = resolve(import.meta.dirname, '../dist');

for (const name of existsSync(DIST) ? readdirSync(DIST) : []) {
  if (name !== 'browser') rmSync(join(DIST, name), { recursive: true, force: true });
}
