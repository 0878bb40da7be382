import { describe, expect, it } from 'vitest';
import { session } from '../../../src/signals/session.ts';
import {
  baseline,
  type Given,
  genuine,
  HOUR,
  history,
  knownDevice,
  knownSession,
  learnedFrom,
  measure,
  NOON,
  observation,
} from '../../support/signals/given.ts';

describe('the session', () => {
  const known = baseline({
    devices: [knownDevice({ id: 'd-1', fingerprint: 'fp-1' })],
    sessions: [
      knownSession({
        networks: [observation().keys.network ?? ''],
        device: 'd-1',
        country: 'NL',
        startedAt: NOON - HOUR,
      }),
    ],
  });
  const measureSession = (given: Given) =>
    measure(session, observation({ session: 's-1', ...given }), history(known), null);

  it('The session that goes on where it was is unchanged', () => {
    expect(measureSession({ fingerprint: 'fp-1', place: { country: 'NL' } })).toEqual({
      state: 'measured',
      facts: {
        'session.ip_changed': false,
        'session.device_changed': false,
        'session.country_changed': false,
        'session.age_s': 3600,
      },
    });
  });

  it('The session that moves to another device, network and country is the mark of a stolen cookie', () => {
    expect(measureSession({ fingerprint: 'fp-thief', ip: '45.83.1.1', place: { country: 'BR' } }).facts).toMatchObject({
      'session.ip_changed': true,
      'session.device_changed': true,
      'session.country_changed': true,
    });
  });

  it('The session cannot say whether the device changed when none is named', () => {
    expect(measureSession({}).facts['session.device_changed']).toBeUndefined();
  });

  it('The session is moved by a token that names another device, whatever the fingerprint', () => {
    const other = { fingerprint: 'fp-1', token: genuine({ device: 'd-2' }) };
    expect(measureSession(other).facts['session.device_changed']).toBe(true);
  });

  it('The session is unknown when it is new, when there is none and without a subject', () => {
    expect(measureSession({ session: 's-new' })).toMatchObject({ state: 'unknown', why: 'new_session' });
    expect(measure(session, observation(), history(known), null)).toMatchObject({ why: 'no_session' });
    expect(measureSession({ subject: null })).toMatchObject({ why: 'no_subject' });
  });

  it('The session learns a network even through a VPN, for within the session it is a legitimate one', () => {
    const viaVpn = observation({ session: 's-1', ip: '45.83.1.1', categories: ['vpn'] });
    const after = learnedFrom([viaVpn], known);
    expect(after?.sessions[0]?.networks).toContain(viaVpn.keys.network);
    expect(after?.networks).toEqual([]);
  });
});
