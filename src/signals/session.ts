import type { Baseline, KnownSession } from '../model/baseline.ts';
import { type DraftFacts, failed, measured, unknown } from '../model/measurement.ts';
import { type CheckRequest, CREDENTIAL_STATES } from '../model/request.ts';
import { baselineOf, failureOf } from '../store/history.ts';
import type { DeviceMatch, Observation, Signal } from './signal.ts';

/** Whether a session has moved to another network, device or country: the mark of a stolen cookie. */
export const session: Signal = {
  name: 'session',
  facts: {
    'session.ip_changed': {
      type: 'boolean',
      meaning: 'Whether the network (/24, /48) is new for this session; weak by itself',
    },
    'session.device_changed': {
      type: 'boolean',
      meaning: 'Whether the device differs from the one on which the session was last allowed; unknown if either is',
    },
    'session.country_changed': {
      type: 'boolean',
      meaning: 'Whether the country differs from the one in which the session was last allowed',
    },
    'session.age_s': { type: 'number', unit: 's', meaning: 'Since the session was first seen' },
    'session.credential': {
      type: 'string',
      values: CREDENTIAL_STATES,
      meaning: 'State of the session token behind a gateway; unknown if the caller names the subject itself',
    },
    'session.code': { type: 'string', meaning: 'Why the session token was not accepted' },
    'session.sender_constrained': {
      type: 'boolean',
      meaning:
        'Whether the accepted session token is bound to a key whose possession was proven with the request (DPoP)',
    },
    'session.actor': { type: 'string', meaning: 'Who acts for the subject, by the session token' },
  },
  measure(observation, history, _proof, match) {
    const { keys, request, located } = observation;
    const shown = credentialFacts(request);
    if (keys.session === null) return unknown('no_session', shown);
    if (keys.subject === null) return unknown('no_subject', shown);
    const why = failureOf(history.subject);
    if (why !== null) return failed(why, shown);
    const baseline = baselineOf(history);
    const known = baseline?.sessions.find(({ key }) => key === keys.session);
    if (baseline === null || known === undefined) return unknown('new_session', shown);
    const country = located.known ? located.place.country : null;
    return measured({
      ...shown,
      'session.ip_changed':
        keys.network === null || known.networks.length === 0 ? null : !known.networks.includes(keys.network),
      'session.device_changed': deviceChanged(observation, baseline, known, match),
      'session.country_changed': country === null || known.country === null ? null : country !== known.country,
      'session.age_s': Math.max(0, Math.round(request.occurredAtMs / 1000 - known.startedAt)),
    });
  },
};

function credentialFacts({ credential, actor }: CheckRequest): DraftFacts {
  return {
    'session.credential': credential?.state,
    'session.code': credential?.code,
    'session.sender_constrained': credential?.state === 'accepted' ? credential.dpop !== undefined : null,
    'session.actor': actor,
  };
}

function deviceChanged(
  observation: Observation,
  baseline: Baseline,
  { device }: KnownSession,
  match: DeviceMatch,
): boolean | null {
  const { deviceToken, keys } = observation;
  if (device === null) return null;
  if (match.state === 'absent') return null;
  if (match.state === 'mismatch') return true;
  if (deviceToken.state === 'genuine') return deviceToken.device !== device;
  if (match.device?.id === device) return false;
  const before = baseline.devices.find(({ id }) => id === device);
  return before === undefined || before.fingerprint === null || before.fingerprint !== keys.fingerprint;
}
