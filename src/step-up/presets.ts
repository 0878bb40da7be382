import * as z from 'zod';
import { DEFAULT_MAX_AGE_SECONDS } from '../model/decision.ts';
import { DEFAULT_SPACE } from '../model/subject.ts';

/**
 * Signature algorithms that an issuer may be allowed. Asymmetric ones only: whoever can check a symmetric signature can
 * also make one, and a public key mistaken for an HMAC secret is the classic forgery (RFC 8725, section 2.1).
 */
export const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** Where the step-up is seen in a token. */
export type StepUpMark =
  | { readonly kind: 'equals'; readonly claim: string; readonly equals: string | number | boolean }
  | { readonly kind: 'includes'; readonly claim: string; readonly includes: string }
  | { readonly kind: 'acr'; readonly values: readonly string[] }
  | { readonly kind: 'amr'; readonly values: readonly string[] };

/** Where an issuer's public keys come from. */
export type KeyLocation =
  | { readonly kind: 'inline'; readonly jwks: Jwks }
  | { readonly kind: 'uri'; readonly uri: string }
  | { readonly kind: 'discovery'; readonly uri: string };

/** A JSON Web Key Set (RFC 7517) of public keys. */
export interface Jwks {
  readonly keys: readonly { readonly kty: string; readonly [member: string]: unknown }[];
}

/** One entry of `STEP_UP_ISSUERS`, its preset filled in. */
export interface IssuerSettings {
  /** Stands for the entry in messages and in `/readyz`: the issuer, or the Descope project. */
  readonly name: string;
  readonly preset: PresetName | null;
  /** `iss` values that are taken: listed exactly, or the forms in which Descope names one project. */
  readonly issuer:
    | { readonly kind: 'exact'; readonly value: string }
    | { readonly kind: 'descope'; readonly projectId: string };
  /** `aud` has to hold one of these. */
  readonly audience: readonly string[];
  /** False only where the provider sets no `aud` by default and the project is pinned instead. */
  readonly audienceRequired: boolean;
  readonly keys: KeyLocation;
  readonly algorithms: readonly Algorithm[];
  /** Permitted header `typ`, lower case, without `application/`; null when it is not checked. */
  readonly types: readonly string[] | null;
  /** Payload claim that tells what kind of token it is. */
  readonly tokenType: {
    readonly claim: string;
    readonly allowed: readonly string[] | null;
    readonly refused: readonly string[];
  } | null;
  readonly subjectClaim: string;
  /** The space that its subjects' ids belong to; issuers of one space name the same people by the same ids. */
  readonly subjects: string;
  /** Null when tokens are not tied to a session. */
  readonly sessionClaim: string | null;
  readonly stepUp: StepUpMark;
  /**
   * `required`: `iat` never stands in for a missing `auth_time`, since a refresh renews it. `or_iat`: it does, and what single
   * use can spend is then the token and not the log-in, for which another token may be had without asking anybody.
   */
  readonly authTime: 'required' | 'or_iat';
  /** From weakest to strongest; null when acr values are compared for equality only. */
  readonly acrOrder: readonly string[] | null;
  /** Whether an integer `acr` is read as its decimal string. */
  readonly acrNumbers: boolean;
  readonly maxAgeSeconds: number;
  readonly toleranceSeconds: number;
  /** Longest plausible `exp − iat`. */
  readonly maxLifetimeSeconds: number;
  /** How long fetched keys are used without asking again. */
  readonly keysCacheSeconds: number;
  /** Shortest time between two fetches for keys that the fetched ones lack. */
  readonly keysCooldownSeconds: number;
  /** How much longer they are used while the endpoint is down. */
  readonly staleKeysSeconds: number;
}

/** Providers whose addresses and claims are known. */
export type PresetName = 'descope' | 'auth0' | 'keycloak' | 'okta' | 'entra' | 'oidc';

const text = z.string().min(1).max(512);
const names = z.array(text).min(1).max(64);
const seconds = z.number().int().min(0);

const address = z.string().refine((value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol), {
  error: 'has to be an https address',
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
      error: `has to be one of ${ALGORITHMS.join(', ')}; "none" and symmetric algorithms (HS256, …) are never taken`,
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
    error:
      'has to be {"claim", "equals"}, {"claim", "includes"}, {"acr_values": […]} or {"amr": […]} with nothing beside it',
  },
);

