import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { noGeo } from '../../../src/data/geo/no-geo.ts';
import { NO_REPUTATION } from '../../../src/data/lists/standing.ts';
import { prometheusMetrics } from '../../../src/records/prometheus.ts';
import { AUTHORIZED, NOW_MS, scene } from '../../support/scene.ts';

const rules = JSON.parse(readFileSync(new URL('../../../rules/default.json', import.meta.url), 'utf8'));

/** @see https://github.com/temporalio/deputy/issues/157 */
test('A misspelt action is asked, told what it was probably meant to be, and counted', async () => {
  const metrics = prometheusMetrics({
    rules: scene({ rules }).engine.rules,
    reputation: () => NO_REPUTATION,
    geo: noGeo(),
    now: () => NOW_MS,
  });
  const { post, settled } = scene({ rules, deps: { metrics } });
  const answer = await post('/v1/risk-check', {
    action: 'payment.transfr',
    subject: 'ann',
    ip: '89.98.229.250',
    context: { amount: 99_999 },
  });
  expect(await answer.json()).toMatchObject({
    decision: 'step-up',
    reasons: [
      {
        code: 'action_undeclared',
        message: expect.stringMatching(/payment\.transfr.*payment\.transfer$/),
      },
    ],
  });
  await settled();
  expect((await metrics.render())?.text).toContain('stepgate_undeclared_actions_total 1');
});

test('A page that nobody declared teaches no network and no place, so the log-in from there is asked as before', async () => {
  const { app, post, settled } = scene({ rules });
  const at = (ip: string, lat: number) => ({
    subject: 'bob',
    ip,
    geo: { lat, lon: 0.1, country: 'GB', city: `${lat}` },
  });
  const device = { fingerprint: 'b1946ac92492d2347c6235b4d2611184' };
  const elsewhere = at('86.150.77.9', 53);
  await post('/v1/events', {
    type: 'login.succeeded',
    ...at('86.130.1.9', 51),
    device,
    occurred_at: new Date(NOW_MS - 12 * 3_600_000).toISOString(),
  });
  const logIn = async () => {
    const answer = await (await post('/v1/risk-check', { action: 'login', ...elsewhere, device })).json();
    await settled();
    return [answer.decision, answer.score];
  };
  expect(await logIn()).toEqual(['step-up', 30]);
  const page = await (await post('/v1/risk-check', { action: 'page.view', ...elsewhere })).json();
  await settled();
  expect(page).toMatchObject({ decision: 'step-up' });
  expect(page.reasons).toContainEqual(expect.objectContaining({ code: 'action_undeclared' }));
  const stored = await (await app.request('/v1/subjects/bob', { headers: AUTHORIZED })).json();
  expect(stored.baseline).toMatchObject({ networks: 1, places: [{}] });
  expect(await logIn()).toEqual(['step-up', 30]);
});
