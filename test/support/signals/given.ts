import { matchDevice } from '../../../src/engine/device-match.ts';
import { lessonOf } from '../../../src/engine/lesson.ts';
import {
  type Baseline,
  type KnownDevice,
  type KnownPlace,
  type KnownSession,
  learnSighting,
} from '../../../src/model/baseline.ts';
import type { Measurement } from '../../../src/model/decision.ts';
import type { ProvenKey } from '../../../src/model/device-key.ts';
import type { DeviceTokenVerdict } from '../../../src/model/device-token.ts';
import { NO_FAMILIARITY } from '../../../src/model/familiarity.ts';
import { NO_GENERATIONS } from '../../../src/model/generations.ts';
import type { Located, Place } from '../../../src/model/geo.ts';
import { whyPlaceless } from '../../../src/model/placeless.ts';
import type { PossessionVerdict } from '../../../src/model/possession.ts';
import type { ProofVerdict } from '../../../src/model/proof.ts';
import type { Category, Standing } from '../../../src/model/reputation.ts';
import type { CheckRequest, ClientHints, DeviceClaim } from '../../../src/model/request.ts';
import { parseAddress, whyNobodys } from '../../../src/net/ip.ts';
import { clientTraits } from '../../../src/signals/client.ts';
import { readHints } from '../../../src/signals/client-hints.ts';
import { type Measurements, measureAll } from '../../../src/signals/index.ts';
import type { DeviceMatch, Observation, Signal } from '../../../src/signals/signal.ts';
import { COUNTERS_OF, type Counted, type Counts } from '../../../src/store/counters.ts';
import type { History } from '../../../src/store/store.ts';

export const MINUTE = 60;
export const HOUR = 3600;
export const DAY = 86_400;

/** Epoch seconds of 10 March 2025, noon UTC: the moment of a check unless a test says otherwise. */
export const NOON = Date.UTC(2025, 2, 10, 12) / 1000;

export interface Given {
  readonly at?: number;
  readonly subject?: string | null;
  readonly ip?: string | null;
  readonly noAddress?: CheckRequest['noAddress'];
  readonly place?: Partial<Place> | null;
  readonly located?: Located;
  readonly categories?: readonly Category[];
  readonly asn?: number;
  readonly lists?: 'built' | 'none';
  readonly session?: string;
  readonly userAgent?: string | null;
  readonly hints?: ClientHints;
  readonly fingerprint?: string | null;
  readonly components?: { readonly [name: string]: string };
  readonly claim?: Partial<DeviceClaim>;
  readonly token?: DeviceTokenVerdict;
  readonly provenKeys?: readonly ProvenKey[];
  readonly keyProof?: PossessionVerdict;
  readonly nowMs?: number;
}

/** An observation as the check makes it; pseudonyms are the plain values, so that failures read well. */
export function observation(given: Given = {}): Observation {
  const at = given.at ?? NOON;
  const address = given.ip === null ? null : parseAddress(given.ip ?? '81.2.69.160');
  const subject = given.subject === undefined ? 'u1' : given.subject;
  const fingerprint = given.fingerprint ?? null;
  const token = given.token ?? { state: 'absent' };
  const components = given.components ?? {};
  const userAgent = given.userAgent ?? null;
  const standing: Standing | null =
    address === null
      ? null
      : {
          categories: given.lists === 'none' ? null : (given.categories ?? []),
          lists: [],
          asn: given.asn ?? null,
        };
  return {
    request: {
      subject,
      subjectSpace: 'default',
      subjectType: 'user',
      action: 'login',
      address,
      noAddress: address === null ? (given.noAddress ?? 'absent') : null,
      session: given.session ?? null,
      userAgent,
      device:
        fingerprint === null && token.state === 'absent' && given.claim === undefined
          ? null
          : { fingerprint, token: null, confidence: null, bot: null, components, malformed: false, ...given.claim },
      place: null,
      credential: null,
      actor: null,
      proof: null,
      resource: { type: null, id: null, properties: {} },
      subjectProperties: {},
      context: {},
      occurredAtMs: at * 1000,
      dryRun: false,
    },
    nowMs: given.nowMs ?? at * 1000,
    nobodys: address === null ? null : whyNobodys(address),
    located: given.located ?? (given.place == null ? { known: false, why: 'not_found' } : locatedAt(given.place)),
    standing,
    placeless: whyPlaceless({ request: { address }, standing }),
    client: userAgent === null ? null : clientTraits(userAgent),
    hints: given.hints === undefined ? null : readHints(given.hints, userAgent),
    deviceToken: token,
    keyProof: given.keyProof ?? null,
    provenKeys: given.provenKeys ?? [],
    keys: {
      subject,
      address: address?.counterKey ?? null,
      network: address?.networkKey ?? null,
      asn: given.asn === undefined ? null : `${given.asn}`,
      session: given.session ?? null,
      fingerprint,
      components,
      constants: [],
      shared: [],
      device: token.state === 'genuine' ? token.device : fingerprint,
    },
  };
}

