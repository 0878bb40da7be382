import { spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { snippetsOf } from '../../scripts/snippets.ts';
import { issuer } from '../support/issuer.ts';
import { KEY, type Workshop, workshop } from '../support/servers/stepgate.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const FIXTURES = join(ROOT, 'test/system/packages');
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0';

/** Tarballs by the name of their package, and a folder for projects that use them. */
let work: string;
const tarballs = new Map<string, string>();

interface Ran {
  readonly status: number | null;
  readonly output: string;
}

function run(command: string, args: readonly string[], cwd: string): Ran {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}

const node = (cwd: string, ...args: readonly string[]): Ran => run(process.execPath, args, cwd);

const packed = z.array(
  z.object({ name: z.string(), filename: z.string(), files: z.array(z.object({ path: z.string() })) }),
);

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'stepgate-packages-'));
  const args = ['pack', '--silent', '--json', '--include-workspace-root', '--pack-destination', work];
  const workspaces = ['browser', 'sdk'].flatMap((name) => ['--workspace', `packages/${name}`]);
  const { stdout, stderr } = spawnSync('npm', [...args, ...workspaces], { cwd: ROOT, encoding: 'utf8' });
  const found = packed.safeParse(JSON.parse(stdout.slice(stdout.indexOf('[\n'))));
  if (!found.success) throw new Error(`nothing was packed: ${stdout}${stderr}`);
  for (const { name, filename } of found.data) tarballs.set(name, join(work, filename));
}, 300_000);

afterAll(() => rm(work, { recursive: true, force: true }));

