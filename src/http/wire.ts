import * as z from 'zod';
import type { Address } from '../model/address.ts';
import { assertedPlace } from '../model/asserted-place.ts';
import type { JsonObject } from '../model/facts.ts';
import type { Place } from '../model/geo.ts';
import { withoutPlaceholders } from '../model/placeholder.ts';
import {
  type CheckRequest,
  type DeviceClaim,
  EVENT_TYPES,
  type NoAddress,
  type SentProof,
  type SubjectEvent,
} from '../model/request.ts';
import {
  DEFAULT_SPACE,
  impliedSpace,
  MAX_SUBJECT_LENGTH,
  type NamedSubject,
  normaliseSubject,
  USER_TYPE,
} from '../model/subject.ts';
import { type ClientAddressHeader, clientAddress, isTrustedAddress, type TrustedProxies } from '../net/client-ip.ts';
import { isUnixPeer, parseAddress, parsePeer } from '../net/ip.ts';

import { DEVICE_HEADER, deviceShown } from './device-header.ts';
import { type Fault, faultsInBrief, ProblemError } from './problem.ts';

/** Deepest nesting of arrays and objects inside `context`, `properties` and `subject_properties`. */
export const MAX_FREE_NESTING = 8;
/** How far in the past `occurred_at` may lie: recorded traffic can be replayed. */
const MAX_PAST_MS = 400 * 86_400_000;
/** How far in the future `occurred_at` may lie: clocks differ. */
const MAX_FUTURE_MS = 5 * 60_000;
/** Only this much of a user agent is looked at; the rest is cut, since the end user's client chooses its length. */
export const MAX_USER_AGENT_LENGTH = 1024;
/** Half the circumference of the Earth in km: no radius is larger. */
const MAX_ACCURACY_KM = 20_038;

/** Most characters of an action, of an id, of a component, of tokens and of an address, and how many components. */
export const MAX_ACTION_LENGTH = 256;
export const MAX_LINE_LENGTH = 1024;
export const MAX_SUBJECT_TYPE_LENGTH = 256;
export const MAX_COMPONENTS = 64;
export const MAX_COMPONENT_NAME_LENGTH = 64;
export const MAX_COMPONENT_LENGTH = 1024;
export const MAX_DEVICE_TOKEN_LENGTH = 8192;
export const MAX_TOKEN_LENGTH = 16_384;
export const MAX_ADDRESS_LENGTH = 64;

const NO_CONTROLS = /^\P{Cc}*$/u;

/** Text without control characters, 1 to `max` characters. */
export function line(max: number) {
  return z.string().min(1).max(max).regex(NO_CONTROLS, 'must not hold control characters');
}

/** Whether a value is such a text. */
export function isLine(value: unknown, max: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= max && NO_CONTROLS.test(value);
}

/** A caller may send null for what it does not know: it means the same as leaving the key out. */
export const free = z
  .record(z.string(), z.unknown())
  .refine((value) => nestingOf(value) <= MAX_FREE_NESTING, `must not be nested deeper than ${MAX_FREE_NESTING}`)
  .meta({ description: `Free facts: any JSON, nested at most ${MAX_FREE_NESTING} deep.` });

/** Subject id, normalised. */
export const subjectField = z.string().transform((value, context): string => {
  const normalised = normaliseSubject(value);
  if (normalised !== null) return normalised;
  context.addIssue({
    code: 'custom',
    message: `must have 1 to ${MAX_SUBJECT_LENGTH} visible characters; leave it out for an anonymous request`,
  });
  return z.NEVER;
});

/** Which subject an id names, beside the id. */
export const whichSubject = {
  subject_space: z
    .string()
    .nullish()
    .describe(
      'Space that the id belongs to, a `subjects` of STEP_UP_ISSUERS. Left out: the only one, else `default` where that is one.',
    ),
  subject_type: line(MAX_SUBJECT_TYPE_LENGTH)
    .nullish()
    .describe(
      'What the id names, by default a `user`. Each type has a history of its own; step-up tokens are of users.',
    ),
};

/** A compact JWT of any issuer. */
export const tokenField = z.string().min(1).max(MAX_TOKEN_LENGTH);
export const stepUpToken = tokenField
  .nullish()
  .describe('Token of a step-up, by an issuer of STEP_UP_ISSUERS; a valid one turns a step-up into allow.');
export const dryRun = z.boolean().nullish().describe('Decides, but counts, learns and spends nothing.');

const ip = z.string().transform((value, context): Address => {
  const address = value.length <= MAX_ADDRESS_LENGTH ? parseAddress(value) : null;
  if (address !== null) return address;
  context.addIssue({
    code: 'custom',
    message: 'is not an IPv4 or IPv6 address; send it without port, brackets, zone or prefix length',
  });
  return z.NEVER;
});

