/**
 * A Worker's two ways to Redis, in workerd: a connection for each request, and Durable Objects that stay connected. Redis
 * speaks TLS and is behind a line with a delay. Prints latencies of `POST /v1/risk-check` one after the other, checks
 * per second over 64 connections, and what the default budget makes of the line.
 * Run: `npx node bench/worker-redis.ts`
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startProxy } from '../test/support/servers/proxy.ts';
import { makeCertificates, startRedis } from '../test/support/servers/redis.ts';
import { bundle, startWorkerd } from '../test/support/servers/workerd.ts';
import { bar } from './bar.ts';
import { percentile, type SeeAnswer, stretch } from './servers/load.ts';
import { KEY, startProcess } from './servers/process.ts';
import { traffic } from './servers/traffic.ts';

const FOR_MS = 5000;
const WARM_MS = 1500;
const CONNECTIONS = 64;
const ROOT = join(import.meta.dirname, '..');

/** Delays of the line, each way: Redis on another continent's edge, and in the same data centre. */
const LINES = [
  { line: '20 ms each way', delayMs: 20 },
  { line: '1 ms each way', delayMs: 1 },
];
const WAYS = [
  { way: 'a connection for each request', objects: null },
  { way: 'a pool of 1 object', objects: 1 },
  { way: 'a pool of 4 objects', objects: 4 },
];

execFileSync(process.execPath, [join(ROOT, 'scripts/build-worker.ts')], { cwd: ROOT, stdio: 'ignore' });
const code = await bundle(join(ROOT, 'src/worker.ts'));
const certificates = await makeCertificates();
const redis = await startRedis({ tls: certificates });
const environment = {
  API_KEYS: `bench:${KEY}`,
  PRIVACY_KEY: 'p'.repeat(48),
  DEVICE_TOKEN_SECRET: 'd'.repeat(48),
  LOG_LEVEL: 'info',
};
// Subjects are made known through the service on Node, which shares the store.
const node = await startProcess(join(ROOT, 'src/node.ts'), {
  ...environment,
  PORT: '0',
  REDIS_URL: redis.url,
  NODE_EXTRA_CA_CERTS: certificates.ca,
});
const trafficTo = await traffic(node.url);
await node.stop();

interface Measured {
  readonly p50: number;
  readonly p99: number;
  readonly perSecond: number;
  /** Shares of the checks that were decided without part of the store. */
  readonly degraded: number;
  readonly degradedByDefault: number;
}

async function measure(delayMs: number, objects: number | null): Promise<Measured> {
  const proxy = await startProxy(redis.port, { delayMs });
  const open = (timeoutMs: number) =>
    startWorkerd(code, {
      vars: {
        REDIS_URL: `rediss://localhost:${proxy.port}`,
        ...environment,
        STORE_TIMEOUT_MS: String(timeoutMs),
        ...(objects === null ? {} : { REDIS_POOL_SIZE: String(objects) }),
      },
      durableObjects: objects === null ? {} : { REDIS_POOL: 'RedisPool' },
      ca: readFileSync(certificates.ca, 'utf8'),
    });

  const workerd = await open(5000);
  const next = trafficTo(workerd.url);
  let checks = 0;
  let degraded = 0;
  const see: SeeAnswer = (status, body) => {
    if (status !== 200) throw new Error(`a check was answered ${status}: ${body}`);
    checks += 1;
    if (!body.includes('"degraded":[]')) degraded += 1;
  };
  await stretch(workerd.url, { connections: CONNECTIONS, forMs: WARM_MS, next, see });
  const alone = await stretch(workerd.url, { connections: 1, forMs: FOR_MS, next, see });
  const crowd = await stretch(workerd.url, { connections: CONNECTIONS, forMs: FOR_MS, next, see });
  const share = degraded / checks;
  await workerd.stop();

  const hurried = await open(50);
  checks = 0;
  degraded = 0;
  await stretch(hurried.url, { connections: 1, forMs: WARM_MS, next: trafficTo(hurried.url), see });
  await hurried.stop();
  await proxy.stop();
  return {
    p50: percentile(alone, 0.5),
    p99: percentile(alone, 0.99),
    perSecond: crowd.perSecond,
    degraded: share,
    degradedByDefault: degraded / checks,
  };
}

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

for (const { line, delayMs } of LINES) {
  const results: Measured[] = [];
  for (const { way, objects } of WAYS) {
    const result = await measure(delayMs, objects);
    results.push(result);
    console.log(
      `${line}, TLS, ${way}: p50 ${result.p50.toFixed(1)}, p99 ${result.p99.toFixed(1)} ms; ` +
        `${result.perSecond.toFixed(0)}/s over ${CONNECTIONS} connections; ` +
        `decided without the store under the default budget: ${percent(result.degradedByDefault)}`,
    );
    bar(`${line}, ${way}: checks decided in full`, percent(1 - result.degraded), result.degraded === 0, 'all');
  }
  const [request, pool] = results;
  if (request === undefined || pool === undefined) throw new Error('nothing was measured');
  const ratio = pool.p50 / request.p50;
  bar(`${line}: p50 of a pool beside a connection for each request`, ratio.toFixed(2), ratio < 0.8, 'below 0.80');
}

await redis.stop();
certificates.remove();
