/**
 * Prints the bill of materials of what is shipped, in CycloneDX, as `npm sbom` makes it from the lockfile. npm is asked for all
 * packages and the development ones are taken out here: with `--omit dev` it leaves out what both need, jose among them.
 * Run: `npm run --silent sbom > sbom.json`
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const ROOT = join(import.meta.dirname, '..');

const lockfile = z.object({
  name: z.string(),
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      dev: z.boolean().default(false),
      devOptional: z.boolean().default(false),
      link: z.boolean().default(false),
    }),
  ),
});
const component = z.looseObject({ 'bom-ref': z.string() });
const bill = z.looseObject({
  metadata: z.looseObject({ component }),
  components: z.array(component),
  dependencies: z.array(z.looseObject({ ref: z.string(), dependsOn: z.array(z.string()) })),
});

const { name, packages } = lockfile.parse(JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')));
const args = ['sbom', '--package-lock-only', '--sbom-format', 'cyclonedx', '--sbom-type', 'application'];
const npm = execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
const all = bill.parse(JSON.parse(npm));

const shipped = new Set([all.metadata.component['bom-ref']]);
for (const [path, { version, dev, devOptional, link }] of Object.entries(packages)) {
  if (path.includes('node_modules/') && !dev && !devOptional && !link)
    shipped.add(`${path.split('node_modules/').at(-1)}@${version}`);
}
const named = {
  ...all,
  // npm names the product after the folder it lies in.
  metadata: { ...all.metadata, component: { ...all.metadata.component, name } },
  components: all.components.filter((one) => shipped.has(one['bom-ref'])),
  dependencies: all.dependencies
    .filter(({ ref }) => shipped.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => shipped.has(other)) })),
};
console.log(JSON.stringify(named, null, 2));
