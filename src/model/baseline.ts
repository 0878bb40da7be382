import { type DeviceKey, type DeviceKeyKind, withKey } from './device-key.ts';
import { greatCircleKm } from './distance.ts';
import {
  type Familiarity,
  type LevelValues,
  learnFamiliarity,
  NO_FAMILIARITY,
  withoutFutureDays,
} from './familiarity.ts';
import { afterUse, type Generations, NO_GENERATIONS, useOf } from './generations.ts';

/** Epoch seconds. */
type Seconds = number;

/** One confirmed place and time of a subject. */
export interface Sighting {
  readonly at: Seconds;
  readonly lat: number;
  readonly lon: number;
  readonly accuracyKm: number;
}

/** A place where the subject was seen: the last sighting there, and its visits. */
export interface KnownPlace extends Sighting {
  readonly country: string | null;
  readonly city: string | null;
  /**
   * Up to three visits at least an hour apart, newest last: the two newest and the oldest of the last two weeks, so
   * that the span shows whether the subject left in between.
   */
  readonly visits: readonly Seconds[];
}

/** A device seen with this subject. All hashes are keyed and shortened. */
export interface KnownDevice {
  /** `d-…`, random, named by the device token. */
  readonly id: string;
  /** Hash of the last fingerprint; null if the client sent none. */
  readonly fingerprint: string | null;
  /** Hashed components by hashed name, for similarity. */
  readonly components: { readonly [name: string]: string };
  readonly firstSeen: Seconds;
  readonly lastSeen: Seconds;
  /** Until when trust lasts unless use renews it; null when it was never granted. */
  readonly trustedUntil: Seconds | null;
  /** Use never renews trust beyond this moment, which a proof sets. Null where use renews nothing. */
  readonly renewableUntil: Seconds | null;
  /**
   * Names of recorded traits (hashed components, {@link FINGERPRINT}) that change on this device by themselves, as where a
   * browser blurs them: no evidence for or against it. Only a proof adds to them.
   */
  readonly unstable: readonly string[];
  /**
   * When trust was last revoked: tokens issued before it are untrusted, even if trust is granted later. Null if never.
   */
  readonly revokedAt: Seconds | null;
  /** Which generations of its token were handed out and shown. */
  readonly generations: Generations;
  /** Whether trust was revoked since its token turned out to have two holders; the id is then given to neither again. */
  readonly reused: boolean;
  /** Browser and OS family when last seen, `chrome/windows`, for the support desk and `client.changed`. */
  readonly client: string | null;
  /** Where this device was last seen. Travel is measured per device. */
  readonly sighting: Sighting | null;
  /** Keys that it is bound to: it is trusted only where possession of one is proven. Absent: none. */
  readonly keys?: readonly DeviceKey[];
}

/** Stands for the fingerprint among the names of {@link KnownDevice.unstable}: longer than any hashed name. */
export const FINGERPRINT = 'fingerprint';

/** A network (/24, /48) that the subject has used. */
export interface KnownNetwork {
  readonly key: string;
  readonly lastSeen: Seconds;
  /**
   * Last {@link ADDRESS_HASH_LENGTH} characters of the pseudonym of the last address there: enough to tell neighbours
   * apart.
   */
  readonly address?: string;
}

/** Characters of an address's pseudonym that a baseline keeps. */
export const ADDRESS_HASH_LENGTH = 4;

/** What a session has legitimately been seen with: the newest device and country, and each network. */
export interface KnownSession {
  readonly key: string;
  readonly startedAt: Seconds;
  readonly lastSeen: Seconds;
  /** Hashed networks (/24, /48) it has legitimately been seen on, at most four: dual-stack lines have two. */
  readonly networks: readonly string[];
  readonly device: string | null;
  readonly country: string | null;
}

/** What is normal for one subject. Bounded: at its caps it stays below 2.5 KB in the store. */
export interface Baseline {
  readonly firstSeen: Seconds;
  readonly lastSeen: Seconds;
  /** Requests and successes it was learned from. */
  readonly learned: number;
  readonly places: readonly KnownPlace[];
  readonly countries: readonly { readonly code: string; readonly lastSeen: Seconds }[];
  readonly networks: readonly KnownNetwork[];
  readonly devices: readonly KnownDevice[];
  readonly sessions: readonly KnownSession[];
  /** Days on which each network and kind of client was seen. */
  readonly familiarity: Familiarity;
  /** Device tokens issued before this moment hold no trust (all devices revoked). */
  readonly trustNotBefore: Seconds;
  /** What was proven up to this second counts no more: a credential changed, or a session or all devices were revoked. */
  readonly proofsNotBefore: Seconds;
}

