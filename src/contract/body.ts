import * as z from 'zod';
import type { Address } from '../model/address.ts';
import { SKIP_REASONS } from '../model/device-session.ts';
import { MAX_ACCURACY_KM } from '../model/geo.ts';
import { EVENT_TYPES } from '../model/request.ts';
import { MAX_SUBJECT_LENGTH, normaliseSubject } from '../model/subject.ts';
import { isUnixPeer, parseAddress, parsePeer } from '../net/ip.ts';
import {
  MAX_ACTION_LENGTH,
  MAX_ADDRESS_LENGTH,
  MAX_CLIENT_HINT_LENGTH,
  MAX_COMPONENT_LENGTH,
  MAX_COMPONENT_NAME_LENGTH,
  MAX_COMPONENTS,
  MAX_DEVICE_TOKEN_LENGTH,
  MAX_FREE_NESTING,
  MAX_LINE_LENGTH,
  MAX_POSSESSION_LENGTH,
  MAX_SUBJECT_TYPE_LENGTH,
} from './limits.ts';

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

/** The rest of a subject's name besides its id. */
export const whichSubject = {
  subject_space: z
    .string()
    .nullish()
    .describe(
      'Subject space of the id, a `subjects` of STEP_UP_ISSUERS. Default: the only one, else `default` if configured.',
    ),
  subject_type: line(MAX_SUBJECT_TYPE_LENGTH)
    .nullish()
    .describe(
      'What the id names, by default a `user`. Each type has a history of its own; step-up tokens are of users.',
    ),
};

/** A compact JWT of any issuer. Its length is the end user's, so that one that is too long is a refused proof, not a bad body. */
export const tokenField = z.string().min(1);
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
  // Also empty: a blocked collector sends that, and the rest of the body is still usable.
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
  bound_cookie: z
    .string()
    .min(1)
    .max(MAX_DEVICE_TOKEN_LENGTH)
    .nullish()
    .describe(
      'The cookie `__Host-stepgate-bound`: it proves the key that a device bound session (DBSC) has bound the device to.',
    ),
  session_skipped: z
    .enum(SKIP_REASONS)
    .nullish()
    .describe('The first word of `Secure-Session-Skipped`: why the browser did not renew that cookie.'),
  key_proof: z
    .strictObject({
      jws: z.string().min(1).max(MAX_POSSESSION_LENGTH).describe('The `X-Stepgate-Device-Proof` of the client.'),
      method: line(32).describe('Method of the request that it came with.'),
      path: z.string().min(1).max(16_384).describe('Path of that request, with or without its query.'),
    })
    .nullish()
    .describe(
      'Proof of possession of the key that the client made for this device; a device that is bound to it is trusted with it alone.',
    ),
  confidence: z.number().min(0).max(1).nullish().describe('Confidence in the fingerprint, from its collector.'),
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
      .describe('Radius around the true place. Without it, a place is used for travel only if it has a city.'),
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

const clientHint = z.string().max(MAX_CLIENT_HINT_LENGTH).nullish();
const clientHints = z.strictObject({
  brands: clientHint.describe('`Sec-CH-UA`.'),
  platform: clientHint.describe('`Sec-CH-UA-Platform`.'),
  mobile: clientHint.describe('`Sec-CH-UA-Mobile`.'),
});

const headers = z.record(z.string().min(1).max(256), z.union([z.string(), z.array(z.string())]));

const resource = z.strictObject({
  type: line(256).nullish().describe('Fact `resource.type`.'),
  id: line(1024).nullish().describe('Fact `resource.id`.'),
  properties: free.nullish().describe('Facts `resource.properties.*`: any JSON, nested at most 8 deep.'),
});

/** Where and when a request was made: the same keys in every body that names a client. */
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
  client_hints: clientHints
    .nullish()
    .describe(
      'Client hints that the browser sent beside it, each as its header: they tell apart browsers with one user agent.',
    ),
  device: device.nullish().describe('What the client shows of its device.'),
  geo: geo.nullish().describe('Where the client is, if the caller knows; else it is looked up by address.'),
  occurred_at: occurredAt
    .nullish()
    .describe('When it happened; default: now. At most 400 days ago and 5 minutes ahead.'),
};

/** Where and when a request was made, in any body. */
export type OriginBody = z.output<z.ZodObject<typeof origin>>;

/** Body of `POST /v1/risk-check`. */
export const riskCheckBody = z.strictObject({
  subject: subjectField
    .nullish()
    .describe('Who acts, by the id in the `sub` of step-up tokens; null for an anonymous request.'),
  ...whichSubject,
  action: line(MAX_ACTION_LENGTH).describe('The action: one of the rule files, or any other name.'),
  ...origin,
  step_up_token: stepUpToken,
  resource: resource.nullish().describe('What the action is done to.'),
  subject_properties: free.nullish().describe('Facts `subject.properties.*`: any JSON, nested at most 8 deep.'),
  context: free.nullish().describe('Facts `context.*`: any JSON, nested at most 8 deep.'),
  dry_run: dryRun,
});

/** A body that the schema took. */
export type RiskCheckBody = z.output<typeof riskCheckBody>;
/** The body as a caller writes it. */
export type RiskCheckInput = z.input<typeof riskCheckBody>;

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

export type EventInput = z.input<typeof eventBody>;

/** Body of `POST /v1/step-up/verify`. */
export const verifyBody = z.strictObject({
  token: tokenField.nullish().meta({ description: 'Without a token, the answer says what to ask for.' }),
  subject: subjectField.nullish().meta({ description: 'Whose proof it must be; left out, anybody’s is taken.' }),
  ...whichSubject,
  session: line(1024).nullish().meta({ description: 'Session that the proof must belong to, if it names one.' }),
  acr_values: z.array(z.string().min(1).max(256)).max(16).nullish(),
  amr_values: z.array(z.string().min(1).max(64)).max(16).nullish(),
  max_age: z.int().min(0).max(31_536_000).nullish().meta({ description: 'Seconds; default 600.' }),
  single_use: z.boolean().nullish().meta({ description: 'True spends the proof: it is not valid a second time.' }),
});
export type VerifyInput = z.input<typeof verifyBody>;

/** How deep arrays and objects are nested in a value; 0 for any other value. */
export function nestingOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let deepest = 0;
  for (const inner of Object.values(value)) deepest = Math.max(deepest, nestingOf(inner));
  return deepest + 1;
}
