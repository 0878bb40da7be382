import { describe, expect, it } from 'vitest';
import { velocity } from '../../../src/signals/velocity.ts';
import { baseline, DAY, history, measure, NOON, observation, STORE_DOWN } from '../../support/signals/given.ts';

describe('the subject’s velocity', () => {
  it('The subject’s velocity knows a cold start as one, and how long somebody has been away', () => {
    expect(measure(velocity, observation(), history(null), null).facts).toEqual({
      'subject.attempts_1m': 1,
      'subject.failures_10m': 0,
      'subject.ips_1h': 1,
      'subject.countries_24h': 1,
      'subject.learned': 0,
    });
    const away = baseline({ firstSeen: NOON - 400 * DAY, lastSeen: NOON - 100 * DAY - 1 });
    expect(measure(velocity, observation(), history(away), null).facts).toMatchObject({
      'subject.dormant_days': 100,
      'subject.age_days': 400,
    });
  });

  it('The subject’s velocity has failed when the store gave no answer', () => {
    expect(measure(velocity, observation(), STORE_DOWN, null)).toEqual({ state: 'failed', why: 'timeout', facts: {} });
  });
});
