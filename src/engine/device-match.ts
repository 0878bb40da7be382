import { type Baseline, cappedComponents, FINGERPRINT, hasLiveTrust, type KnownDevice } from '../model/baseline.ts';
import { bindingOf, type ProvenKey } from '../model/device-key.ts';
import { type GenuineToken, holderOf } from '../model/device-token.ts';
import type { DeviceMatch, DeviceState, Observation } from '../signals/signal.ts';
import type { TokenUse } from './token-use.ts';

/** From this share of equal components on, a changed fingerprint is the same device grown older. */
const DRIFT_SIMILARITY = 0.6;

/**
 * Below this share of equal components, among all or among those that distinguish machines with one browser, a token
 * was moved to another machine. Half is the same machine: an update may change two of four.
 */
const CLONE_SIMILARITY = 0.5;

/** Fewer components than this on either side are too few to call a token carried away. */
const CLONE_COMPONENTS = 4;

/**
 * Recognises the device of a request among those of its subject. The user agent and the network play no part: they are
 * shared by strangers and change for the same person. `use` is what the generation of a live token means, where that is judged.
 */
export function matchDevice(
  observation: Observation,
  baseline: Baseline | null,
  use: TokenUse | null = null,
): DeviceMatch {
  const { deviceToken, provenKeys, keys, nowMs } = observation;
  const devices = baseline?.devices ?? [];
  const now = nowMs / 1000;
  if (deviceToken.state !== 'genuine') {
    if (keys.fingerprint === null) return { state: 'absent', id: null, device: null, proven: false, ...UNCOMPARED };
    return matchByTraits(observation, devices, now);
  }

  const id = deviceToken.device;
  const holder = holderOf(deviceToken, keys.subject, now);
  const device = devices.find((known) => known.id === id) ?? null;
  const notBefore = Math.max(baseline?.trustNotBefore ?? 0, device?.revokedAt ?? 0);
  if (device === null) {
    if (holder === null) {
      return { state: 'mismatch', id, device: null, proven: true, ...UNCOMPARED };
    }
    if (holder.issuedAt < notBefore) return { state: 'revoked', id, device: null, proven: true, ...UNCOMPARED };
    return { ...matchByTraits(observation, devices, now), id, proven: true };
  }

  const { resemblance, similarity } = compareTraits(observation, device);
  const binding = bindingOf(device.keys ?? [], namedKeys(deviceToken), provenKeys);
  const live = hasLiveTrust(device, now);
  if (holder !== null && (device.reused || use?.reused === true)) {
    // Neither holder goes on under this id.
    return { state: 'revoked', id: null, device, proven: false, similarity, binding, reused: true };
  }
  const reused = holder === null ? null : false;
  if ((holder !== null && holder.issuedAt < notBefore) || (device.revokedAt !== null && !live)) {
    return { state: 'revoked', id, device, proven: true, similarity, binding, reused };
  }
  // The record that a subject trusts is not for holders of other tokens to change.
  if (holder === null && live) {
    return { state: 'mismatch', id: null, device: null, proven: false, similarity, binding: null, reused };
  }
  if (resemblance === 'none') {
    // Remembered under a fresh id: the record of the machine that the token was made for must not follow the other one.
    return { state: 'mismatch', id: null, device: null, proven: false, similarity, binding: null, reused };
  }
  const isConfirmed = resemblance === 'full' && binding?.proven !== false;
  const state = !live ? 'known' : isConfirmed ? 'trusted' : 'unconfirmed';
  return { state, id, device, proven: true, similarity, binding, reused };
}

const UNCOMPARED = { similarity: null, binding: null, reused: null } as const satisfies Partial<DeviceMatch>;

/** The page's key that a device token is bound to (`cnf.jkt`). */
function namedKeys({ jkt }: GenuineToken): readonly ProvenKey[] {
  return jkt === null ? [] : [{ kind: 'page', thumbprint: jkt }];
}

/**
 * How far a claim matches the recorded traits: `full` if none is missing and enough agree, `part` if fewer are shown or
 * agree, `none` if so many differ that it is another machine. Showing less never earns more trust.
 */
