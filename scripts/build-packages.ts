import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { z } from 'zod';

const ROOT = resolve(import.meta.dirname, '..');
const TSC = join(ROOT, 'node_modules/.bin/tsc');

/** Packages that applications and pages install; each is a folder of `packages`. */
const PACKAGES = ['browser', 'sdk'];

const names = z.record(z.string(), z.unknown()).default({});
const manifest = z.object({
  exports: z.record(z.string(), z.object({ default: z.string() })),
  dependencies: names,
  peerDependencies: names,
});

/**
 * Makes `dist` of one package: an ES module for each export, with its sources in the source map, and the types. What the service
 * shares with it is compiled in; packages that its manifest depends on stay imports.
 */
async function buildPackage(name: string): Promise<void> {
  const dir = join(ROOT, 'packages', name);
  const dist = join(dir, 'dist');
  const { exports, dependencies, peerDependencies } = manifest.parse(
    JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')),
  );
  rmSync(dist, { recursive: true, force: true });
  const { metafile } = await build({
    entryPoints: Object.values(exports).map(({ default: script }) =>
      join(dir, script.replace('./dist/', 'src/').replace(/\.js$/, '.ts')),
    ),
    outdir: dist,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'neutral',
    // Of what is compiled in: the form that needs no module of Node.
    conditions: ['browser'],
    target: 'es2022',
    external: Object.keys({ ...dependencies, ...peerDependencies }),
    sourcemap: true,
    metafile: true,
    logLevel: 'warning',
  });
  const { status } = spawnSync(TSC, ['-p', dir], { stdio: 'inherit' });
  if (status !== 0) throw new Error(`the types of packages/${name} cannot be made`);
  copyFileSync(join(ROOT, 'LICENSE'), join(dir, 'LICENSE'));
  const notices = noticesOf(metafile);
  if (notices !== '') writeFileSync(join(dist, 'THIRD-PARTY-LICENSES.txt'), notices);
}

/** Licences of the packages whose code is compiled in. */
function noticesOf({ inputs }: Metafile): string {
  const folders = Object.keys(inputs).flatMap((path) => {
    const [folder] = /.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(relative(ROOT, resolve(path))) ?? [];
    return folder === undefined ? [] : [folder];
  });
  return [...new Set(folders)]
    .sort()
    .map((folder) => {
      const { name, license } = z
        .object({ name: z.string(), license: z.string() })
        .parse(JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')));
      return `${name} (${license})\n\n${licenceText(join(ROOT, folder))}\n`;
    })
    .join('\n');
}

function licenceText(folder: string): string {
  for (const file of ['LICENSE', 'LICENSE.md']) {
    try {
      return readFileSync(join(folder, file), 'utf8').trim();
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
  throw new Error(`${folder} has no LICENSE, and its code is compiled in`);
}

if (import.meta.main) {
  const chosen = process.argv.slice(2);
  const unknown = chosen.find((name) => !PACKAGES.includes(name));
  if (unknown !== undefined) throw new Error(`${unknown} is not a package; there are ${PACKAGES.join(', ')}`);
  for (const name of chosen.length > 0 ? chosen : PACKAGES) await buildPackage(name);
}
