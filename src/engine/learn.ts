import {
  type Baseline,
  grantTrust,
  type KnownDevice,
  learnSighting,
  rekeyDevice,
  renewTrust,
  type ShownToken,
  showToken,
  type TrustSpan,
  withoutFuture,
} from '../model/baseline.ts';
import { type DeviceKey, keyHash } from '../model/device-key.ts';
import type { SessionInvitation } from '../model/device-session.ts';
import { type GenuineToken, holderOf, othersOn } from '../model/device-token.ts';
import {
  afterUse,
  firstGeneration,
  type Generations,
  GRACE_S,
  NO_GENERATIONS,
  renewedGeneration,
} from '../model/generations.ts';
import type { Proof } from '../model/proof.ts';
import type { ActionPolicy } from '../rules/ruleset.ts';
import type { DeviceMatch, Observation } from '../signals/signal.ts';
import { provenAt } from '../step-up/requirement.ts';
import type { Pseudonym, Stored } from '../store/store.ts';
import { changedTraits } from './device-match.ts';
import { inviteDevice } from './device-session.ts';
import type { Engine } from './engine.ts';
import { lessonOf } from './lesson.ts';
import type { TokenUse } from './token-use.ts';

/** What an allowed check or a reported success teaches. */
export interface LearningGrant {
  /** Place, network, session and device become part of the baseline. */
  readonly sighting: boolean;
  /** How long the device becomes trusted; null when it does not. */
  readonly trust: TrustLife | null;
  /** For how many days use renews the trust that the device has, if {@link deservesTrust}; null when it does not. */
  readonly renewDays: number | null;
  /**
   * `allowed`: the answer hands out the next generation of the device token at a new visit. `stopped`: it does not, but that a token
   * was shown counts. `reported`: neither.
   */
  readonly visit: 'allowed' | 'stopped' | 'reported';
  /** The proof by which trust was earned; null for a reported success, or if nothing was earned. */
  readonly earnedBy: Pick<Proof, 'issuer' | 'id' | 'authTime'> | null;
}

/** Life of a trust in days: from its proof at most, and without use. */
export type TrustLife = Pick<ActionPolicy['trust'], 'days' | 'idleDays'>;

/** A request with what is known of its subject and device. */
export interface Recognised {
  readonly observation: Observation;
  readonly baseline: Stored<Baseline> | null;
  readonly device: DeviceMatch;
  /** The use of a live device token; null without one. */
  readonly use: TokenUse | null;
}

