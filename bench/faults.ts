/**
 * How long checks take while Redis stops, stalls and restarts: 32 connections, the default rules, the default budget of the
 * store. Prints percentiles as the client sees them, and how the checks were decided.
 * Run: `npx node bench/faults.ts`
 */
import { fileURLToPath } from 'node:url';
import { startRedis } from '../test/servers/redis.ts';
import { bar } from './bar.ts';
import { percentile, type SeeAnswer, stretch } from './servers/load.ts';
import { KEY, startProcess } from './servers/process.ts';
import { traffic } from './servers/traffic.ts';

const CONNECTIONS = 32;
/** Each connection rests so long between two checks: steady, and less than the machine can do. */
const REST_MS = 50;
const FAULT_MS = 3000;
const RECOVERY_MS = 2500;
const BUDGET_MS = 50;
const ALLOWANCE_MS = 20;

const redis = await startRedis();
const service = await startProcess(fileURLToPath(new URL('../src/node.ts', import.meta.url)), {
  PORT: '0',
  REDIS_URL: redis.url,
  API_KEYS: `bench:${KEY}`,
  STORE_TIMEOUT_MS: String(BUDGET_MS),
});
const next = (await traffic(service.url))(service.url);

/** What a stretch of load came to, with the answers counted by what was missing. */
async function measure(forMs: number) {
  const counts = { full: 0, degraded: 0, errors: 0 };
  const see: SeeAnswer = (status, body) => {
    if (status !== 200) counts.errors += 1;
    else if (body.includes('"degraded":[]')) counts.full += 1;
    else counts.degraded += 1;
  };
  const load = await stretch(service.url, { connections: CONNECTIONS, forMs, next, see, restMs: REST_MS });
  return { load, counts };
}

function tell(name: string, { load, counts }: Awaited<ReturnType<typeof measure>>): void {
  const ms = (share: number): string => percentile(load, share).toFixed(1);
  console.log(
    `${name}: ${load.perSecond.toFixed(0)}/s, p50 ${ms(0.5)}, p99 ${ms(0.99)}, most ${ms(1)} ms; ` +
      `${counts.full} full, ${counts.degraded} degraded, ${counts.errors} errors`,
  );
}

const FAULTS = [
  { name: 'stopped', begin: () => redis.kill(), end: () => redis.start() },
  { name: 'frozen', begin: async () => redis.freeze(), end: async () => redis.thaw() },
  {
    name: 'paused',
    begin: () => redis.admin.client('PAUSE', 60_000, 'WRITE'),
    end: () => redis.admin.client('UNPAUSE'),
  },
  { name: 'restarted', begin: () => redis.kill().then(() => redis.start()), end: async () => undefined },
];

tell('warm-up', await measure(FAULT_MS));
const healthy = await measure(FAULT_MS);
tell('healthy', healthy);
for (const { name, begin, end } of FAULTS) {
  const under = measure(FAULT_MS);
  await begin();
  const fault = await under;
  tell(name, fault);
  await end();
  tell('  and after', await measure(RECOVERY_MS));
  const recovered = await measure(RECOVERY_MS);
  const most = percentile(fault.load, 1);
  const wanted = `at most ${BUDGET_MS + ALLOWANCE_MS} ms`;
  bar(`longest check while Redis is ${name}`, `${most.toFixed(1)} ms`, most <= BUDGET_MS + ALLOWANCE_MS, wanted);
  const { errors } = fault.counts;
  bar(`answers other than a decision while Redis is ${name}`, `${errors}`, errors === 0, 'none');
  const share = recovered.counts.full / recovered.load.latencies.length;
  bar(`full answers after Redis was ${name}`, `${(100 * share).toFixed(1)} %`, share > 0.99, 'more than 99 %');
}
await service.stop();
await redis.stop();
