import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { z } from 'zod';

const ROOT = join(import.meta.dirname, '../../..');

test('The bill of materials names every production package with its version, hash and licence', async () => {
  const component = z.object({
    name: z.string(),
    version: z.string(),
    purl: z.string(),
    hashes: z.array(z.object({ alg: z.literal('SHA-512'), content: z.string() })).min(1),
    licenses: z.array(z.unknown()).min(1),
  });
  const bill = z.object({
    bomFormat: z.literal('CycloneDX'),
    metadata: z.object({ component: z.object({ name: z.literal('stepgate') }) }),
    components: z.array(component),
  });
  const { stdout } = await promisify(execFile)('npm', ['run', '--silent', 'sbom'], {
    cwd: ROOT,
    maxBuffer: 8_000_000,
  });
  const { components } = bill.parse(JSON.parse(stdout));
  const lockfile = z.object({
    packages: z.record(
      z.string(),
      z.object({
        version: z.string().default(''),
        dev: z.boolean().default(false),
        devOptional: z.boolean().default(false),
        link: z.boolean().default(false),
      }),
    ),
  });
  const { packages } = lockfile.parse(JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')));
  const shipped = Object.entries(packages)
    .filter(([path, { dev, devOptional, link }]) => path.includes('node_modules/') && !dev && !devOptional && !link)
    .map(([path, { version }]) => ({ path, version }));
  const named = (path: string): string => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  expect(components.map(({ name, version }) => `${name}@${version}`).sort()).toEqual(
    shipped.map(({ path, version }) => `${named(path)}@${version}`).sort(),
  );
});
