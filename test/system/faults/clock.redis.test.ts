import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { CLOCK_SCENARIOS, type ClockStand, startClockStand } from '../../support/faults/clock.ts';
import { startLoad } from '../../support/servers/load.ts';
import { metricsOf } from '../../support/servers/metrics.ts';
import { type RedisServer, startRedis } from '../../support/servers/redis.ts';
import { KEY, post, type Workshop, workshop } from '../../support/servers/stepgate.ts';
import { until } from '../../support/until.ts';

/** `STORE_TIMEOUT_MS`: wide enough that a cold service on a busy machine reaches Redis in time. */
const BUDGET_MS = 1000;
/** Clocks differ by less. */
const SKEW_MS = 5 * 60_000;
const UTRECHT = { lat: 52.09, lon: 5.12, country: 'NL', city: 'Utrecht' };
const SYDNEY = { lat: -33.87, lon: 151.21, country: 'AU', city: 'Sydney' };

// Processes and time limits of their own, on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 });

let shop: Workshop;
let redis: RedisServer;
let stand: ClockStand;
let url: string;
beforeAll(async () => {
  shop = await workshop();
  redis = await startRedis();
});
afterEach(() => shop.tidy());
afterAll(async () => {
  await shop.close();
  await redis.stop();
});

async function start(): Promise<void> {
  stand = await startClockStand(
    shop.environment({ REDIS_URL: redis.url, STORE_TIMEOUT_MS: `${BUDGET_MS}`, GEO_DATA: 'none' }),
  );
  shop.onTidy(() => stand.service.stop());
  ({ url } = stand.service);
  await until(async () => (await fetch(`${url}/readyz`)).status === 200);
}

const bodyOf = (subject: string, geo: object = UTRECHT): object => ({
  subject,
  action: 'report.view',
  ip: '89.98.229.250',
  device: { fingerprint: `of ${subject}` },
  geo,
});

async function check(subject: string, geo?: object) {
  const { status, text } = await post(`${url}/v1/risk-check`, JSON.stringify(bodyOf(subject, geo)));
  expect(status, text).toBe(200);
  return JSON.parse(text);
}

async function stored(subject: string) {
  const response = await fetch(`${url}/v1/subjects/${subject}`, { headers: { Authorization: `Bearer ${KEY}` } });
  return (await response.json()).baseline;
}

const learned = async (subject: string): Promise<number> => (await stored(subject))?.learned ?? 0;

describe.each(CLOCK_SCENARIOS)('the clock of a service $name', ({ begin, end }) => {
  test('No check fails, waits or sees a journey, and the store is not left alone', async () => {
    await start();
    const load = startLoad({
      url: `${url}/v1/risk-check`,
      connections: 32,
      kinds: ['check'],
      body: async (_kind, _phase, n) => bodyOf(`load-${n % 40}`),
      patienceMs: 10 * BUDGET_MS,
      restMs: 50,
    });
    shop.onTidy(() => load.stop());
    const eachIn = async (phase: string): Promise<void> => {
      load.enter(phase);
      await until(() => load.answers.filter((one) => one.phase === phase).length >= 200);
    };
    await eachIn('before');
    await begin(stand);
    await eachIn('stepped');
    await end(stand);
    await eachIn('after');
    await load.stop();
    expect(load.failures).toEqual([]);
    for (const { status, answer } of load.answers) {
      expect(status).toBe(200);
      if (answer.degraded.length === 0) expect(answer.decision).toBe('allow');
      expect(answer.signals.travel.facts?.['travel.distance_km'] ?? 0).toBe(0);
    }
    // A busy machine may make some late.
    const late = load.answers.filter(({ answer }) => answer.degraded.length > 0);
    expect(late.length).toBeLessThan(load.answers.length / 2);
    const told = await metricsOf(url);
    expect(told('stepgate_checks_total')).toBe(load.answers.length);
    expect(told('stepgate_learn_failures_total', { code: 'fault' })).toBe(0);
  });

  test('What is learned meanwhile holds no later journey up, once the clock is right and the subject is seen again', async () => {
    await start();
    await check('ann');
    await expect.poll(() => learned('ann')).toBe(1);
    await begin(stand);
    await check('ann');
    await expect.poll(() => learned('ann')).toBe(2);
    await end(stand);
    await check('ann');
    await expect.poll(() => learned('ann')).toBe(3);

    const { last_seen, places, devices } = await stored('ann');
    for (const moment of [last_seen, places[0].last_seen, devices[0].last_seen]) {
      expect(Math.abs(Date.parse(moment) - Date.now())).toBeLessThan(SKEW_MS);
    }
    const { signals } = await check('ann', SYDNEY);
    expect(signals.travel.facts['travel.speed_kmh']).toBeGreaterThan(10_000);
    await shop.tidy();
    await redis.admin.flushall();
  });

  test('A circuit that is open then closes as soon as Redis is back', async () => {
    await start();
    redis.freeze();
    shop.onTidy(() => redis.thaw());
    await until(async () => (await check('ben')).degraded.some(({ why }: { why: string }) => why === 'circuit_open'));
    await begin(stand);
    redis.thaw();
    await until(async () => (await check('ben')).degraded.length === 0);
    expect((await metricsOf(url))('stepgate_store_errors_total', { code: 'circuit_open' })).toBeGreaterThan(0);
  });
});
