import * as z from 'zod';
import { issueSentence } from '../model/issue.ts';
import { CLIENT_ADDRESS_HEADERS } from '../net/client-ip.ts';
import { LOG_LEVELS } from '../records/log.ts';
import { nearMiss } from '../rules/problems.ts';
import { stepUpIssuersText } from '../step-up/issuers.ts';
import { PRESET_NAMES } from '../step-up/presets.ts';
import { POOL_LOCATIONS } from './pool-location.ts';
import {
  apiKeys,
  listOf,
  longSecret,
  publicUrl,
  redisUrl,
  returnHost,
  stepUpUrl,
  trustedProxies,
} from './setting-values.ts';

/** How much of the geo data is loaded. */
export const GEO_DATA = ['city', 'country', 'none'] as const;
export type GeoData = (typeof GEO_DATA)[number];

/** Any other spelling is an error: otherwise a misspelt `production` would run as development. */
const ENVIRONMENTS: readonly string[] = ['development', 'test', 'production'];
const ENVIRONMENTS_NAMED = 'development, test or production';

export type Runtime = 'node' | 'workers';

/** Sections of docs/settings.md, in order. */
export const SETTING_TOPICS = [
  'Server',
  'Keys and secrets',
  'Store',
  'Rules',
  'Sessions and step-up',
  'Client address',
  'Places and address lists',
] as const;
type SettingTopic = (typeof SETTING_TOPICS)[number];

/** One environment variable: its meaning, for the documentation, and how {@link loadSettings} reads it. */
interface SettingSpec<T> {
  /** Name of the variable. */
  readonly name: string;
  readonly topic: SettingTopic;
  readonly meaning: string;
  /** What applies when the variable is unset, for the documentation. */
  readonly fallback: string;
  /** Secrets are never quoted in errors. */
  readonly secret: boolean;
  /** The runtime that uses it; null for both. */
  readonly only: Runtime | null;
  /** Turns random text into a secret for development; production requires the variable. Null for other settings. */
  readonly made: ((secret: string) => string) | null;
  /** Parses the variable; its text is undefined when unset or empty. */
  readonly schema: z.ZodType<T, string | undefined>;
}

function setting<T>(
  name: string,
  topic: SettingTopic,
  schema: z.ZodType<T, string | undefined>,
  meaning: string,
  fallback: string,
  more: Partial<Pick<SettingSpec<T>, 'secret' | 'only' | 'made'>> = {},
): SettingSpec<T> {
  return { name, topic, meaning, fallback, secret: false, only: null, made: null, ...more, schema };
}

