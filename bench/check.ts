/**
 * Throughput and latency of `POST /v1/risk-check` (full and minimal answer) and `/forward-auth` on Node, with Redis and with the embedded store, the default rules and public
 * address lists, compared with a bare Hono server that makes one Lua call (`servers/bare.ts`) and a bare `node:http` echo
 * (`servers/echo.ts`): the same machine, the same requests, in turns. First as fast as 1, 32 and 256 connections can, then at a
 * fixed rate. `--beside DIR` measures the service of another checkout too, `--profile DIR` writes a CPU profile of this one.
 * Run: `npx node bench/check.ts`
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { issuer } from '../test/support/issuer.ts';
import { startRedis } from '../test/support/servers/redis.ts';
import { bar } from './bar.ts';
import { buildPublicLists } from './servers/lists.ts';
import { fixedRate, percentile, type Stretch, stretch } from './servers/load.ts';
import { KEY, type ServerProcess, startProcess } from './servers/process.ts';
import { type Asking, type Traffic, traffic } from './servers/traffic.ts';

const ROUND_MS = 3000;
const WARM_UP_MS = 4000;
/** The connections of the bars, and how many rounds each number of connections gets. */
const JUDGED_CONNECTIONS = 32;
const OTHER_CONNECTIONS = [1, 256];
const OTHER_ROUNDS = 3;
/** Of the open loop, in checks a second. */
const FIXED_RATES = [500, 1500];
const BARS = { full: 0.45, minimal: 0.6, 'forward-auth': 0.6, p99: 2 };

const { values: given } = parseArgs({
  options: { beside: { type: 'string' }, profile: { type: 'string' }, rounds: { type: 'string', default: '7' } },
});
const rounds = Number(given.rounds);
const lists = mkdtempSync(join(tmpdir(), 'stepgate-bench-'));
const redis = await startRedis();
const built = await buildPublicLists(lists);
const signer = issuer();
const root = fileURLToPath(new URL('..', import.meta.url));

interface ServiceOptions {
  readonly redisUrl?: string;
  readonly flags?: readonly string[];
}

const startService = (dir: string, { redisUrl = '', flags = [] }: ServiceOptions): Promise<ServerProcess> =>
  startProcess(
    join(dir, 'src/node.ts'),
    {
      PORT: '0',
      REDIS_URL: redisUrl,
      API_KEYS: `bench:${KEY}`,
      PRIVACY_KEY: 'the privacy key of the bench, long enough',
      DEVICE_TOKEN_SECRET: 'the device token secret of the bench',
      RULES_DIR: join(dir, 'rules'),
      IP_LISTS_DIR: lists,
      STEP_UP_ISSUERS: JSON.stringify([signer.entry()]),
      TRUSTED_PROXIES: '127.0.0.1',
      // A load that leaves the service no processor time must not turn checks into degraded ones.
      STORE_TIMEOUT_MS: '1000',
    },
    flags,
  );

interface Side {
  readonly name: string;
  readonly server: ServerProcess;
  readonly next: () => Buffer;
}

async function side(name: string, server: ServerProcess, requests: Promise<Traffic>, asking?: Asking): Promise<Side> {
  return { name, server, next: (await requests)(server.url, asking) };
}

