import { describe, expect, test } from 'vitest';
import { noGeo } from '../../../src/data/geo/no-geo.ts';
import { NO_REPUTATION } from '../../../src/data/lists/standing.ts';
import type { ListStatus, Reputation } from '../../../src/model/reputation.ts';
import type { Metrics } from '../../../src/records/metrics.ts';
import type { ScrapeSources } from '../../../src/records/prometheus.ts';
import { prometheusMetrics } from '../../../src/records/prometheus.ts';
import { NOW_MS, scene } from '../../support/scene.ts';

const list: ListStatus = {
  name: 'tor-exits',
  category: 'tor',
  source: 'https://example.org/tor',
  updatedAtMs: NOW_MS - 3 * 86_400_000,
  ageDays: 3,
  maxAgeDays: 2,
  ranges: 1200,
  judged: false,
  problem: null,
};

function sourcesWith(reputation: () => Reputation): ScrapeSources {
  return { rules: scene().engine.rules, reputation, geo: noGeo(), now: () => NOW_MS };
}

async function rendered(metrics: Metrics) {
  const exposition = await metrics.render();
  if (exposition === null) throw new Error('there is no exposition');
  return exposition;
}

describe('the Prometheus exposition', () => {
  test('The Prometheus exposition counts checks by decision and rule, their latency, and degraded parts', async () => {
    const metrics = prometheusMetrics(sourcesWith(() => NO_REPUTATION));
    const { post, settled } = scene({ deps: { metrics } });
    await post('/v1/risk-check', { subject: 'root', action: 'login' });
    await post('/v1/risk-check', { subject: 'u', action: 'login' });
    await post('/v1/risk-check', { subject: 'u', action: 'login' });
    await settled();
    const { text, contentType } = await rendered(metrics);
    expect(contentType).toContain('text/plain');
    expect(text).toContain('stepgate_checks_total{decision="deny",rule="no-root"} 1');
    expect(text).toContain('stepgate_checks_total{decision="allow",rule="none"} 2');
    expect(text).toContain('stepgate_check_duration_seconds_count{decision="allow"} 2');
  });

  /** @see https://github.com/fingerprintjs/fingerprintjs/issues/515 */
  test('The Prometheus exposition counts the states of devices, so that a browser update that drifts all of them can be told from an attack', async () => {
    const metrics = prometheusMetrics(sourcesWith(() => NO_REPUTATION));
    const { post, settled } = scene({ deps: { metrics } });
    const traits = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`trait${i}`, 'a']));
    const device = { fingerprint: 'before-the-update', components: traits };
    const updated = { fingerprint: 'after-the-update', components: { ...traits, trait0: 'b' } };
    await post('/v1/risk-check', { subject: 'u', action: 'login', device });
    await settled();
    await post('/v1/risk-check', { subject: 'u', action: 'login', device: updated });
    await settled();
    const { text } = await rendered(metrics);
    expect(text).toContain('stepgate_devices_total{state="new"} 1');
    expect(text).toContain('stepgate_devices_total{state="drifted"} 1');
  });

  test('The Prometheus exposition counts the checks that were decided without a part of their input, by part', async () => {
    const metrics = prometheusMetrics(sourcesWith(() => NO_REPUTATION));
    const failed = { state: 'failed', why: 'timeout' } as const;
    const store = {
      ...scene().engine.store,
      recordAttempt: async () => ({ subject: failed, address: failed, device: null }),
    };
    const { post, settled } = scene({ store, deps: { metrics } });
    for (let i = 0; i < 2; i++) await post('/v1/risk-check', { subject: 'u', action: 'login', ip: '81.2.69.160' });
    await settled();
    const { text } = await rendered(metrics);
    expect(text).toContain('stepgate_degraded_checks_total{part="velocity"} 2');
    expect(text).toContain('stepgate_checks_total{decision="step-up",rule="none"} 2');
  });

  test('The Prometheus exposition counts failures of the store, of learning and of records', async () => {
    const metrics = prometheusMetrics(sourcesWith(() => NO_REPUTATION));
    metrics.storeFailed('recordAttempt', 'timeout');
    metrics.storeFailed('recordAttempt', 'timeout');
    metrics.learnFailed('unreachable');
    metrics.recordFailed();
    const { text } = await rendered(metrics);
    expect(text).toContain('stepgate_store_errors_total{operation="recordAttempt",code="timeout"} 2');
    expect(text).toContain('stepgate_learn_failures_total{code="unreachable"} 1');
    expect(text).toContain('stepgate_record_failures_total 1');
  });

  test('The Prometheus exposition counts what the embedded store gave up', async () => {
    const metrics = prometheusMetrics(sourcesWith(() => NO_REPUTATION));
    metrics.storeEvicted('tally');
    expect((await rendered(metrics)).text).toContain('stepgate_store_evictions_total{kind="tally"} 1');
  });

  /** @see https://github.com/auth0/node-jwks-rsa/issues/385 */
  test('The Prometheus exposition counts how issuers were asked for their keys, and when those of before went on', async () => {
    const metrics = prometheusMetrics(sourcesWith(() => NO_REPUTATION));
    metrics.keysAsked('https://idp.example', 'fetched');
    metrics.keysAsked('https://idp.example', 'stale');
    metrics.keysAsked('https://idp.example', 'stale');
    const { text } = await rendered(metrics);
    expect(text).toContain('stepgate_key_fetches_total{issuer="https://idp.example",outcome="fetched"} 1');
    expect(text).toContain('stepgate_key_fetches_total{issuer="https://idp.example",outcome="stale"} 2');
  });

  test('The Prometheus exposition shows age and size of the lists in force, and forgets those that went away', async () => {
    let lists: readonly ListStatus[] = [list];
    const metrics = prometheusMetrics(sourcesWith(() => ({ ...NO_REPUTATION, status: () => lists })));
    const before = (await rendered(metrics)).text;
    expect(before).toContain('stepgate_list_age_days{list="tor-exits",category="tor"} 3');
    expect(before).toContain('stepgate_list_judged{list="tor-exits"} 0');
    expect(before).toContain('stepgate_list_ranges{list="tor-exits"} 1200');
    lists = [];
    expect((await rendered(metrics)).text).not.toContain('tor-exits');
  });

  /** @see https://github.com/geoip-lite/node-geoip/issues/209 */
  test('The Prometheus exposition shows the age of the geo data at the moment of the scrape, and none where there is no data', async () => {
    const aging = { ...noGeo(), status: () => ({ name: 'geoip-lite', ageDays: 799.5, problem: null }) };
    const metrics = prometheusMetrics({ ...sourcesWith(() => NO_REPUTATION), geo: aging });
    expect((await rendered(metrics)).text).toContain('stepgate_geo_age_days{source="geoip-lite"} 799.5');
    const without = prometheusMetrics(sourcesWith(() => NO_REPUTATION));
    expect((await rendered(without)).text).not.toMatch(/^stepgate_geo_age_days\{/m);
  });

  test('The expositions of two servers in one process are not mixed', async () => {
    const one = prometheusMetrics(sourcesWith(() => NO_REPUTATION));
    const other = prometheusMetrics(sourcesWith(() => NO_REPUTATION));
    one.recordFailed();
    expect((await rendered(other)).text).toContain('stepgate_record_failures_total 0');
  });
});