/** The device of a request under the id by which it is, or is about to be, remembered. */
export interface NamedDevice {
  readonly id: string;
  /** True when a genuine token names it. */
  readonly proven: boolean;
  /**
   * A fresh device token: the next generation at a new visit, or if the device has just become trusted, or if a new proof arrived
   * with less than half of its life left.
   */
  readonly token: string | null;
  /** Generation of `token`. */
  readonly generation: number | null;
  /** As long as use may renew the trust: a client that does not keep the next token still has one. */
  readonly expiresAtMs: number | null;
  /** For the browser to bind the device to a key; null unless trust was earned. */
  readonly invitation: SessionInvitation | null;
  /** The trust that it has just earned; null if it earned none. */
  readonly earned: TrustSpan | null;
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
  { observation, baseline, device: match, use }: Recognised,
  { sighting, trust, earnedBy, visit }: LearningGrant,
): Promise<NamedDevice | null> {
  const { keys, nowMs, request } = observation;
  if (keys.subject === null) return null;
  // What shows nothing is told from others by its token alone, so it has to earn one; a placeholder is no such thing.
  if (keys.device === null && (trust === null || request.device?.malformed === true)) return null;
  const showsTraits = keys.fingerprint !== null || Object.keys(keys.components).length > 0;
  const { proven, state, device } = match;
  const now = Math.floor(nowMs / 1000);
  const recordOf = (one: string): KnownDevice | undefined => baseline?.value.devices.find((known) => known.id === one);
  const generationsOf = (one: string): Generations => recordOf(one)?.generations ?? NO_GENERATIONS;
  const isTellable = keys.fingerprint !== null || trust !== null;
  const fresh = (): string | null => {
    if (!isTellable || !(sighting || trust !== null)) return null;
    const given = freshId(engine, observation, earnedBy);
    return now - generationsOf(given).at <= GRACE_S || recordOf(given) === undefined ? given : engine.newDeviceId();
  };
  // A token that was not shown may still be about: its device does not start again under the same id.
  const isOwn = match.id !== null && (proven || trust === null || generationsOf(match.id).current === 0);
  const id = isOwn ? match.id : fresh();
  if (id === null) return null;
  const live = use !== null && use.device.id === id ? use : null;
  const life = (trust?.days ?? 0) * DAY_S;
  // A step-up confirms the traits shown with it, so that the device is not asked again.
  // The browser may have lost its session: only a fresh grant releases the device from the lost key.
  const sessionKey = provenSessionKey(observation);
  const isLost = sessionKey === null && sessionKeyOf(device) !== null;
  const isHeld = state === 'trusted' || (state === 'unconfirmed' && !showsTraits && !isLost);
  const endsAt = device?.renewableUntil ?? device?.trustedUntil ?? 0;
  const subject = keys.subject;
  const { deviceToken } = observation;
  // Use alone invites nobody: a stolen token could be bound to the thief's key.
  const isInvited = trust !== null && sessionKey === null;
  const invitation = isInvited ? inviteDevice(engine, { device: id, subject }, nowMs) : null;
  const named = async (claims: Omit<GenuineToken, 'state' | 'device' | 'subject' | 'others'>) => {
    const others = othersOn(deviceToken, id, subject, now);
    const token = await engine.deviceTokens.issue({ ...claims, device: id, subject, others });
    return { id, proven, token, generation: claims.generation, expiresAtMs: claims.expiresAt * 1000, invitation };
  };
  const unnamed = { id, proven, token: null, generation: null, expiresAtMs: null, invitation };
  const key = pageKeyOf(observation);
  const binds =
    key !== null && !(device?.keys ?? []).some(({ kind, hash }) => kind === 'page' && hash === keyHash(key));
  const before = deviceToken.state === 'genuine' && deviceToken.device === id ? deviceToken.jkt : null;
  if (trust === null || (isHeld && !binds && endsAt - now > life / 2)) {
    if (live === null || live.next === null || visit !== 'allowed') return { ...unnamed, earned: null };
    // The moment of the grant stays: what is revoked later was granted before.
    const { issuedAt } = live.holder;
    const expiresAt = Math.max(live.holder.expiresAt, live.device.renewableUntil ?? 0);
    return { ...(await named({ issuedAt, expiresAt, generation: live.next, jkt: before })), earned: null };
  }
  const expiresAt = now + life;
  const until = trust.idleDays === null ? expiresAt : Math.min(expiresAt, now + trust.idleDays * DAY_S);
  const generation =
    live === null
      ? firstGeneration(generationsOf(id), generationShown(observation, id), now)
      : renewedGeneration(live.device.generations, live.holder.generation, now);
  // A page that shows traits and no key cannot show one; what shows neither, such as a page load, may still have it.
  const jkt = key ?? (showsTraits ? null : before);
  const pageKey = key === null && !showsTraits ? undefined : key && keyHash(key);
  const granted = { earned: { until, renewableUntil: expiresAt }, pageKey };
  return generation === null
    ? { ...unnamed, ...granted }
    : { ...(await named({ issuedAt: now, expiresAt, generation, jkt })), ...granted };
}

/** Thumbprint of the page's key whose possession was proven. */
function pageKeyOf({ provenKeys }: Observation): string | null {
  return provenKeys.find(({ kind }) => kind === 'page')?.thumbprint ?? null;
}

/** The generation of this subject's token of a device, whether or not its trust is live; null without one. */
function generationShown({ deviceToken, keys, nowMs }: Observation, id: string): number | null {
  if (deviceToken.state !== 'genuine' || deviceToken.device !== id) return null;
  return holderOf(deviceToken, keys.subject, nowMs / 1000)?.generation ?? null;
}

/**
 * Whether a use is evidence enough to renew trust: the device proved its key, or the token came with the traits on record on a
 * network that the subject was known on before.
 */
function deservesTrust({ observation: { keys }, baseline, device }: Recognised): boolean {
  if (device.state !== 'trusted') return false;
  return device.binding?.proven === true || (baseline?.value.networks ?? []).some(({ key }) => key === keys.network);
}

