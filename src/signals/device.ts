import { type Baseline, hasLiveTrust } from '../model/baseline.ts';
import { SKIP_REASONS } from '../model/device-session.ts';
import { type DraftFacts, daysBetween, failed, measured, unknown } from '../model/measurement.ts';
import { POSSESSION_FAULTS } from '../model/possession.ts';
import { baselineOf, failureOf } from '../store/history.ts';
import { DEVICE_STATES, type DeviceMatch, type Observation, type Signal } from './signal.ts';

/** The device, and what the subject's history says about it. */
export const device: Signal = {
  name: 'device',
  facts: {
    'device.state': {
      type: 'string',
      meaning:
        'What the device is to this subject; only a live device token makes it `trusted`, and without the traits on record no more than `unconfirmed`',
      values: DEVICE_STATES,
    },
    'device.trusted': { type: 'boolean', meaning: 'Whether `device.state` is `trusted`' },
    'device.age_days': { type: 'number', unit: 'days', meaning: 'Since the device was first seen with this subject' },
    'device.subjects_24h': {
      type: 'number',
      unit: '1',
      meaning: 'Subjects seen on this device in 24 hours, this one included; unknown without a token or fingerprint',
    },
    'device.similarity': {
      type: 'number',
      unit: '1',
      meaning: 'Share of equal components, 0..1, compared with the nearest known device, when the fingerprint changed',
    },
    'device.token_missing': {
      type: 'boolean',
      meaning:
        'Whether fingerprint or session are those of a trusted device of this subject, but no genuine token was sent',
    },
    'device.tokens_lost': {
      type: 'number',
      unit: '1',
      meaning:
        'Live tokens that this subject earned on a device with these traits, when none comes along; unknown with a genuine token, and for a new device',
    },
    'device.token_reused': {
      type: 'boolean',
      meaning:
        'Whether the device token was copied: two holders have used it, and the trust of both has ended; unknown without a token of this subject',
    },
    'device.bound': {
      type: 'boolean',
      meaning:
        'Whether the device is bound to a key: its token or record names one, and without proof of possession it is not `trusted`',
    },
    'device.bound_age_s': {
      type: 'number',
      unit: 's',
      meaning:
        'Since the device was bound to its key; the newest of several, unless possession of another one is proven',
    },
    'device.key_changed': {
      type: 'boolean',
      meaning:
        'Whether possession of another key was proven than the one that the device is bound to; unknown if of none',
    },
    'device.session_skipped': {
      type: 'string',
      meaning:
        'Why the browser did not renew the proof of its device bound session, as it claims: the device is then not `trusted`',
      values: SKIP_REASONS,
    },
    'device.key_proof': {
      type: 'string',
      meaning: 'What became of the proof of possession of the page’s key; unknown if none was sent',
      values: ['valid', 'refused'],
    },
    'device.key_proof_code': { type: 'string', meaning: 'Why that proof was refused', values: POSSESSION_FAULTS },
    'device.confidence': {
      type: 'number',
      unit: '1',
      meaning: 'Confidence in the fingerprint, 0..1, as the client claims',
    },
    'device.bot': { type: 'boolean', meaning: 'Whether the collector in the browser saw marks of automation' },
  },
  measure(observation, history, _proof, match) {
    const { request, keys, deviceToken, keyProof } = observation;
    const claims = {
      'device.confidence': request.device?.confidence,
      'device.bot': request.device?.bot,
      'device.session_skipped': request.device?.session?.skipped,
      ...(keyProof !== null && {
        'device.key_proof': keyProof.valid ? 'valid' : 'refused',
        'device.key_proof_code': keyProof.valid ? null : keyProof.why,
      }),
    };
    const counts = history.device?.state === 'read' && keys.device !== null ? history.device.value : null;
    const open = { ...claims, 'device.subjects_24h': counts?.subjects24h };
    if (keys.subject === null) return unknown('no_subject', open);
    const baseline = baselineOf(history);
    if (keys.fingerprint === null && deviceToken.state !== 'genuine') {
      const absent = {
        ...open,
        'device.state': 'absent',
        'device.trusted': false,
        'device.token_missing': baseline === null ? null : isTokenMissing(observation, baseline),
      };
      if (deviceToken.state === 'invalid') return unknown('invalid_token', absent);
      return request.device?.malformed === true ? unknown('malformed_claim', absent) : measured(absent);
    }
    const why = failureOf(history.subject, history.device);
    if (history.subject?.state !== 'read') return why === null ? unknown('no_history', open) : failed(why, open);

    const facts = {
      ...open,
      'device.state': match.state,
      'device.trusted': match.state === 'trusted',
      'device.age_days':
        match.device === null ? null : daysBetween(match.device.firstSeen, request.occurredAtMs / 1000),
      'device.similarity': match.similarity === null ? null : Math.round(match.similarity * 100) / 100,
      'device.token_missing': baseline === null ? false : isTokenMissing(observation, baseline),
      'device.tokens_lost': baseline === null ? null : tokensLost(observation, baseline, match),
      'device.token_reused': match.reused,
      ...bindingFacts(observation, match),
    };
    return why === null ? measured(facts) : failed(why, facts);
  },
};

function bindingFacts({ nowMs }: Observation, { device: known, binding }: DeviceMatch): DraftFacts {
  const since = binding?.since ?? null;
  return {
    'device.bound': known === null ? null : binding !== null,
    'device.bound_age_s': since === null ? null : Math.max(0, Math.round(nowMs / 1000 - since)),
    'device.key_changed': binding?.changed,
  };
}

/** Whoever clears his cookies has a record, and a token, for each time. A fingerprint that grew older counts as that of its record. */
function tokensLost({ deviceToken, nowMs }: Observation, { devices }: Baseline, match: DeviceMatch): number | null {
  const fingerprint = match.device?.fingerprint ?? null;
  if (deviceToken.state === 'genuine' || fingerprint === null) return null;
  return devices.filter((known) => known.fingerprint === fingerprint && hasLiveTrust(known, nowMs / 1000)).length;
}

/** A thief may leave out what names a device, and so show nothing that differs; the session still names it. */
function isTokenMissing({ deviceToken, keys, nowMs }: Observation, { devices, sessions }: Baseline): boolean {
  if (deviceToken.state === 'genuine') return false;
  const session = keys.session === null ? undefined : sessions.find(({ key }) => key === keys.session);
  return devices.some(
    (known) =>
      hasLiveTrust(known, nowMs / 1000) &&
      ((keys.fingerprint !== null && known.fingerprint === keys.fingerprint) || known.id === session?.device),
  );
}
