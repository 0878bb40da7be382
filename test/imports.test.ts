import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { describe, expect, test } from 'vitest';

const SRC = resolve(import.meta.dirname, '../src');

interface SourceFile {
  /** Path below `src`, with slashes. */
  readonly path: string;
  /** Source files it imports values from, and those it takes only types from. */
  readonly values: readonly string[];
  readonly types: readonly string[];
  /** Packages and `node:` modules, types included. */
  readonly packages: readonly string[];
}

const IMPORT = /^\s*(?:import|export)\s+(type\s+)?(?:([^'";]*?)\s+from\s+)?['"]([^'"]+)['"]/gm;
const DYNAMIC_IMPORT = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

function read(path: string): SourceFile {
  const text = readFileSync(join(SRC, path), 'utf8');
  const values: string[] = [];
  const types: string[] = [];
  const packages: string[] = [];
  const add = (specifier: string, onlyTypes: boolean): void => {
    if (!specifier.startsWith('.')) packages.push(specifier);
    else (onlyTypes ? types : values).push(relative(SRC, resolve(SRC, dirname(path), specifier)).replaceAll(sep, '/'));
  };
  for (const [, keyword, clause = '', specifier = ''] of text.matchAll(IMPORT)) {
    const named = /^\{([\s\S]*)\}$/.exec(clause.trim())?.[1];
    const onlyTypes =
      keyword !== undefined ||
      named
        ?.split(',')
        .filter((name) => name.trim() !== '')
        .every((name) => name.trim().startsWith('type ')) === true;
    add(specifier, onlyTypes);
  }
  for (const [, specifier = ''] of text.matchAll(DYNAMIC_IMPORT)) add(specifier, false);
  return { path, values, types, packages };
}

const files: readonly SourceFile[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll(sep, '/'))
  .filter((path) => /\.tsx?$/.test(path) && !path.endsWith('.d.ts'))
  .sort()
  .map(read);

const ENTRIES = ['node.ts', 'worker.ts', 'cli.ts'];

/** Implementations that only entries choose: everything else knows the contract. */
const DRIVERS: readonly RegExp[] = [
  /^store\/(?:redis|redis-(?:cells|resting|per-request|pool)|memory|pseudonym)\.ts$/,
  /^geo\/(?:build-geo|geoip-lite|geoip-lite-table|local-geo|mmdb-table|shards|shards-file)\.ts$/,
  /^step-up\/jose\.ts$/,
  /^signals\/device-token-jose\.ts$/,
  /^audit\/(?:pino|prometheus)\.ts$/,
  /^http\/node-(?:body|refusal)\.ts$/,
  /^reputation\/(?:fetched-lists|lists-file|publish-lists)\.ts$/,
  /^rules\/load\.ts$/,
  /^keys-file\.ts$/,
];

/** Drivers that touch the disk, sockets or Node's own modules. */
const NODE_ONLY: readonly RegExp[] = [
  /^(?:node|cli)\.ts$/,
  /^cli\//,
  /^simulate\//,
  /^store\/(?:redis|redis-cells|pseudonym)\.ts$/,
  /^geo\/(?:build-geo|geoip-lite|geoip-lite-table|local-geo|mmdb-table|shards-file)\.ts$/,
  /^http\/node-(?:body|refusal)\.ts$/,
  /^reputation\/(?:lists-file|publish-lists)\.ts$/,
  /^rules\/load\.ts$/,
  /^keys-file\.ts$/,
];

/** Who may import a package; types count, for they bind as well. */
const PACKAGES: readonly { readonly name: RegExp; readonly only: readonly RegExp[] }[] = [
  { name: /^node:/, only: NODE_ONLY },
  { name: /^hono(?:\/|$)/, only: [/^app\.ts$/, /^http\//, /^worker\.ts$/, /^middleware\/hono\.ts$/] },
  { name: /^(?:cloudflare:|#)/, only: [/^worker\.ts$/, /^store\/redis-pool\.ts$/] },
  { name: /^express$/, only: [/^middleware\/express\.ts$/] },
  { name: /^@hono\/node-server/, only: [/^node\.ts$/] },
  { name: /^ioredis/, only: [/^store\/redis[a-z-]*\.ts$/] },
  { name: /^jose/, only: [/^step-up\/jose\.ts$/, /^signals\/device-token[a-z-]*\.ts$/] },
  { name: /^geoip-lite/, only: [/^geo\/geoip-lite\.ts$/] },
  { name: /^mmdb-lib/, only: [/^geo\/mmdb-table\.ts$/] },
  { name: /^(?:pino|prom-client)/, only: [/^audit\//] },
  { name: /^@fingerprintjs\//, only: [/^client\/(?:collect|bot)\.ts$/] },
  { name: /^commander/, only: [/^cli\.ts$/, /^cli\//] },
];

/**
 * Layers from the outside in: a file may import from its own layer and from those after it. Contracts are what remains:
 * the shapes at the root, `net`, and the contract file of each folder.
 */
const LAYERS: readonly (readonly [string, readonly RegExp[]])[] = [
  ['entries', [/^(?:node|worker|cli|assembly|edge-data)\.ts$/, /^cli\//, /^simulate\//, /^(?:sdk|middleware)\//]],
  ['app', [/^app\.ts$/]],
  ['http', [/^http\//]],
  ['audit', [/^audit\//]],
  ['settings', [/^(?:settings|api-keys|keys-file)\.ts$/]],
  ['check', [/^(?:check|event|learning|observation|explain)\.ts$/]],
  ['signals, rules, step-up', [/^(?:signals|rules|step-up)\//]],
  ['drivers and data', [/^(?:store|geo|reputation)\//]],
  ['contracts', [/^(?:facts|request|decision|baseline|subject|placeholder|engine|crc32|missing-file)\.ts$/, /^net\//]],
];

/** Contract files inside the folders of higher layers: whoever needs the shape may import it. */
const CONTRACTS: readonly RegExp[] = [
  /^signals\/(?:signal|device-token)\.ts$/,
  /^rules\/ruleset\.ts$/,
  /^step-up\/verifier\.ts$/,
  /^store\/(?:store|keys)\.ts$/,
  /^geo\/geo\.ts$/,
  /^reputation\/reputation\.ts$/,
  /^geo\/distance\.ts$/,
];

const matches = (patterns: readonly RegExp[], path: string): boolean => patterns.some((pattern) => pattern.test(path));

function layerOf(path: string): number {
  if (matches(CONTRACTS, path)) return LAYERS.length - 1;
  return LAYERS.findIndex(([, patterns]) => matches(patterns, path));
}

/** The browser's side is a program of its own. */
const isBrowser = (path: string): boolean => path.startsWith('client/');
const server = files.filter(({ path }) => !isBrowser(path));

describe('the import graph of src', () => {
  test('was read: it has files and arrows', () => {
    expect(files.length).toBeGreaterThan(40);
    expect(files.find(({ path }) => path === 'http/risk-check.ts')?.values).toContain('check.ts');
    expect(files.find(({ path }) => path === 'engine.ts')?.types).toContain('store/store.ts');
  });

  test('names only files that exist', () => {
    const missing = files.flatMap(({ path, values, types }) =>
      [...values, ...types].filter((target) => !existsSync(join(SRC, target))).map((target) => `${path} → ${target}`),
    );
    expect(missing).toEqual([]);
  });

  test('puts every file into a layer', () => {
    expect(server.filter(({ path }) => layerOf(path) === -1).map(({ path }) => path)).toEqual([]);
  });

  test('has arrows in one direction only: entries, app, http, check, signals and rules and step-up, contracts', () => {
    const wrong = server.flatMap(({ path, values, types }) =>
      [...values, ...types]
        .filter((target) => layerOf(target) < layerOf(path))
        .filter((target) => !(types.includes(target) && path === 'engine.ts'))
        .map((target) => `${path} → ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  test('has no cycles', () => {
    const byPath = new Map(files.map((file) => [file.path, file]));
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) {
        cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
        return;
      }
      if (done.has(path)) return;
      for (const target of byPath.get(path)?.values ?? []) visit(target, [...trail, path]);
      done.add(path);
    };
    for (const { path } of files) visit(path, []);
    expect(cycles).toEqual([]);
  });

  test('has drivers imported by entries and other drivers only', () => {
    const wrong = server
      .filter(({ path }) => layerOf(path) !== 0 && !matches(DRIVERS, path))
      .flatMap(({ path, values }) => values.filter((target) => matches(DRIVERS, target)).map((t) => `${path} → ${t}`));
    expect(wrong).toEqual([]);
  });

  test.each(PACKAGES.map(({ name, only }) => [name.source, name, only] as const))(
    'has the package %s only where it belongs',
    (_source, name, only) => {
      const wrong = files
        .filter(({ path, packages }) => packages.some((specifier) => name.test(specifier)) && !matches(only, path))
        .map(({ path }) => path);
      expect(wrong).toEqual([]);
    },
  );

  test('keeps browser and server apart', () => {
    const crossings = files.flatMap(({ path, values, types }) =>
      [...values, ...types]
        .filter((target) => isBrowser(target) !== isBrowser(path) && !ENTRIES.includes(path))
        .map((target) => `${path} → ${target}`),
    );
    expect(crossings).toEqual([]);
  });

  test('has what applications import carry no engine, and nothing of the service import it', () => {
    const byPath = new Map(files.map((file) => [file.path, file]));
    const reached = (path: string, seen: Set<string>): Set<string> => {
      if (!seen.has(path)) {
        seen.add(path);
        const { values = [], types = [] } = byPath.get(path) ?? {};
        for (const target of [...values, ...types]) reached(target, seen);
      }
      return seen;
    };
    const engine =
      /^(?:check|event|app|node|worker|cli|engine|settings)\.ts$|^(?:signals|rules|store|reputation|audit|simulate|cli)\//;
    for (const path of ['sdk/client.ts', 'middleware/hono.ts', 'middleware/express.ts', 'middleware/local-proofs.ts']) {
      expect([...reached(path, new Set())].filter((file) => engine.test(file) && !matches(CONTRACTS, file))).toEqual(
        [],
      );
    }
    const forApplications = /^(?:sdk|middleware)\//;
    const inward = files
      .filter(({ path }) => !forApplications.test(path))
      .flatMap(({ path, values, types }) =>
        [...values, ...types].filter((target) => forApplications.test(target)).map((target) => `${path} → ${target}`),
      );
    expect(inward).toEqual([]);
    expect(
      files.filter(({ path, packages }) => path.startsWith('sdk/') && packages.some((name) => name !== 'zod')),
    ).toEqual([]);
  });

  test('lets the browser bring two packages and nothing of Node', () => {
    const brought = files.filter(({ path }) => isBrowser(path)).flatMap(({ packages }) => packages);
    expect([...new Set(brought)].sort()).toEqual(['@fingerprintjs/botd', '@fingerprintjs/fingerprintjs']);
  });

  test('has no catch-all files and no barrels but the list of signals', () => {
    const named = /(?:^|\/)(?:utils?|helpers?|common|misc|index)(?:\.ts|\/)/;
    expect(files.map(({ path }) => path).filter((path) => named.test(path) && path !== 'signals/index.ts')).toEqual([]);
  });

  test('reads clock and chance at entries only', () => {
    const reading = files
      .filter(({ path }) => layerOf(path) !== 0 && !isBrowser(path))
      .filter(({ path }) =>
        /\b(?:Date\.now\(|new Date\(\)|Math\.random\(|performance\.now\()/.test(readFileSync(join(SRC, path), 'utf8')),
      );
    expect(reading.map(({ path }) => path)).toEqual([]);
  });
});
