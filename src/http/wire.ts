import type * as z from 'zod';
import { eventBody, type OriginBody, type RiskCheckBody, riskCheckBody, verifyBody } from '../contract/body.ts';
import { DEVICE_HEADER } from '../contract/device-header.ts';
import { MAX_USER_AGENT_LENGTH } from '../contract/limits.ts';
import type { Fault } from '../contract/problem.ts';
import type { Address } from '../model/address.ts';
import { assertedPlace } from '../model/asserted-place.ts';
import { DEFAULT_MAX_AGE_SECONDS } from '../model/decision.ts';
import type { JsonObject } from '../model/facts.ts';
import type { Place } from '../model/geo.ts';
import { issuePath, issueText } from '../model/issue.ts';
import { withoutPlaceholders } from '../model/placeholder.ts';
import type { SentPossession } from '../model/possession.ts';
import type { CheckRequest, ClientHints, DeviceClaim, NoAddress, SentProof, SubjectEvent } from '../model/request.ts';
import { DEFAULT_SPACE, impliedSpace, type NamedSubject, USER_TYPE } from '../model/subject.ts';
import {
  type ClientAddressHeader,
  clientAddress,
  type ForwardedRequest,
  isTrustedAddress,
  type TrustedProxies,
} from '../net/client-ip.ts';
import { ANYBODY, type ShownToken } from '../step-up/present.ts';
import { statedRequirement } from '../step-up/requirement.ts';
import { deviceShown } from './device-shown.ts';
import { faultsInBrief, ProblemError } from './problem.ts';

/** How far in the past `occurred_at` may lie: recorded traffic can be replayed. */
const MAX_PAST_MS = 400 * 86_400_000;
/** How far in the future `occurred_at` may lie: clocks differ. */
const MAX_FUTURE_MS = 5 * 60_000;

/** What is trusted to name a client's address. */
export interface AddressTrust {
  readonly trusted: TrustedProxies;
  /** The one header that the gateway sets; null walks `X-Forwarded-For` and `Forwarded`. */
  readonly declared: ClientAddressHeader | null;
}

/** Where a request came from: an address, or why it is unknown. */
export type Origin =
  | { readonly address: Address; readonly noAddress: null }
  | { readonly address: null; readonly noAddress: NoAddress };

/** The client's address by the connection's peer and the forwarding headers. */
export function deriveOrigin(
  peer: string | null,
  headers: ForwardedRequest['headers'],
  { trusted, declared }: AddressTrust,
): Origin {
  const client = clientAddress({ peer, headers, trusted, ...(declared !== null && { declared }) });
  return client.address === null
    ? { address: null, noAddress: client.why }
    : { address: client.address, noAddress: null };
}

/**
 * Headers of a request as a gateway passes them: several lines of a header as a list, or under names in different case.
 */
interface SentHeaders {
  readonly [name: string]: string | readonly string[];
}

/** What the translation needs besides the body. */
export interface WireContext {
  /** Real clock, epoch milliseconds. */
  readonly nowMs: number;
  readonly trust: AddressTrust;
  /** The configured subject spaces; see {@link subjectSpaces}. */
  readonly spaces: readonly string[];
  /** Path in the body of a risk check's keys, for faults: `context.`; default: the top. */
  readonly at?: string;
}

/** The body of a risk check as the core sees it. Throws the 400 problem that names every fault by its path. */
export function checkRequestOf(body: JsonObject, context: WireContext): CheckRequest {
  const wire = validated(riskCheckBody, body);
  return {
    ...subjectOf(wire, context),
    action: wire.action,
    ...originOf(wire, context),
    credential: null,
    actor: null,
    proof: proofOf(wire.step_up_token),
    resource: {
      type: wire.resource?.type ?? null,
      id: wire.resource?.id ?? null,
      properties: freeOf(wire.resource?.properties),
    },
    subjectProperties: freeOf(wire.subject_properties),
    context: freeOf(wire.context),
    dryRun: wire.dry_run ?? false,
  };
}

/** The body of an event as the core sees it. Throws the 400 problem that names every fault by its path. */
export function subjectEventOf(body: JsonObject, context: WireContext): SubjectEvent {
  const wire = validated(eventBody, body);
  return {
    type: wire.type,
    ...subjectOf(wire, context),
    subject: wire.subject,
    ...originOf(wire, context),
    trustDevice: wire.trust_device ?? false,
  };
}

