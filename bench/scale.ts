/**
 * What it takes to serve 100 million subjects and 50,000 checks a second: one and two engine processes over a Redis Cluster of
 * three masters, all on this machine; processor time of engine and Redis for each check, bytes for each subject, and what follows.
 * Run: `npm run bench -- scale`
 */
import { fileURLToPath } from 'node:url';
import { startRedisCluster } from '../test/support/servers/redis.ts';
import { bar } from './bar.ts';
import { percentile, type Stretch, stretch } from './servers/load.ts';
import { KEY, startProcess } from './servers/process.ts';
import { bytesPerKey, keysOf, redisWork } from './servers/redis-cost.ts';
import { traffic } from './servers/traffic.ts';

const CONNECTIONS = 32;
const ROUND_MS = 4000;
const ROUNDS = 5;
const GOAL = { subjects: 100e6, perSecond: 50_000 };
/** Share of what a process or a server can do that is planned for: the rest is for peaks, failover and snapshots. */
const PLANNED_SHARE = 0.5;
/** Of a subject's bytes, what fragmentation and buffers add. */
const MEMORY_MARGIN = 1.3;
const SHARD_GIB = 16;

const cluster = await startRedisCluster();
const environment = {
  PORT: '0',
  REDIS_URL: cluster.url,
  API_KEYS: `bench:${KEY}`,
  PRIVACY_KEY: 'the privacy key of the bench, long enough',
  DEVICE_TOKEN_SECRET: 'the device token secret of the bench',
  // A load that leaves the engines no processor time must not turn checks into degraded ones.
  STORE_TIMEOUT_MS: '1000',
};
const script = fileURLToPath(new URL('../src/node.ts', import.meta.url));
const engines = [await startProcess(script, environment), await startProcess(script, environment)];
const [first] = engines;
if (first === undefined) throw new Error('no engine was started');
const requestsTo = await traffic(first.url);
const sides = [1, 2].map((count) => ({
  asked: engines.slice(0, count).map(({ url }) => ({ url, next: requestsTo(url) })),
  rounds: [] as { readonly perSecond: number; readonly p99: number }[],
  checks: 0,
  engineUs: 0,
  redisUs: 0,
  scripts: 0,
}));

const engineUs = (): number => engines.reduce((sum, engine) => sum + engine.processorMs() * 1000, 0);
for (const side of [
  ...sides,
  ...Array.from({ length: ROUNDS }, (_, i) => (i % 2 === 0 ? sides : sides.toReversed())).flat(),
]) {
  const isWarmUp = side.rounds.length === 0;
  const [engineBefore, redisBefore] = [engineUs(), await redisWork(cluster.nodes)];
  const loads = await Promise.all(
    side.asked.map(({ url, next }) =>
      stretch(url, { connections: CONNECTIONS / side.asked.length, forMs: ROUND_MS, next }),
    ),
  );
  const redisAfter = await redisWork(cluster.nodes);
  side.rounds.push({ perSecond: sumOf(loads.map(({ perSecond }) => perSecond)), p99: Math.max(...loads.map(slowest)) });
  if (isWarmUp) continue;
  side.checks += sumOf(loads.map(({ latencies }) => latencies.length));
  side.engineUs += engineUs() - engineBefore;
  side.redisUs += redisAfter.processorUs - redisBefore.processorUs;
  side.scripts += redisAfter.calls - redisBefore.calls;
}

const sizes = await Promise.all(
  ['sg:{s:*}:baseline', 'sg:{s:*}:tally', 'sg:{d:*}:tally'].map(async (pattern) => {
    const each = await Promise.all(cluster.nodes.map((node) => bytesPerKey(node, pattern)));
    return sumOf(each) / each.length;
  }),
);
const kept = await Promise.all(cluster.nodes.map(keysOf));
for (const engine of engines) await engine.stop();
await cluster.stop();

const results = sides.map(({ asked, rounds, checks, engineUs, redisUs, scripts }) => {
  const warm = rounds.slice(1);
  return {
    processes: asked.length,
    perSecond: median(warm.map(({ perSecond }) => perSecond)),
    p99: median(warm.map(({ p99 }) => p99)),
    engine: engineUs / checks,
    redis: redisUs / checks,
    scripts: scripts / checks,
  };
});
console.log(`three masters, ${CONNECTIONS} connections, ${ROUNDS} rounds of ${ROUND_MS / 1000} s each, in turns:`);
for (const { processes, perSecond, p99, engine, redis, scripts } of results) {
  console.log(
    `  ${processes} engine ${processes === 1 ? 'process  ' : 'processes'}: ${perSecond.toFixed(0)}/s, p99 ${p99.toFixed(1)} ms; for each check ` +
      `${engine.toFixed(0)} µs of engine, ${redis.toFixed(0)} µs of Redis, ${scripts.toFixed(2)} scripts`,
  );
}
const [one, two] = results;
if (one === undefined || two === undefined) throw new Error('nothing was measured');
console.log(
  `two processes do ${(two.perSecond / one.perSecond).toFixed(2)} times what one does, on a machine that all of them share`,
);

const [baseline = 0, tally = 0, device = 0] = sizes;
const count = (value: number): string => Math.ceil(value).toLocaleString('en');
const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(0)} GiB`;
// Counters live for a day at most, so that only those who came in the last day have any.
console.log(
  `a subject takes ${baseline.toFixed(0)} bytes for good, and ${(tally + device).toFixed(0)} more for a day after it came`,
);
const dormant = GOAL.subjects * baseline * MEMORY_MARGIN;
const active = GOAL.subjects * 0.2 * (tally + device) * MEMORY_MARGIN;
const byMemory = (dormant + active) / (SHARD_GIB * 2 ** 30);
const byWork = (GOAL.perSecond * one.redis) / 1e6 / PLANNED_SHARE;
const processes = (GOAL.perSecond * one.engine) / 1e6 / PLANNED_SHARE;
console.log(
  `${count(GOAL.subjects)} subjects, a fifth of them within a day: ${gib(dormant)} + ${gib(active)}, margin ${MEMORY_MARGIN} included`,
);
console.log(`  masters of ${SHARD_GIB} GiB for the memory: ${count(byMemory)}`);
console.log(`${count(GOAL.perSecond)} checks a second at ${100 * PLANNED_SHARE} % of what each can do:`);
console.log(`  engine processes, one core each: ${count(processes)}`);
console.log(`  masters for the work: ${count(byWork)}`);
console.log(
  `what saturates first: ${processes > byWork ? 'the engines, which hold no state' : 'the processors of Redis'}`,
);
const withoutExpiry = sumOf(kept.map((one) => one.withoutExpiry));
bar('keys without expiry', `${withoutExpiry} of ${sumOf(kept.map(({ keys }) => keys))}`, withoutExpiry === 0, 'none');

function slowest(load: Stretch): number {
  return percentile(load, 0.99);
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
