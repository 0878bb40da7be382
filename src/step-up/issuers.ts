import * as z from 'zod';
import { DEFAULT_MAX_AGE_SECONDS } from '../model/decision.ts';
import { DEFAULT_SPACE } from '../model/subject.ts';
import {
  ALGORITHMS,
  type IssuerClient,
  type IssuerSettings,
  isIssuedBy,
  type KeyLocation,
  mediaType,
  type StepUpMark,
} from './issuer.ts';
import { discoveryAddress, exactly, type Preset, provider, type SharedSettings, shared, text } from './issuer-entry.ts';
import { PRESET_NAMES, PRESETS } from './presets.ts';

/** An issuer without a preset. */
const plain = provider({
  name: null,
  schema: z.strictObject({ preset: z.undefined().optional(), issuer: text, ...shared }),
  preset: ({ issuer }) => ({
    ...exactly(issuer),
    keys: null,
    algorithms: null,
    stepUp: { kind: 'equals', claim: 'su', equals: true },
  }),
});

type Schemas<Providers extends readonly { readonly schema: z.core.$ZodTypeDiscriminable }[]> = {
  -readonly [Index in keyof Providers]: Providers[Index]['schema'];
};

const entry = z.discriminatedUnion(
  'preset',
  [plain.schema, ...(PRESETS.map(({ schema }) => schema) as Schemas<typeof PRESETS>)],
  {
    error: ({ code, input }) =>
      code === 'invalid_union'
        ? `must be ${PRESET_NAMES.slice(0, -1).join(', ')} or ${PRESET_NAMES.at(-1)}, or left out; found ${foundPreset(input)}`
        : undefined,
  },
);

function foundPreset(input: unknown): string {
  const found = typeof input === 'object' && input !== null && 'preset' in input ? input.preset : input;
  return JSON.stringify(found)?.slice(0, 100) ?? 'nothing';
}

/** One entry. Whether it may leave out its subject space depends on the other entries. */
type LoneEntry = Omit<IssuerSettings, 'subjects'> & { readonly subjects: string | null };

const issuer = entry.transform(({ presetName, settings, preset }, context): LoneEntry => {
  const problem = (path: string, message: string): void => {
    context.addIssue({ code: 'custom', path: [path], message });
  };
  const locations = locate(settings, preset);
  const [keys] = locations;
  if (locations.length > 1) problem('jwks_uri', 'only one of jwks_uri, jwks and discovery may be set');
  if (keys === undefined) problem('jwks_uri', 'is missing: set jwks_uri, jwks or discovery');
  else if (keys.kind !== 'inline' && !settings.allow_http && !isSafe(keys.uri)) {
    problem('jwks_uri', `keys over plain http (${keys.uri}) can be forged in transit; use https or set allow_http`);
  }
  const client = clientOf(settings, preset, problem);
  const audience = audienceOf(settings, preset);
  if (audience === undefined) problem('audience', 'is missing: tokens for other services would be accepted');
  const allowed = settings.algorithms ?? preset.algorithms;
  if (allowed === null)
    problem('algorithms', `is missing: name the issuer's algorithms, out of ${ALGORITHMS.join(', ')}`);
  const mark = settings.step_up === undefined ? preset.stepUp : markOf(settings.step_up);
  if (mark === null) {
    problem(preset.stepUpKey ?? 'step_up', 'is missing: say how this provider marks a step-up');
  }
  const acrOrder = settings.acr_order ?? (settings.step_up === undefined ? preset.acrOrder : undefined) ?? null;
  const unranked = mark?.kind === 'acr' && acrOrder !== null ? mark.values.filter((v) => !acrOrder.includes(v)) : [];
  if (unranked.length > 0) {
    problem('acr_order', `lacks ${unranked.join(', ')} of step_up.acr_values; it lists ${acrOrder?.join(', ')}`);
  }
  const survives = mark !== null && survivesRefresh(mark);
  if (survives && settings.auth_time === 'or_iat') {
    problem('auth_time', 'must be "required" where acr or amr marks the step-up: a refresh keeps both and renews iat');
  }
  if (keys === undefined || audience === undefined || allowed === null || mark === null) return z.NEVER;
  return {
    name: preset.name,
    preset: presetName,
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
    // Every provider's access token lives for less than a day; freshness is the business of `max_age`.
    maxLifetimeSeconds: settings.max_lifetime_s ?? 86_400,
    keysCacheSeconds: settings.keys_cache_s ?? 600,
    keysCooldownSeconds: settings.keys_cooldown_s ?? 30,
    staleKeysSeconds: settings.stale_keys_s ?? 3600,
    client,
  };
});

/**
 * `STEP_UP_ISSUERS` as parsed JSON. Rejects unknown settings; a missing `issuer`, or `audience` that no preset pins; a
 * missing or symmetric algorithm, or `none`; two entries for one issuer; and several entries of which one leaves out
 * `subjects`.
 *
 * Defaults: `subject_claim` `sub`, `subjects` of a single entry `default`, `session_claim` `sid`, `step_up`
 * `{"claim": "su", "equals": true}`, `auth_time` `or_iat` (always `required` where `acr` or `amr` marks the step-up), `max_age` 600,
 * `clock_tolerance_s` 5, `max_lifetime_s` 86400, `keys_cache_s` 600, `keys_cooldown_s` 30, `stale_keys_s` 3600.
 */
