import type { CheckResult } from '../../model/decision.ts';

/** Why an honest person was asked at a log-in, as the simulation knows it; the first that holds. */
export const CAUSES = {
  first_login: 'the first log-in of a person',
  no_fingerprint: 'neither a fingerprint nor a token',
  token_does_not_fit: 'a live token whose traits are not those on record',
  suspicious: 'a live token that fits, outweighed by the address, its lists or the journey',
  trust_ran_out: 'the trust that was earned has run out',
  cookie_lost: 'a token was earned and its cookie is gone',
  new_device: 'the first log-in of a device',
  never_earned: 'a device that was let in before and never asked, so that it has no token',
} as const;
export type Cause = keyof typeof CAUSES;
export const CAUSE_NAMES = Object.keys(CAUSES) as readonly Cause[];

/** What a browser has been through with one person before a log-in. */
export interface Past {
  /** The person has logged in before, on any device. */
  readonly person: boolean;
  /** So has this person on this device. */
  readonly device: boolean;
  /** This person has earned a token on this device. */
  readonly earned: boolean;
  /** What has become of the token in the jar. */
  readonly token: 'live' | 'expired' | 'none';
  readonly showsTraits: boolean;
}

/** The cause of a log-in that was not allowed. */
export function causeOf(past: Past, { signals }: CheckResult): Cause {
  if (!past.person) return 'first_login';
  if (past.token === 'live') {
    const state = signals.device?.facts['device.state'];
    // On a shared device the token outlives the trust of one of its people.
    return state === 'trusted' ? 'suspicious' : state === 'known' ? 'trust_ran_out' : 'token_does_not_fit';
  }
  if (!past.showsTraits) return 'no_fingerprint';
  if (past.token === 'expired') return 'trust_ran_out';
  if (past.earned) return 'cookie_lost';
  return past.device ? 'never_earned' : 'new_device';
}