/** Most entries that a baseline keeps of each kind; at all caps together its stored form stays below 2.5 KB. */
export const BASELINE_CAPS = {
  places: 5,
  /** Visits kept of one place. */
  visits: 3,
  countries: 8,
  networks: 8,
  devices: 6,
  /** Components kept of one device. */
  components: 8,
  sessions: 4,
  /** Networks kept of one session. */
  sessionNetworks: 4,
} as const;

/** Fixes closer than this are one place even if their radii do not overlap, in km. */
const SAME_PLACE_KM = 25;

/** Visits closer than this count as one, in seconds. */
const VISIT_GAP_S = 3600;

/** How long the oldest kept visit of a place may lie before its newest, in seconds. */
const VISIT_SPAN_S = 14 * 86_400;

/** A device as one request shows it. */
export interface DeviceLesson {
  /** Id under which it is remembered: that of its genuine token or of its record, else a fresh one. */
  readonly id: string;
  /** True when a genuine token names it. A fingerprint alone never changes the record of a trusted device. */
  readonly proven: boolean;
  readonly fingerprint: string | null;
  readonly components: { readonly [name: string]: string };
  /** `chrome/windows` */
  readonly client: string | null;
}

/** What one allowed request or reported success teaches. Unverified parts are null. */
export interface Lesson {
  /** Epoch seconds. */
  readonly at: Seconds;
  readonly place: {
    readonly lat: number;
    readonly lon: number;
    readonly accuracyKm: number;
    readonly country: string | null;
    readonly city: string | null;
  } | null;
  readonly country: string | null;
  readonly network: string | null;
  /** Pseudonym of the address in `network`. */
  readonly address?: string | null;
  /** What the day is counted for. Absent: nothing. */
  readonly familiar?: LevelValues;
  readonly session: {
    readonly key: string;
    /** Set even for a placeless address: within a session, any allowed network is legitimate. */
    readonly network: string | null;
    readonly country: string | null;
  } | null;
  readonly device: DeviceLesson | null;
}

/**
 * The baseline after one more confirmed sighting. Pure, bounded by {@link BASELINE_CAPS}, and safe to apply in any order:
 * a sighting that arrives late never replaces a newer one.
 */
export function learnSighting(before: Baseline | null, lesson: Lesson): Baseline {
  const { at, place, country, network, address, familiar, session, device } = lesson;
  const base = before ?? emptyBaseline(at);
  const taught = device === null ? null : learnDevice(base.devices, device, at, place);
  return {
    ...base,
    firstSeen: Math.min(base.firstSeen, at),
    lastSeen: Math.max(base.lastSeen, at),
    learned: base.learned + 1,
    places: place === null ? base.places : learnPlace(base.places, { at, ...place }),
    countries:
      country === null
        ? base.countries
        : keepLatest(base.countries, { code: country, lastSeen: at }, ({ code }) => code, BASELINE_CAPS.countries),
    networks:
      network === null
        ? base.networks
        : keepLatest(base.networks, networkSeen(network, address, at), ({ key }) => key, BASELINE_CAPS.networks),
    devices: taught === null ? base.devices : keepDevices(taught.devices, at),
    sessions: session === null ? base.sessions : learnSession(base.sessions, session, at, taught?.id ?? null),
    familiarity: familiar === undefined ? base.familiarity : learnFamiliarity(base.familiarity, familiar, at),
  };
}

/** How long the trust of one grant lasts. */
export interface TrustSpan {
  /** Its end without further use. */
  readonly until: Seconds;
  /** Its end however much it is used; at least `until`. */
  readonly renewableUntil: Seconds;
}

/** A grant of trust to one device. */
export interface TrustGrant extends TrustSpan {
  /** Epoch seconds of the grant. */
  readonly at: Seconds;
  /** The second in which the subject proved itself. */
  readonly provenAt: Seconds;
  readonly device: DeviceLesson;
  /** Hash of the page's key that the device is bound to from then on; null unbinds it, undefined leaves it as it is. */
  readonly pageKey?: string | null | undefined;
  /** Traits that were shown otherwise than on record: {@link KnownDevice.unstable} from now on. */
  readonly changed: readonly string[];
  /** Id of the record whose token was shown while another device earns this trust; its own trust ends with that. */
  readonly instead: string | null;
  /** Generation of the device's token that came with the request, and the one that the answer has; null: none. */
  readonly shown: number | null;
  readonly handed: number | null;
}

