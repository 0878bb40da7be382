/**
 * Throughput and latency of `POST /v1/risk-check` on Node with Redis, the default rules and public address lists, against
 * a bare Hono server that makes one Lua call (`servers/bare.ts`): the same machine, the same requests, in turns.
 * `--beside DIR` measures the service of another checkout too, `--profile DIR` writes a CPU profile of this one.
 * Run: `npx node bench/check.ts`
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startRedis } from '../test/servers/redis.ts';
import { bar } from './bar.ts';
import { buildPublicLists } from './servers/lists.ts';
import { percentile, type Stretch, stretch } from './servers/load.ts';
import { KEY, type ServerProcess, startProcess } from './servers/process.ts';
import { traffic } from './servers/traffic.ts';

const CONNECTIONS = 32;
const ROUND_MS = 3000;
const WARM_UP_MS = 4000;
const BARS = { throughput: 0.6, p99: 2.5 };

const { values: given } = parseArgs({
  options: { beside: { type: 'string' }, profile: { type: 'string' }, rounds: { type: 'string', default: '7' } },
});
const rounds = Number(given.rounds);
const lists = mkdtempSync(join(tmpdir(), 'stepgate-bench-'));
const redis = await startRedis();
const built = await buildPublicLists(lists);
const root = fileURLToPath(new URL('..', import.meta.url));

const startService = (dir: string, flags: readonly string[] = []): Promise<ServerProcess> =>
  startProcess(
    join(dir, 'src/node.ts'),
    {
      PORT: '0',
      REDIS_URL: redis.url,
      API_KEYS: `bench:${KEY}`,
      PRIVACY_KEY: 'the privacy key of the bench, long enough',
      DEVICE_TOKEN_SECRET: 'the device token secret of the bench',
      RULES_DIR: join(dir, 'rules'),
      IP_LISTS_DIR: lists,
      // A load that leaves the service no processor time must not turn checks into degraded ones.
      STORE_TIMEOUT_MS: '1000',
    },
    flags,
  );
const profiled = given.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${given.profile}`];
const service = await startService(root, profiled);
const bare = await startProcess(join(root, 'bench/servers/bare.ts'), { REDIS_URL: redis.url });
const beside = given.beside === undefined ? [] : [{ name: given.beside, server: await startService(given.beside) }];

const requestsTo = await traffic(service.url);
const sides = [{ name: 'service', server: service }, { name: 'bare', server: bare }, ...beside].map(
  ({ name, server }) => ({ name, server, next: requestsTo(server.url), stretches: [] as Stretch[], processorMs: 0 }),
);
for (const { server, next } of sides) await stretch(server.url, { connections: CONNECTIONS, forMs: WARM_UP_MS, next });
for (let round = 0; round < rounds; round += 1) {
  for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
    const before = side.server.processorMs();
    side.stretches.push(await stretch(side.server.url, { connections: CONNECTIONS, forMs: ROUND_MS, next: side.next }));
    side.processorMs += side.server.processorMs() - before;
  }
}
for (const { server } of sides) await server.stop();
await redis.stop();
rmSync(lists, { recursive: true });

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const [ours = [], theirs = []] = sides.map(({ stretches }) => stretches);
for (const { name, stretches, processorMs } of sides) {
  const at = (share: number): string => `${median(stretches.map((one) => percentile(one, share))).toFixed(1)} ms`;
  const rate = median(stretches.map(({ perSecond }) => perSecond)).toFixed(0);
  const each = (1000 * processorMs) / stretches.reduce((sum, { latencies }) => sum + latencies.length, 0);
  console.log(
    `${name}: ${rate}/s, p50 ${at(0.5)}, p99 ${at(0.99)}, p99.9 ${at(0.999)}, ${each.toFixed(0)} µs of processor each`,
  );
}
// Neighbouring rounds share what else the machine is doing, so that each is compared with its neighbour.
const throughput = median(ours.map(({ perSecond }, i) => perSecond / (theirs[i]?.perSecond ?? Number.NaN)));
const p99 = median(ours.map((one, i) => percentile(one, 0.99) / percentile(theirs[i] ?? one, 0.99)));
console.log(`${built} lists, ${CONNECTIONS} connections, ${rounds} rounds of ${ROUND_MS / 1000} s on each side`);
bar(
  'throughput, of a bare server',
  throughput.toFixed(2),
  throughput >= BARS.throughput,
  `at least ${BARS.throughput}`,
);
bar('p99, times a bare server', p99.toFixed(2), p99 <= BARS.p99, `at most ${BARS.p99}`);
