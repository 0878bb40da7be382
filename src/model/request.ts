import type { Address } from './address.ts';
import type { SessionClaim } from './device-session.ts';
import type { JsonObject } from './facts.ts';
import type { Place } from './geo.ts';
import type { SentPossession } from './possession.ts';
import type { ProofVerdict } from './proof.ts';
import type { NamedSubject } from './subject.ts';

/** What the client claims about its device. Everything here but a verified token is a claim. */
export interface DeviceClaim {
  readonly fingerprint: string | null;
  readonly token: string | null;
  /** 0..1, as the collector reports it. */
  readonly confidence: number | null;
  readonly bot: boolean | null;
  readonly components: { readonly [name: string]: string };
  /** The claim was unreadable: everything but the token is dropped. */
  readonly malformed: boolean;
  /** Absent: the request shows nothing of a device bound session. */
  readonly session?: SessionClaim;
  /** Proof of possession of the page's key. Absent: none was sent. */
  readonly keyProof?: SentPossession;
}

/** Client hints that browsers send by themselves (User-Agent Client Hints), as header values; null where not sent. */
export interface ClientHints {
  /** `Sec-CH-UA` */
  readonly brands: string | null;
  /** `Sec-CH-UA-Platform` */
  readonly platform: string | null;
  /** `Sec-CH-UA-Mobile` */
  readonly mobile: string | null;
}

/** Why a request carries no address. */
export type NoAddress = 'absent' | 'malformed' | 'no_trusted_hop';

/** States of a request's session credential: anything that an origin may take for the session. */
export const CREDENTIAL_STATES = ['none', 'accepted', 'refused', 'unread', 'ambiguous'] as const;

/** The session credential that a request came with. Only `none` is anonymous, and only `accepted` names the subject. */
export interface Credential {
  readonly state: (typeof CREDENTIAL_STATES)[number];
  /** Stable code of every state but `none` and `accepted`. */
  readonly code: string | null;
  /** The proof of possession that an accepted token came with (DPoP); it counts once. */
  readonly dpop?: SpendableProof;
}

/** A proof that is spent with the attempt. */
export interface SpendableProof {
  /** Names it among all proofs of its key. */
  readonly id: string;
  /** Epoch seconds after which nobody takes it any more. */
  readonly until: number;
}

/** A step-up token as it was sent, or the verdict on it if it is already verified. */
export type SentProof = { readonly token: string } | { readonly verdict: ProofVerdict };

/** The four parts of a question, already parsed and normalised. The only shape that the core sees. */
export interface CheckRequest extends NamedSubject {
  readonly action: string;
  readonly address: Address | null;
  /** Set exactly when `address` is null. */
  readonly noAddress: NoAddress | null;
  readonly session: string | null;
  /** Null if the caller names the subject itself. */
  readonly credential: Credential | null;
  /** Who acts for the subject by the word of the session token; null for the subject in person. */
  readonly actor: string | null;
  readonly userAgent: string | null;
  /** Absent: none were sent. */
  readonly clientHints?: ClientHints;
  readonly device: DeviceClaim | null;
  /** Place asserted by the caller, range-checked; null when it asserted none. */
  readonly place: Place | null;
  /** Null if no step-up token was sent. */
  readonly proof: SentProof | null;
  readonly resource: { readonly type: string | null; readonly id: string | null; readonly properties: JsonObject };
  readonly subjectProperties: JsonObject;
  readonly context: JsonObject;
  /** Moment of the check in epoch milliseconds: `occurred_at`, else the real clock. */
  readonly occurredAtMs: number;
  readonly dryRun: boolean;
}

/** What can have happened to a subject, as an application or identity provider reports it. */
export const EVENT_TYPES = [
  'login.succeeded',
  'login.failed',
  'step_up.succeeded',
  'step_up.failed',
  'session.revoked',
  'credential.changed',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];
/** The events that teach the baseline and may earn trust. */
export type SuccessEvent = Extract<EventType, `${string}.succeeded`>;

/** A reported outcome. */
export interface SubjectEvent
  extends Pick<
    CheckRequest,
    | 'subjectSpace'
    | 'subjectType'
    | 'address'
    | 'noAddress'
    | 'session'
    | 'userAgent'
    | 'clientHints'
    | 'device'
    | 'place'
    | 'occurredAtMs'
  > {
  readonly type: EventType;
  readonly subject: string;
  /** Grants trust to the device of a success; ignored for every other event. */
  readonly trustDevice: boolean;
}