function compareTraits(
  { keys }: Observation,
  device: KnownDevice,
): { readonly resemblance: 'full' | 'part' | 'none'; readonly similarity: number | null } {
  const isSteady = (name: string): boolean => !device.unstable.includes(name);
  const recorded = only(tellingOf(device, keys.constants), isSteady);
  const isLess =
    (device.fingerprint !== null && keys.fingerprint === null) ||
    Object.keys(recorded).some((name) => !Object.hasOwn(keys.components, name));
  if (keys.fingerprint !== null && keys.fingerprint === device.fingerprint) {
    return { resemblance: isLess ? 'part' : 'full', similarity: null };
  }
  // What is shown beyond the record neither helps nor harms: collectors learn to see more.
  const shown = only(keys.components, (name) => Object.hasOwn(recorded, name));
  const similarity = similarityOf(shown, recorded);
  const isOwn = (name: string): boolean => !keys.shared.includes(name);
  const [ownShown, ownRecorded] = [only(shown, isOwn), only(recorded, isOwn)];
  // With nothing to compare, any fingerprint would do.
  const isOpaque = similarity === null && device.fingerprint !== null && isSteady(FINGERPRINT);
  const isFar = isOpaque || isBelowHalf(similarity);
  const isOwnFar = isBelowHalf(similarityOf(ownShown, ownRecorded));
  const isOther = (isFar && enoughToTell(shown, recorded)) || (isOwnFar && enoughToTell(ownShown, ownRecorded));
  return { resemblance: isOther ? 'none' : isLess || isFar || isOwnFar ? 'part' : 'full', similarity };
}

/**
 * What a device that earns trust shows otherwise than the record of its genuine token: the names of those traits, with the ones
 * that were unstable there before, and the id of that record. Empty without such a token, or when its trust is not live.
 */
export function changedTraits(
  { deviceToken, keys, nowMs }: Observation,
  baseline: Baseline | null,
): { readonly changed: readonly string[]; readonly of: string | null } {
  if (deviceToken.state !== 'genuine') return { changed: [], of: null };
  const now = nowMs / 1000;
  const known = baseline?.devices.find(({ id }) => id === deviceToken.device);
  if (known === undefined || !hasLiveTrust(known, now) || holderOf(deviceToken, keys.subject, now) === null) {
    return { changed: [], of: null };
  }
  const shown = new Map(Object.entries(keys.components));
  const differs = ([name, value]: readonly [string, string]): boolean => shown.has(name) && shown.get(name) !== value;
  const isOther = keys.fingerprint !== null && known.fingerprint !== null && keys.fingerprint !== known.fingerprint;
  return {
    changed: [
      ...known.unstable,
      ...(isOther ? [FINGERPRINT] : []),
      ...Object.entries(tellingOf(known, keys.constants))
        .filter(differs)
        .map(([name]) => name),
    ],
    of: known.id,
  };
}

function isBelowHalf(similarity: number | null): boolean {
  return similarity !== null && similarity < CLONE_SIMILARITY;
}

/** What is on record of a device, less what its browser sends for everybody: it was learned before that was known. */
function tellingOf({ components }: KnownDevice, constants: readonly string[]): Components {
  return constants.length === 0 ? components : only(components, (_name, value) => !constants.includes(value));
}

function only(components: Components, isWanted: (name: string, value: string) => boolean): Components {
  return Object.fromEntries(Object.entries(components).filter(([name, value]) => isWanted(name, value)));
}

function matchByTraits(observation: Observation, devices: readonly KnownDevice[], now: number): DeviceMatch {
  const { keys } = observation;
  const trusted = (known: KnownDevice): boolean => hasLiveTrust(known, now);
  const candidates = devices
    .filter((known) => known.revokedAt === null || trusted(known))
    // Records without trust come first: a browser that lost its token, or another browser on the same machine.
    .sort((a, b) => Number(trusted(a)) - Number(trusted(b)));
  const recognised = (state: DeviceState, device: KnownDevice, similarity: number | null): DeviceMatch => ({
    state,
    id: trusted(device) ? null : device.id,
    device,
    proven: false,
    similarity,
    binding: bindingOf(device.keys ?? [], [], observation.provenKeys),
    reused: null,
  });

  const same = candidates.find(({ fingerprint }) => fingerprint !== null && fingerprint === keys.fingerprint);
  if (same !== undefined) return recognised('known', same, null);
  let nearest: KnownDevice | null = null;
  let similarity: number | null = null;
  for (const known of candidates) {
    const share = similarityOf(keys.components, tellingOf(known, keys.constants));
    if (share !== null && (similarity === null || share > similarity)) {
      nearest = known;
      similarity = share;
    }
  }
  if (nearest !== null && similarity !== null && similarity >= DRIFT_SIMILARITY) {
    return recognised('drifted', nearest, similarity);
  }
  return { state: 'new', id: null, device: null, proven: false, similarity, binding: null, reused: null };
}

interface Components {
  readonly [name: string]: string;
}

/** Share of equal components, 0..1, over the larger side; null when one side has none. Symmetric. */
export function similarityOf(a: Components, b: Components): number | null {
  const left = Object.entries(cappedComponents(a));
  const right = new Map(Object.entries(cappedComponents(b)));
  if (left.length === 0 || right.size === 0) return null;
  const equal = left.filter(([name, value]) => right.get(name) === value).length;
  return equal / Math.max(left.length, right.size);
}

function enoughToTell(a: Components, b: Components): boolean {
  return Math.min(Object.keys(a).length, Object.keys(b).length) >= CLONE_COMPONENTS;
}