const peer = z
  .string()
  .max(256)
  .refine((value) => isUnixPeer(value) || parsePeer(value) !== null, 'is neither an IP address nor `unix:`');

const occurredAt = z.iso.datetime({
  offset: true,
  error: 'must be an RFC 3339 date and time with its offset, like 2026-11-25T02:00:00Z',
});

const device = z.strictObject({
  // Empty as well: it comes from a blocked collector and spoils nothing else.
  fingerprint: z
    .string()
    .max(MAX_LINE_LENGTH)
    .regex(NO_CONTROLS, 'must not hold control characters')
    .nullish()
    .describe('Of any collector. A claim: it makes a device known, never trusted.'),
  token: z
    .string()
    .min(1)
    .max(MAX_DEVICE_TOKEN_LENGTH)
    .nullish()
    .describe('The `device.token` of an earlier answer; it makes the device trusted.'),
  confidence: z.number().min(0).max(1).nullish().describe('Confidence in the fingerprint, as its collector says.'),
  bot: z.boolean().nullish().describe('Whether the collector saw marks of automation.'),
  components: z
    .record(z.string().min(1).max(MAX_COMPONENT_NAME_LENGTH), z.string().max(MAX_COMPONENT_LENGTH))
    .refine((value) => Object.keys(value).length <= MAX_COMPONENTS, `must have at most ${MAX_COMPONENTS} entries`)
    .nullish()
    .describe('Parts of the fingerprint by name: where it changed, the share of equal ones is `device.similarity`.'),
});

const geo = z
  .strictObject({
    lat: z.number().min(-90).max(90).nullish().describe('Degrees north.'),
    lon: z.number().min(-180).max(180).nullish().describe('Degrees east.'),
    accuracy_km: z
      .number()
      .min(0)
      .max(MAX_ACCURACY_KM)
      .nullish()
      .describe(
        'Radius within which the true place lies. Without it a place with a city is good for travel, one without is too coarse.',
      ),
    country: z
      .string()
      .regex(/^[A-Za-z][A-Za-z0-9]$/, 'must be an ISO 3166-1 alpha-2 code')
      .nullish()
      .describe('ISO 3166-1 alpha-2.'),
    region: line(128).nullish(),
    city: line(128).nullish(),
  })
  .refine((value) => (value.lat == null) === (value.lon == null), {
    message: 'lat and lon must be sent together',
    path: ['lat'],
  });

const headers = z.record(z.string().min(1).max(256), z.union([z.string(), z.array(z.string())]));

const resource = z.strictObject({
  type: line(256).nullish().describe('Fact `resource.type`.'),
  id: line(1024).nullish().describe('Fact `resource.id`.'),
  properties: free.nullish().describe('Facts `resource.properties.*`: any JSON, nested at most 8 deep.'),
});

/** Where a request comes from, and when: the same keys in every body that names a client. */
export const origin = {
  ip: ip.nullish().describe('Address of the client, IPv4 or IPv6. Without it: `peer_ip` and `headers`.'),
  peer_ip: peer.nullish().meta({
    description: 'Address of the TCP peer that the gateway saw; with `headers`, from which `ip` is derived.',
  }),
  headers: headers
    .nullish()
    .describe(
      'Headers as the gateway received them. Forwarding headers are read as TRUSTED_PROXIES allows, and `X-Stepgate-Device` ' +
        'where `device` says nothing but the token; nothing else is.',
    ),
  session: line(MAX_LINE_LENGTH).nullish().describe('Id of the session at the application.'),
  user_agent: z.string().nullish().describe('`User-Agent` of the client.'),
  device: device.nullish().describe('What the client shows of its device.'),
  geo: geo.nullish().describe('Where the client is, if the caller knows; else it is looked up by address.'),
  occurred_at: occurredAt
    .nullish()
    .describe('When it happened, by default now; at most 400 days ago and 5 minutes ahead.'),
};

/** Body of `POST /v1/risk-check`. */
export const riskCheckBody = z.strictObject({
  subject: subjectField
    .nullish()
    .describe('Who asks, by the id that the `sub` of step-up tokens has; nobody, for an anonymous request.'),
  ...whichSubject,
  action: line(MAX_ACTION_LENGTH).describe('What they want to do: an action of the rule files, or any other name.'),
  ...origin,
  step_up_token: stepUpToken,
  resource: resource.nullish().describe('What the action is done to.'),
  subject_properties: free.nullish().describe('Facts `subject.properties.*`: any JSON, nested at most 8 deep.'),
  context: free.nullish().describe('Facts `context.*`: any JSON, nested at most 8 deep.'),
  dry_run: dryRun,
});