const tokenType = z
  .strictObject({ claim: text, allowed: names.optional(), refused: names.optional() })
  .refine((value) => value.allowed !== undefined || value.refused !== undefined, {
    error: 'has to name the allowed or the refused values',
  });

const spaceName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,31}$/, 'has to be 1 to 32 of a-z, 0-9, _ and -, the first a letter, such as "bank"');

/** Settings that every entry may carry; a preset gives each of them a default. */
const shared = {
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
  max_age: seconds.min(1, 'has to be 1 at least: nobody comes back from a provider in no time').optional(),
  clock_tolerance_s: seconds.max(300).optional(),
  max_lifetime_s: seconds.min(1).optional(),
  keys_cache_s: seconds.min(1).optional(),
  keys_cooldown_s: seconds.min(1).max(3600).optional(),
  stale_keys_s: seconds.optional(),
  allow_http: z.boolean().optional(),
};

/** Host name with optional port: no scheme, no path. */
const host = z
  .string()
  .regex(/^[a-z0-9.-]+(:\d+)?$/i, 'has to be a host name such as "example.eu.auth0.com", without scheme and path');
const guid = z
  .string()
  .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, {
    error: 'has to be the GUID of the tenant: for "common" or a domain name the issuer would not be exact',
  })
  .toLowerCase();
const urlPart = z.string().regex(/^[\w.~-]+$/, 'has to be one part of a path');

const entries = [
  z.strictObject({ preset: z.undefined().optional(), issuer: text, ...shared }),
  z.strictObject({ preset: z.literal('oidc'), issuer: address, ...shared }),
  z.strictObject({
    preset: z.literal('descope'),
    project_id: z.string().regex(/^P[A-Za-z0-9]+$/, 'has to be the id of a project, "P…"'),
    /** API of another region, or a custom domain. */
    base_url: address.optional(),
    ...shared,
  }),
  z.strictObject({ preset: z.literal('auth0'), domain: host, ...shared }),
  z.strictObject({ preset: z.literal('keycloak'), base: address, realm: urlPart, ...shared }),
  z.strictObject({
    preset: z.literal('okta'),
    domain: host,
    /** Id of a custom authorization server; null for the one of the organisation. */
    server: urlPart.nullable().optional(),
    ...shared,
  }),
  z.strictObject({
    preset: z.literal('entra'),
    tenant: guid,
    version: z.enum(['v1', 'v2']).optional(),
    /** Authentication context that Conditional Access ties to the step-up: `c1` to `c99`. */
    auth_context: z
      .string()
      .regex(/^c([1-9]|[1-9]\d)$/, 'has to be "c1" to "c99"')
      .optional(),
    ...shared,
  }),
] as const;
const entry = z.discriminatedUnion('preset', entries, {
  error: ({ code }) =>
    code === 'invalid_union' ? 'has to be oidc, descope, auth0, keycloak, okta or entra, or left out' : undefined,
});
type Entry = z.output<typeof entry>;

/** What a preset knows about its provider. */
interface Preset {
  readonly name: string;
  readonly issuer: IssuerSettings['issuer'];
  /** Null: the entry has to say. */
  readonly keys: KeyLocation | null;
  readonly algorithms: readonly Algorithm[] | null;
  readonly stepUp: StepUpMark | null;
  /** Taken when the entry names none; `pinned` when a token without `aud` is then taken too. */
  readonly audience?: { readonly values: readonly string[]; readonly pinned: boolean };
  readonly tokenType?: IssuerSettings['tokenType'];
  readonly subjectClaim?: string;
  readonly authTime?: IssuerSettings['authTime'];
  /** Holds only together with the preset's own `stepUp`. */
  readonly acrOrder?: readonly string[];
}

