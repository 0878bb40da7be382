import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importsOf } from '../support/source-imports.ts';

const SRC = resolve(import.meta.dirname, '../../src');

interface SourceFile {
  /** Path below `src`, with slashes. */
  readonly path: string;
  /** Source files it imports values from, and those it takes only types from. */
  readonly values: readonly string[];
  readonly types: readonly string[];
  /** Packages and `node:` modules, types included. */
  readonly packages: readonly string[];
}

function read(path: string): SourceFile {
  const values: string[] = [];
  const types: string[] = [];
  const packages: string[] = [];
  for (const { specifier, onlyTypes } of importsOf(join(SRC, path))) {
    if (!specifier.startsWith('.')) packages.push(specifier);
    else (onlyTypes ? types : values).push(relative(SRC, resolve(SRC, dirname(path), specifier)).replaceAll(sep, '/'));
  }
  return { path, values, types, packages };
}

const files: readonly SourceFile[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll(sep, '/'))
  .filter((path) => /\.tsx?$/.test(path) && !path.endsWith('.d.ts'))
  .sort()
  .map(read);

const ENTRIES = ['node.ts', 'worker.ts', 'cli.ts', 'engine.ts'];

/** Implementations that only entries choose: everything else knows the contract. */
const DRIVERS: readonly RegExp[] = [
  /^store\/(?:memory|pseudonym)\.ts$/,
  /^store\/redis\/(?:redis|commands)\.ts$/,
  /^data\/(?:geo\/(?:build-geo|geoip-lite|local-geo|mmdb-table)|lists\/lists-file)\.ts$/,
  /^step-up\/(?:jose|possession-jose)\.ts$/,
  /^engine\/device-(?:token|session)-jose\.ts$/,
  /^records\/(?:pino|prometheus)\.ts$/,
  /^rules\/load\.ts$/,
];

/** What touches the disk, sockets or Node's own modules. */
const NODE_ONLY: readonly RegExp[] = [
  /^(?:node|cli)(?:\.ts$|\/)/,
  /^store\/(?:pseudonym|redis\/(?:redis|commands))\.ts$/,
  /^data\/(?:directory|geo\/(?:build-geo|geoip-lite|local-geo|mmdb-table)|lists\/lists-file)\.ts$/,
  /^rules\/load\.ts$/,
];

