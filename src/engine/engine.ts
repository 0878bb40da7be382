import type { DeviceSessions } from '../model/device-session.ts';
import type { DeviceTokens } from '../model/device-token.ts';
import type { GeoSource } from '../model/geo.ts';
import type { PossessionVerifier } from '../model/possession.ts';
import type { ProofVerifier } from '../model/proof.ts';
import type { Reputation } from '../model/reputation.ts';
import type { RuleSet } from '../rules/ruleset.ts';
import type { Pseudonymize } from '../store/keys.ts';
import type { Store } from '../store/store.ts';

/** Everything that a check needs from outside. An entry builds one at start; nothing below it reads a clock or chance. */
export interface Engine {
  /** The live rules: read once per check, so that one answer never mixes two revisions. */
  readonly rules: () => RuleSet;
  /** Already held to its time budget. */
  readonly store: Store;
  readonly geo: GeoSource;
  /** The live lists. */
  readonly reputation: () => Reputation;
  readonly deviceTokens: DeviceTokens;
  readonly deviceSessions: DeviceSessions;
  readonly possession: PossessionVerifier;
  /** Null when no issuer is configured: a proof is then refused as `no_issuer`. */
  readonly verifier: ProofVerifier | null;
  readonly pseudonym: Pseudonymize;
  /** Real clock, epoch milliseconds. */
  readonly now: () => number;
  /** ULID. */
  readonly newId: () => string;
  /** `d-…`, at least 60 random bits, at most 16 characters. */
  readonly newDeviceId: () => string;
}