function presetOf(settings: Entry): Preset {
  switch (settings.preset) {
    case undefined:
      return {
        name: settings.issuer,
        issuer: { kind: 'exact', value: settings.issuer },
        keys: null,
        algorithms: null,
        stepUp: { kind: 'equals', claim: 'su', equals: true },
      };
    case 'oidc':
      return {
        name: settings.issuer,
        issuer: { kind: 'exact', value: settings.issuer },
        keys: { kind: 'discovery', uri: discoveryAddress(settings.issuer) },
        // What OpenID Connect Core (section 2) has every provider use unless told otherwise.
        algorithms: ['RS256'],
        stepUp: null,
        authTime: 'required',
      };
    case 'descope':
      return descope(settings.project_id, settings.base_url ?? 'https://api.descope.com');
    case 'auth0': {
      const issuer = `https://${settings.domain}/`;
      return {
        name: issuer,
        issuer: { kind: 'exact', value: issuer },
        keys: { kind: 'uri', uri: `${issuer}.well-known/jwks.json` },
        algorithms: ['RS256'],
        stepUp: { kind: 'amr', values: ['mfa'] },
        authTime: 'required',
      };
    }
    case 'keycloak': {
      const issuer = `${withoutSlash(settings.base)}/realms/${settings.realm}`;
      return {
        name: issuer,
        issuer: { kind: 'exact', value: issuer },
        keys: { kind: 'uri', uri: `${issuer}/protocol/openid-connect/certs` },
        algorithms: ['RS256'],
        stepUp: { kind: 'acr', values: ['2'] },
        acrOrder: ['0', '1', '2', '3'],
        // Access, ID, refresh and half-done logins are all signed by the realm; only this claim tells them apart.
        tokenType: { claim: 'typ', allowed: ['Bearer'], refused: [] },
        authTime: 'required',
      };
    }
    case 'okta': {
      const server = settings.server === undefined ? 'default' : settings.server;
      const issuer = `https://${settings.domain}${server === null ? '' : `/oauth2/${server}`}`;
      return {
        name: issuer,
        issuer: { kind: 'exact', value: issuer },
        keys: { kind: 'uri', uri: `${issuer}${server === null ? '/oauth2' : ''}/v1/keys` },
        algorithms: ['RS256'],
        // `…:ifpossible` is left out on purpose: it is met without a second factor.
        stepUp: {
          kind: 'acr',
          values: ['urn:okta:loa:2fa:any', 'phr', 'phrh'],
        },
        authTime: 'required',
      };
    }
    case 'entra': {
      const login = `https://login.microsoftonline.com/${settings.tenant}`;
      const issuer = settings.version === 'v1' ? `https://sts.windows.net/${settings.tenant}/` : `${login}/v2.0`;
      return {
        name: issuer,
        issuer: { kind: 'exact', value: issuer },
        keys: { kind: 'uri', uri: `${login}/discovery/${settings.version === 'v1' ? '' : 'v2.0/'}keys` },
        algorithms: ['RS256'],
        stepUp:
          settings.auth_context === undefined
            ? null
            : { kind: 'includes', claim: 'acrs', includes: settings.auth_context },
        // `sub` is another one for each application of the tenant.
        subjectClaim: 'oid',
        authTime: 'required',
      };
    }
  }
}

function descope(projectId: string, base: string): Preset {
  return {
    name: projectId,
    issuer: { kind: 'descope', projectId },
    keys: { kind: 'uri', uri: `${withoutSlash(base)}/v2/keys/${projectId}` },
    algorithms: ['RS256'],
    stepUp: { kind: 'equals', claim: 'su', equals: true },
    // A token that names an audience none the less is meant for that one (RFC 7519, section 4.1.3).
    audience: { values: [projectId], pinned: true },
    // Session and refresh tokens carry the same claims but this one.
    tokenType: { claim: 'drn', allowed: null, refused: ['DSR'] },
    // Its tokens carry no `auth_time`, and a refresh drops `su`: single use spends one token, and no more can be told.
    authTime: 'or_iat',
  };
}

/**
 * Whether `iss` is one of the forms in which Descope names the project: the bare id, or an https address whose last part
 * or last but one is the id.
 */
export function isDescopeIssuer(iss: string, projectId: string): boolean {
  if (iss === projectId) return true;
  if (!URL.canParse(iss)) return false;
  const { protocol, pathname, search, hash, username } = new URL(iss);
  if (protocol !== 'https:' || search !== '' || hash !== '' || username !== '') return false;
  const parts = pathname.split('/').filter((part) => part !== '');
  return parts.at(-1) === projectId || parts.at(-2) === projectId;
}

/** Whether a token with this `iss` is one of the entry's. */
export function isIssuedBy(settings: Pick<IssuerSettings, 'issuer'>, iss: string): boolean {
  return settings.issuer.kind === 'exact'
    ? iss === settings.issuer.value
    : isDescopeIssuer(iss, settings.issuer.projectId);
}

/** An entry by itself: whether it may leave its subject space unsaid depends on the others. */
type LoneEntry = Omit<IssuerSettings, 'subjects'> & { readonly subjects: string | null };

