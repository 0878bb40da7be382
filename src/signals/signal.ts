import type { KnownDevice } from '../model/baseline.ts';
import type { Measurement } from '../model/decision.ts';
import type { Binding, ProvenKey } from '../model/device-key.ts';
import type { DeviceTokenVerdict } from '../model/device-token.ts';
import type { FactCatalog } from '../model/facts.ts';
import type { Located } from '../model/geo.ts';
import type { whyPlaceless } from '../model/placeless.ts';
import type { PossessionVerdict } from '../model/possession.ts';
import type { ProofVerdict } from '../model/proof.ts';
import type { Standing } from '../model/reputation.ts';
import type { CheckRequest } from '../model/request.ts';
import type { Nobodys } from '../net/ip.ts';
import type { History, Pseudonym } from '../store/store.ts';

/** Browser and operating system as the user agent claims them. */
export interface ClientTraits {
  /** Lower-case family (`chrome`, `firefox`); null when not recognised. */
  readonly browser: string | null;
  readonly os: string | null;
  /** Major version of the browser; null when not recognised. */
  readonly major: string | null;
  /** Class of device: `desktop`, `mobile`, `tablet`, `tv`; null when not recognised. */
  readonly form: string | null;
  readonly bot: boolean;
}

/** What client hints say of the browser. */
export interface HintedClient {
  /** Family of the browser by its brand; null where that says no more than Chromium. */
  readonly browser: string | null;
  readonly major: string | null;
  /** Whether they contradict the user agent: another engine, version, system or class of device. Null if nothing can be compared. */
  readonly contradict: boolean | null;
}

/** All that is known of a request without asking the store; worked out once per check. */
export interface Observation {
  readonly request: CheckRequest;
  /** Real clock in epoch milliseconds: freshness of proofs and of trust never uses `request.occurredAtMs`. */
  readonly nowMs: number;
  /** Why the address identifies no client; null if it does, or without one. */
  readonly nobodys: Nobodys | null;
  readonly located: Located;
  /** Null when there is no address. */
  readonly standing: Standing | null;
  /** Why the place of the address is not that of the person; null when it may be. */
  readonly placeless: ReturnType<typeof whyPlaceless>;
  readonly client: ClientTraits | null;
  /** Null when no client hints were sent. */
  readonly hints: HintedClient | null;
  readonly deviceToken: DeviceTokenVerdict;
  /** What became of the proof of possession of the page's key; null if none was sent. */
  readonly keyProof: PossessionVerdict | null;
  /** Keys of the device whose possession the request proved, at most one of a kind. */
  readonly provenKeys: readonly ProvenKey[];
  readonly keys: {
    readonly subject: Pseudonym | null;
    readonly address: Pseudonym | null;
    readonly network: Pseudonym | null;
    /** Of the autonomous system; null without an ASN table. */
    readonly asn: Pseudonym | null;
    readonly session: Pseudonym | null;
    readonly fingerprint: Pseudonym | null;
    /** Hashed components by hashed name. */
    readonly components: { readonly [name: string]: string };
    /** Hashed values of components that every browser of a kind sends: no evidence even if recorded. */
    readonly constants: readonly string[];
    /** Hashed names of components in which strangers with the same browser agree. */
    readonly shared: readonly string[];
    /** Slot of the device: the id of a genuine token, else the fingerprint, else null (no fallback identity). */
    readonly device: Pseudonym | null;
  };
}

/**
 * `trusted`: a genuine token that this subject holds, its trust in that device is live, and the traits on record are shown with it.
 * `unconfirmed`: the same, but traits on record are not shown, or too few of them agree, or the device is bound to a key and possession
 * of it is not proven: a token that was copied alone looks like that.
 * `known`: seen before with this subject.
 * `drifted`: a changed fingerprint whose components still resemble a known device. `mismatch`: a genuine token that
 * belongs to another subject or another machine. `revoked`: a genuine token whose trust was taken away. `absent`: neither
 * token nor fingerprint. `new`: everything else.
 */
export const DEVICE_STATES = [
  'trusted',
  'unconfirmed',
  'known',
  'new',
  'drifted',
  'mismatch',
  'revoked',
  'absent',
] as const;
export type DeviceState = (typeof DEVICE_STATES)[number];

/** What a request's device is to its subject. */
export interface DeviceMatch {
  readonly state: DeviceState;
  /** Id under which the device may be remembered; null when that takes a fresh one, or when there is no device. */
  readonly id: string | null;
  /** The subject's record that it was recognised by, in any state but `new`, `absent` and `mismatch`. */
  readonly device: KnownDevice | null;
  /** True when a genuine token names `id`. */
  readonly proven: boolean;
  /** 0..1; null when the fingerprint is the same or one side has no components. */
  readonly similarity: number | null;
  /** Null if the device is bound to no key, or is not known. */
  readonly binding: Binding | null;
  /** Whether the device token turned out to have two holders; null without a token of this subject and a record of its device. */
  readonly reused: boolean | null;
}

/** A signal turns an observation and the stored history into facts. It never scores, waits, throws or reads a clock. */
export interface Signal {
  /** Key in the answer's `signals`. */
  readonly name: string;
  readonly facts: FactCatalog;
  measure(observation: Observation, history: History, proof: ProofVerdict | null, device: DeviceMatch): Measurement;
}