/** Who may import a package; types count, for they bind as well. */
const PACKAGES: readonly { readonly name: RegExp; readonly only: readonly RegExp[] }[] = [
  { name: /^node:/, only: NODE_ONLY },
  { name: /^hono(?:\/|$)/, only: [/^(?:app|http)\//, /^worker\.ts$/] },
  { name: /^(?:cloudflare:|#)/, only: [/^worker\.ts$/, /^worker\//] },
  { name: /^@hono\/node-server/, only: [/^node\.ts$/] },
  { name: /^ioredis/, only: [/^store\/redis\//, /^worker\/redis-/] },
  { name: /^jose/, only: [/^step-up\/(?:jose|possession-jose)\.ts$/, /^engine\/device-(?:token|session)-jose\.ts$/] },
  { name: /^geoip-lite/, only: [/^data\/geo\/geoip-lite\.ts$/] },
  { name: /^mmdb-lib/, only: [/^data\/geo\/mmdb-table\.ts$/] },
  { name: /^(?:pino|prom-client)/, only: [/^records\//] },
  { name: /^commander/, only: [/^cli(?:\.ts$|\/)/] },
];

/** The floors from the outside in: a file may import from its own floor and from those after it, types included. */
const FLOORS: readonly (readonly [string, readonly RegExp[]])[] = [
  ['entries', [/^(?:node|worker|cli)(?:\.ts$|\/)|^engine\.ts$/]],
  ['app', [/^app\//]],
  ['gateway, authzen', [/^(?:gateway|authzen)\//]],
  ['http', [/^http\//]],
  ['contract', [/^contract\//]],
  ['records', [/^records\//]],
  ['engine', [/^engine\//]],
  ['signals, rules, step-up', [/^(?:signals|rules|step-up)\//]],
  ['store, data', [/^(?:store|data)\//]],
  ['net', [/^net\//]],
  ['model', [/^model\//]],
];

const matches = (patterns: readonly RegExp[], path: string): boolean => patterns.some((pattern) => pattern.test(path));

function floorOf(path: string): number {
  return FLOORS.findIndex(([, patterns]) => matches(patterns, path));
}

/** What is compiled into the packages of `packages` as well; these rooms need nothing of the others. */
const SHARED = /^(?:contract|step-up|net|model)\//;

describe('the import graph of src', () => {
  test('The import graph of src was read: it has files and arrows', () => {
    expect(files.length).toBeGreaterThan(40);
    expect(files.find(({ path }) => path === 'http/risk-check.ts')?.values).toContain('engine/check.ts');
    expect(files.find(({ path }) => path === 'engine/engine.ts')?.types).toContain('store/store.ts');
  });

  test('The import graph of src names only files that exist', () => {
    const missing = files.flatMap(({ path, values, types }) =>
      [...values, ...types].filter((target) => !existsSync(join(SRC, target))).map((target) => `${path} → ${target}`),
    );
    expect(missing).toEqual([]);
  });

  test('The import graph of src puts every file on a floor, and nothing but entries at the root', () => {
    expect(files.filter(({ path }) => floorOf(path) === -1).map(({ path }) => path)).toEqual([]);
    expect(files.map(({ path }) => path).filter((path) => !path.includes('/'))).toEqual([...ENTRIES].sort());
  });

  test('The import graph of src has arrows in one direction only, types included', () => {
    const wrong = files.flatMap(({ path, values, types }) =>
      [...values, ...types].filter((target) => floorOf(target) < floorOf(path)).map((target) => `${path} → ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  test('The import graph of src has no circles, types included', () => {
    const byPath = new Map(files.map((file) => [file.path, file]));
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) {
        cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
        return;
      }
      if (done.has(path)) return;
      const { values = [], types = [] } = byPath.get(path) ?? {};
      for (const target of [...values, ...types]) visit(target, [...trail, path]);
      done.add(path);
    };
    for (const { path } of files) visit(path, []);
    expect(cycles).toEqual([]);
  });

  test('The import graph of src has drivers imported by entries, the assembly and other drivers only', () => {
    const wrong = files
      .filter(({ path }) => floorOf(path) !== 0 && path !== 'app/assemble-engine.ts' && !matches(DRIVERS, path))
      .flatMap(({ path, values }) => values.filter((target) => matches(DRIVERS, target)).map((t) => `${path} → ${t}`));
    expect(wrong).toEqual([]);
  });

  test.each(PACKAGES.map(({ name, only }) => [name.source, name, only] as const))(
    'The import graph of src has the package %s only where it belongs',
    (_source, name, only) => {
      const wrong = files
        .filter(({ path, packages }) => packages.some((specifier) => name.test(specifier)) && !matches(only, path))
        .map(({ path }) => path);
      expect(wrong).toEqual([]);
    },
  );

  test('The import graph of src has rooms that are shared with packages and need no other room', () => {
    const wrong = files
      .filter(({ path }) => SHARED.test(path))
      .flatMap(({ path, values, types }) =>
        [...values, ...types].filter((target) => !SHARED.test(target)).map((target) => `${path} → ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  test('The import graph of src has no catch-all files and no barrels but the list of signals', () => {
    const named = /(?:^|\/)(?:utils?|helpers?|common|misc|index)(?:\.ts|\/)/;
    expect(files.map(({ path }) => path).filter((path) => named.test(path) && path !== 'signals/index.ts')).toEqual([]);
  });

  test('The import graph of src reads clock and chance at entries only', () => {
    const reading = files
      .filter(({ path }) => floorOf(path) !== 0)
      .filter(({ path }) =>
        /\b(?:Date\.now\(|new Date\(\)|Math\.random\(|performance\.now\()/.test(readFileSync(join(SRC, path), 'utf8')),
      );
    expect(reading.map(({ path }) => path)).toEqual([]);
  });
});