/** A device token in one request and its answer. */
export interface ShownToken {
  /** Id of the device that it names. */
  readonly device: string;
  readonly shown: number;
  /** Generation that the answer has; null: none. */
  readonly handed: number | null;
  /** Epoch seconds. */
  readonly at: Seconds;
}

/**
 * Notes that a token was shown. Ends the trust of its device when it has two holders. The same object when nothing changes, or
 * when the device holds no live trust.
 */
export function showToken(before: Baseline, { device: id, shown, handed, at }: ShownToken): Baseline {
  const known = before.devices.find((device) => device.id === id);
  if (known === undefined || !hasLiveTrust(known, at)) return before;
  const isReused = useOf(known.generations, shown, at).reused;
  const generations = isReused ? known.generations : afterUse(known.generations, shown, handed, at);
  if (generations === known.generations && !isReused) return before;
  const after = isReused ? { ...withoutTrust(known, at), reused: true } : { ...known, generations };
  return { ...before, devices: before.devices.map((device) => (device === known ? after : device)) };
}

/**
 * Makes a device trusted, remembering it when it is not yet known. The same object when trust was taken away in the second of
 * the proof or later: the grant was under way while that happened.
 */
export function grantTrust(before: Baseline | null, grant: TrustGrant): Baseline {
  const { at, until, renewableUntil, provenAt, device, changed, instead, shown, handed, pageKey } = grant;
  const base = before ?? emptyBaseline(at);
  const revokedAt = base.devices.find(({ id }) => id === device.id)?.revokedAt ?? 0;
  if (provenAt <= Math.max(base.proofsNotBefore, revokedAt)) return base;
  const { devices } = learnDevice(base.devices, { ...device, proven: true }, at, null);
  const granted = (known: KnownDevice): KnownDevice => ({
    ...withPageKey(known, pageKey, at),
    ...traitsOf(known, device),
    trustedUntil: until,
    renewableUntil,
    generations: afterUse(known.generations, shown, handed, at),
    reused: false,
    unstable: [...new Set([...known.unstable, ...changed])],
  });
  return {
    ...base,
    devices: keepDevices(
      devices.map((known) => {
        if (known.id === device.id) return granted(known);
        return known.id === instead ? withoutTrust(known, at) : known;
      }),
      at,
    ),
  };
}

/** A key of a device bound session that was registered under a grant of trust. */
export interface KeyBinding {
  readonly id: string;
  readonly key: DeviceKey;
  /** The second of the grant. */
  readonly trustedAt: Seconds;
}

/**
 * Binds a device to a key in place of another one of its kind. Remembers the device if the grant is not written yet. Null when its
 * trust was taken away in the second of the grant or later.
 */
export function bindDevice(before: Baseline | null, { id, key, trustedAt }: KeyBinding): Baseline | null {
  const base = before ?? emptyBaseline(key.since);
  const revokedAt = base.devices.find((known) => known.id === id)?.revokedAt ?? 0;
  if (trustedAt <= Math.max(base.proofsNotBefore, base.trustNotBefore, revokedAt)) return null;
  const shown = { id, proven: true, fingerprint: null, components: {}, client: null };
  const { devices } = learnDevice(base.devices, shown, key.since, null);
  return { ...base, devices: keepDevices(withSessionKey(devices, id, key), key.since) };
}

/**
 * The key of a device bound session once trust was earned: the one that was shown stays or is put in its place. Without one, the device is
 * released from the key `seen` before, whose browser may have lost it; one that was registered since is kept.
 */
export function rekeyDevice(
  before: Baseline,
  id: string,
  { seen, shown }: { readonly seen: DeviceKey | null; readonly shown: DeviceKey | null },
): Baseline {
  const own = before.devices.find((known) => known.id === id)?.keys?.find(({ kind }) => kind === 'dbsc');
  if (shown === null && own?.hash !== seen?.hash) return before;
  return { ...before, devices: withSessionKey(before.devices, id, shown) };
}

