/**
 * Kinds of keys that a device can be bound to: `page` is a WebCrypto key of the browser client, `dbsc` one that the browser holds for a
 * device-bound session. A device has at most one of each.
 */
export const DEVICE_KEY_KINDS = ['page', 'dbsc'] as const;
export type DeviceKeyKind = (typeof DEVICE_KEY_KINDS)[number];

/** A key on the record of a device. */
export interface DeviceKey {
  readonly kind: DeviceKeyKind;
  /** First {@link KEY_HASH_LENGTH} characters of its JWK thumbprint (RFC 7638). */
  readonly hash: string;
  /** Epoch seconds in which the device was bound to it. */
  readonly since: number;
}

/** A key whose possession a request proved. */
export interface ProvenKey {
  readonly kind: DeviceKeyKind;
  /** JWK thumbprint with SHA-256 in base64url (RFC 7638, RFC 9449, section 6.1): 43 characters. */
  readonly thumbprint: string;
}

/** Characters of a thumbprint that a baseline keeps: 96 bits, of which nobody finds a second key. */
export const KEY_HASH_LENGTH = 16;

/** A thumbprint as a baseline keeps it. */
export function keyHash(thumbprint: string): string {
  return thumbprint.slice(0, KEY_HASH_LENGTH);
}

/** How a request stands to the keys that its device is bound to. */
export interface Binding {
  /** Epoch seconds since when, by the record; null if only the token names the key. */
  readonly since: number | null;
  /** Whether possession of one of the keys was proven. */
  readonly proven: boolean;
  /** Whether a key of a kind on record was proven that is another one; null if no key of that kind was proven. */
  readonly changed: boolean | null;
}

/**
 * The binding of a device; null if it is bound to no key. The record decides on a kind that it has, since a step-up may have put
 * another key in place of the one in an older token; `named` are the keys that the device token names.
 */
export function bindingOf(
  recorded: readonly DeviceKey[],
  named: readonly ProvenKey[],
  proven: readonly ProvenKey[],
): Binding | null {
  const own = named.filter(({ kind }) => !recorded.some((key) => key.kind === kind));
  const bound = [...recorded, ...own.map(({ kind, thumbprint }) => ({ kind, hash: keyHash(thumbprint), since: null }))];
  if (bound.length === 0) return null;
  const shown = bound.flatMap((key) => {
    const match = proven.find(({ kind }) => kind === key.kind);
    return match === undefined ? [] : [{ ...key, fits: keyHash(match.thumbprint) === key.hash }];
  });
  const fitting = shown.find(({ fits }) => fits);
  const dated = fitting === undefined ? bound : [fitting];
  const since = dated.reduce<number | null>(
    (newest, key) => ((key.since ?? 0) > (newest ?? 0) ? key.since : newest),
    null,
  );
  return {
    since,
    proven: fitting !== undefined,
    changed: shown.length === 0 ? null : shown.some(({ fits }) => !fits),
  };
}

/** The keys on record after one was bound; null instead of a key unbinds its kind. */
export function withKey(
  keys: readonly DeviceKey[],
  kind: DeviceKeyKind,
  key: Omit<DeviceKey, 'kind'> | null,
): readonly DeviceKey[] {
  const others = keys.filter((known) => known.kind !== kind);
  if (key === null) return others;
  const same = keys.find((known) => known.kind === kind && known.hash === key.hash);
  return [...others, same ?? { kind, ...key }];
}