/** A body that the schema took. */
export type RiskCheckBody = z.output<typeof riskCheckBody>;

/** Body of `POST /v1/events`. */
export const eventBody = z.strictObject({
  type: z
    .enum(EVENT_TYPES)
    .describe(
      'Successes teach the baseline, failures are counted, a revoked session or changed credential ends trust.',
    ),
  subject: subjectField.describe('Whose it was.'),
  ...whichSubject,
  ...origin,
  trust_device: z
    .boolean()
    .nullish()
    .describe('With a success: the caller vouches for the device, which becomes trusted; the answer has its token.'),
});

/** Body of `POST /v1/step-up/verify`. */
export const verifyBody = z.strictObject({
  token: tokenField.nullish().meta({ description: 'Left out, nothing is proven: the answer says what to ask for.' }),
  subject: subjectField.nullish().meta({ description: 'Whose proof it must be; left out, anybody’s is taken.' }),
  ...whichSubject,
  session: line(1024).nullish().meta({ description: 'Session it must be of, where the proof names one.' }),
  acr_values: z.array(z.string().min(1).max(256)).max(16).nullish(),
  amr_values: z.array(z.string().min(1).max(64)).max(16).nullish(),
  max_age: z.int().min(0).max(31_536_000).nullish().meta({ description: 'Seconds; 600 where left out.' }),
  single_use: z.boolean().nullish().meta({ description: 'True spends the proof: it is not valid a second time.' }),
});

/** Whose word is taken for the address of a client. */
export interface AddressTrust {
  readonly trusted: TrustedProxies;
  /** The one header that the gateway sets; null walks `X-Forwarded-For` and `Forwarded`. */
  readonly declared: ClientAddressHeader | null;
}

/** Where a request came from: an address, or why there is none. */
export type Origin =
  | { readonly address: Address; readonly noAddress: null }
  | { readonly address: null; readonly noAddress: NoAddress };

/** The client's address by the connection's peer and the forwarding headers; header names in any case. */
export function deriveOrigin(peer: string | null, headers: ToldHeaders, trust: AddressTrust): Origin {
  const { trusted, declared } = trust;
  const client = clientAddress({
    peer,
    headers: lowerCased(headers),
    trusted,
    ...(declared !== null && { declared }),
  });
  return client.address === null
    ? { address: null, noAddress: client.why }
    : { address: client.address, noAddress: null };
}

/** Headers of a request as a gateway tells them: several lines of one header in a list, or under names of differing case. */
export interface ToldHeaders {
  readonly [name: string]: string | readonly string[];
}

/** What the translation needs beside the body. */
export interface WireContext {
  /** Real clock, epoch milliseconds. */
  readonly nowMs: number;
  readonly trust: AddressTrust;
  /** The configured subject spaces; see {@link subjectSpaces}. */
  readonly spaces: readonly string[];
  /** Where in the body the keys of a risk check are, for faults: `context.`; the top where it is left out. */
  readonly at?: string;
}

/** The body of a risk check as the core sees it. Throws the 400 problem that names every fault by its path. */
export function checkRequestOf(body: JsonObject, context: WireContext): CheckRequest {
  return checkRequestFrom(validated(riskCheckBody, body), context);
}

/** A validated body of a risk check as the core sees it. Throws the 400 problem about a moment that cannot be. */
export function checkRequestFrom(wire: RiskCheckBody, context: WireContext): CheckRequest {
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

/** Holds a body to its schema. Throws the 400 problem that names every fault by its path. */
export function validated<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const result = schema.safeParse(body, { reportInput: true });
  if (result.success) return result.data;
  throw invalid(result.error.issues.flatMap(faultsOf));
}

/** The spaces that a caller may name: those of the issuers, the default one where there are none. */
export function subjectSpaces(verifier: { readonly spaces: readonly string[] } | null): readonly string[] {
  return verifier?.spaces ?? [DEFAULT_SPACE];
}

/**
 * The space that a caller names, or means by naming none; null where several are configured and none is the default.
 * Throws the 400 problem about a space that is not configured.
 */
export function spaceNamed(named: string | null | undefined, spaces: readonly string[], at = ''): string | null {
  if (named == null) return impliedSpace(spaces);
  if (spaces.includes(named)) return named;
  const message = `is no subject space of STEP_UP_ISSUERS; allowed: ${spaces.join(', ')}`;
  throw invalid([{ path: `${at}subject_space`, message }]);
}

