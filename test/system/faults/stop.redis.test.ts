import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { baselineKey } from '../../../src/store/keys.ts';
import { pseudonymizer } from '../../../src/store/pseudonym.ts';
import { stoppedSubject, stopUnderLoad } from '../../support/faults/stop.ts';
import { startService } from '../../support/servers/program.ts';
import { type RedisServer, startRedis } from '../../support/servers/redis.ts';
import { type Workshop, workshop } from '../../support/servers/stepgate.ts';

const SECRET = 'x'.repeat(48);
const DRAIN_MS = 10_000;

// Processes and time limits of their own, on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 });

let shop: Workshop;
let redis: RedisServer;
beforeAll(async () => {
  shop = await workshop();
  redis = await startRedis();
});
afterEach(() => shop.tidy());
afterAll(async () => {
  await shop.close();
  await redis.stop();
});

/** @see https://github.com/nodejs/node/issues/60617 */
test('SIGTERM under load: each request that reaches the service is answered whole, new connections are refused, and all is learned', async () => {
  const service = await startService(
    shop.environment({ REDIS_URL: redis.url, PRIVACY_KEY: SECRET, GEO_DATA: 'none', STORE_TIMEOUT_MS: '10000' }),
  );
  shop.onTidy(() => service.stop());
  const { exitCode, exitMs, answers, refused, lost, toldMs } = await stopUnderLoad(service, (subject) => ({
    subject,
    action: 'report.view',
    ip: '89.98.229.250',
    device: { fingerprint: `of ${subject}` },
  }));
  expect(lost).toEqual([]);
  expect(refused).toBeGreaterThan(0);
  expect(exitCode).toBe(0);
  expect(exitMs).toBeLessThan(DRAIN_MS);
  // It was busy when it was told.
  expect(answers.filter(({ atMs }) => atMs > toldMs).length).toBeGreaterThan(0);
  for (const { status, answer } of answers) {
    expect(status).toBe(200);
    expect(answer).toMatchObject({ decision: 'allow', degraded: [] });
  }

  const pseudonym = pseudonymizer(SECRET);
  const sent = answers.length + refused;
  const keys = Array.from({ length: sent }, (_, n) => baselineKey(pseudonym('subject', stoppedSubject(n))));
  expect(await redis.admin.exists(...keys)).toBe(answers.length);
});
