import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { importsOf } from '../../support/source-imports.ts';

const ROOT = resolve(import.meta.dirname, '../../..');

const names = z.record(z.string(), z.string()).default({});
const manifest = z.object({
  name: z.string(),
  version: z.string(),
  repository: z.object({ url: z.string(), directory: z.string().optional() }).optional(),
  exports: z
    .record(z.string(), z.union([z.string(), z.object({ types: z.string(), default: z.string() })]))
    .default({}),
  files: z.array(z.string()).default([]),
  publishConfig: z.object({ access: z.string() }).optional(),
  private: z.boolean().default(false),
  dependencies: names,
  devDependencies: names,
  peerDependencies: names,
  peerDependenciesMeta: z.record(z.string(), z.object({ optional: z.boolean() })).default({}),
});
const manifestOf = (folder: string) =>
  manifest.parse(JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')));

interface Import {
  /** Below the root, with slashes. */
  readonly from: string;
  readonly specifier: string;
  /** The file of a relative import, below the root; null for a package. */
  readonly file: string | null;
}

function importsBelow(folder: string): readonly Import[] {
  const dir = join(ROOT, folder);
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !/(?:^|[\\/])(?:node_modules|dist)[\\/]/.test(path))
    .flatMap((path) =>
      importsOf(join(dir, path)).map(({ specifier }) => ({
        from: relative(ROOT, join(dir, path)).replaceAll(sep, '/'),
        specifier,
        file: specifier.startsWith('.')
          ? relative(ROOT, resolve(dir, dirname(path), specifier)).replaceAll(sep, '/')
          : null,
      })),
    );
}

const shown = ({ from, specifier }: Import): string => `${from} → ${specifier}`;

/** The package of `hono/cookie` and `@scope/name/part`; null for modules of the runtime. */
function packageOf(specifier: string): string | null {
  if (/^(?:node:|cloudflare:|#)/.test(specifier)) return null;
  return /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? null;
}

/** Imports of packages that none of these manifests' fields name; types come from `@types`. */
function undeclared(folder: string, declared: readonly string[]): readonly string[] {
  return importsBelow(folder)
    .filter(({ specifier, file }) => {
      const name = file === null ? packageOf(specifier) : null;
      return name !== null && !declared.includes(name) && !declared.includes(`@types/${name}`);
    })
    .map(shown);
}

/** Rooms of the service's source that are compiled into packages. */
const SHARED = /^src\/(?:contract|step-up|net|model)\//;
const PACKAGES = ['packages/browser', 'packages/sdk'];

describe.each(PACKAGES)('the source of %s', (folder) => {
  const { dependencies, devDependencies, peerDependencies } = manifestOf(folder);

  test('The source of a package imports its own files, the rooms that are shared, and what its manifest names', () => {
    const declared = Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies });
    expect(undeclared(folder, declared)).toEqual([]);
    const foreign = importsBelow(folder).filter(
      ({ file }) => file !== null && !file.startsWith(`${folder}/`) && !SHARED.test(file),
    );
    expect(foreign.map(shown)).toEqual([]);
  });

  test('The source of a package uses no module of Node', () => {
    expect(
      importsBelow(folder)
        .filter(({ specifier }) => specifier.startsWith('node:'))
        .map(shown),
    ).toEqual([]);
  });
});

test('The service imports nothing of the packages, and from the registry only what its manifest depends on', () => {
  const { dependencies } = manifestOf('.');
  expect(undeclared('src', Object.keys(dependencies))).toEqual([]);
  const outside = importsBelow('src').filter(({ file }) => file !== null && !file.startsWith('src/'));
  expect(outside.map(shown)).toEqual([]);
});

test('The shop imports the packages by their names, what its manifest names, and nothing of the service', () => {
  const { devDependencies } = manifestOf('examples/shop');
  expect(undeclared('examples/shop', Object.keys(devDependencies))).toEqual([]);
  const outside = importsBelow('examples/shop').filter(
    ({ file }) => file !== null && !file.startsWith('examples/shop/'),
  );
  expect(outside.map(shown)).toEqual([]);
});

describe('the manifests', () => {
  const published = ['.', ...PACKAGES].map((folder) => ({ folder, ...manifestOf(folder) }));

  test('The manifests say the same version, where the source is, and that everybody may install it', () => {
    for (const { folder, version, repository, publishConfig, ...more } of published) {
      expect(version, folder).toBe(manifestOf('.').version);
      expect(repository?.url, folder).toBe('git+https://github.com/stepgate/stepgate.git');
      expect(repository?.directory, folder).toBe(folder === '.' ? undefined : folder);
      expect(publishConfig?.access, folder).toBe('public');
      expect(more.private, folder).toBe(false);
    }
  });

  test('The manifests leave frameworks to the application: each is an optional peer', () => {
    for (const { name, peerDependencies, peerDependenciesMeta } of published) {
      const demanded = Object.keys(peerDependencies).filter((peer) => peerDependenciesMeta[peer]?.optional !== true);
      expect(demanded, name).toEqual([]);
    }
    expect(Object.keys(manifestOf('packages/sdk').peerDependencies)).toEqual(['express', 'hono', 'jose']);
  });

  test('The manifests name no folder that users put files into', () => {
    expect(manifestOf('.').files.filter((path) => !/\.\w+$/.test(path))).toEqual(['dist']);
  });

  test('The manifests have each export found by its source before anything is built', () => {
    const { compilerOptions } = z
      .object({ compilerOptions: z.object({ paths: z.record(z.string(), z.array(z.string())) }) })
      .parse(JSON.parse(readFileSync(join(ROOT, 'tsconfig.json'), 'utf8')));
    const sourceOf = (specifier: string): string | null => {
      for (const [pattern, [target = '']] of Object.entries(compilerOptions.paths)) {
        const [start = '', end] = pattern.split('*');
        if (end === undefined ? specifier !== pattern : !specifier.startsWith(start)) continue;
        return target.replace('*', specifier.slice(start.length)).replace('./', '');
      }
      return null;
    };
    for (const { name, exports } of published) {
      for (const [path, target] of Object.entries(exports)) {
        if (typeof target === 'string') continue;
        const script = /([^/]+)\.js$/.exec(target.default)?.[1];
        expect(sourceOf(`${name}${path.slice(1)}`), `${name}${path.slice(1)}`).toMatch(new RegExp(`/${script}\\.ts$`));
      }
    }
  });
});
