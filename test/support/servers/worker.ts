import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createTestHarness, type TestHarness } from 'wrangler';
import { publishLists } from '../../../src/data/lists/lists-file.ts';
import { formatManifest, MANIFEST_FILE, manifestOf } from '../../../src/data/manifest.ts';
import { keysWith } from './keys.ts';
import { KEY } from './stepgate.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const RULES = join(ROOT, 'rules');
const CONFIG = 'wrangler.toml';

/** The Worker as wrangler bundles it for a deploy, running in workerd. */
export interface WorkerServer {
  /** `http://127.0.0.1:1234` */
  readonly url: string;
  readonly harness: TestHarness;
  /** Everything that the Worker wrote to its console so far, each line by itself. */
  lines(): string[];
  stop(): Promise<void>;
}

export interface WorkerOptions {
  /** Variables beside those of wrangler.toml, in the types that it can hold. */
  readonly vars?: { readonly [name: string]: Json };
  readonly secrets?: { readonly [name: string]: string };
  /** Folder of the rule files; default: `rules`. */
  readonly rulesDir?: string;
  /** True carries the geo data and lists of the build step; a start takes seconds longer. Default: neither. */
  readonly data?: boolean;
  /** With `data`, the compiled lists that are carried; default: those that the build step found. */
  readonly listsDir?: string;
  /** True also binds what wrangler.toml offers in comments: KV, Analytics Engine, Durable Objects. */
  readonly allBindings?: boolean;
}

type Json = string | number | boolean | readonly Json[] | { readonly [key: string]: Json };

/** Starts the Worker in development with the key {@link KEY}; the bundle is the one of `wrangler deploy --dry-run`. */
export async function startWorker(options: WorkerOptions = {}): Promise<WorkerServer> {
  const { vars = {}, secrets = {}, rulesDir, data = false, listsDir = null, allBindings = false } = options;

  const folder = mkdtempSync(join(tmpdir(), 'stepgate-worker-'));
  process.env.CLOUDFLARE_CF_FETCH_ENABLED = 'false';
  const harness = createTestHarness({
    root: ROOT,
    workers: [
      {
        configPath: configIn(folder, { assets: await assetsIn(folder, data, listsDir), allBindings }),
        prebuiltWorkerDir: await workerBundle(rulesDir),
        vars: {
          NODE_ENV: 'development',
          API_KEYS: keysWith('tester', KEY),
          ASSETS_TIMEOUT_MS: '10000',
          ...(!data && { GEO_DATA: 'none' }),
          ...vars,
        },
        secrets: { ...secrets },
      },
    ],
  });
  const { url } = await harness.listen();
  return {
    url: url.origin,
    harness,
    lines: () => harness.getLogs().flatMap(({ message }) => message.split('\n')),
    async stop() {
      await harness.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** The folder of static assets: what the build step made, the geo data of that beside other lists, or nothing. */
async function assetsIn(folder: string, data: boolean, listsDir: string | null): Promise<string> {
  const built = join(ROOT, 'build/worker/assets');
  if (data && listsDir === null) return built;
  const assets = join(folder, 'assets');
  mkdirSync(join(assets, 'ip'), { recursive: true });
  if (data) cpSync(join(built, 'geo'), join(assets, 'geo'), { recursive: true });
  if (listsDir === null) writeFileSync(join(assets, 'ip', MANIFEST_FILE), formatManifest(manifestOf({}, [])));
  else await publishLists(listsDir, join(assets, 'ip'));
  return assets;
}

/** wrangler.toml for a test: its optional parts as they are meant to be uncommented, other assets, absolute paths. */
function configIn(folder: string, { assets, allBindings }: { assets: string; allBindings: boolean }): string {
  const text = readFileSync(join(ROOT, CONFIG), 'utf8');
  const bound = allBindings ? text.replaceAll(/^# (?=\[\[|\w+ = )/gm, '') : text;
  const path = join(folder, 'wrangler.toml');
  writeFileSync(
    path,
    bound
      .replace('<id that the command prints>', '0'.repeat(32))
      .replace('main = "', `main = "${ROOT}/`)
      .replace(/^directory = .*$/m, `directory = ${JSON.stringify(assets)}`),
  );
  return path;
}

/** The code of the bundle, for a bare workerd. `config` is a wrangler configuration of this repository. */
export async function workerCode(rulesDir?: string, config = CONFIG): Promise<string> {
  const folder = await workerBundle(rulesDir, config);
  const main = /^main = "(?:.*\/)?([\w-]+)\.ts"$/m.exec(readFileSync(join(ROOT, config), 'utf8'))?.[1];
  return readFileSync(join(folder, `${main}.js`), 'utf8');
}

/**
 * The folder into which `wrangler deploy --dry-run` bundled the Worker with these rules. Bundles are kept by what they are
 * made from, so that suites share one.
 */
export async function workerBundle(rulesDir = RULES, config = CONFIG): Promise<string> {
  const folder = join(ROOT, 'build', 'bundles', hashOfSources(rulesDir, config));
  if (existsSync(folder)) return folder;
  mkdirSync(dirname(folder), { recursive: true });
  return alone(`${dirname(folder)}.lock`, async () => {
    if (existsSync(folder)) return folder;
    const fresh = `${folder}.${process.pid}`;
    await run('npx', ['wrangler', 'deploy', '--dry-run', '--outdir', fresh, '--config', config], {
      cwd: ROOT,
      env: { ...process.env, RULES_DIR: rulesDir, WRANGLER_SEND_METRICS: 'false', NO_COLOR: '1' },
    });
    renameSync(fresh, folder);
    return folder;
  });
}

/**
 * Runs work while no other process holds the lock: each build writes its rules to the same file before it bundles them. A lock that
 * its process left behind is broken.
 */
async function alone<T>(lock: string, work: () => Promise<T>): Promise<T> {
  while (!isTaken(lock)) await setTimeout(200);
  try {
    return await work();
  } finally {
    rmSync(lock);
  }
}

function isTaken(lock: string): boolean {
  try {
    writeFileSync(lock, `${process.pid}`, { flag: 'wx' });
    return true;
  } catch {
    if (!isHeld(lock)) rmSync(lock, { force: true });
    return false;
  }
}

function isHeld(lock: string): boolean {
  try {
    // An empty file is one whose process is about to write its id.
    return process.kill(Number(readFileSync(lock, 'utf8')), 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

const run = promisify(execFile);

function hashOfSources(rulesDir: string, config: string): string {
  const hash = createHash('sha256').update(config);
  const add = (file: string): void => void hash.update(relative(ROOT, file)).update('\0').update(readFileSync(file));
  for (const name of [config, 'package.json', 'package-lock.json']) add(join(ROOT, name));
  for (const dir of [join(ROOT, 'src'), join(ROOT, 'scripts'), join(ROOT, 'examples/cloudflare-worker'), rulesDir]) {
    for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort()) {
      const file = join(dir, name);
      if (statSync(file).isFile()) add(file);
    }
  }
  return hash.digest('hex').slice(0, 16);
}