/** The same where a subject is named and so must belong to one. */
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

type OriginBody = z.output<z.ZodObject<typeof origin>>;

/** Where a request comes from. Throws the 400 problem about a moment that cannot be. */
export function originOf(wire: OriginBody, { nowMs, trust, at }: WireContext) {
  return {
    ...addressOf(wire, trust),
    session: wire.session ?? null,
    userAgent: wire.user_agent?.slice(0, MAX_USER_AGENT_LENGTH) ?? null,
    device: deviceOf(wire),
    place: placeOf(wire.geo),
    occurredAtMs: momentOf(wire.occurred_at, nowMs, at),
  };
}

function addressOf(wire: OriginBody, trust: AddressTrust): Origin {
  if (wire.ip != null) {
    const isProxys = isTrustedAddress(trust.trusted, wire.ip);
    return isProxys ? { address: null, noAddress: 'no_trusted_hop' } : { address: wire.ip, noAddress: null };
  }
  if (wire.peer_ip == null && wire.headers == null) return { address: null, noAddress: 'absent' };
  return deriveOrigin(wire.peer_ip ?? null, wire.headers ?? {}, trust);
}

function lowerCased(headers: ToldHeaders): { readonly [name: string]: string } {
  const joined = new Map<string, string[]>();
  for (const [name, value] of Object.entries(headers)) {
    const lines = joined.get(name.toLowerCase()) ?? [];
    joined.set(name.toLowerCase(), lines.concat(value));
  }
  return Object.fromEntries([...joined].map(([name, lines]) => [name, lines.join(', ')]));
}

/** Traits in the body stand for themselves; the client's header is read where there are none. */
function deviceOf({ device, headers }: OriginBody): DeviceClaim | null {
  const fingerprint = device?.fingerprint ?? null;
  const token = device?.token ?? null;
  const confidence = device?.confidence ?? null;
  const bot = device?.bot ?? null;
  const components = device?.components ?? {};
  if (fingerprint === null && confidence === null && bot === null && Object.keys(components).length === 0) {
    return deviceShown(token, lowerCased(headers ?? {})[DEVICE_HEADER] || null);
  }
  return withoutPlaceholders({ fingerprint, token, confidence, bot, components, malformed: false });
}

function placeOf(wire: OriginBody['geo']): Place | null {
  return wire == null ? null : assertedPlace({ ...wire, accuracyKm: wire.accuracy_km });
}

function momentOf(occurredAtText: string | null | undefined, nowMs: number, at = ''): number {
  if (occurredAtText == null) return nowMs;
  const ms = Date.parse(occurredAtText);
  const path = `${at}occurred_at`;
  if (Number.isNaN(ms)) throw invalid([{ path, message: 'is no moment of the calendar' }]);
  if (ms > nowMs + MAX_FUTURE_MS) throw invalid([{ path, message: 'lies more than 5 minutes in the future' }]);
  if (ms < nowMs - MAX_PAST_MS) throw invalid([{ path, message: 'lies more than 400 days in the past' }]);
  return ms;
}

/** The proof that a token is sent for. */
export function proofOf(token: string | null | undefined): SentProof | null {
  return token == null ? null : { token };
}

/** The body came from `JSON.parse`, so what a free key holds is JSON. */
export function freeOf(value: { readonly [key: string]: unknown } | null | undefined): JsonObject {
  return (value ?? {}) as JsonObject;
}

/** How deep arrays and objects are nested in a value; 0 for any other value. */
export function nestingOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let deepest = 0;
  for (const inner of Object.values(value)) deepest = Math.max(deepest, nestingOf(inner));
  return deepest + 1;
}

function invalid(faults: readonly Fault[]): ProblemError {
  return new ProblemError('invalid_request', faultsInBrief(faults), { faults });
}

function faultsOf(issue: z.core.$ZodIssue): Fault[] {
  if (issue.code !== 'unrecognized_keys') return [{ path: pathOf(issue.path), message: messageOf(issue) }];
  return issue.keys.map((key) => ({
    path: pathOf([...issue.path, key]),
    message: 'is not a key of this request; see /openapi.json',
  }));
}

function pathOf(parts: readonly PropertyKey[]): string {
  return parts
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
}

/** zod begins its sentences with a capital; after a path they read on. Of a key that is not there it has only a type to say. */
function messageOf({ code, input, message }: z.core.$ZodIssue): string {
  if (input === undefined && (code === 'invalid_type' || code === 'invalid_value')) {
    return `is missing; ${message.replace(/^Invalid \w+: /, '').replace(/, received undefined$/, '')}`;
  }
  return message.charAt(0).toLowerCase() + message.slice(1);
}