const issuer = entry.transform((settings, context): LoneEntry => {
  const problem = (path: string, message: string): void => {
    context.addIssue({ code: 'custom', path: [path], message });
  };
  const preset = presetOf(settings);
  const locations = locate(settings, preset);
  const [keys] = locations;
  if (locations.length > 1) problem('jwks_uri', 'only one of jwks_uri, jwks and discovery can say where the keys are');
  if (keys === undefined) problem('jwks_uri', 'is missing: jwks_uri, jwks or discovery has to say where the keys are');
  else if (keys.kind !== 'inline' && !settings.allow_http && !isSafe(keys.uri)) {
    problem('jwks_uri', `keys over plain http (${keys.uri}) can be forged on the way; use https or set allow_http`);
  }
  const audience = list(settings.audience) ?? preset.audience?.values;
  if (audience === undefined) problem('audience', 'is missing: a token meant for another service would be taken');
  const allowed = settings.algorithms ?? preset.algorithms;
  if (allowed === null) problem('algorithms', `is missing: name the issuer's own, some of ${ALGORITHMS.join(', ')}`);
  const mark = settings.step_up === undefined ? preset.stepUp : markOf(settings.step_up);
  if (mark === null) {
    problem(
      settings.preset === 'entra' ? 'auth_context' : 'step_up',
      'is missing: nothing says where this provider shows a step-up',
    );
  }
  const acrOrder = settings.acr_order ?? (settings.step_up === undefined ? preset.acrOrder : undefined) ?? null;
  const unranked = mark?.kind === 'acr' && acrOrder !== null ? mark.values.filter((v) => !acrOrder.includes(v)) : [];
  if (unranked.length > 0) {
    problem('acr_order', `lacks ${unranked.join(', ')} of step_up.acr_values; it lists ${acrOrder?.join(', ')}`);
  }
  const survives = mark !== null && survivesRefresh(mark);
  if (survives && settings.auth_time === 'or_iat') {
    problem(
      'auth_time',
      'has to be "required" where acr or amr shows the step-up: a refresh keeps both and renews iat',
    );
  }
  if (keys === undefined || audience === undefined || allowed === null || mark === null) return z.NEVER;
  return {
    name: preset.name,
    preset: settings.preset ?? null,
    issuer: preset.issuer,
    audience,
    audienceRequired: settings.audience !== undefined || preset.audience?.pinned !== true,
    keys,
    algorithms: allowed,
    types: list(settings.typ)?.map(mediaType) ?? null,
    tokenType:
      settings.token_type_claim === undefined ? (preset.tokenType ?? null) : typeClaim(settings.token_type_claim),
    subjectClaim: settings.subject_claim ?? preset.subjectClaim ?? 'sub',
    subjects: settings.subjects ?? null,
    sessionClaim: settings.session_claim === undefined ? 'sid' : settings.session_claim,
    stepUp: mark,
    authTime: survives ? 'required' : (settings.auth_time ?? preset.authTime ?? 'or_iat'),
    acrOrder,
    acrNumbers: settings.acr_numbers ?? false,
    maxAgeSeconds: settings.max_age ?? DEFAULT_MAX_AGE_SECONDS,
    toleranceSeconds: settings.clock_tolerance_s ?? 5,
    // A day holds every provider's access token; freshness is what `max_age` is for.
    maxLifetimeSeconds: settings.max_lifetime_s ?? 86_400,
    keysCacheSeconds: settings.keys_cache_s ?? 600,
    keysCooldownSeconds: settings.keys_cooldown_s ?? 30,
    staleKeysSeconds: settings.stale_keys_s ?? 3600,
  };
});

/**
 * `STEP_UP_ISSUERS` as parsed JSON. Strict: an unknown setting, a missing `issuer` or `audience` that no preset pins, an
 * algorithm that is missing, symmetric or `none`, two entries for one issuer, and several entries of which one does not say
 * whose `subjects` it names are refused.
 *
 * Defaults: `subject_claim` `sub`, `subjects` of a single entry `default`, `session_claim` `sid`, `step_up`
 * `{"claim": "su", "equals": true}`, `auth_time` `or_iat` (always `required` where `acr` or `amr` shows the step-up), `max_age` 600,
 * `clock_tolerance_s` 5, `max_lifetime_s` 86400, `keys_cache_s` 600, `keys_cooldown_s` 30, `stale_keys_s` 3600.
 */
export const stepUpIssuers = z
  .array(issuer)
  .pipe(z.array(z.custom<LoneEntry>()).superRefine(refuseTwins).superRefine(refuseUnsaidSpaces))
  .transform((entries) =>
    entries.map((settings): IssuerSettings => ({ ...settings, subjects: settings.subjects ?? DEFAULT_SPACE })),
  );