function withSessionKey(devices: readonly KnownDevice[], id: string, key: DeviceKey | null): readonly KnownDevice[] {
  return devices.map((known) => (known.id === id ? withKeyOf(known, 'dbsc', key) : known));
}

/**
 * Moves the end of a device's trust to `until`, or to the end of what may be renewed. The same object when the device has no
 * live trust at `at`, or when that would not lengthen it.
 */
export function renewTrust(before: Baseline, id: string, until: Seconds, at: Seconds): Baseline {
  const known = before.devices.find((device) => device.id === id);
  if (known === undefined || !hasLiveTrust(known, at)) return before;
  const renewed = Math.min(until, known.renewableUntil ?? 0);
  if (renewed <= (known.trustedUntil ?? 0)) return before;
  return {
    ...before,
    devices: before.devices.map((device) => (device === known ? { ...known, trustedUntil: renewed } : device)),
  };
}

function withPageKey(known: KnownDevice, pageKey: string | null | undefined, at: Seconds): KnownDevice {
  return pageKey === undefined
    ? known
    : withKeyOf(known, 'page', pageKey === null ? null : { hash: pageKey, since: at });
}

function withKeyOf(known: KnownDevice, kind: DeviceKeyKind, key: Omit<DeviceKey, 'kind'> | null): KnownDevice {
  const { keys: before = [], ...rest } = known;
  const keys = withKey(before, kind, key);
  return keys.length === 0 ? rest : { ...rest, keys };
}

/** The traits shown when trust was earned become the record; without any, the record stays. */
function traitsOf(known: KnownDevice, shown: DeviceLesson): Pick<KnownDevice, 'fingerprint' | 'components'> {
  const components = cappedComponents(shown.components);
  return shown.fingerprint === null && Object.keys(components).length === 0
    ? known
    : { fingerprint: shown.fingerprint, components };
}

/** Ends the trust of one device. The same object when the subject has no such device. */
export function revokeDevice(before: Baseline, id: string, at: Seconds): Baseline {
  if (!before.devices.some((known) => known.id === id)) return before;
  return { ...before, devices: before.devices.map((known) => (known.id === id ? withoutTrust(known, at) : known)) };
}

/**
 * Revokes the trust of all devices of the subject, and all tokens and proofs up to `at`, even if nothing else is known
 * about the subject.
 */
export function revokeAllDevices(before: Baseline | null, at: Seconds): Baseline {
  const base = before ?? emptyBaseline(at);
  return revokeProofs(
    {
      ...base,
      devices: base.devices.map((known) => withoutTrust(known, at)),
      trustNotBefore: Math.max(base.trustNotBefore, at),
    },
    at,
  );
}

/** What was proven up to `at` counts no more. */
export function revokeProofs(before: Baseline, at: Seconds): Baseline {
  return { ...before, proofsNotBefore: Math.max(before.proofsNotBefore, at) };
}

/** Forgets one session and ends the trust of the device it was seen on. The same object when it is not known. */
export function revokeSession(before: Baseline, key: string, at: Seconds): Baseline {
  const session = before.sessions.find((known) => known.key === key);
  if (session === undefined) return before;
  const rest = { ...before, sessions: before.sessions.filter((known) => known !== session) };
  return session.device === null ? rest : revokeDevice(rest, session.device, at);
}

/** Clocks of callers and servers differ by less, in seconds. */
const CLOCK_SKEW_S = 300;

/**
 * The baseline without future times, which a clock that was ahead has stored: they count as seen at `now`. Otherwise a
 * sighting from next year would remain the newest for a year and hide every fast journey. Returns the same object if
 * nothing is in the future.
 */
