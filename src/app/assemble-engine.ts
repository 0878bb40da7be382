import { monotonicFactory } from 'ulid';
import { deviceSessions } from '../engine/device-session-jose.ts';
import { deviceTokens } from '../engine/device-token-jose.ts';
import type { Engine } from '../engine/engine.ts';
import type { GeoSource } from '../model/geo.ts';
import type { Reputation } from '../model/reputation.ts';
import type { RuleSet } from '../rules/ruleset.ts';
import type { IssuerSettings } from '../step-up/issuer.ts';
import { joseVerifier, type ProofVerifierOptions } from '../step-up/jose.ts';
import { joseProofs } from '../step-up/possession-jose.ts';
import { pseudonymizer } from '../store/pseudonym.ts';
import type { Store } from '../store/store.ts';

/** Everything that an engine is made of: it reads no clock, randomness or environment of its own. */
export interface EngineParts {
  /** The live rules; read once per check. */
  readonly rules: () => RuleSet;
  /** Already limited to its time budget, if it needs one. */
  readonly store: Store;
  readonly geo: GeoSource;
  /** The live address lists; read once per check. */
  readonly lists: () => Reputation;
  /** Issuers whose step-up tokens are accepted; without any, a proof is refused as `no_issuer`. */
  readonly issuers: readonly IssuerSettings[];
  readonly secrets: EngineSecrets;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Numbers from 0 to below 1. Ids are made of them, so outside of tests they must be hard to guess. */
  readonly random: () => number;
  /** Whether browsers are invited to bind trusted devices to keys (DBSC). Default: false. */
  readonly offersDeviceSessions?: boolean;
  /** How the keys of issuers are fetched. Default: the runtime's `fetch`. */
  readonly keys?: KeyFetching;
}

/** Secrets of the service. */
export interface EngineSecrets {
  /** At least 32 bytes each. The first signs device tokens, all verify. */
  readonly deviceTokens: readonly string[];
  /** HMAC key that hides subjects, addresses and fingerprints in the store. */
  readonly privacyKey: string;
}

export type KeyFetching = Partial<Pick<ProofVerifierOptions, 'fetch' | 'shareFetches' | 'onRefetch'>>;

/** Parts that may differ per request: on Workers a connection belongs to the request that opened it. */
type PartsOfRequest = 'store' | 'geo' | 'reputation';

/**
 * Assembles an engine.
 *
 * @throws {DeviceSecretError} when there is no secret for device tokens, or one is shorter than 32 bytes
 */
export function assembleEngine({ store, geo, lists, ...lasting }: EngineParts): Engine {
  return { ...assembleLasting(lasting), store, geo, reputation: lists };
}

/** The engine without the parts of a single request. Throws as {@link assembleEngine} does. */
export function assembleLasting({
  rules,
  issuers,
  secrets,
  now,
  random,
  keys,
  offersDeviceSessions = false,
}: Omit<EngineParts, 'store' | 'geo' | 'lists'>): Omit<Engine, PartsOfRequest> {
  const encoder = new TextEncoder();
  const newId = monotonicFactory(random);
  const deviceSecrets = secrets.deviceTokens.map((secret) => encoder.encode(secret));
  return {
    rules,
    deviceTokens: deviceTokens({ secrets: deviceSecrets }),
    deviceSessions: deviceSessions({ secrets: deviceSecrets, offered: offersDeviceSessions }),
    possession: joseProofs(),
    // Called through the global object: workerd refuses its own `fetch` under another `this`.
    verifier:
      issuers.length === 0
        ? null
        : joseVerifier({ issuers, fetch: (input, init) => globalThis.fetch(input, init), ...keys }),
    pseudonym: pseudonymizer(secrets.privacyKey),
    now,
    newId: () => newId(Math.floor(now())),
    newDeviceId: () => `d-${randomText(random, DEVICE_ID_LENGTH)}`,
  };
}

/** Characters of base64url, 72 bits. */
const DEVICE_ID_LENGTH = 12;
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

function randomText(random: () => number, length: number): string {
  return Array.from({ length }, () => BASE64URL.charAt(Math.floor(random() * BASE64URL.length))).join('');
}
