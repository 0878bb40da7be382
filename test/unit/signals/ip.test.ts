import { describe, expect, it } from 'vitest';
import { lessonOf } from '../../../src/engine/lesson.ts';
import { whyPlaceless } from '../../../src/model/placeless.ts';
import type { NoAddress } from '../../../src/model/request.ts';
import { ip } from '../../../src/signals/ip.ts';
import {
  baseline,
  DAY,
  history,
  learnedFrom,
  measure,
  NOON,
  observation,
  STORE_DOWN,
} from '../../support/signals/given.ts';

describe('the address', () => {
  const known = baseline({ networks: [{ key: '45.83.1.0/24', lastSeen: NOON - DAY }] });

  it('The address shows what lists, counters and the subject’s own past say', () => {
    const seen = observation({ ip: '81.2.69.161', categories: ['attack'], asn: 20712 });
    const slots = {
      ...history(baseline({ networks: [{ key: seen.keys.network ?? '', lastSeen: NOON - DAY }] })),
      address: {
        state: 'read',
        value: { failures10m: 3, denies1h: 2, subjects1h: 7, network: { failures10m: 9 } },
      },
    } as const;
    expect(measure(ip, seen, slots, null)).toEqual({
      state: 'measured',
      facts: {
        'ip.address': '81.2.69.161',
        'ip.version': 4,
        'ip.kind': 'public',
        'ip.unreadable': false,
        'ip.categories': ['attack'],
        'ip.lists': [],
        'ip.asn': 20712,
        'ip.known': true,
        'ip.address_known': false,
        'ip.failures_10m': 3,
        'ip.network_failures_10m': 9,
        'ip.subjects_1h': 7,
        'ip.denies_1h': 2,
      },
    });
  });

  it('The address is called off, not clean, while no list is in force; what needs none is still told', () => {
    const { state, why, facts } = measure(ip, observation({ lists: 'none', asn: 14593 }), history(known), null);
    expect([state, why]).toEqual(['off', 'no_lists']);
    expect(facts).toMatchObject({ 'ip.failures_10m': 0, 'ip.known': false, 'ip.asn': 14593 });
    expect(facts['ip.categories']).toBeUndefined();
    expect(facts['ip.lists']).toBeUndefined();
  });

  /** @see https://github.com/firehol/blocklist-ipsets/issues/219 */
  it('The address is measured with the word that lists are past their age, and says which and of what categories nobody knows', () => {
    const seen = observation({ ip: '34.5.6.66' });
    const stale = { lists: ['f1'], categories: ['attack'], holds: true } as const;
    const standing = { categories: [], lists: [], asn: null, stale };
    const partly = { ...seen, standing, placeless: whyPlaceless({ request: seen.request, standing }) };
    expect(measure(ip, partly, history(known), null)).toMatchObject({
      state: 'measured',
      why: 'lists_stale',
      facts: { 'ip.categories': [], 'ip.categories_unknown': ['attack'], 'ip.lists_stale': ['f1'] },
    });
    const wholly = { ...seen, standing: { categories: null, lists: [], asn: null, stale } };
    const { state, why, facts } = measure(ip, wholly, history(known), null);
    expect([state, why, facts['ip.categories'], facts['ip.lists']]).toEqual([
      'measured',
      'lists_stale',
      undefined,
      undefined,
    ]);
    expect(partly.placeless).toBe('placeless');
    expect(lessonOf(partly, null)).toMatchObject({ place: null, country: null, network: null, address: null });
  });

  it('The address tells what it is when the store gives no answer', () => {
    const { state, why, facts } = measure(ip, observation({ categories: ['tor'] }), STORE_DOWN, null);
    expect([state, why]).toEqual(['failed', 'timeout']);
    expect(facts).toEqual({
      'ip.address': '81.2.69.160',
      'ip.version': 4,
      'ip.kind': 'public',
      'ip.unreadable': false,
      'ip.categories': ['tor'],
      'ip.lists': [],
    });
  });

  it.each<NoAddress>(['absent', 'malformed', 'no_trusted_hop'])(
    'The address that is %s is unknown with that reason',
    (noAddress) => {
      expect(measure(ip, observation({ ip: null, noAddress }), { ...history(), address: null }, null)).toEqual({
        state: 'unknown',
        why: noAddress,
        facts: noAddress === 'malformed' ? { 'ip.unreadable': true } : {},
      });
    },
  );

  it('The address is told from its neighbours in a network that the subject knows', () => {
    const home = learnedFrom([observation({ ip: '81.2.69.160' })]);
    const factsAt = (address: string) => measure(ip, observation({ ip: address }), history(home), null).facts;
    expect(factsAt('81.2.69.160')).toMatchObject({ 'ip.known': true, 'ip.address_known': true });
    expect(factsAt('81.2.69.161')).toMatchObject({ 'ip.known': true, 'ip.address_known': false });
    expect(factsAt('81.2.70.160')).toMatchObject({ 'ip.known': false, 'ip.address_known': false });
  });

  it('The address is neither known nor unknown to somebody without a past', () => {
    expect(measure(ip, observation(), history(null), null).facts['ip.known']).toBeUndefined();
  });
});