export function withoutFuture(baseline: Baseline, now: Seconds): Baseline {
  const latest = now + CLOCK_SKEW_S;
  if (Math.max(baseline.lastSeen, baseline.trustNotBefore, baseline.proofsNotBefore) <= latest) return baseline;
  const past = (at: Seconds): Seconds => (at > latest ? now : at);
  const seen = <E extends { readonly lastSeen: Seconds }>(entry: E): E => ({
    ...entry,
    lastSeen: past(entry.lastSeen),
  });
  return {
    ...baseline,
    firstSeen: past(baseline.firstSeen),
    lastSeen: past(baseline.lastSeen),
    places: baseline.places.map((place) => ({ ...place, at: past(place.at), visits: place.visits.map(past) })),
    countries: baseline.countries.map(seen),
    networks: baseline.networks.map(seen),
    devices: baseline.devices.map((device) => ({
      ...seen(device),
      firstSeen: past(device.firstSeen),
      revokedAt: device.revokedAt === null ? null : past(device.revokedAt),
      generations: { ...device.generations, at: past(device.generations.at) },
      sighting: device.sighting === null ? null : { ...device.sighting, at: past(device.sighting.at) },
      ...(device.keys !== undefined && { keys: device.keys.map((key) => ({ ...key, since: past(key.since) })) }),
    })),
    sessions: baseline.sessions.map((session) => ({ ...seen(session), startedAt: past(session.startedAt) })),
    familiarity: withoutFutureDays(baseline.familiarity, now),
    trustNotBefore: past(baseline.trustNotBefore),
    proofsNotBefore: past(baseline.proofsNotBefore),
  };
}

/** Whether trust was granted, not taken away and has not run out. `now` in epoch seconds. */
export function hasLiveTrust({ trustedUntil }: KnownDevice, now: Seconds): boolean {
  return trustedUntil !== null && trustedUntil > now;
}

/** Newest confirmed place and time, or null. */
export function newestPlace({ places }: Baseline): KnownPlace | null {
  return places.reduce<KnownPlace | null>(
    (newest, place) => (newest === null || place.at > newest.at ? place : newest),
    null,
  );
}

/** The place of the baseline that a fix belongs to: the nearest whose radius meets the fix's, or that is within 25 km. */
export function placeAt<P extends Fix>(places: readonly P[], fix: Fix): P | null {
  let nearest: P | null = null;
  let nearestKm = Number.POSITIVE_INFINITY;
  for (const place of places) {
    const km = greatCircleKm(place, fix);
    const samePlace = km <= Math.max(SAME_PLACE_KM, place.accuracyKm + fix.accuracyKm);
    if (samePlace && km < nearestKm) {
      nearest = place;
      nearestKm = km;
    }
  }
  return nearest;
}

type Fix = Pick<Sighting, 'lat' | 'lon' | 'accuracyKm'>;

function emptyBaseline(at: Seconds): Baseline {
  return {
    firstSeen: at,
    lastSeen: at,
    learned: 0,
    places: [],
    countries: [],
    networks: [],
    devices: [],
    sessions: [],
    familiarity: NO_FAMILIARITY,
    trustNotBefore: 0,
    proofsNotBefore: 0,
  };
}

function learnPlace(places: readonly KnownPlace[], fix: Omit<KnownPlace, 'visits'>): readonly KnownPlace[] {
  const same = placeAt(places, fix);
  // Fixes are never averaged: a mean of longitudes lies on the wrong side of the Earth near the date line.
  const merged: KnownPlace =
    same === null
      ? { ...fix, visits: [fix.at] }
      : { ...(fix.at >= same.at ? fix : same), visits: withVisit(same.visits, fix.at) };
  return [...places.filter((place) => place !== same), merged]
    .sort((a, b) => b.at - a.at)
    .slice(0, BASELINE_CAPS.places);
}

function withVisit(visits: readonly Seconds[], at: Seconds): readonly Seconds[] {
  if (visits.some((visit) => Math.abs(visit - at) < VISIT_GAP_S)) return visits;
  const all = [...visits, at].sort((a, b) => a - b);
  if (all.length <= BASELINE_CAPS.visits) return all;
  const [oldest = at] = all;
  const newest = all.at(-1) ?? at;
  return newest - oldest > VISIT_SPAN_S ? all.slice(1) : [oldest, ...all.slice(2)];
}

function keepLatest<E extends { readonly lastSeen: Seconds }>(
  entries: readonly E[],
  seen: E,
  keyOf: (entry: E) => string,
  cap: number,
): readonly E[] {
  const before = entries.find((entry) => keyOf(entry) === keyOf(seen));
  const latest = before !== undefined && before.lastSeen > seen.lastSeen ? before : seen;
  return [...entries.filter((entry) => entry !== before), latest].sort((a, b) => b.lastSeen - a.lastSeen).slice(0, cap);
}

function networkSeen(key: string, address: string | null | undefined, lastSeen: Seconds): KnownNetwork {
  return address == null ? { key, lastSeen } : { key, lastSeen, address: address.slice(-ADDRESS_HASH_LENGTH) };
}

