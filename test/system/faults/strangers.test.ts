import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { FLOOD, HEAP_MIB, introduce, type Known, startSmallService, stranger } from '../../support/faults/strangers.ts';
import { startLoad } from '../../support/servers/load.ts';
import { metricsOf } from '../../support/servers/metrics.ts';
import { KEY, post, type Workshop, workshop } from '../../support/servers/stepgate.ts';
import { until } from '../../support/until.ts';

let shop: Workshop;
beforeAll(async () => {
  shop = await workshop();
});
afterEach(() => shop.tidy());
afterAll(() => shop.close());

test('A flood of strangers ends no service without Redis, fills no more than its share, and forgets nobody who is known', async () => {
  const service = await startSmallService(shop.environment());
  shop.onTidy(() => service.stop());
  const { url } = service;
  const check = async (body: object) => {
    const { status, text } = await post(`${url}/v1/risk-check`, JSON.stringify(body));
    expect(status, text).toBe(200);
    return JSON.parse(text);
  };
  const expectKnown = async ({ subject, ip, device }: Known): Promise<void> => {
    const answer = await check({ subject, ip, device, action: 'profile.view' });
    expect(answer).toMatchObject({ decision: 'allow', degraded: [] });
    expect(answer.signals.device.facts).toMatchObject({ 'device.trusted': true, 'device.state': 'trusted' });
  };
  const evicted = async (kind: string): Promise<number> =>
    (await metricsOf(url))('stepgate_store_evictions_total', { kind });
  const known = await introduce(url, 20);
  for (const one of known) await expectKnown(one);
  const before = service.residentMiB();

  const load = startLoad({
    url: `${url}/v1/risk-check`,
    connections: 32,
    kinds: ['stranger'],
    body: async (_kind, _phase, n) => stranger(n),
    patienceMs: 10_000,
    restMs: 0,
  });
  shop.onTidy(() => load.stop());
  await until(() => load.answers.length >= FLOOD || load.failures.length > 0);
  await load.stop();
  expect(load.failures).toEqual([]);
  for (const { status, answer } of load.answers) {
    expect(status).toBe(200);
    expect(answer.degraded).toEqual([]);
    expect(answer.device?.token).toBeUndefined();
  }

  expect(await evicted('tally')).toBeGreaterThan(0);
  expect(await evicted('baseline')).toBe(0);
  for (const one of known) await expectKnown(one);
  // What is still counted of the last stranger is no baseline.
  const { subject } = stranger(load.answers.length - 1);
  const headers = { Authorization: `Bearer ${KEY}` };
  expect((await (await fetch(`${url}/v1/subjects/${subject}`, { headers })).json()).baseline).toBeNull();
  // Unknown (NaN) where there is no /proc.
  if (!Number.isNaN(before)) expect(service.residentMiB() - before).toBeLessThan(2 * HEAP_MIB);
  expect(await service.stop()).toBe(0);
}, 120_000);
