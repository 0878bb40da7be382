import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';

const ROOT = join(import.meta.dirname, '../..');

const lockedPackage = z.object({
  version: z.string(),
  license: z.string().optional(),
  integrity: z.string().optional(),
  resolved: z.string().optional(),
  dev: z.boolean().default(false),
  /** Of the applications that use a package, or of development. */
  devOptional: z.boolean().default(false),
  link: z.boolean().default(false),
  hasInstallScript: z.boolean().default(false),
});
const lockfile = z.object({
  lockfileVersion: z.literal(3),
  packages: z.record(z.string(), z.unknown()),
});
const manifest = z.object({
  dependencies: z.record(z.string(), z.string()),
  devDependencies: z.record(z.string(), z.string()),
});

const { packages } = lockfile.parse(JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')));
const workspaces = Object.keys(packages).filter((path) => path !== '' && !path.includes('node_modules/'));
const locked = Object.entries(packages)
  .filter(([path, found]) => path.includes('node_modules/') && !workspaces.includes(String(resolvedOf(found))))
  .map(([path, found]) => ({ path, ...lockedPackage.parse(found) }));
const shipped = locked.filter(({ dev, devOptional }) => !dev && !devOptional);

function resolvedOf(found: unknown): unknown {
  return typeof found === 'object' && found !== null && 'resolved' in found ? found.resolved : undefined;
}

/** Licences that ask for no more than their own text beside the copy. */
const PERMISSIVE = new Set(['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'Unlicense']);

describe('what is installed', () => {
  test('Every package is pinned to its bytes and comes from the npm registry', () => {
    expect(shipped.length).toBeGreaterThan(0);
    const loose = locked.filter(
      ({ integrity = '', resolved = 'https://registry.npmjs.org/', link }) =>
        link || !integrity.startsWith('sha512-') || !resolved.startsWith('https://registry.npmjs.org/'),
    );
    expect(loose).toEqual([]);
    expect(workspaces.sort()).toEqual(['examples/shop', 'packages/browser', 'packages/sdk']);
  });

  test('Direct dependencies name one version, not a range', () => {
    const { dependencies, devDependencies } = manifest.parse(
      JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')),
    );
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      expect(version, name).toMatch(/^(?:npm:(?:@[a-z]+\/)?[a-z-]+@)?\d+\.\d+\.\d+$/);
    }
  });
});

describe('what is shipped', () => {
  test('Every production package has a permissive licence', () => {
    const foreign = shipped.filter(({ license }) => license === undefined || !PERMISSIVE.has(license));
    expect(foreign).toEqual([]);
  });

  test('No production package runs a program when it is installed', () => {
    expect(shipped.filter(({ hasInstallScript }) => hasInstallScript)).toEqual([]);
  });

  test('Every runtime dependency is accounted for in its decision record', () => {
    const record = readFileSync(join(ROOT, 'docs/decisions/0007-runtime-dependencies.md'), 'utf8');
    const { dependencies } = manifest.parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')));
    expect(Object.keys(dependencies).filter((name) => !record.includes(name))).toEqual([]);
  });
});