function learnDevice(
  devices: readonly KnownDevice[],
  seen: DeviceLesson,
  at: Seconds,
  place: Fix | null,
): { readonly devices: readonly KnownDevice[]; readonly id: string } {
  const known = recordOf(devices, seen, at);
  const sighting = place === null ? null : { at, lat: place.lat, lon: place.lon, accuracyKm: place.accuracyKm };
  const components = cappedComponents(seen.components);
  if (known === undefined) {
    const record: KnownDevice = {
      id: seen.id,
      fingerprint: seen.fingerprint,
      components,
      firstSeen: at,
      lastSeen: at,
      trustedUntil: null,
      renewableUntil: null,
      unstable: [],
      revokedAt: null,
      generations: NO_GENERATIONS,
      reused: false,
      client: seen.client,
      sighting,
    };
    return { devices: [...devices, record], id: record.id };
  }
  const newer = at >= known.lastSeen;
  const record: KnownDevice = {
    ...known,
    fingerprint: (newer ? seen.fingerprint : null) ?? known.fingerprint,
    components: newer && Object.keys(components).length > 0 ? components : known.components,
    firstSeen: Math.min(known.firstSeen, at),
    lastSeen: Math.max(known.lastSeen, at),
    client: (newer ? seen.client : null) ?? known.client,
    sighting: sighting !== null && (known.sighting === null || at >= known.sighting.at) ? sighting : known.sighting,
  };
  return { devices: [...devices.filter((other) => other !== known), record], id: record.id };
}

/** The record that a device may change: its own when proven, else one with its fingerprint that holds no trust to steal. */
function recordOf(devices: readonly KnownDevice[], seen: DeviceLesson, at: Seconds): KnownDevice | undefined {
  const own = devices.find(({ id }) => id === seen.id);
  if (seen.proven) return own;
  const open = (known: KnownDevice): boolean => !hasLiveTrust(known, at) && known.revokedAt === null;
  if (own !== undefined && open(own)) return own;
  return devices.find((known) => seen.fingerprint !== null && known.fingerprint === seen.fingerprint && open(known));
}

/** At most {@link BASELINE_CAPS}`.components` of them, the first by name, so that both sides of a comparison agree. */
export function cappedComponents(components: { readonly [name: string]: string }): { readonly [name: string]: string } {
  const entries = Object.entries(components);
  if (entries.length <= BASELINE_CAPS.components) return components;
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, BASELINE_CAPS.components));
}

/** The one seen last always stays: its session would otherwise seem to move to another device with the next request. */
function keepDevices(devices: readonly KnownDevice[], now: Seconds): readonly KnownDevice[] {
  const [newest, ...others] = [...devices].sort((a, b) => b.lastSeen - a.lastSeen);
  if (newest === undefined) return devices;
  // A token that never came back is one that the client does not keep.
  const rankOf = (known: KnownDevice): number =>
    Number(hasLiveTrust(known, now)) * (known.generations.seen || known.generations.current > 1 ? 2 : 1);
  const rest = others.sort((a, b) => rankOf(b) - rankOf(a));
  return [newest, ...rest].slice(0, BASELINE_CAPS.devices);
}

function withoutTrust(known: KnownDevice, at: Seconds): KnownDevice {
  return { ...known, trustedUntil: null, renewableUntil: null, revokedAt: at };
}

function learnSession(
  sessions: readonly KnownSession[],
  { key, network, country }: { readonly key: string; readonly network: string | null; readonly country: string | null },
  at: Seconds,
  device: string | null,
): readonly KnownSession[] {
  const known = sessions.find((session) => session.key === key);
  const networks = known?.networks ?? [];
  const newer = known === undefined || at >= known.lastSeen;
  const session: KnownSession = {
    key,
    startedAt: Math.min(known?.startedAt ?? at, at),
    lastSeen: Math.max(known?.lastSeen ?? at, at),
    networks:
      network === null || networks.includes(network)
        ? networks
        : [...networks, network].slice(-BASELINE_CAPS.sessionNetworks),
    device: (newer ? device : null) ?? known?.device ?? device,
    country: (newer ? country : null) ?? known?.country ?? country,
  };
  return [...sessions.filter((other) => other !== known), session]
    .sort((a, b) => b.lastSeen - a.lastSeen)
    .slice(0, BASELINE_CAPS.sessions);
}
