import * as z from 'zod';
import { devicesAnswer, isoOf, type KnownDeviceAnswer, type SubjectAnswer, subjectAnswer } from '../contract/answer.ts';
import { isLine } from '../contract/body.ts';
import { MAX_SUBJECT_TYPE_LENGTH } from '../contract/limits.ts';
import { type Baseline, hasLiveTrust, type KnownDevice, revokeAllDevices, revokeDevice } from '../model/baseline.ts';
import { MAX_SUBJECT_LENGTH, normaliseSubject, USER_TYPE } from '../model/subject.ts';
import { COUNTERS_OF, type Counts } from '../store/counters.ts';
import { subjectPseudonym } from '../store/keys.ts';
import type { SubjectRecord } from '../store/store.ts';
import type { AppContext, Route } from './api-route.ts';
import type { AppDeps } from './deps.ts';
import { ProblemError } from './problem.ts';
import { jsonReply, NO_CONTENT } from './reply.ts';
import { spaceDemanded, subjectSpaces } from './wire.ts';

/** What is stored about one subject, for the support desk: shown, erased, and its trusted devices revoked. */
export function subjectRoutes(deps: AppDeps): Route[] {
  const askedOf = (c: AppContext) => {
    const { engine } = deps.scopeOf(c);
    const subject = normaliseSubject(pathPart(c, 'id'));
    if (subject === null) {
      throw new ProblemError('invalid_request', `the subject must have 1 to ${MAX_SUBJECT_LENGTH} visible characters`, {
        faults: [{ path: 'id', message: `must have 1 to ${MAX_SUBJECT_LENGTH} visible characters` }],
      });
    }
    const space = spaceDemanded(queryPart(c, 'subject_space'), subjectSpaces(engine.verifier));
    const key = subjectPseudonym(engine.pseudonym, { space, type: typeAsked(c), id: subject });
    const nowMs = engine.now();
    return { store: engine.store, subject, key, nowMs, now: toSeconds(nowMs) };
  };

  return [
    {
      method: 'GET',
      path: '/v1/subjects/:id',
      access: 'subjects.read',
      summary: 'What is stored about a subject',
      answers: {
        200: { description: 'Baseline and counters', schema: subjectAnswer.extend({ counters: countersSchema }) },
      },
      handle: async (c) => {
        const { store, subject, key, nowMs, now } = askedOf(c);
        const record = await store.readSubject(key, nowMs);
        if (record === null) throw nothingStored();
        return jsonReply(storedOf(subject, record, now));
      },
    },
    {
      method: 'DELETE',
      path: '/v1/subjects/:id',
      access: 'subjects.erase',
      summary: 'Erase all that is stored about a subject',
      answers: { 204: { description: 'Nothing is stored about the subject any more' } },
      handle: async (c) => {
        const { store, key } = askedOf(c);
        await store.forgetSubject(key);
        return NO_CONTENT;
      },
    },
    {
      method: 'GET',
      path: '/v1/subjects/:id/devices',
      access: 'subjects.read',
      summary: 'The devices of a subject',
      answers: { 200: { description: 'Devices, newest first', schema: devicesAnswer } },
      handle: async (c) => {
        const { store, key, nowMs, now } = askedOf(c);
        const record = await store.readSubject(key, nowMs);
        if (record === null) throw nothingStored();
        return jsonReply({ devices: devicesOf(record.baseline?.value ?? null, now) });
      },
    },
    {
      method: 'DELETE',
      path: '/v1/subjects/:id/devices',
      access: 'subjects.erase',
      summary: 'End the trust of every device of a subject, and what was proven before',
      answers: { 204: { description: 'No device of the subject is trusted any more' } },
      handle: async (c) => {
        const { store, key, now } = askedOf(c);
        await store.updateBaseline(key, (before) => revokeAllDevices(before, now));
        return NO_CONTENT;
      },
    },
    {
      method: 'DELETE',
      path: '/v1/subjects/:id/devices/:device',
      access: 'subjects.erase',
      summary: 'End the trust of one device',
      answers: { 204: { description: 'The device is not trusted any more' } },
      handle: async (c) => {
        const { store, key, now } = askedOf(c);
        const id = pathPart(c, 'device');
        const after = await store.updateBaseline(key, (before) => {
          if (before === null) return null;
          const revoked = revokeDevice(before, id, now);
          return revoked === before ? null : revoked;
        });
        if (after?.devices.some((known) => known.id === id) !== true) {
          throw new ProblemError('not_found', 'the subject has no device of this id');
        }
        return NO_CONTENT;
      },
    },
  ];
}

