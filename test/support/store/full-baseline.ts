import { ADDRESS_HASH_LENGTH, BASELINE_CAPS, type Baseline, FINGERPRINT } from '../../../src/model/baseline.ts';
import { DEVICE_KEY_KINDS, KEY_HASH_LENGTH } from '../../../src/model/device-key.ts';
import { byLevel, type Familiarity, LEVELS } from '../../../src/model/familiarity.ts';
import { PSEUDONYM_LENGTH } from '../../../src/store/keys.ts';

const NOON = 1_741_608_000;
export const OLDEST = NOON - 400 * 86_400;

/** Every list at its cap, every hash at its length, every time and coordinate at its widest. */
export function fullBaseline(letter: string): Baseline {
  const many = <T>(count: number, one: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => one(i));
  const key = (length: number, i: number): string => `${i}`.padStart(length, letter);
  const seen = { at: OLDEST, lat: -89.999, lon: -179.999, accuracyKm: 1000 };
  return {
    firstSeen: OLDEST,
    lastSeen: NOON,
    learned: 999_999,
    places: many(BASELINE_CAPS.places, () => ({
      ...seen,
      country: 'NL',
      city: 'Newcastle upon Tyne, Tyne and Wear',
      visits: many(BASELINE_CAPS.visits, () => OLDEST),
    })),
    countries: many(BASELINE_CAPS.countries, () => ({ code: 'NL', lastSeen: OLDEST })),
    networks: many(BASELINE_CAPS.networks, (i) => ({
      key: key(PSEUDONYM_LENGTH.network, i),
      lastSeen: OLDEST,
      address: key(ADDRESS_HASH_LENGTH, i),
    })),
    devices: many(BASELINE_CAPS.devices, (i) => ({
      id: `d-${key(10, i)}`,
      fingerprint: key(PSEUDONYM_LENGTH.fingerprint, i),
      components: Object.fromEntries(
        many(BASELINE_CAPS.components, (n) => [key(4, n), key(PSEUDONYM_LENGTH.component, i)]),
      ),
      firstSeen: OLDEST,
      lastSeen: OLDEST,
      trustedUntil: NOON + 365 * 86_400,
      renewableUntil: NOON + 5 * 365 * 86_400,
      unstable: [FINGERPRINT, ...many(BASELINE_CAPS.components, (n) => key(4, n))],
      revokedAt: OLDEST,
      generations: { current: 9999, parent: 9990, at: OLDEST, seen: true },
      reused: true,
      client: 'chrome/windows',
      sighting: seen,
      keys: DEVICE_KEY_KINDS.map((kind) => ({ kind, hash: key(KEY_HASH_LENGTH, i), since: OLDEST })),
    })),
    sessions: many(BASELINE_CAPS.sessions, (i) => ({
      key: key(PSEUDONYM_LENGTH.session, i),
      startedAt: OLDEST,
      lastSeen: OLDEST,
      networks: many(BASELINE_CAPS.sessionNetworks, (n) => key(PSEUDONYM_LENGTH.network, 100 + 10 * i + n)),
      device: `d-${key(10, 0)}`,
      country: 'NL',
    })),
    familiarity: fullFamiliarity(letter),
    trustNotBefore: OLDEST,
    proofsNotBefore: OLDEST + 1,
  };
}

/** Every level at its cap, with counts at their widest and keys as long as they are in the store. */
function fullFamiliarity(letter: string): Familiarity {
  const day = Math.floor(NOON / 86_400);
  // The levels of the client are always learned together.
  const different = { network: 0, asn: 1, country: 2, client: 3, browser: 3, os: 3 };
  return byLevel((level) => ({
    days: 1295 + different[level],
    day,
    count: 173,
    values: Array.from({ length: LEVELS[level].cap }, (_, i) => ({
      key: `${i}`.padStart(LEVELS[level].keyLength, letter),
      day: day - 400,
      count: 173,
    })),
  }));
}