export const stepUpIssuers = z
  .array(issuer)
  .pipe(z.array(z.custom<LoneEntry>()).superRefine(refuseTwins).superRefine(refuseUnsaidSpaces))
  .transform((entries) =>
    entries.map((settings): IssuerSettings => ({ ...settings, subjects: settings.subjects ?? DEFAULT_SPACE })),
  );

/** One entry of `STEP_UP_ISSUERS` as written. */
export type IssuerEntry = z.input<typeof entry>;

/** The same id at two issuers may be two people; only the operator knows. */
function refuseUnsaidSpaces(entries: readonly LoneEntry[], context: z.RefinementCtx): void {
  const silent = entries.filter(({ subjects }) => subjects === null);
  if (entries.length < 2 || silent.length === 0 || context.issues.length > 0) return;
  const named = (some: readonly LoneEntry[]): string => some.map(({ name }) => name).join(' and ');
  context.addIssue({
    code: 'custom',
    path: [entries.findIndex(({ subjects }) => subjects === null), 'subjects'],
    message:
      `is missing: ${named(entries)} may use one id for two people. Write "subjects": "<name>" in the entry of ${named(silent)}: ` +
      'the same name for issuers that use the same ids for the same people, another name for every other issuer; ' +
      `"${DEFAULT_SPACE}" keeps existing stored data`,
  });
}

function refuseTwins(entries: readonly LoneEntry[], context: z.RefinementCtx): void {
  entries.forEach((settings, index) => {
    const twin = entries.findIndex((other) => covers(other, settings) || covers(settings, other));
    if (twin < index) {
      context.addIssue({
        code: 'custom',
        path: [index],
        message: `entry ${twin} already covers the issuer ${settings.name}; put all audiences in one entry`,
      });
    }
  });
}

/** {@link stepUpIssuers} from JSON text. */
export const stepUpIssuersText = z
  .string()
  .transform((value, context): unknown => {
    try {
      return JSON.parse(value);
    } catch (error) {
      context.addIssue({ code: 'custom', message: `is not JSON: ${(error as Error).message}` });
      return z.NEVER;
    }
  })
  .pipe(stepUpIssuers);

function covers(one: LoneEntry, other: LoneEntry): boolean {
  return isIssuedBy(one, other.issuer.kind === 'exact' ? other.issuer.value : other.issuer.id);
}

function locate(settings: SharedSettings, preset: Preset): KeyLocation[] {
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

/** An ID token is made for the client that asked for it, so the client is an audience as well. */
function audienceOf({ audience, client_id }: SharedSettings, preset: Preset): readonly string[] | undefined {
  const named = list(audience) ?? preset.audience?.values;
  if (client_id === undefined) return named;
  return [...new Set([...(named ?? []), client_id])];
}

function clientOf(
  { client_id: id, client_secret, client_key, scope, authorization_parameters, discovery, allow_http }: SharedSettings,
  preset: Preset,
  problem: (path: string, message: string) => void,
): IssuerClient | null {
  if (id === undefined) {
    for (const [name, value] of Object.entries({ client_secret, client_key, scope, authorization_parameters })) {
      if (value !== undefined) problem(name, 'has no effect without client_id');
    }
    return null;
  }
  if (client_secret !== undefined && client_key !== undefined) {
    problem('client_key', 'is set beside client_secret; a client authenticates with one of them');
  }
  const metadata = typeof discovery === 'string' ? discovery : (preset.metadata ?? discoveryAddress(preset.name));
  if (!allow_http && !isSafe(metadata)) {
    problem(
      'client_id',
      `metadata over plain http (${metadata}) can be forged in transit; use https or set allow_http`,
    );
  }
  const authentication: IssuerClient['authentication'] =
    client_key !== undefined
      ? { kind: 'private_key', jwk: client_key }
      : client_secret !== undefined
        ? { kind: 'secret', secret: client_secret }
        : { kind: 'none' };
  return {
    id,
    authentication,
    metadata,
    scope: scope ?? 'openid',
    parameters: authorization_parameters ?? {},
    allowHttp: allow_http ?? false,
  };
}

function markOf(settings: NonNullable<SharedSettings['step_up']>): StepUpMark {
  if ('equals' in settings) return { kind: 'equals', claim: settings.claim, equals: settings.equals };
  if ('includes' in settings) return { kind: 'includes', claim: settings.claim, includes: settings.includes };
  if ('acr_values' in settings) return { kind: 'acr', values: settings.acr_values };
  return { kind: 'amr', values: settings.amr };
}

/** Whether providers keep the mark across a refresh, as they keep `acr` and `amr`. */
function survivesRefresh(mark: StepUpMark): boolean {
  return mark.kind === 'acr' || mark.kind === 'amr' || ['acr', 'amr', 'acrs'].includes(mark.claim);
}

function typeClaim(settings: NonNullable<SharedSettings['token_type_claim']> | null): IssuerSettings['tokenType'] {
  return settings === null
    ? null
    : { claim: settings.claim, allowed: settings.allowed ?? null, refused: settings.refused ?? [] };
}

function list(value: string | readonly string[] | undefined): readonly string[] | undefined {
  return typeof value === 'string' ? [value] : value;
}

/** https, or http on the loopback interface. */
function isSafe(uri: string): boolean {
  if (!URL.canParse(uri)) return false;
  const { protocol, hostname } = new URL(uri);
  return protocol === 'https:' || (protocol === 'http:' && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname));
}