/** The end to which this use moves the trust of its device; null when it moves none, or by too little to be written. */
function renewedUntil(recognised: Recognised, { renewDays }: LearningGrant): number | null {
  const { device } = recognised.device;
  if (renewDays === null || device === null || !deservesTrust(recognised)) return null;
  const idle = renewDays * DAY_S;
  const until = Math.min(Math.floor(recognised.observation.nowMs / 1000) + idle, device.renewableUntil ?? 0);
  return until - (device.trustedUntil ?? 0) >= Math.min(DAY_S, idle / 10) ? until : null;
}

/**
 * Writes the lessons into the baseline of the subject. Rejects with a `StoreError` when the store would not take them.
 */
export async function learnGranted(
  engine: Engine,
  recognised: Recognised,
  device: NamedDevice | null,
  grant: LearningGrant,
): Promise<void> {
  const { observation, baseline, device: match, use } = recognised;
  const { sighting, earnedBy, visit } = grant;
  const { keys, nowMs, request } = observation;
  const span = device?.earned ?? null;
  const renewed = span === null ? renewedUntil(recognised, grant) : null;
  if (keys.subject === null) return;
  const now = Math.floor(nowMs / 1000);
  const shown = use === null || visit === 'reported' ? null : shownIn(use, device, now);
  if (!sighting && span === null && renewed === null && shown === null) {
    if (!request.dryRun) await setRight(engine, keys.subject, baseline, nowMs);
    return;
  }
  // A device that earns trust is itself; a fingerprint that merely resembles it plays no part.
  const earned = span !== null;
  const shownBefore = changedTraits(observation, baseline?.value ?? null);
  const hidesTraits = !earned && match.state === 'unconfirmed';
  const lesson = lessonOf(observation, device && { id: device.id, proven: device.proven || earned, hidesTraits });
  const proven = provenAt({ authTime: earnedBy?.authTime ?? request.occurredAtMs / 1000 }, nowMs);
  const learn = (stored: Baseline | null): Baseline | null => {
    const noted = stored !== null && shown !== null ? showToken(stored, shown) : stored;
    return taught(noted) ?? (noted === stored ? null : noted);
  };
  const taught = (stored: Baseline | null): Baseline | null => {
    // Trust may have been taken away since the proof was judged: what it let in was not let in by the subject.
    if (stored !== null && earnedBy !== null && proven <= stored.proofsNotBefore) return null;
    // Before this request, or what a wrong clock has stored would not make way for it.
    const before = stored && withoutFuture(stored, now - 1);
    const sighted = sighting ? learnSighting(before, lesson) : before;
    if (span !== null && lesson.device !== null) {
      const { changed, of: instead } = shownBefore;
      const token = { shown: device && generationShown(observation, device.id), handed: device?.generation ?? null };
      const given = { at: now, ...span, ...token, provenAt: proven, device: lesson.device };
      const granted = grantTrust(sighted, { ...given, changed, instead, pageKey: device?.pageKey });
      if (granted === sighted) return granted;
      const session = { seen: sessionKeyOf(match.device), shown: provenSessionKey(observation) };
      return rekeyDevice(granted, lesson.device.id, session);
    }
    return sighted !== null && device !== null && renewed !== null
      ? renewTrust(sighted, device.id, renewed, now)
      : sighted;
  };
  await engine.store.updateBaseline(keys.subject, learn, baseline);
}

/** The key of a device bound session that a request proves, as a baseline keeps it. */
function provenSessionKey({ provenKeys, nowMs }: Observation): DeviceKey | null {
  const key = provenKeys.find(({ kind }) => kind === 'dbsc');
  return key === undefined ? null : { kind: key.kind, hash: keyHash(key.thumbprint), since: Math.floor(nowMs / 1000) };
}

/** The one that a device is bound to. */
function sessionKeyOf(device: KnownDevice | null): DeviceKey | null {
  return device?.keys?.find(({ kind }) => kind === 'dbsc') ?? null;
}

/** What is to be noted of a token; null when the record already says so. */
function shownIn({ device, holder, reused }: TokenUse, named: NamedDevice | null, at: number): ShownToken | null {
  const handed = named !== null && named.id === device.id ? named.generation : null;
  const isNews = reused || afterUse(device.generations, holder.generation, handed, at) !== device.generations;
  return isNews ? { device: device.id, shown: holder.generation, handed, at } : null;
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

const DAY_S = 86_400;

/** Characters of base64url, 72 bits: as many as a random id has. */
const DEVICE_ID_LENGTH = 12;