/** What is stored about a subject, in wire names. `now` in epoch seconds. */
export function storedOf(subject: string, record: SubjectRecord, now: number): SubjectAnswer {
  return {
    subject,
    baseline: record.baseline === null ? null : baselineOf(record.baseline.value, now),
    counters: countersAnswer(record),
  };
}

/** The counters of a subject, each under the name of its fact: `attempts1m` is `attempts_1m` on the wire. */
const COUNTERS_ON_WIRE = COUNTERS_OF.subject.map(({ name }) => ({
  name: name as keyof Counts<'subject'>,
  wireName: name.replace(/(?<=[a-z])(?=\d)/, '_'),
}));

const countersSchema = z.object(Object.fromEntries(COUNTERS_ON_WIRE.map(({ wireName }) => [wireName, z.number()])));

function countersAnswer(counts: Counts<'subject'>): SubjectAnswer['counters'] {
  return Object.fromEntries(COUNTERS_ON_WIRE.map(({ name, wireName }) => [wireName, counts[name]]));
}

function pathPart(c: AppContext, name: string): string {
  return c.req.param(name) ?? '';
}

/** Said twice it says nothing: one of the two subjects would be erased for the other. */
function queryPart(c: AppContext, name: string): string | null {
  const [value = null, ...others] = c.req.queries(name) ?? [];
  if (others.length === 0) return value;
  throw invalidQuery(name, 'must be given once');
}

function typeAsked(c: AppContext): string {
  const type = queryPart(c, 'subject_type') ?? USER_TYPE;
  if (isLine(type, MAX_SUBJECT_TYPE_LENGTH)) return type;
  throw invalidQuery(
    'subject_type',
    `must have 1 to ${MAX_SUBJECT_TYPE_LENGTH} characters, none of them a control one`,
  );
}

function invalidQuery(path: string, message: string): ProblemError {
  return new ProblemError('invalid_request', `${path} ${message}`, { faults: [{ path, message }] });
}

function nothingStored(): ProblemError {
  return new ProblemError('not_found', 'nothing is stored about this subject');
}

function baselineOf(baseline: Baseline, now: number): NonNullable<SubjectAnswer['baseline']> {
  return {
    first_seen: secondsIso(baseline.firstSeen),
    last_seen: secondsIso(baseline.lastSeen),
    learned: baseline.learned,
    places: baseline.places.map(({ lat, lon, accuracyKm, country, city, at }) => ({
      lat,
      lon,
      accuracy_km: accuracyKm,
      country,
      city,
      last_seen: secondsIso(at),
    })),
    countries: baseline.countries.map(({ code, lastSeen }) => ({ code, last_seen: secondsIso(lastSeen) })),
    networks: baseline.networks.length,
    sessions: baseline.sessions.map(({ startedAt, lastSeen, country }) => ({
      started_at: secondsIso(startedAt),
      last_seen: secondsIso(lastSeen),
      country,
    })),
    devices: devicesOf(baseline, now),
  };
}

function devicesOf(baseline: Baseline | null, now: number): KnownDeviceAnswer[] {
  return [...(baseline?.devices ?? [])].sort((a, b) => b.lastSeen - a.lastSeen).map((known) => deviceOf(known, now));
}

function deviceOf(known: KnownDevice, now: number): KnownDeviceAnswer {
  return {
    id: known.id,
    trusted: hasLiveTrust(known, now),
    trusted_until: known.trustedUntil === null ? null : secondsIso(known.trustedUntil),
    revoked_at: known.revokedAt === null ? null : secondsIso(known.revokedAt),
    first_seen: secondsIso(known.firstSeen),
    last_seen: secondsIso(known.lastSeen),
    client: known.client,
  };
}

function toSeconds(ms: number): number {
  return Math.floor(ms / 1000);
}

function secondsIso(seconds: number): string {
  return isoOf(seconds * 1000);
}