/** The body of a verification as the core sees it. Throws the 400 problem that names every fault by its path. */
export function shownTokenOf(body: JsonObject, { nowMs, spaces }: Pick<WireContext, 'nowMs' | 'spaces'>): ShownToken {
  const wire = validated(verifyBody, body);
  return {
    token: wire.token ?? null,
    requirement: statedRequirement({
      acrValues: wire.acr_values ?? [],
      amrValues: wire.amr_values ?? [],
      maxAgeSeconds: wire.max_age ?? DEFAULT_MAX_AGE_SECONDS,
      singleUse: wire.single_use ?? false,
    }),
    subject: wire.subject ?? ANYBODY,
    subjectSpace: spaceShown(wire, spaces),
    subjectType: wire.subject_type ?? USER_TYPE,
    session: wire.session ?? null,
    nowMs,
  };
}

/** Anybody's proof may be of any space, unless the caller names one. */
function spaceShown(
  { subject, subject_space: named }: z.output<typeof verifyBody>,
  spaces: readonly string[],
): string | null {
  if (subject != null) return spaceDemanded(named, spaces);
  return named == null ? null : spaceNamed(named, spaces);
}

/** Holds a body to its schema. Throws the 400 problem that names every fault by its path. */
export function validated<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const result = read(schema, body);
  if (result.faults !== null) throw invalid(result.faults);
  return result.value;
}

/** A text of the wire by its schema: its value, or every fault by its path. */
export type Read<T> =
  | { readonly faults: null; readonly value: T }
  | { readonly faults: readonly Fault[]; readonly value: null };

/** Reads a part of a body by its schema. */
export function read<T extends z.ZodType>(schema: T, body: unknown): Read<z.output<T>> {
  const result = schema.safeParse(body, { reportInput: true });
  return result.success
    ? { faults: null, value: result.data }
    : { faults: result.error.issues.flatMap(faultsOf), value: null };
}

/** The spaces that a caller may name: those of the issuers, or the default one without issuers. */
export function subjectSpaces(verifier: { readonly spaces: readonly string[] } | null): readonly string[] {
  return verifier?.spaces ?? [DEFAULT_SPACE];
}

/**
 * The space of a call; null if it names none, several are configured and none is the default. Throws the 400 problem
 * about an unknown space.
 */
export function spaceNamed(named: string | null | undefined, spaces: readonly string[], at = ''): string | null {
  if (named == null) return impliedSpace(spaces);
  if (spaces.includes(named)) return named;
  const message = `is no subject space of STEP_UP_ISSUERS; allowed: ${spaces.join(', ')}`;
  throw invalid([{ path: `${at}subject_space`, message }]);
}

/** The same for a call that names a subject, which must have a space. */
export function spaceDemanded(named: string | null | undefined, spaces: readonly string[], at = ''): string {
  const space = spaceNamed(named, spaces, at);
  if (space !== null) return space;
  const message = `is missing: the issuers of STEP_UP_ISSUERS have several subject spaces; allowed: ${spaces.join(', ')}`;
  throw invalid([{ path: `${at}subject_space`, message }]);
}

type SubjectBody = Pick<RiskCheckBody, 'subject' | 'subject_space' | 'subject_type'>;

/** Whom a body names. Throws the 400 problem about a subject space that is not configured, or missing. */
export function subjectOf(
  { subject, subject_space, subject_type }: SubjectBody,
  { spaces, at }: Pick<WireContext, 'spaces' | 'at'>,
): NamedSubject {
  return {
    subject: subject ?? null,
    subjectSpace:
      subject == null
        ? (spaceNamed(subject_space, spaces, at) ?? DEFAULT_SPACE)
        : spaceDemanded(subject_space, spaces, at),
    subjectType: subject_type ?? USER_TYPE,
  };
}

