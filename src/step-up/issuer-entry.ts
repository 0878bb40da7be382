import * as z from 'zod';
import {
  ALGORITHMS,
  type Algorithm,
  type IssuerName,
  type IssuerSettings,
  type KeyLocation,
  type StepUpMark,
} from './issuer.ts';

export const text = z.string().min(1).max(512);
const names = z.array(text).min(1).max(64);
const seconds = z.number().int().min(0);

export const address = z.string().refine((value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol), {
  error: 'must be an https address',
});

const jwks = z.object({
  keys: z
    .array(z.looseObject({ kty: z.string() }))
    .min(1)
    .refine((keys) => keys.every((key) => key.kty !== 'oct' && !('d' in key) && !('k' in key)), {
      error: 'has to hold public keys only: a symmetric or private key was found',
    }),
});

const algorithms = z
  .array(
    z.enum(ALGORITHMS, {
      error: `must be one of ${ALGORITHMS.join(', ')}; "none" and symmetric algorithms (HS256, …) are never accepted`,
    }),
  )
  .min(1);

const stepUp = z.union(
  [
    z.strictObject({ claim: text, equals: z.union([z.string(), z.number(), z.boolean()]) }),
    z.strictObject({ claim: text, includes: text }),
    z.strictObject({ acr_values: names }),
    z.strictObject({ amr: names }),
  ],
  {
    error: 'must be {"claim", "equals"}, {"claim", "includes"}, {"acr_values": […]} or {"amr": […]} and nothing else',
  },
);

const tokenType = z
  .strictObject({ claim: text, allowed: names.optional(), refused: names.optional() })
  .refine((value) => value.allowed !== undefined || value.refused !== undefined, {
    error: 'has to name "allowed" or "refused" values',
  });

const privateKey = z
  .looseObject({ kty: z.enum(['RSA', 'EC', 'OKP']), alg: z.enum(ALGORITHMS), kid: z.string().optional() })
  .refine((key) => typeof key.d === 'string', { error: 'has to be a private key as a JWK, with "d" and "alg"' });

/** Parameters that the step-up sets itself. */
const OWN_PARAMETERS: readonly string[] = [
  ...['client_id', 'response_type', 'response_mode', 'redirect_uri', 'scope', 'state', 'nonce', 'code_challenge'],
  ...['code_challenge_method', 'max_age', 'prompt', 'id_token_hint', 'request', 'request_uri'],
];

const parameters = z
  .record(z.string().regex(/^[a-z][a-z0-9_.-]{0,63}$/i), z.string().max(512))
  .superRefine((value, context) => {
    for (const name of Object.keys(value).filter((each) => OWN_PARAMETERS.includes(each))) {
      context.addIssue({ code: 'custom', path: [name], message: 'is set by the step-up itself; leave it out' });
    }
  });

const scope = z
  .string()
  .max(512)
  .regex(/^[!#-[\]-~]+(?: [!#-[\]-~]+)*$/, 'has to be names separated by one blank')
  .refine((value) => value.split(' ').includes('openid'), { error: 'has to name openid' });

const spaceName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,31}$/, 'must be 1 to 32 of a-z, 0-9, _ and -, the first a letter, such as "bank"');

/** Settings of every entry; a preset supplies defaults. */
export const shared = {
  subjects: spaceName.optional(),
  audience: z.union([text, names]).optional(),
  jwks_uri: address.optional(),
  jwks: jwks.optional(),
  discovery: z.union([z.literal(true), address]).optional(),
  algorithms: algorithms.optional(),
  typ: z.union([text, names]).optional(),
  token_type_claim: tokenType.nullable().optional(),
  subject_claim: text.optional(),
  session_claim: text.nullable().optional(),
  step_up: stepUp.optional(),
  auth_time: z.enum(['required', 'or_iat']).optional(),
  acr_order: names
    .refine((values) => new Set(values).size === values.length, { error: 'names a value twice' })
    .optional(),
  acr_numbers: z.boolean().optional(),
  max_age: seconds.min(1, 'must be at least 1: coming back from a provider takes time').optional(),
  clock_tolerance_s: seconds.max(300).optional(),
  max_lifetime_s: seconds.min(1).optional(),
  keys_cache_s: seconds.min(1).optional(),
  keys_cooldown_s: seconds.min(1).max(3600).optional(),
  stale_keys_s: seconds.optional(),
  allow_http: z.boolean().optional(),
  client_id: text.optional(),
  client_secret: z.string().min(1).max(1024).optional(),
  client_key: privateKey.optional(),
  scope: scope.optional(),
  authorization_parameters: parameters.optional(),
};

export type SharedSettings = z.output<z.ZodObject<typeof shared>>;

/** Host name with optional port: no scheme, no path. */
export const host = z
  .string()
  .regex(/^[a-z0-9.-]+(:\d+)?$/i, 'must be a host name such as "example.eu.auth0.com", without scheme and path');
export const urlPart = z.string().regex(/^[\w.~-]+$/, 'must be one part of a path');

/** What a preset knows about its provider. */
export interface Preset {
  /** Name of the entry in messages. */
  readonly name: string;
  readonly issuer: IssuerName;
  /** Where the provider publishes its metadata; default: below the issuer. */
  readonly metadata?: string;
  /** Null where the entry has to say. */
  readonly keys: KeyLocation | null;
  readonly algorithms: readonly Algorithm[] | null;
  readonly stepUp: StepUpMark | null;
  /** Entry setting that says how a step-up is marked, where `stepUp` is null. Default `step_up`. */
  readonly stepUpKey?: string;
  /** Default audience. With `pinned`, a token without `aud` is accepted as well. */
  readonly audience?: { readonly values: readonly string[]; readonly pinned: boolean };
  readonly tokenType?: IssuerSettings['tokenType'];
  readonly subjectClaim?: string;
  readonly authTime?: IssuerSettings['authTime'];
  /** Used only with the preset's own `stepUp`. */
  readonly acrOrder?: readonly string[];
}

/** An entry together with its preset. */
export interface FilledEntry {
  readonly presetName: string | null;
  readonly settings: SharedSettings;
  readonly preset: Preset;
}

/**
 * A kind of entry: the value of `preset`, the schema of the entry, and the preset for its settings. `name` is null for
 * entries without a preset.
 */
export function provider<Name extends string | null, Schema extends z.ZodType<SharedSettings>>({
  name,
  schema,
  preset,
}: {
  readonly name: Name;
  readonly schema: Schema;
  readonly preset: (settings: z.output<Schema>) => Preset;
}) {
  const filled = schema.transform(
    (settings): FilledEntry => ({ presetName: name, settings, preset: preset(settings) }),
  );
  return { name, schema: filled };
}

/** Name and issuer of an entry with exactly one `iss`. */
export function exactly(issuer: string): Pick<Preset, 'name' | 'issuer'> {
  return { name: issuer, issuer: { kind: 'exact', value: issuer } };
}

export function withoutSlash(value: string): string {
  return value.replace(/\/+$/, '');
}

/** Where an issuer publishes its metadata (OpenID Connect Discovery, section 4). */
export function discoveryAddress(issuer: string): string {
  return `${withoutSlash(issuer)}/.well-known/openid-configuration`;
}
