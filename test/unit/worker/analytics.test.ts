import { expect, test } from 'vitest';
import {
  analyticsMetrics,
  analyticsRecords,
  type Dataset,
  DECISION_BLOBS,
  DECISION_DOUBLES,
} from '../../../src/worker/analytics.ts';
import { recordOf } from '../../support/record-of.ts';

type Point = Parameters<Dataset['writeDataPoint']>[0];

function dataset() {
  const points: Point[] = [];
  return { points, writeDataPoint: (point: Point) => void points.push(point) };
}

test('A decision is one data point whose columns stand in the order that is told', async () => {
  const { points, ...to } = dataset();
  const { record } = await recordOf({
    subject: 'ann@example.com',
    action: 'payment.transfer',
    ip: '81.2.69.160',
    context: { amount: 5000 },
  });
  analyticsRecords(to)(record);
  const [{ indexes, blobs, doubles } = {}] = points;
  expect(indexes).toEqual(['payment.transfer']);
  expect(Object.fromEntries(DECISION_BLOBS.map((name, i) => [name, blobs?.[i]]))).toEqual({
    kind: 'decision',
    decision: 'step-up',
    level: 'low',
    rule: 'large-transfer',
    action: 'payment.transfer',
    caller: 'tester',
    reasons: 'large_transfer',
    degraded: '',
    step_up: 'asked',
    device_state: 'absent',
    country: '',
    dry_run_decision: 'step-up',
    dry_run_rules: '',
    subject: record.subject,
    address: record.address,
    rules_revision: record.rules_revision,
    id: record.id,
    request_id: 'req-1',
    session_credential: '',
    session_code: '',
  });
  expect(Object.fromEntries(DECISION_DOUBLES.map((name, i) => [name, doubles?.[i]]))).toEqual({
    score: 0,
    latency_ms: 0,
    degraded_parts: 0,
  });
  expect(JSON.stringify(points)).not.toMatch(/ann|81\.2\.69|5000/);
});

test('A data point keeps to what Analytics Engine takes: an index of 96 bytes, whole characters, 16 KB of text, 20 columns', async () => {
  const { points, ...to } = dataset();
  const { record } = await recordOf({ subject: 'ann', action: 'login' });
  const reasons = Array.from({ length: 500 }, (_, i) => ({ code: `reason_${i}`, rule: null, points: 0, facts: {} }));
  analyticsRecords(to)({ ...record, action: 'ö'.repeat(64), reasons });
  const [{ indexes = [], blobs = [] } = {}] = points;
  expect(indexes[0]).toBe('ö'.repeat(48));
  expect(new TextEncoder().encode(blobs.join('')).length).toBeLessThan(16_000);
  expect(blobs.length).toBeLessThanOrEqual(20);
});

test('What goes wrong beside the decisions is a data point too, and nobody keeps counters to be scraped', async () => {
  const { points, ...to } = dataset();
  const metrics = analyticsMetrics(to);
  metrics.storeFailed('recordAttempt', 'timeout');
  metrics.learnFailed('unreachable');
  metrics.keysAsked('https://issuer.test', 'failed');
  metrics.storeEvicted('tally');
  metrics.recordFailed();
  expect(points.map(({ blobs }) => blobs)).toEqual([
    ['store', 'recordAttempt', 'timeout'],
    ['learn', '', 'unreachable'],
    ['keys', 'https://issuer.test', 'failed'],
    ['evicted', 'tally', ''],
    ['record', '', ''],
  ]);
  expect(await metrics.render()).toBeNull();
});

test('Without a dataset nothing is written and nothing fails', () => {
  const metrics = analyticsMetrics(null);
  expect(() => metrics.storeFailed('ping', 'timeout')).not.toThrow();
});