/** Where a request came from. Throws the 400 problem about an impossible time. */
export function originOf(wire: OriginBody, { nowMs, trust, at }: WireContext) {
  const headers = wire.headers == null ? null : lowerCased(wire.headers);
  return {
    ...addressOf(wire, headers, trust),
    session: wire.session ?? null,
    userAgent: wire.user_agent?.slice(0, MAX_USER_AGENT_LENGTH) ?? null,
    ...(wire.client_hints != null && { clientHints: clientHintsOf(wire.client_hints) }),
    device: deviceOf(wire, headers?.[DEVICE_HEADER] || null),
    place: placeOf(wire.geo),
    occurredAtMs: momentOf(wire.occurred_at, nowMs, at),
  };
}

function clientHintsOf({ brands, platform, mobile }: NonNullable<OriginBody['client_hints']>): ClientHints {
  return { brands: brands || null, platform: platform || null, mobile: mobile || null };
}

function addressOf(wire: OriginBody, headers: ForwardedRequest['headers'] | null, trust: AddressTrust): Origin {
  if (wire.ip != null) {
    const isProxys = isTrustedAddress(trust.trusted, wire.ip);
    return isProxys ? { address: null, noAddress: 'no_trusted_hop' } : { address: wire.ip, noAddress: null };
  }
  if (wire.peer_ip == null && headers === null) return { address: null, noAddress: 'absent' };
  return deriveOrigin(wire.peer_ip ?? null, headers ?? {}, trust);
}

function lowerCased(headers: SentHeaders): { readonly [name: string]: string } {
  const joined = new Map<string, string[]>();
  for (const [name, value] of Object.entries(headers)) {
    const lines = joined.get(name.toLowerCase()) ?? [];
    joined.set(name.toLowerCase(), lines.concat(value));
  }
  return Object.fromEntries([...joined].map(([name, lines]) => [name, lines.join(', ')]));
}

/** Traits in the body take precedence; without them the client's header is read. */
function deviceOf({ device }: OriginBody, header: string | null): DeviceClaim | null {
  const fingerprint = device?.fingerprint ?? null;
  const token = device?.token ?? null;
  const confidence = device?.confidence ?? null;
  const bot = device?.bot ?? null;
  const components = device?.components ?? {};
  const session = { cookie: device?.bound_cookie ?? null, skipped: device?.session_skipped ?? null };
  const keyProof = possessionOf(device?.key_proof);
  if (fingerprint === null && confidence === null && bot === null && Object.keys(components).length === 0) {
    return deviceShown(token, header, keyProof, session);
  }
  const claim = { fingerprint, token, confidence, bot, components, malformed: false, session };
  return withoutPlaceholders(keyProof === null ? claim : { ...claim, keyProof });
}

function possessionOf(wire: NonNullable<OriginBody['device']>['key_proof']): SentPossession | null {
  return wire == null ? null : { jws: wire.jws, method: wire.method, target: wire.path };
}

function placeOf(wire: OriginBody['geo']): Place | null {
  return wire == null ? null : assertedPlace({ ...wire, accuracyKm: wire.accuracy_km });
}

function momentOf(occurredAtText: string | null | undefined, nowMs: number, at = ''): number {
  if (occurredAtText == null) return nowMs;
  const ms = Date.parse(occurredAtText);
  const path = `${at}occurred_at`;
  if (Number.isNaN(ms)) throw invalid([{ path, message: 'is not a calendar date' }]);
  if (ms > nowMs + MAX_FUTURE_MS) throw invalid([{ path, message: 'is more than 5 minutes in the future' }]);
  if (ms < nowMs - MAX_PAST_MS) throw invalid([{ path, message: 'is more than 400 days in the past' }]);
  return ms;
}

/** The proof that a token is sent for. */
export function proofOf(token: string | null | undefined): SentProof | null {
  return token == null ? null : { token };
}

/** The body is from `JSON.parse`, so a free key holds JSON. */
export function freeOf(value: { readonly [key: string]: unknown } | null | undefined): JsonObject {
  return (value ?? {}) as JsonObject;
}

/** The 400 problem that names these faults. */
export function invalid(faults: readonly Fault[]): ProblemError {
  return new ProblemError('invalid_request', faultsInBrief(faults), { faults });
}

function faultsOf(issue: z.core.$ZodIssue): Fault[] {
  if (issue.code !== 'unrecognized_keys') return [{ path: issuePath(issue.path), message: issueText(issue) }];
  return issue.keys.map((key) => ({
    path: issuePath([...issue.path, key]),
    message: 'is not a key of this request; see /openapi.json',
  }));
}
