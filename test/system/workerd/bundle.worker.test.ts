import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, expect, test } from 'vitest';
import { workerBundle } from '../../support/servers/worker.ts';

/** Packages that only Node can run, or that only Node has a use for. */
const NODE_ONLY = ['geoip-lite', 'pino', 'prom-client', 'commander', '@hono/node-server', 'wrangler', 'esbuild'];
/** Modules of Node that are no more than a name on Workers, and those that no Worker has a use for. */
const NOT_ON_WORKERS =
  /^(?:node:)?(?:fs|child_process|cluster|http2?|https|os|worker_threads|vm|v8|inspector|module)(?:\/|$)/;
const MAX_KIB = 700;

let folder: string;
let code: string;

beforeAll(async () => {
  folder = await workerBundle();
  code = readFileSync(join(folder, 'worker.js'), 'utf8');
});

test('The bundle of a deploy has nothing of Node that Workers lack', () => {
  const packages = new Set(
    [...code.matchAll(/^\s*\/\/ (?:.*\/)?node_modules\/((?:@[^/\s]+\/)?[^/\s]+)/gm)].map(([, name]) => name),
  );
  expect(packages).toContain('ioredis');
  expect(NODE_ONLY.filter((name) => packages.has(name))).toEqual([]);
  const modules = [...code.matchAll(/^\s*(?:import|export)\b[^'"\n]*['"]([^'"\n]+)['"];?$/gm)].map(
    ([, name = '']) => name,
  );
  expect(modules).toContain('node:crypto');
  expect(modules.filter((name) => !isBuiltin(name) && name !== 'cloudflare:workers')).toEqual([]);
  expect(modules.filter((name) => NOT_ON_WORKERS.test(name))).toEqual([]);
});

test('The bundle is small enough to be loaded where a request comes', () => {
  const modules = readdirSync(folder).filter((name) => !name.endsWith('.map') && name !== 'README.md');
  expect(modules).toEqual(['worker.js']);
  const kib = gzipSync(code).length / 1024;
  console.log(
    `the bundle has ${(code.length / 1024).toFixed(0)} KiB, ${kib.toFixed(0)} KiB in gzip (bound ${MAX_KIB})`,
  );
  expect(kib).toBeLessThanOrEqual(MAX_KIB);
});