/** One entry of `STEP_UP_ISSUERS` as it is written. */
export type IssuerEntry = z.input<typeof entry>;

/** One id at two issuers may be two people, and nobody but whoever configures them can tell. */
function refuseUnsaidSpaces(entries: readonly LoneEntry[], context: z.RefinementCtx): void {
  const silent = entries.filter(({ subjects }) => subjects === null);
  if (entries.length < 2 || silent.length === 0 || context.issues.length > 0) return;
  const named = (some: readonly LoneEntry[]): string => some.map(({ name }) => name).join(' and ');
  context.addIssue({
    code: 'custom',
    path: [entries.findIndex(({ subjects }) => subjects === null), 'subjects'],
    message:
      `is missing: ${named(entries)} may know two people by one id. Write "subjects": "<name>" in the entry of ${named(silent)}: ` +
      'one name for the issuers that know the same people by the same ids, another name for each of the others; ' +
      `"${DEFAULT_SPACE}" keeps what is stored already`,
  });
}

function refuseTwins(entries: readonly LoneEntry[], context: z.RefinementCtx): void {
  entries.forEach((settings, index) => {
    const twin = entries.findIndex((other) => covers(other, settings) || covers(settings, other));
    if (twin < index) {
      context.addIssue({
        code: 'custom',
        path: [index],
        message: `entry ${twin} already stands for the issuer ${settings.name}; put all audiences in one entry`,
      });
    }
  });
}

/** The same from the text of the setting. */
export const stepUpIssuersText = z
  .string()
  .transform((value, context): unknown => {
    try {
      return JSON.parse(value);
    } catch (error) {
      context.addIssue({ code: 'custom', message: `is no JSON array: ${(error as Error).message}` });
      return z.NEVER;
    }
  })
  .pipe(stepUpIssuers);

function covers(one: LoneEntry, other: LoneEntry): boolean {
  return isIssuedBy(one, other.issuer.kind === 'exact' ? other.issuer.value : other.issuer.projectId);
}

function locate(settings: Entry, preset: Preset): KeyLocation[] {
  const own: KeyLocation[] = [];
  if (settings.jwks_uri !== undefined) own.push({ kind: 'uri', uri: settings.jwks_uri });
  if (settings.jwks !== undefined) own.push({ kind: 'inline', jwks: settings.jwks });
  if (settings.discovery !== undefined) {
    own.push({
      kind: 'discovery',
      uri: settings.discovery === true ? discoveryAddress(preset.name) : settings.discovery,
    });
  }
  return own.length > 0 || preset.keys === null ? own : [preset.keys];
}

function markOf(settings: z.output<typeof stepUp>): StepUpMark {
  if ('equals' in settings) return { kind: 'equals', claim: settings.claim, equals: settings.equals };
  if ('includes' in settings) return { kind: 'includes', claim: settings.claim, includes: settings.includes };
  if ('acr_values' in settings) return { kind: 'acr', values: settings.acr_values };
  return { kind: 'amr', values: settings.amr };
}

/** Whether a provider keeps the mark over a refresh, as it does what it knows of the log-in. */
function survivesRefresh(mark: StepUpMark): boolean {
  return mark.kind === 'acr' || mark.kind === 'amr' || ['acr', 'amr', 'acrs'].includes(mark.claim);
}

function typeClaim(settings: z.output<typeof tokenType> | null): IssuerSettings['tokenType'] {
  return settings === null
    ? null
    : { claim: settings.claim, allowed: settings.allowed ?? null, refused: settings.refused ?? [] };
}

function list(value: string | readonly string[] | undefined): readonly string[] | undefined {
  return typeof value === 'string' ? [value] : value;
}

/** A header `typ` as it is compared: RFC 7515, section 4.1.9 lets `application/` be left out, and case does not count. */
export function mediaType(typ: string): string {
  return typ.toLowerCase().replace(/^application\//, '');
}

function withoutSlash(value: string): string {
  return value.replace(/\/+$/, '');
}

function discoveryAddress(issuerName: string): string {
  return `${withoutSlash(issuerName)}/.well-known/openid-configuration`;
}

/** https, or http that never leaves the machine. */
function isSafe(uri: string): boolean {
  if (!URL.canParse(uri)) return false;
  const { protocol, hostname } = new URL(uri);
  return protocol === 'https:' || (protocol === 'http:' && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname));
}
