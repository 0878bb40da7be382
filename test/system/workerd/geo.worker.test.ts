import { afterAll, beforeAll, expect, test } from 'vitest';
import { post } from '../../support/servers/stepgate.ts';
import { startWorker, type WorkerServer } from '../../support/servers/worker.ts';

let worker: WorkerServer;
beforeAll(async () => {
  worker = await startWorker({ data: true, vars: { GEO_MAX_AGE_DAYS: '3650' } });
}, 300_000);
afterAll(() => worker.stop());

const signalsOf = async (ip: string) => {
  const { status, text } = await post(
    `${worker.url}/v1/risk-check`,
    JSON.stringify({ subject: 'ann', action: 'a', ip }),
  );
  expect(status, text).toBe(200);
  return JSON.parse(text).signals;
};

/** @see https://github.com/sapics/geoip-country/issues/22 */
test('The Worker places the address of the body by itself, IPv4 and IPv6, in the bundle of a fresh clone', async () => {
  expect((await signalsOf('81.2.69.160')).geo).toMatchObject({
    state: 'measured',
    facts: { 'geo.country': 'GB', 'geo.city': 'Newmarket', 'geo.source': 'shards' },
  });
  expect((await signalsOf('2a02:a210::1')).geo.facts).toMatchObject({ 'geo.country': 'NL', 'geo.source': 'shards' });
  expect((await signalsOf('10.1.2.3')).geo).toMatchObject({ state: 'unknown', why: 'private_address' });
});

test('A Worker says how old its data is, and that no list is built', async () => {
  const signals = await signalsOf('81.2.69.160');
  expect(signals.ip).toMatchObject({ state: 'off', why: 'no_lists' });
  const ready = await fetch(`${worker.url}/readyz`);
  expect(await ready.json()).toMatchObject({
    geo: { name: 'shards of geoip-lite', age_days: expect.any(Number), problem: null },
    lists: [],
  });
});

test('A Worker does not serve its data to clients', async () => {
  for (const path of ['/geo/manifest.json', '/ip/manifest.json', '/geo/', '/ip']) {
    expect((await fetch(`${worker.url}${path}`)).status).toBe(404);
  }
});
