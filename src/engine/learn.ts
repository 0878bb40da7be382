import { type Baseline, grantTrust, learnSighting, withoutFuture } from '../model/baseline.ts';
import { keyHash } from '../model/device-key.ts';
import { othersOn } from '../model/device-token.ts';
import type { Proof } from '../model/proof.ts';
import type { DeviceMatch, Observation } from '../signals/signal.ts';
import { provenAt } from '../step-up/requirement.ts';
import type { Pseudonym, Stored } from '../store/store.ts';
import type { Engine } from './engine.ts';
import { lessonOf } from './lesson.ts';

/** What an allowed check or a reported success teaches. */
export interface LearningGrant {
  /** Place, network, session and device become part of the baseline. */
  readonly sighting: boolean;
  /** The device becomes trusted for this many days; null when it does not. */
  readonly trustDays: number | null;
  /** The proof by which trust was earned; null for a reported success, or if nothing was earned. */
  readonly earnedBy: Pick<Proof, 'issuer' | 'id' | 'authTime'> | null;
}

/** A request with what is known of its subject and device. */
export interface Recognised {
  readonly observation: Observation;
  readonly baseline: Stored<Baseline> | null;
  readonly device: DeviceMatch;
}

/** The device of a request under the id by which it is, or is about to be, remembered. */
export interface NamedDevice {
  readonly id: string;
  /** True when a genuine token names it. */
  readonly proven: boolean;
  /**
   * A fresh device token, if the device has just become trusted, or if a new proof arrived with less than half of its
   * trust left. Use alone never renews trust.
   */
  readonly token: string | null;
  readonly expiresAtMs: number | null;
  /**
   * Hash of the page's key that the device is bound to with the fresh token; null for none, undefined if that stays as it is.
   */
  readonly pageKey?: string | null | undefined;
}

/**
 * Finds or makes the id of the device and, when trust is granted, its token. Null when the request names no device or
 * subject, or when the device is unknown and nothing is to be remembered of it.
 */
export async function nameDevice(
  engine: Engine,
  { observation, device: match }: Recognised,
  { sighting, trustDays, earnedBy }: LearningGrant,
): Promise<NamedDevice | null> {
  const { keys, nowMs } = observation;
  if (keys.subject === null || keys.device === null) return null;
  const showsTraits = keys.fingerprint !== null || Object.keys(keys.components).length > 0;
  const { id: knownId, proven, state, device } = match;
  const id = knownId ?? (sighting || trustDays !== null ? freshId(engine, observation, earnedBy) : null);
  if (id === null) return null;
  const issuedAt = Math.floor(nowMs / 1000);
  const life = (trustDays ?? 0) * 86_400;
  // A step-up confirms the traits shown with it, so that the device is not asked again.
  const isHeld = state === 'trusted' || (state === 'unconfirmed' && !showsTraits);
  const key = pageKeyOf(observation);
  const binds =
    key !== null && !(device?.keys ?? []).some(({ kind, hash }) => kind === 'page' && hash === keyHash(key));
  const isFresh = isHeld && !binds && (device?.trustedUntil ?? 0) - issuedAt > life / 2;
  if (trustDays === null || isFresh) return { id, proven, token: null, expiresAtMs: null };
  const expiresAt = issuedAt + life;
  const others = othersOn(observation.deviceToken, id, keys.subject, issuedAt);
  const subject = keys.subject;
  const { deviceToken } = observation;
  // A page that shows traits and no key cannot show one; what shows neither, such as a page load, may still have it.
  const before = deviceToken.state === 'genuine' && deviceToken.device === id ? deviceToken.jkt : null;
  const jkt = key ?? (showsTraits ? null : before);
  const pageKey = key === null && !showsTraits ? undefined : key && keyHash(key);
  const token = await engine.deviceTokens.issue({ device: id, subject, issuedAt, expiresAt, others, jkt });
  return { id, proven, token, expiresAtMs: expiresAt * 1000, pageKey };
}

/** Thumbprint of the page's key whose possession was proven. */
function pageKeyOf({ provenKeys }: Observation): string | null {
  return provenKeys.find(({ kind }) => kind === 'page')?.thumbprint ?? null;
}

/**
 * Writes the lessons into the baseline of the subject. Rejects with a `StoreError` when the store would not take them.
 */
export async function learnGranted(
  engine: Engine,
  { observation, baseline, device: match }: Recognised,
  device: NamedDevice | null,
  { sighting, earnedBy }: LearningGrant,
): Promise<void> {
  const { keys, nowMs, request } = observation;
  const until = device === null || device.expiresAtMs === null ? null : Math.floor(device.expiresAtMs / 1000);
  if (keys.subject === null) return;
  if (!sighting && until === null) {
    if (!request.dryRun) await setRight(engine, keys.subject, baseline, nowMs);
    return;
  }
  // A device that earns trust is itself; a fingerprint that merely resembles it plays no part.
  const earned = until !== null;
  const hidesTraits = !earned && match.state === 'unconfirmed';
  const lesson = lessonOf(observation, device && { id: device.id, proven: device.proven || earned, hidesTraits });
  const proven = provenAt({ authTime: earnedBy?.authTime ?? request.occurredAtMs / 1000 }, nowMs);
  const learn = (stored: Baseline | null): Baseline | null => {
    // Trust may have been taken away since the proof was judged: what it let in was not let in by the subject.
    if (stored !== null && earnedBy !== null && proven <= stored.proofsNotBefore) return null;
    // Before this request, or what a wrong clock has stored would not make way for it.
    const before = stored && withoutFuture(stored, Math.floor(nowMs / 1000) - 1);
    const sighted = sighting ? learnSighting(before, lesson) : before;
    if (until === null || lesson.device === null) return sighted;
    const at = Math.floor(nowMs / 1000);
    return grantTrust(sighted, { at, until, provenAt: proven, device: lesson.device, pageKey: device?.pageKey });
  };
  await engine.store.updateBaseline(keys.subject, learn, baseline);
}

/**
 * Replaces stored times of a clock that was ahead by that of this check. Otherwise a revocation by such a clock would
 * refuse every proof until its time comes, and nothing could be learned to correct it.
 */
async function setRight(
  { store }: Engine,
  subject: Pseudonym,
  seen: Stored<Baseline> | null,
  nowMs: number,
): Promise<void> {
  const now = Math.floor(nowMs / 1000);
  if (seen === null || withoutFuture(seen.value, now) === seen.value) return;
  const mend = (stored: Baseline | null): Baseline | null => {
    const mended = stored && withoutFuture(stored, now);
    return mended === stored ? null : mended;
  };
  await store.updateBaseline(subject, mend, seen);
}

/**
 * A page that has just stepped up sends many requests with one proof before the first answer brings its token. All of them
 * name one device, or they would push the other devices of the subject out of its baseline.
 */
function freshId(
  { pseudonym, newDeviceId }: Engine,
  { keys }: Observation,
  earnedBy: LearningGrant['earnedBy'],
): string {
  if (earnedBy === null) return newDeviceId();
  const earned = [keys.subject, keys.fingerprint ?? keys.device, earnedBy.issuer, earnedBy.id];
  return `d-${pseudonym('device', JSON.stringify(earned)).slice(0, DEVICE_ID_LENGTH)}`;
}

/** Characters of base64url, 72 bits: as many as a random id has. */
const DEVICE_ID_LENGTH = 12;
