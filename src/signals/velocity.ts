import { daysBetween, failed, measured, unknown } from '../model/measurement.ts';
import { failureOf, seenBaselineOf, subjectOf } from '../store/history.ts';
import type { Signal } from './signal.ts';

/** How often and from how many places this subject has been seen lately, and how well it is known. */
export const velocity: Signal = {
  name: 'velocity',
  facts: {
    'subject.attempts_1m': {
      type: 'number',
      unit: '1',
      meaning: 'Checks of this subject in a minute, this one included',
    },
    'subject.failures_10m': {
      type: 'number',
      unit: '1',
      meaning: 'Failed log-ins, failed step-ups and forged proofs in 10 minutes',
    },
    'subject.ips_1h': { type: 'number', unit: '1', meaning: 'Addresses (IPv6: /64s) in an hour, this one included' },
    'subject.countries_24h': { type: 'number', unit: '1', meaning: 'Countries in 24 hours, this one included' },
    'subject.dormant_days': {
      type: 'number',
      unit: 'days',
      meaning: 'Since the subject was last seen; unknown on a cold start',
    },
    'subject.age_days': {
      type: 'number',
      unit: 'days',
      meaning: 'Since the subject was first seen; unknown on a cold start',
    },
    'subject.learned': {
      type: 'number',
      unit: '1',
      meaning: 'Allowed requests and successes in the baseline; 0 is a cold start',
    },
  },
  measure({ request, keys }, history) {
    if (keys.subject === null) return unknown('no_subject');
    const why = failureOf(history.subject);
    if (why !== null) return failed(why);
    const counts = subjectOf(history);
    if (counts === null) return unknown('no_history');
    const baseline = seenBaselineOf(history);
    const at = request.occurredAtMs / 1000;
    return measured({
      'subject.attempts_1m': counts.attempts1m,
      'subject.failures_10m': counts.failures10m,
      'subject.ips_1h': counts.addresses1h,
      'subject.countries_24h': counts.countries24h,
      'subject.dormant_days': baseline === null ? null : daysBetween(baseline.lastSeen, at),
      'subject.age_days': baseline === null ? null : daysBetween(baseline.firstSeen, at),
      'subject.learned': baseline?.learned ?? 0,
    });
  },
};
