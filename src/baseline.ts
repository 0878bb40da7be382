/** Epoch seconds. */
type Seconds = number;

/** One confirmed place and time of a subject. */
export interface Sighting {
  readonly at: Seconds;
  readonly lat: number;
  readonly lon: number;
  readonly accuracyKm: number;
}

/** A place where the subject has been seen: the last sighting there and when it was visited. */
export interface KnownPlace extends Sighting {
  readonly country: string | null;
  readonly city: string | null;
  /** Up to the last three visits at least an hour apart, newest last; `at` is the newest. */
  readonly visits: readonly Seconds[];
}

/** A device seen with this subject. All hashes are keyed and shortened. */
export interface KnownDevice {
  /** `d-…`, random, named by the device token. */
  readonly id: string;
  /** Hash of the last fingerprint, or null where the client sent none. */
  readonly fingerprint: string | null;
  /** Hashed components by hashed name, for similarity. */
  readonly components: { readonly [name: string]: string };
  readonly firstSeen: Seconds;
  readonly lastSeen: Seconds;
  /** Until when trust lasts; null when it was never granted. Fixed when granted, never extended by use. */
  readonly trustedUntil: Seconds | null;
  /** When trust was taken away; null while it was not. */
  readonly revokedAt: Seconds | null;
  /** Browser and OS family when last seen, `chrome/windows`, for the support desk and `client.changed`. */
  readonly client: string | null;
  /** Where this device was last seen: each device travels by itself. */
  readonly sighting: Sighting | null;
}

/** What a session was first seen with. */
export interface KnownSession {
  readonly key: string;
  readonly startedAt: Seconds;
  readonly lastSeen: Seconds;
  /** Hashed networks (/24, /48) it has legitimately been seen on, at most four: dual-stack lines have two. */
  readonly networks: readonly string[];
  readonly device: string | null;
  readonly country: string | null;
}

/** What is normal for one subject. Bounded: at its caps it stays below 2 KB in the store. */
export interface Baseline {
  readonly firstSeen: Seconds;
  readonly lastSeen: Seconds;
  /** Requests and successes it was learned from. */
  readonly learned: number;
  readonly places: readonly KnownPlace[];
  readonly countries: readonly { readonly code: string; readonly lastSeen: Seconds }[];
  readonly networks: readonly { readonly key: string; readonly lastSeen: Seconds }[];
  readonly devices: readonly KnownDevice[];
  readonly sessions: readonly KnownSession[];
  /** Device tokens issued before this moment hold no trust (all devices revoked). */
  readonly trustNotBefore: Seconds;
}

/** Most entries that a baseline keeps of each kind; at all caps together its stored form stays below 2 KB. */
export const BASELINE_CAPS = {
  places: 8,
  /** Visits kept of one place. */
  visits: 3,
  countries: 8,
  networks: 8,
  devices: 8,
  /** Components kept of one device. */
  components: 12,
  sessions: 6,
  /** Networks kept of one session. */
  sessionNetworks: 4,
} as const;
