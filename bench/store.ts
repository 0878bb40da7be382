/**
 * What the store costs Redis: bytes of each kind of key, typical and at its cap, by `MEMORY USAGE`; scripts and network waits of
 * one check; keys that never expire.
 * Run: `npm run bench -- store`
 */
import { fileURLToPath } from 'node:url';
import { COUNTERS, NOTHING_SEEN } from '../src/store/counters.ts';
import { redisStore } from '../src/store/redis/redis.ts';
import { startProxy } from '../test/support/servers/proxy.ts';
import { startRedis } from '../test/support/servers/redis.ts';
import { fullBaseline } from '../test/support/store/full-baseline.ts';
import { bar } from './bar.ts';
import { stretch } from './servers/load.ts';
import { KEY, startProcess } from './servers/process.ts';
import { bytesPerKey, keysOf, redisWork } from './servers/redis-cost.ts';
import { traffic } from './servers/traffic.ts';

const FOR_MS = 6000;
const PATTERNS = {
  'counters of a subject': 'sg:{s:*}:tally',
  'baseline of a subject': 'sg:{s:*}:baseline',
  'counters of an address': 'sg:{n:*}:a:*',
  'counters of a network': 'sg:{n:*}:tally',
  'counters of a device': 'sg:{d:*}:tally',
  'spent proof': 'sg:{p:*}:spent',
};
const sizeOf = async (): Promise<Record<string, number>> =>
  Object.fromEntries(
    await Promise.all(
      Object.entries(PATTERNS).map(async ([what, pattern]) => [what, await bytesPerKey(redis, pattern)]),
    ),
  );

const redis = await startRedis();
const proxy = await startProxy(redis.port, { countsTurns: true });
const environment = { PORT: '0', API_KEYS: `bench:${KEY}`, STORE_TIMEOUT_MS: '5000' };
const nodeScript = fileURLToPath(new URL('../src/node.ts', import.meta.url));
const service = await startProcess(nodeScript, { ...environment, REDIS_URL: redis.url });
const next = (await traffic(service.url))(service.url);
const before = await redisWork([redis]);
const { latencies } = await stretch(service.url, { connections: 32, forMs: FOR_MS, next });
const after = await redisWork([redis]);
const at32 = (after.calls - before.calls) / latencies.length;

const alone = await stretch(service.url, { connections: 1, forMs: FOR_MS, next });
const settled = await redisWork([redis]);
const atOne = (settled.calls - after.calls) / alone.latencies.length;
const store = redisStore({ url: `redis://127.0.0.1:${proxy.port}`, timeoutMs: 5000 });
await store.ping();
const nowS = Math.floor(Date.now() / 1000);
const ONE = {
  subject: 'subject'.padEnd(22, '-'),
  address: 'address'.padEnd(16, '-'),
  network: 'network'.padEnd(12, '-'),
  device: 'device'.padEnd(22, '-'),
};
const attempt = { atMs: nowS * 1000, write: true, keys: ONE, seen: { ...ONE, country: 'NL' } };
await store.recordAttempt(attempt);
const turnsBefore = proxy.turns();
await store.recordAttempt(attempt);
const waits = proxy.turns() - turnsBefore;
await store.close();
await proxy.stop();
await service.stop();
const typical = await sizeOf();
const { keys, withoutExpiry } = await keysOf(redis);

await redis.admin.flushall();
const full = redisStore({ url: redis.url, timeoutMs: 5000 });
await full.ping();
const numbered = (length: number, n: number): string => `${n}`.padStart(length, 'x');
// Every bucket of every window, and every set at its cap.
for (let n = 0; n < 128; n += 1) {
  const keys = {
    subject: numbered(22, 0),
    address: numbered(16, 0),
    network: numbered(12, 0),
    device: numbered(22, 0),
  };
  const country = String.fromCharCode(65 + (n % COUNTERS.subject.countries24h.cap), 65);
  await full.recordAttempt({
    atMs: (nowS - 128 * 3 + n * 3) * 1000,
    write: true,
    keys,
    seen: { ...keys, subject: numbered(22, n), address: numbered(16, n), country },
  });
  const outcome = { atMs: (nowS - 600 + (n % 60) * 10) * 1000, keys };
  await full.recordOutcome({ ...outcome, kind: 'failure' });
  await full.recordOutcome({ ...outcome, kind: 'deny', atMs: (nowS - 3600 + (n % 60) * 60) * 1000 });
}
for (let n = 0; n < 60; n += 1) {
  await full.recordAttempt({
    ...attempt,
    atMs: (nowS + n - 60) * 1000,
    keys: { subject: numbered(22, 0), address: null, network: null, device: null },
    seen: NOTHING_SEEN,
  });
}
await full.updateBaseline(numbered(22, 0), () => fullBaseline('z'));
await full.spendProof(numbered(22, 0), 600);
const capped = await sizeOf();
await full.close();
await redis.stop();

console.log('bytes of one key, its name and what Redis adds included:');
for (const what of Object.keys(PATTERNS)) {
  const cell = (bytes: number | undefined): string =>
    bytes === undefined || Number.isNaN(bytes) ? '-' : bytes.toFixed(0);
  console.log(
    `  ${what.padEnd(24)} typical ${cell(typical[what]).padStart(5)}   at its cap ${cell(capped[what]).padStart(5)}`,
  );
}
console.log(
  `scripts of one check: ${atOne.toFixed(2)} at 1 connection, ${at32.toFixed(2)} at 32 (what the answer teaches included)`,
);
const baselineBytes = capped['baseline of a subject'] ?? Number.NaN;
bar('baseline of a subject at its cap', `${baselineBytes.toFixed(0)} bytes`, baselineBytes <= 2048, 'at most 2,048');
bar('network waits of one check', String(waits), waits === 1, '1');
bar('keys without expiry', `${withoutExpiry} of ${keys}`, withoutExpiry === 0, 'none');