function wholeNumber(
  name: string,
  topic: SettingTopic,
  min: number,
  max: number,
  fallback: number,
  meaning: string,
  only: Runtime | null = null,
): SettingSpec<number> {
  const schema = z
    .string()
    .regex(/^\d{1,9}$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((n) => n >= min && n <= max, `must be a whole number from ${min} to ${max}`);
  return setting(name, topic, or(fallback, schema), meaning, String(fallback), { only });
}

function text(
  name: string,
  topic: SettingTopic,
  fallback: string,
  meaning: string,
  only: Runtime | null = null,
): SettingSpec<string> {
  return setting(name, topic, or(fallback, z.string()), meaning, `\`${fallback}\``, { only });
}

function oneOf<T extends string>(
  name: string,
  topic: SettingTopic,
  values: readonly T[],
  fallback: T,
  meaning: string,
): SettingSpec<T> {
  const schema = or(fallback, z.string().pipe(z.enum(values)));
  return setting(name, topic, schema, meaning, `\`${fallback}\``);
}

/** The fallback when the variable is unset. */
function or<T, F>(fallback: F, schema: z.ZodType<T, string>) {
  return schema.optional().transform((value): T | F => value ?? fallback);
}

/** Every setting, by its name in the code. Grouped by topic, as in docs/settings.md. */
export const SETTINGS = {
  production: setting(
    'NODE_ENV',
    'Server',
    or(
      'development',
      z.string().refine((value) => ENVIRONMENTS.includes(value), `must be ${ENVIRONMENTS_NAMED}`),
    ).transform((value) => value === 'production'),
    `${ENVIRONMENTS_NAMED}; \`production\` refuses to start without API keys and secrets`,
    '`development`',
  ),
  /** 0 takes a free port. */
  port: wholeNumber('PORT', 'Server', 0, 65_535, 8787, 'port to listen on; 0 picks a free one and prints it', 'node'),
  host: text('HOST', 'Server', '127.0.0.1', 'address to listen on', 'node'),
  /** Without a trailing slash. */
  publicUrl: setting(
    'PUBLIC_URL',
    'Server',
    or(null, publicUrl),
    'public base URL of this service, for the AuthZEN metadata',
    'none: taken from the request',
  ),
  logLevel: oneOf(
    'LOG_LEVEL',
    'Server',
    LOG_LEVELS,
    'info',
    '`silent`, `error`, `warn`, `info` (with decision records) or `debug`',
  ),
  apiKeys: setting(
    'API_KEYS',
    'Keys and secrets',
    apiKeys,
    '`name:secret` or `name:sha256:hex`, comma-separated, each with the rights `check` and `events`; or the text of a keys file',
    'none: without API_KEYS_FILE, development generates and prints a key with all rights; production refuses to start',
    { secret: true, made: (secret) => `development:${secret}` },
  ),
  apiKeysFile: setting(
    'API_KEYS_FILE',
    'Keys and secrets',
    or(null, z.string()),
    'file of callers, hashed keys and rights; reloaded within a second of a change',
    'none',
    { only: 'node' },
  ),
  /** The first signs, all verify. */
  deviceTokenSecrets: setting(
    'DEVICE_TOKEN_SECRET',
    'Keys and secrets',
    z.string().transform(listOf).pipe(z.array(longSecret).min(1)),
    'signs device tokens, at least 32 bytes; in a comma-separated list the first signs and all verify',
    'none: development generates one; production refuses to start',
    { secret: true, made: (secret) => secret },
  ),
  privacyKey: setting(
    'PRIVACY_KEY',
    'Keys and secrets',
    longSecret,
    'HMAC key that hides subjects, addresses and fingerprints in the store, at least 32 bytes',
    'none: development generates one; production refuses to start',
    { secret: true, made: (secret) => secret },
  ),
  /** Null for the embedded memory store. */
  redisUrl: setting(
    'REDIS_URL',
    'Store',
    or(null, redisUrl),
    '`redis://`, `rediss://`; a comma-separated list is a Redis Cluster; `redis+sentinel://`',
    'none: in-memory store; not allowed on Workers in production',
    { secret: true },
  ),
  storeTimeoutMs: wholeNumber(
    'STORE_TIMEOUT_MS',
    'Store',
    1,
    10_000,
    50,
    'whole budget of the store for one check, in milliseconds, 1 to 10000',
  ),
  redisPoolSize: wholeNumber(
    'REDIS_POOL_SIZE',
    'Store',
    1,
    256,
    4,
    'number of Durable Objects that share the requests when REDIS_POOL is bound, each with one connection to Redis',
    'workers',
  ),
  /** Null: near the first request. */
  redisPoolLocation: setting(
    'REDIS_POOL_LOCATION',
    'Store',
    or(null, z.string().toLowerCase().pipe(z.enum(POOL_LOCATIONS))),
    'region of those Durable Objects; choose the one nearest to Redis: `wnam`, `enam`, `sam`, `weur`, `eeur`, `apac`, `oc`, `afr` or `me`',
    'none: near the first request',
    { only: 'workers' },
  ),
  rulesDir: text(
    'RULES_DIR',
    'Rules',
    'rules',
    'directory of the rule files; a Worker build bundles them from there',
    'node',
  ),
  rulesKvSeconds: wholeNumber(
    'RULES_KV_SECONDS',
    'Rules',
    1,
    86_400,
    60,
    'how often an isolate checks the KV namespace `RULES_KV` for new rules, in seconds, 1 to 86400',
    'workers',
  ),
  stepUpIssuers: setting(
    'STEP_UP_ISSUERS',
    'Sessions and step-up',
    or([], stepUpIssuersText),
    `JSON array of the issuers whose tokens are accepted, see [step-up.md](step-up.md#providers); presets ${PRESET_NAMES.map((name) => `\`${name}\``).join(', ')}`,
    '`[]`',
    { secret: true },
  ),
  sessionCookie: setting(
    'SESSION_COOKIE',
    'Sessions and step-up',
    or(null, z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, 'must be the name of a cookie')),
    'cookie with the session token, a JWT of one of STEP_UP_ISSUERS, for forward auth',
    'none: only `Authorization: Bearer` is read',
  ),
  /** True invites browsers to bind a device that has earned trust to a key. */
  deviceBoundSessions: setting(
    'DEVICE_BOUND_SESSIONS',
    'Sessions and step-up',
    or('off', z.string().pipe(z.enum(['on', 'off']))).transform((value) => value === 'on'),
    '`on`: invite browsers to bind trusted devices to keys of theirs, see [device-keys.md](device-keys.md#device-bound-sessions); your gateway must hand `/.stepgate/device` on',
    '`off`',
  ),
  stepUpUrl: setting(
    'STEP_UP_URL',
    'Sessions and step-up',
    or(null, stepUpUrl),
    'your step-up page, at most 512 characters; forward auth can redirect page loads there with the original URL in `return_to`',
    'none: no redirects',
  ),
  /** Empty means the host of `stepUpUrl`. */
  returnHosts: setting(
    'RETURN_HOSTS',
    'Sessions and step-up',
    or([], z.string().transform(listOf).pipe(z.array(returnHost))),
    'hosts allowed in `return_to`, comma-separated, with the port unless it is the default',
    'the host of STEP_UP_URL',
  ),
  trustedProxies: setting(
    'TRUSTED_PROXIES',
    'Client address',
    trustedProxies,
    'CIDRs of the proxies whose forwarding headers are trusted, `unix:` for a Unix socket, or `hops:N`',
    'none: forwarding headers are ignored',
  ),
  /** Null walks `X-Forwarded-For` and `Forwarded`. */
  clientIpHeader: setting(
    'CLIENT_IP_HEADER',
    'Client address',
    or(null, z.string().toLowerCase().pipe(z.enum(CLIENT_ADDRESS_HEADERS))),
    'the one header that your gateway always sets: `x-forwarded-for`, `forwarded`, `x-real-ip`, `cf-connecting-ip`, `x-envoy-external-address`',
    'none: `X-Forwarded-For` and `Forwarded` are read',
  ),
  geoData: oneOf(
    'GEO_DATA',
    'Places and address lists',
    GEO_DATA,
    'city',
    '`city` (about 50 MB, 16 MB on Workers), `country` (about 3 MB, no coordinates, so no travel) or `none`',
  ),
  geoDir: text(
    'GEO_DIR',
    'Places and address lists',
    'data/geo',
    'output directory of `stepgate geo build`; while it is empty, the data of geoip-lite is used; a Worker build bundles it from there',
    'node',
  ),
  geoMaxAgeDays: wholeNumber(
    'GEO_MAX_AGE_DAYS',
    'Places and address lists',
    1,
    3650,
    180,
    'older geo data is still used, with a warning at start and in `geo.problem` of `/readyz`',
  ),
  /** True uses `request.cf` for the place of the client. */
  geoFromCf: setting(
    'GEO_FROM_CF',
    'Places and address lists',
    or('off', z.string().pipe(z.enum(['on', 'off']))).transform((value) => value === 'on'),
    '`on`: take the place of the client from `request.cf`; only if the Worker is the gateway itself, or a gateway calls it over a service binding and passes `cf` on',
    '`off`',
    { only: 'workers' },
  ),
  ipListsDir: text(
    'IP_LISTS_DIR',
    'Places and address lists',
    'data/ip',
    'directory of the compiled address lists; a Worker build bundles them from there',
    'node',
  ),
  assetsTimeoutMs: wholeNumber(
    'ASSETS_TIMEOUT_MS',
    'Places and address lists',
    1,
    10_000,
    250,
    'how long a check waits for geo data and address lists that its isolate has not loaded yet, in milliseconds, 1 to 10000',
    'workers',
  ),
} as const;

type Declared = typeof SETTINGS;
/** The value of each declared setting. */
type SettingValues = {
  readonly [Key in keyof Declared]: Declared[Key] extends SettingSpec<infer Value> ? Value : never;
};

/** All settings, validated. */
export interface Settings extends SettingValues {
  /** Secrets that were generated because none was set; they last as long as the process. */
  readonly made: readonly string[];
  /** Variables that are set but have no effect on this runtime. */
  readonly ignored: readonly string[];
  /** Variables that are set and look like misspelt settings. */
  readonly misspelt: readonly { readonly name: string; readonly nearest: string }[];
}

/** One unusable setting. */
export interface SettingFault {
  /** `missing` or `invalid`. */
  readonly code: 'missing' | 'invalid';
  readonly name: string;
  /** What was found, what is allowed and what to do. Never contains a secret. */
  readonly message: string;
}

/** Thrown when settings are unusable; lists every fault. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly code = 'invalid_settings';
  readonly faults: readonly SettingFault[];
  constructor(faults: readonly SettingFault[]) {
    super(['the settings are not usable:', ...faults.map(({ name, message }) => `  ${name} ${message}`)].join('\n'));
    this.faults = faults;
  }
}

/** The environment variables of a process or a Worker. */
export interface Environment {
  readonly [name: string]: string | undefined;
}

/**
 * Reads all settings. An empty variable counts as unset. `makeSecret` returns at least 32 random bytes as printable ASCII
 * without commas or colons, for missing secrets outside of production. On Workers, production requires a Redis: the memory
 * of an isolate is for development only.
 *
 * @throws {SettingsError} listing every fault
 */
export function loadSettings(environment: Environment, makeSecret: () => string, runtime: Runtime = 'node'): Settings {
  const faults: SettingFault[] = [];
  const made: string[] = [];
  const found = (name: string): string | undefined => {
    const value = environment[name]?.trim();
    return value === '' ? undefined : value;
  };
  // Not trimmed, because other programs read this variable and do not trim it.
  const nodeEnv = found(SETTINGS.production.name) && environment[SETTINGS.production.name];
  const production = nodeEnv === 'production';

  /** The text of a setting; null where it has a fault, which is then recorded. */
  const textOf = (spec: SettingSpec<unknown>): string | undefined | null => {
    if (spec === SETTINGS.production) return nodeEnv;
    const text = found(spec.name);
    if (text !== undefined || spec.made === null) return text;
    if (production) {
      const message = `is not set, and NODE_ENV=production requires it: ${spec.meaning}`;
      faults.push({ code: 'missing', name: spec.name, message });
      return null;
    }
    made.push(spec.name);
    return spec.made(makeSecret());
  };
  const read = (spec: SettingSpec<unknown>): unknown => {
    const text = textOf(spec);
    if (text === null) return undefined;
    const result = spec.schema.safeParse(text, { reportInput: true });
    if (result.success) return result.data;
    for (const issue of result.error.issues) {
      const shown = spec.secret || text === undefined ? '' : ` (found ${JSON.stringify(text.slice(0, 100))})`;
      faults.push({ code: 'invalid', name: spec.name, message: `${issueSentence(issue)}${shown}` });
    }
    return undefined;
  };

  if (runtime === 'workers' && production && found(SETTINGS.redisUrl.name) === undefined) {
    faults.push({ code: 'missing', name: SETTINGS.redisUrl.name, message: NO_STORE_ON_WORKERS });
  }
  const isKeysFile = runtime === 'node' && found(SETTINGS.apiKeysFile.name) !== undefined;
  const withoutKeys = isKeysFile && found(SETTINGS.apiKeys.name) === undefined;
  const values = Object.fromEntries(
    Object.entries(SETTINGS).map(([key, spec]) => [key, spec === SETTINGS.apiKeys && withoutKeys ? [] : read(spec)]),
  ) as SettingValues;
  if (faults.length > 0) throw new SettingsError(faults);
  const names = Object.values(SETTINGS).map(({ name }) => name);
  return {
    ...values,
    // The generated development key has all rights.
    apiKeys: made.includes(SETTINGS.apiKeys.name)
      ? values.apiKeys.map((key) => ({ ...key, rights: ['admin'] }))
      : values.apiKeys,
    made,
    ignored: Object.values(SETTINGS).flatMap(({ name, only }) =>
      only !== null && only !== runtime && found(name) !== undefined ? [name] : [],
    ),
    misspelt: Object.keys(environment).flatMap((name) => {
      const nearest = names.includes(name) || found(name) === undefined ? undefined : nearestSetting(name, names);
      return nearest === undefined ? [] : [{ name, nearest }];
    }),
  };
}

/** Prefix length that marks a typo: `SESSION_COOKIE_NAME` for `SESSION_COOKIE`, `TRUSTED_PROXY` for `TRUSTED_PROXIES`. */
const TELLING_BEGINNING = 10;

/** The setting that a variable probably was meant to be. */
function nearestSetting(name: string, names: readonly string[]): string | undefined {
  const beginning = name.toUpperCase().slice(0, TELLING_BEGINNING);
  return (
    nearMiss(name, names) ?? names.find((each) => beginning.length === TELLING_BEGINNING && each.startsWith(beginning))
  );
}

const NO_STORE_ON_WORKERS =
  'is not set, and NODE_ENV=production requires it on Workers: otherwise each isolate would have its own memory, ' +
  'and counts and baselines would not be shared. Set it to a Redis that Workers can reach: `npx wrangler secret put REDIS_URL`';