/** A project whose `node_modules` holds the packed package, and of everything else what it is given. */
function projectWith(name: string, packages: readonly string[], modules: { readonly [name: string]: string }): string {
  const dir = join(work, name);
  const into = join(dir, 'node_modules');
  for (const one of packages) {
    const place = join(into, one);
    mkdirSync(place, { recursive: true });
    run('tar', ['-xzf', tarballs.get(one) ?? '', '-C', place, '--strip-components', '1'], dir);
  }
  for (const [as, found] of Object.entries(modules)) {
    mkdirSync(dirname(join(into, as)), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', found), join(into, as));
  }
  writeFileSync(join(dir, 'package.json'), '{ "type": "module" }');
  return dir;
}

function filesBelow(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((path) => statSync(join(dir, path)).isFile());
}

const LIMITS = [
  ['@stepgate/browser', 1_000_000],
  ['@stepgate/sdk', 10_000_000],
] as const;

/** The rooms of the service's source that packages share with it; anything else is the service's own. */
const SHARED = /^(?:contract|model|net|step-up)\//;
const manifest = z.object({
  exports: z.record(z.string(), z.union([z.string(), z.object({ types: z.string(), default: z.string() })])),
  dependencies: z.record(z.string(), z.string()).default({}),
  peerDependencies: z.record(z.string(), z.string()).default({}),
});
const manifestOf = (folder: string) =>
  manifest.parse(JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')));

describe.each(LIMITS)('%s, packed', (name, limit) => {
  let dir: string;
  const { exports, dependencies, peerDependencies } = manifestOf(`packages/${name.slice(10)}`);

  beforeAll(() => {
    dir = join(projectWith(`contents-of-${name.slice(10)}`, [name], {}), 'node_modules', name);
  });

  test(`A packed package takes less than ${limit / 1e6} MB, installed with all that it depends on`, () => {
    const project = join(work, `installed-${name.slice(10)}`);
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), '{ "private": true }');
    const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', tarballs.get(name) ?? ''];
    expect(run('npm', args, project).status).toBe(0);
    const modules = join(project, 'node_modules');
    const bytes = filesBelow(modules).reduce((sum, path) => sum + statSync(join(modules, path)).size, 0);
    console.log(`${name}, installed: ${bytes.toLocaleString('en')} bytes`);
    expect(bytes).toBeLessThan(limit);
    expect(existsSync(join(modules, 'stepgate'))).toBe(false);
  }, 120_000);

  test('A packed package imports its own files and what its manifest names, and nothing else', () => {
    const IMPORT = /(?:\bfrom|\bimport|\bimport\()\s*["']([^"']+)["']/g;
    const declared = Object.keys({ ...dependencies, ...peerDependencies });
    const strange = filesBelow(dir)
      .filter((path) => /\.(?:js|d\.ts)$/.test(path))
      .flatMap((path) =>
        [...readFileSync(join(dir, path), 'utf8').matchAll(IMPORT)].flatMap(([, specifier = '']) => {
          const isOwn = specifier.startsWith('.') && existsSync(fileOf(resolve(dir, dirname(path), specifier)));
          const isDeclared = declared.some((one) => specifier === one || specifier.startsWith(`${one}/`));
          return isOwn || isDeclared ? [] : [`${path} → ${specifier}`];
        }),
      );
    expect(strange).toEqual([]);
  });

  test('A packed package holds nothing that is the service\u2019s own', () => {
    const source = join(dir, 'dist/types/src');
    const own = (existsSync(source) ? filesBelow(source) : []).filter((path) => !SHARED.test(path));
    expect(own).toEqual([]);
    const sources = filesBelow(dir)
      .filter((path) => path.endsWith('.map'))
      .flatMap((path) => sourcesOf(join(dir, path)).map(({ path: found }) => relative(ROOT, found)));
    const foreign = sources.filter((path) => path.startsWith('src/') && !SHARED.test(path.slice(4)));
    expect(foreign).toEqual([]);
  });

  test('A packed package has a source map with its sources beside each script', () => {
    const scripts = filesBelow(dir).filter((path) => path.endsWith('.js'));
    expect(scripts.length).toBeGreaterThanOrEqual(Object.keys(exports).length);
    for (const path of scripts) {
      const named = /\/\/# sourceMappingURL=(\S+)\s*$/.exec(readFileSync(join(dir, path), 'utf8'))?.[1] ?? '';
      const sources = sourcesOf(join(dir, dirname(path), named));
      expect(sources.filter(({ text }) => text === null)).toEqual([]);
    }
  });

  test('A packed package comes with its licence, a page to read, and the files that its exports name', () => {
    const files = filesBelow(dir);
    for (const file of ['LICENSE', 'README.md', 'package.json']) expect(files).toContain(file);
    for (const target of Object.values(exports)) {
      const named = typeof target === 'string' ? [target] : Object.values(target);
      for (const path of named) expect(files).toContain(path.slice(2));
    }
  });
});

/** The file of a relative import, in declarations as well. */
function fileOf(path: string): string {
  return existsSync(path) ? path : path.replace(/\.(?:js|ts)$/, '.d.ts');
}

const sourceMap = z.object({
  sources: z.array(z.string()),
  sourcesContent: z.array(z.string().nullable()).default([]),
});

/** Sources of a map, by where they lay when it was made. */
function sourcesOf(map: string): { readonly path: string; readonly text: string | null }[] {
  const { sources, sourcesContent } = sourceMap.parse(JSON.parse(readFileSync(map, 'utf8')));
  const [, name = ''] = /@stepgate\/(\w+)\/dist\//.exec(map) ?? [];
  const base = name === '' ? dirname(map) : join(ROOT, 'packages', name, 'dist');
  return sources.map((source, i) => ({ path: resolve(base, source), text: sourcesContent[i] ?? null }));
}

describe('the browser package', () => {
  test('The browser package knows no zod', () => {
    const dir = join(projectWith('zod-free', ['@stepgate/browser'], {}), 'node_modules/@stepgate/browser');
    const knowing = filesBelow(dir).filter(
      (path) => /\.(?:js|d\.ts)$/.test(path) && /["']zod["']/.test(readFileSync(join(dir, path), 'utf8')),
    );
    expect(knowing).toEqual([]);
  });

  test('The browser package can be imported where there is no window', () => {
    const project = projectWith('no-window', ['@stepgate/browser'], { '@fingerprintjs': '@fingerprintjs' });
    const script = `
      const { collectDevice } = await import('@stepgate/browser');
      const { deviceHeader } = await import('@stepgate/browser/device-header');
      for (const name of ['bot', 'descope', 'oidc']) await import('@stepgate/browser/' + name);
      console.log((await collectDevice()).why, deviceHeader({ fingerprint: 'b1946ac9' }));`;
    expect(node(project, '--input-type=module', '-e', script)).toEqual({
      status: 0,
      output: 'no_window v=1;fp=b1946ac9\n',
    });
  });
});

const TYPES = { '@types/node': '@types/node' };
/** What a project of one framework has installed beside the SDK, and what its program prints. */
const APPLICATIONS = [
  ['Hono 4.6 and zod 4.1', 'hono-app.ts', { hono: 'hono-4.6', zod: 'zod-4.1' }],
  ['Hono 4.13', 'hono-app.ts', { hono: 'hono' }],
  ['Express 4', 'express-app.ts', { express: 'express-4', '@types/express': '@types/express-4' }],
  ['Express 5', 'express-app.ts', { express: 'express', '@types/express': '@types/express' }],
  ['jose 5 and zod 4.1', 'local-proofs.ts', { jose: 'jose-5', zod: 'zod-4.1' }],
  ['jose 6', 'local-proofs.ts', { jose: 'jose' }],
] as const;

describe.each(APPLICATIONS)('an application on %s', (name, program, modules) => {
  let project: string;
  beforeAll(() => {
    project = projectWith(name.replaceAll(' ', '-'), ['@stepgate/sdk'], { zod: 'zod', ...TYPES, ...modules });
    for (const file of ['answers.ts', program]) cpSync(join(FIXTURES, file), join(project, file));
  });

  test.each([
    ['nodenext', 'nodenext'],
    ['bundler', 'esnext'],
  ])(
    'An application compiles against the types of the package, resolved as %s',
    async (moduleResolution, module) => {
      const config = {
        compilerOptions: {
          target: 'es2024',
          lib: ['es2024', 'dom', 'dom.iterable'],
          module,
          moduleResolution,
          strict: true,
          exactOptionalPropertyTypes: true,
          allowImportingTsExtensions: true,
          noEmit: true,
          types: ['node'],
          skipLibCheck: false,
        },
        files: [program],
      };
      await writeFile(join(project, 'tsconfig.json'), JSON.stringify(config));
      const compiled = run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', project], project);
      expect(compiled).toEqual({ status: 0, output: '' });
    },
    120_000,
  );

  test('An application runs: what is allowed goes on, what is not is challenged, a fault ends in the error handler', () => {
    const { status, output } = node(project, program);
    expect({ status, output }).toEqual({ status: 0, output: expect.stringMatching(/^\[.*\]\n$/) });
    if (program === 'local-proofs.ts') return expect(JSON.parse(output)).toEqual(['valid', 'subject_mismatch']);
    const challenge = expect.stringMatching(/^Bearer error="insufficient_user_authentication"/);
    expect(JSON.parse(output)).toEqual([
      [200, null, expect.stringContaining('"score":0,"id":"7","user":"ann"')],
      [401, challenge, expect.stringContaining('step_up_required')],
      [500, null, 'unexpected_status'],
      [401, challenge, expect.stringContaining('step_up_required')],
    ]);
  });
});

test('An application installs only what it uses: no framework for the client, no other framework for one', () => {
  const imports = (project: string, ...names: readonly string[]): Ran =>
    node(project, '--input-type=module', '-e', names.map((one) => `await import('${one}');`).join(''));
  const alone = projectWith('client-alone', ['@stepgate/sdk'], { zod: 'zod' });
  const fine = { status: 0, output: '' };
  expect(imports(alone, '@stepgate/sdk', '@stepgate/sdk/express')).toEqual(fine);
  expect(
    imports(projectWith('hono-alone', ['@stepgate/sdk'], { zod: 'zod', hono: 'hono' }), '@stepgate/sdk/hono'),
  ).toEqual(fine);
  expect(
    imports(projectWith('jose-alone', ['@stepgate/sdk'], { zod: 'zod', jose: 'jose' }), '@stepgate/sdk/proofs'),
  ).toEqual(fine);
});

describe('the packed service', () => {
  test('The packed service has the command, the browser scripts, the default rules, and source maps with their sources', () => {
    const dir = join(projectWith('service', ['stepgate'], {}), 'node_modules/stepgate');
    const files = filesBelow(dir);
    const parts = [
      'dist/cli.js',
      'dist/node.js',
      'dist/browser/client.js',
      'dist/browser/client.mjs',
      'LICENSE',
      'README.md',
    ];
    for (const file of [...parts, 'CHANGELOG.md']) expect(files).toContain(file);
    const maps = files.filter((path) => path.endsWith('.js.map'));
    expect(maps.length).toBeGreaterThan(50);
    expect(maps.flatMap((path) => sourcesOf(join(dir, path)).filter(({ text }) => text === null))).toEqual([]);
    expect(files.filter((path) => path.startsWith('packages/') || path.startsWith('dist/packages/'))).toEqual([]);
  });

  test('The packed service runs its command, and checks the rules that it brings', () => {
    const modules = Object.fromEntries(Object.keys(manifestOf('.').dependencies).map((name) => [name, name]));
    const project = projectWith('command', ['stepgate'], modules);
    const command = join(project, 'node_modules/stepgate/dist/cli.js');
    expect(node(project, command, '--help')).toEqual({ status: 0, output: expect.stringContaining('serve') });
    const rules = join(project, 'node_modules/stepgate/rules');
    expect(node(project, command, 'rules', 'lint', '--dir', rules)).toMatchObject({ status: 0 });
  });

  test('The packed service has types for the engine that programs embed', () => {
    const modules = Object.fromEntries(Object.keys(manifestOf('.').dependencies).map((name) => [name, name]));
    const project = projectWith('embedding', ['stepgate'], { ...modules, ...TYPES });
    const program =
      "import { createEngine } from 'stepgate/engine';\nexport const make: (...parts: never[]) => unknown = createEngine;\n";
    writeFileSync(join(project, 'program.ts'), program);
    const config = {
      compilerOptions: {
        target: 'es2024',
        module: 'nodenext',
        strict: true,
        noEmit: true,
        types: ['node'],
        skipLibCheck: true,
      },
      files: ['program.ts'],
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(config));
    expect(run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', project], project)).toEqual({ status: 0, output: '' });
    expect(node(project, '--input-type=module', '-e', "await import('stepgate/engine')")).toEqual({
      status: 0,
      output: '',
    });
  });

  test('The packed service holds no rule file but the shipped ones, whatever lies beside them', () => {
    const copy = join(work, 'own-rules');
    mkdirSync(copy);
    cpSync(join(ROOT, 'package.json'), join(copy, 'package.json'));
    cpSync(join(ROOT, 'rules'), join(copy, 'rules'), { recursive: true });
    for (const own of ['own.json', 'bank/own.json']) {
      writeFileSync(join(copy, 'rules', own), '{ "version": 1, "rules": [] }');
    }
    const { stdout } = spawnSync('npm', ['pack', '--dry-run', '--json', '--silent', '--ignore-scripts'], {
      cwd: copy,
      encoding: 'utf8',
    });
    const [found] = packed.parse(JSON.parse(stdout));
    const rules = found?.files.map(({ path }) => path).filter((path) => path.startsWith('rules/'));
    const policies = ['default', 'bank/bank', 'shop/shop', 'sso/sso'].flatMap((name) => [
      `${name}.json`,
      `${name}.test.json`,
    ]);
    const shipped = [...policies, 'rules.schema.json', 'rules.test.schema.json'].map((name) => `rules/${name}`);
    expect(rules?.sort()).toEqual(shipped.sort());
  });
});

describe('the shop of docs/checkout.md goes as written', () => {
  const page = readFileSync(join(ROOT, 'docs/checkout.md'), 'utf8');
  const programs = snippetsOf('docs/checkout.md', page);
  const harness = {
    hono: `
      import { serve } from '@hono/node-server';
      import { app, sessions } from './shop.ts';
      sessions.set('s-1', 'ann');
      serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => console.log('port', port));`,
    express: `
      import { app, sessions } from './shop.ts';
      sessions.set('s-1', 'ann');
      const server = app.listen(0, '127.0.0.1', () => console.log('port', server.address().port));`,
  };
  let shop: Workshop;
  let project: string;

  beforeAll(async () => {
    project = projectWith('checkout', ['@stepgate/sdk'], {
      zod: 'zod',
      hono: 'hono',
      express: 'express',
      jose: 'jose',
      '@hono/node-server': '@hono/node-server',
    });
    shop = await workshop();
    const [rules] = programs.filter(({ language, text }) => language === 'json' && text.includes('"rules"'));
    await writeFile(join(shop.dir, 'checkout.json'), rules?.text ?? '');
    await writeFile(join(shop.dir, 'default.json'), await readFile(join(ROOT, 'rules/default.json'), 'utf8'));
  });
  afterEach(() => shop.tidy());
  afterAll(() => shop.close());

  test.each(['hono', 'express'] as const)(
    'The shop of docs/checkout.md goes as written on %s',
    async (framework) => {
      const idp = issuer();
      const { server } = await shop.start({ STEP_UP_ISSUERS: JSON.stringify([idp.entry()]) });
      const program = programs.find(({ place, text }) => place === 'server' && text.includes(`from '${framework}'`));
      await writeFile(join(project, 'shop.ts'), program?.text ?? '');
      await writeFile(join(project, 'harness.ts'), harness[framework]);
      const env = { ...process.env, STEPGATE_URL: server.url, STEPGATE_KEY: KEY, PORT: '0', NO_COLOR: '1' };
      const child = spawn(process.execPath, ['harness.ts'], {
        cwd: project,
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      shop.onTidy(() => child.kill());
      const lines = createInterface({ input: child.stdout });
      let url = '';
      for await (const line of lines) {
        const [, port] = /^port (\d+)$/.exec(line) ?? [];
        if (port === undefined) continue;
        url = `http://127.0.0.1:${port}/api/checkout`;
        break;
      }
      const order = (amount: number, headers: Record<string, string> = {}) =>
        fetch(url, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json', 'User-Agent': FIREFOX, ...headers },
          body: JSON.stringify({ amount }),
        });

      const small = await order(20);
      expect([small.status, await small.json()]).toEqual([200, { ordered: 20, decision: 'allow' }]);
      const large = await order(250);
      expect(large.status).toBe(401);
      expect(page).toContain(`\nwww-authenticate: ${large.headers.get('www-authenticate')}\n`);
      expect(page).toContain(`\ncontent-type: ${large.headers.get('content-type')}\n`);

      const device = { 'X-Stepgate-Device': 'v=1;fp=b1946ac92492d2347c6235b4d2611184' };
      const ann = { ...device, Cookie: 'session=s-1', 'X-Step-Up-Token': await idp.proof('ann') };
      const proven = await order(250, ann);
      expect([proven.status, await proven.json()]).toEqual([200, { ordered: 250, decision: 'allow' }]);
      expect(proven.headers.getSetCookie().join()).toContain('__Host-stepgate-device=');
      const wrong = await order(250, { ...ann, 'X-Step-Up-Token': await idp.proof('mallory') });
      expect(wrong.headers.get('www-authenticate')).toContain('subject_mismatch');
    },
    120_000,
  );
});
