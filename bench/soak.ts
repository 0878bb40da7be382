/**
 * Half an hour of checks at a steady rate against the service with Redis: memory, open files, keys without expiry and latency
 * have to stay where they are. Prints a line for each minute.
 * Run: `npm run bench -- soak`, or `npx node bench/soak.ts --minutes 5 --rate 200`
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startRedis } from '../test/support/servers/redis.ts';
import { bar } from './bar.ts';
import { buildPublicLists } from './servers/lists.ts';
import { fixedRate, percentile } from './servers/load.ts';
import { KEY, startProcess } from './servers/process.ts';
import { traffic } from './servers/traffic.ts';

const BARS = { memory: 1.1, p99: 1.5 };
const MINUTE_MS = 60_000;
const CONNECTIONS = 64;

const { values: given } = parseArgs({
  options: { minutes: { type: 'string', default: '30' }, rate: { type: 'string', default: '300' } },
});
const minutes = Number(given.minutes);
const perSecond = Number(given.rate);

const lists = mkdtempSync(join(tmpdir(), 'stepgate-soak-'));
await buildPublicLists(lists);
const redis = await startRedis();
const service = await startProcess(fileURLToPath(new URL('../src/node.ts', import.meta.url)), {
  PORT: '0',
  REDIS_URL: redis.url,
  API_KEYS: `bench:${KEY}`,
  IP_LISTS_DIR: lists,
});
const next = (await traffic(service.url))(service.url);

interface Minute {
  readonly residentMiB: number;
  readonly openFiles: number;
  readonly p99: number;
}

const past: Minute[] = [];
for (let minute = 1; minute <= minutes; minute += 1) {
  const load = await fixedRate(service.url, { perSecond, forMs: MINUTE_MS, next, connections: CONNECTIONS });
  const now: Minute = {
    residentMiB: service.residentMiB(),
    openFiles: readdirSync(`/proc/${service.pid}/fd`).length,
    p99: percentile(load, 0.99),
  };
  past.push(now);
  const { keys, withoutExpiry } = await keysOf();
  console.log(
    `minute ${minute}: ${load.perSecond.toFixed(0)}/s, p50 ${percentile(load, 0.5).toFixed(1)} ms, p99 ${now.p99.toFixed(1)} ms, ` +
      `${now.residentMiB.toFixed(0)} MiB, ${now.openFiles} open files, ${keys} keys, ${withoutExpiry} without expiry`,
  );
}
const { withoutExpiry } = await keysOf();
await service.stop();
await redis.stop();
rmSync(lists, { recursive: true });

// The first third warms caches and the optimising compiler.
const third = Math.max(1, Math.floor(past.length / 3));
const middle = past.slice(third, 2 * third);
const last = past.slice(-third);
const growth = (of: (minute: Minute) => number): number => median(last.map(of)) / median(middle.map(of));
const memory = growth(({ residentMiB }) => residentMiB);
bar('memory, last third of the middle one', memory.toFixed(2), memory <= BARS.memory, `at most ${BARS.memory}`);
const p99 = growth((minute) => minute.p99);
bar('p99, last third of the middle one', p99.toFixed(2), p99 <= BARS.p99, `at most ${BARS.p99}`);
const files = growth(({ openFiles }) => openFiles);
bar('open files, last third of the middle one', files.toFixed(2), files <= 1, 'at most 1');
bar('keys without expiry', String(withoutExpiry), withoutExpiry === 0, 'none');

async function keysOf(): Promise<{ readonly keys: number; readonly withoutExpiry: number }> {
  const info = await redis.admin.info('keyspace');
  const [, keys = '0', expires = '0'] = /keys=(\d+),expires=(\d+)/.exec(info) ?? [];
  return { keys: Number(keys), withoutExpiry: Number(keys) - Number(expires) };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