function locatedAt(place: Partial<Place>): Located {
  return {
    known: true,
    place: {
      lat: null,
      lon: null,
      accuracyKm: 20,
      country: null,
      region: null,
      city: null,
      source: 'asserted',
      ...place,
    },
  };
}

/** A genuine device token of `u1` for `d-1`, issued a day before noon, unless told otherwise. */
export function genuine(
  token: Partial<Extract<DeviceTokenVerdict, { state: 'genuine' }>> = {},
): Extract<DeviceTokenVerdict, { state: 'genuine' }> {
  return {
    state: 'genuine',
    device: 'd-1',
    subject: 'u1',
    issuedAt: NOON - DAY,
    expiresAt: NOON + 29 * DAY,
    others: [],
    jkt: null,
    generation: 0,
    ...token,
  };
}

/** What the store answers for a subject with this baseline. */
export function history(baseline: Baseline | null = null): History {
  return {
    subject: {
      state: 'read',
      value: {
        baseline: baseline && { value: baseline, text: JSON.stringify(baseline) },
        ...noCounts('subject'),
        attempts1m: 1,
        addresses1h: 1,
        countries24h: 1,
      },
    },
    address: { state: 'read', value: { ...noCounts('address'), subjects1h: 1, network: noCounts('network') } },
    device: { state: 'read', value: { ...noCounts('device'), subjects24h: 1 } },
  };
}

/** Every counter of the table at zero. */
export function noCounts<Of extends Counted>(of: Of): Counts<Of> {
  return Object.fromEntries(COUNTERS_OF[of].map(({ name }) => [name, 0])) as Counts<Of>;
}

/** What all signals make of an observation, as in a check. */
export function measureEach(seen: Observation, known: History, proof: ProofVerdict | null = null): Measurements {
  return measureAll(seen, known, proof, deviceIn(seen, known));
}

/** What a signal makes of an observation, as in a check. */
export function measure(
  signal: Signal,
  seen: Observation,
  known: History,
  proof: ProofVerdict | null = null,
): Measurement {
  return signal.measure(seen, known, proof, deviceIn(seen, known));
}

function deviceIn(seen: Observation, known: History): DeviceMatch {
  const stored = known.subject?.state === 'read' ? known.subject.value.baseline : null;
  return matchDevice(seen, stored?.value ?? null);
}

/** A store that gave no answer. */
export const STORE_DOWN: History = {
  subject: { state: 'failed', why: 'timeout' },
  address: { state: 'failed', why: 'timeout' },
  device: { state: 'failed', why: 'timeout' },
};

export function baseline(parts: Partial<Baseline> = {}): Baseline {
  return {
    firstSeen: NOON - 90 * DAY,
    lastSeen: NOON - HOUR,
    learned: 50,
    places: [],
    countries: [],
    networks: [],
    devices: [],
    sessions: [],
    familiarity: NO_FAMILIARITY,
    trustNotBefore: 0,
    proofsNotBefore: 0,
    ...parts,
  };
}

export function knownPlace(place: Partial<KnownPlace> & { readonly lat: number; readonly lon: number }): KnownPlace {
  const at = place.at ?? NOON - HOUR;
  return { at, accuracyKm: 20, country: null, city: null, visits: [at], ...place };
}

export function knownDevice(device: Partial<KnownDevice> = {}): KnownDevice {
  return {
    id: 'd-1',
    fingerprint: 'fp-1',
    components: {},
    firstSeen: NOON - 40 * DAY,
    lastSeen: NOON - HOUR,
    trustedUntil: null,
    renewableUntil: null,
    unstable: [],
    generations: NO_GENERATIONS,
    reused: false,
    revokedAt: null,
    client: null,
    sighting: null,
    ...device,
  };
}

export function knownSession(session: Partial<KnownSession> = {}): KnownSession {
  return {
    key: 's-1',
    startedAt: NOON - HOUR,
    lastSeen: NOON - MINUTE,
    networks: [],
    device: null,
    country: null,
    ...session,
  };
}

/** The baseline after these observations were allowed, one after the other. */
export function learnedFrom(observations: readonly Observation[], before: Baseline | null = null): Baseline | null {
  return observations.reduce<Baseline | null>((known, seen, index) => {
    const match = matchDevice(seen, known);
    const device = seen.keys.device === null ? null : { id: match.id ?? `d-fresh-${index}`, proven: match.proven };
    return learnSighting(known, lessonOf(seen, device));
  }, before);
}