const flags = given.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${given.profile}`];
const service = await startService(root, { redisUrl: redis.url, flags });
const known = traffic(service.url, signer.proof);
const bare = await startProcess(join(root, 'bench/servers/bare.ts'), { REDIS_URL: redis.url });
const ours = {
  full: await side('service with Redis', service, known),
  minimal: await side('service with Redis, minimal answer', service, known, 'minimal'),
  'forward-auth': await side('service with Redis, forward-auth', service, known, 'forward-auth'),
};
const theirs = await side('bare Hono, one Lua call', bare, known);
const sides = [...Object.values(ours), theirs];
if (given.beside === undefined) {
  // An embedded store knows only the subjects of its own process.
  const embedded = await startService(root, {});
  sides.push(await side('service, embedded store', embedded, traffic(embedded.url)));
  sides.push(await side('bare node:http echo', await startProcess(join(root, 'bench/servers/echo.ts'), {}), known));
} else {
  const beside = await startService(given.beside, { redisUrl: redis.url });
  sides.push(await side(given.beside, beside, known));
  sides.push(await side(`${given.beside}, forward-auth`, beside, known, 'forward-auth'));
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const milliseconds = (stretches: readonly Stretch[]): string =>
  [0.5, 0.99, 0.999].map((share) => median(stretches.map((one) => percentile(one, share))).toFixed(1)).join(' / ');

/** Runs the sides in turns, in either order; prints a line for each. Answers with the stretches of each side. */
async function inTurns(count: number, run: (of: Side) => Promise<Stretch>): Promise<ReadonlyMap<Side, Stretch[]>> {
  const measured = new Map(sides.map((of) => [of, { stretches: [] as Stretch[], processorMs: 0 }]));
  for (let round = 0; round < count; round += 1) {
    for (const of of round % 2 === 0 ? sides : sides.toReversed()) {
      const sum = measured.get(of);
      if (sum === undefined) continue;
      const before = of.server.processorMs();
      sum.stretches.push(await run(of));
      sum.processorMs += of.server.processorMs() - before;
    }
  }
  for (const [{ name, server }, { stretches, processorMs }] of measured) {
    const rate = median(stretches.map(({ perSecond }) => perSecond)).toFixed(0);
    const each = (1000 * processorMs) / stretches.reduce((sum, { latencies }) => sum + latencies.length, 0);
    console.log(
      `  ${name}: ${rate}/s, p50 / p99 / p99.9 ${milliseconds(stretches)} ms, ${each.toFixed(0)} µs of processor each, ` +
        `${server.residentMiB().toFixed(0)} MiB`,
    );
  }
  return new Map([...measured].map(([of, { stretches }]) => [of, stretches]));
}

const closedLoop = (connections: number) => (of: Side) =>
  stretch(of.server.url, { connections, forMs: ROUND_MS, next: of.next });

for (const { server, next } of sides) {
  await stretch(server.url, { connections: JUDGED_CONNECTIONS, forMs: WARM_UP_MS, next });
}
console.log(`${built} lists; ${ROUND_MS / 1000} s on each side in turns, medians of ${rounds} rounds`);
console.log(`${JUDGED_CONNECTIONS} connections, as fast as they can:`);
const judged = await inTurns(rounds, closedLoop(JUDGED_CONNECTIONS));
if (given.beside === undefined) {
  for (const connections of OTHER_CONNECTIONS) {
    console.log(`${connections} connection${connections === 1 ? '' : 's'}, as fast as they can:`);
    await inTurns(OTHER_ROUNDS, closedLoop(connections));
  }
  for (const perSecond of FIXED_RATES) {
    console.log(`${perSecond} checks a second, latency from the moment each was due:`);
    await inTurns(OTHER_ROUNDS, (of) => fixedRate(of.server.url, { perSecond, forMs: ROUND_MS, next: of.next }));
  }
}
for (const server of new Set(sides.map((of) => of.server))) await server.stop();
await redis.stop();
rmSync(lists, { recursive: true });

// Neighbouring rounds share what else the machine is doing, so that each is compared with its neighbour.
const beside = (of: Side, ratio: (one: Stretch, other: Stretch) => number): number =>
  median((judged.get(of) ?? []).map((one, i) => ratio(one, judged.get(theirs)?.[i] ?? one)));
for (const asking of ['full', 'minimal', 'forward-auth'] as const) {
  const throughput = beside(ours[asking], (one, other) => one.perSecond / other.perSecond);
  const least = BARS[asking];
  bar(`throughput of ${asking}, of a bare server`, throughput.toFixed(2), throughput >= least, `at least ${least}`);
}
const p99 = beside(ours.full, (one, other) => percentile(one, 0.99) / percentile(other, 0.99));
bar('p99, times a bare server', p99.toFixed(2), p99 <= BARS.p99, `at most ${BARS.p99}`);
