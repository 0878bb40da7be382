import * as z from 'zod';
import { type ApiKey, keysText, USUAL_RIGHTS } from '../model/api-keys.ts';
import {
  CLIENT_ADDRESS_HEADERS,
  type ClientAddressHeader,
  parseTrustedProxies,
  type TrustedProxies,
  TrustedProxiesError,
} from '../net/client-ip.ts';
import { LOG_LEVELS, type LogLevel } from '../records/log.ts';
import { nearMiss } from '../rules/problems.ts';
import type { IssuerSettings } from '../step-up/issuer.ts';
import { stepUpIssuersText } from '../step-up/issuers.ts';
import { PRESET_NAMES } from '../step-up/presets.ts';
import { parseRedisUrl, RedisUrlError } from '../store/redis/url.ts';
import { POOL_LOCATIONS, type PoolLocation } from './pool-location.ts';

/** What is loaded of the geo data: cities, countries only, nothing. */
export const GEO_DATA = ['city', 'country', 'none'] as const;
export type GeoData = (typeof GEO_DATA)[number];

/** Written in any other way, production could pass for development. */
const ENVIRONMENTS: readonly string[] = ['development', 'test', 'production'];
const ENVIRONMENTS_NAMED = 'development, test or production';

/** Secrets that are made at start in development, and demanded with `NODE_ENV=production`. */
const SECRET_NAMES = ['API_KEYS', 'DEVICE_TOKEN_SECRET', 'PRIVACY_KEY'] as const;
export type SecretName = (typeof SECRET_NAMES)[number];

/** What the service runs on. */
export type Runtime = 'node' | 'workers';

/** One environment variable: what it means, for the README; how it is read, for {@link loadSettings}. */
interface SettingSpec<T> {
  readonly meaning: string;
  /** What holds where the variable is unset, as the README says it. */
  readonly fallback: string;
  /** A secret is never quoted in an error. */
  readonly secret: boolean;
  /** The one runtime on which it means something; null for both. */
  readonly only: Runtime | null;
  /** From the text of the variable; undefined where it is unset or empty. */
  readonly schema: z.ZodType<T, string | undefined>;
}

function setting<T>(
  schema: z.ZodType<T, string | undefined>,
  meaning: string,
  fallback: string,
  more: { secret?: boolean; only?: Runtime } = {},
): SettingSpec<T> {
  return { meaning, fallback, secret: more.secret ?? false, only: more.only ?? null, schema };
}

const MIN_SECRET_BYTES = 32;

function wholeNumber(min: number, max: number, fallback: number, meaning: string, only?: Runtime): SettingSpec<number> {
  const schema = z
    .string()
    .regex(/^\d{1,9}$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((n) => n >= min && n <= max, `must be a whole number from ${min} to ${max}`);
  return setting(or(fallback, schema), meaning, String(fallback), { ...(only !== undefined && { only }) });
}

function text(fallback: string, meaning: string, only?: Runtime): SettingSpec<string> {
  return setting(or(fallback, z.string()), meaning, `\`${fallback}\``, { ...(only !== undefined && { only }) });
}

function oneOf<T extends string>(values: readonly T[], fallback: T, meaning: string, only?: Runtime): SettingSpec<T> {
  const schema = or(fallback, z.string().pipe(z.enum(values)));
  return setting(schema, meaning, `\`${fallback}\``, { ...(only !== undefined && { only }) });
}

/** What holds where the variable is unset. */
function or<T, F>(fallback: F, schema: z.ZodType<T, string>) {
  return schema.optional().transform((value): T | F => value ?? fallback);
}

const longSecret = z
  .string()
  .refine(
    (value) => new TextEncoder().encode(value).length >= MIN_SECRET_BYTES,
    `must be at least ${MIN_SECRET_BYTES} bytes; make one with \`openssl rand -base64 48\``,
  );

const namedKeys = z.string().transform((value, context): readonly ApiKey[] => {
  const keys: ApiKey[] = [];
  for (const [i, entry] of listOf(value).entries()) {
    const [, name, rest] = /^([A-Za-z0-9._-]{1,64}):(.+)$/.exec(entry) ?? [];
    const fault = (message: string) => context.addIssue({ code: 'custom', message: `entry ${i + 1} ${message}` });
    if (name === undefined || rest === undefined) {
      fault('must be `name:secret` or `name:sha256:hex`, the name of letters, digits, `.`, `_` and `-`');
    } else if (keys.some((key) => key.name === name)) {
      fault(`names the caller ${name} again; use one name for each key`);
    } else if (rest.startsWith('sha256:')) {
      const hex = rest.slice('sha256:'.length);
      if (/^[0-9a-f]{64}$/i.test(hex))
        keys.push({ name, rights: USUAL_RIGHTS, kind: 'sha256', hex: hex.toLowerCase() });
      else fault('must have 64 hexadecimal digits after `sha256:`');
    } else if (rest.length < MIN_API_KEY_LENGTH || !/^[!-~]+$/.test(rest)) {
      fault(`must have a secret of at least ${MIN_API_KEY_LENGTH} printable ASCII characters without spaces`);
    } else {
      keys.push({ name, rights: USUAL_RIGHTS, kind: 'secret', secret: rest });
    }
  }
  if (keys.length === 0 && context.issues.length === 0) context.addIssue({ code: 'custom', message: 'names no key' });
  return keys;
});

/** The text of a keys file begins as no name of a caller does. */
const apiKeys = z.string().transform((value, context): readonly ApiKey[] => {
  const read = (value.startsWith('{') ? keysText : namedKeys).safeParse(value, { reportInput: true });
  if (read.success) return read.data;
  for (const issue of read.error.issues) context.addIssue({ code: 'custom', message: messageOf(issue) });
  return z.NEVER;
});

/** Shortest API key that is taken in clear, in characters. */
const MIN_API_KEY_LENGTH = 16;

const redisUrl = z.string().transform((value, context): string => {
  try {
    parseRedisUrl(value);
  } catch (error) {
    if (!(error instanceof RedisUrlError)) throw error;
    context.addIssue({ code: 'custom', message: error.message.replace(/^REDIS_URL:? /, '') });
  }
  return value;
});

const trustedProxies = z
  .string()
  .optional()
  .transform((value, context): TrustedProxies => {
    try {
      return parseTrustedProxies(value ?? '');
    } catch (error) {
      if (!(error instanceof TrustedProxiesError)) throw error;
      context.addIssue({ code: 'custom', message: error.message.replace(/^TRUSTED_PROXIES: /, '') });
      return z.NEVER;
    }
  });

function listOf(value: string): string[] {
  return value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

const returnHost = z
  .string()
  .toLowerCase()
  .regex(
    /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/,
    'must be a host name, with a port where it is not the usual one',
  );

/** Plain HTTP is for development on one machine. */
function isSecureUrl(value: string): boolean {
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url === null || url.username !== '' || url.password !== '' || url.hash !== '') return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK_HOSTS.includes(url.hostname));
}

const LOOPBACK_HOSTS: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

const stepUpUrl = z
  .string()
  .max(512, 'must have at most 512 characters')
  .refine(isSecureUrl, 'must be an absolute https:// URL without user and fragment (http:// only for localhost)')
  .transform((value) => new URL(value).href);

const publicUrl = z
  .string()
  .refine(
    (value) => isSecureUrl(value) && new URL(value).search === '',
    'must be an absolute https:// URL without user, query and fragment (http:// only for localhost)',
  )
  .transform((value) => new URL(value).href.replace(/\/+$/, ''));

/** Every environment variable that is read, in the order of the README. */
export const SETTINGS = {
  NODE_ENV: setting(
    or(
      'development',
      z.string().refine((value) => ENVIRONMENTS.includes(value), `must be ${ENVIRONMENTS_NAMED}`),
    ),
    `${ENVIRONMENTS_NAMED}; \`production\` refuses to start without the three secrets below`,
    '`development`',
  ),
  PORT: wholeNumber(0, 65_535, 8787, 'port that Node listens on; 0 takes a free one and prints it', 'node'),
  HOST: text('127.0.0.1', 'address that Node listens on', 'node'),
  REDIS_URL: setting(
    or(null, redisUrl),
    '`redis://`, `rediss://`; a comma-separated list is a Redis Cluster; `redis+sentinel://`',
    'none: embedded memory store; on Workers refused in production',
    { secret: true },
  ),
  REDIS_POOL_SIZE: wholeNumber(
    1,
    256,
    4,
    'over how many Durable Objects the requests are spread where REDIS_POOL is bound, each with one connection to Redis',
    'workers',
  ),
  REDIS_POOL_LOCATION: setting(
    or(null, z.string().toLowerCase().pipe(z.enum(POOL_LOCATIONS))),
    'region of those Durable Objects, the one nearest to Redis: `wnam`, `enam`, `sam`, `weur`, `eeur`, `apac`, `oc`, `afr` or `me`',
    'none: near to the first request',
    { only: 'workers' },
  ),
  API_KEYS: setting(
    apiKeys,
    '`name:secret` or `name:sha256:hex`, comma-separated, each with the rights `check` and `events`; or the text of a keys file',
    'none: where API_KEYS_FILE is not set either, one with all rights is made and printed at start in development, start refused in production',
    { secret: true },
  ),
  API_KEYS_FILE: setting(
    or(null, z.string()),
    'keys file: callers with the rights of each, hashed; changes are taken over within a second',
    'none',
    { only: 'node' },
  ),
  DEVICE_TOKEN_SECRET: setting(
    z.string().transform(listOf).pipe(z.array(longSecret).min(1)),
    'signs device tokens, at least 32 bytes; comma-separated list: the first signs, all verify',
    'none: made at start in development, start refused in production',
    { secret: true },
  ),
  PRIVACY_KEY: setting(
    longSecret,
    'keys the HMAC that hides subjects, addresses and fingerprints in the store, at least 32 bytes',
    'none: made at start in development, start refused in production',
    { secret: true },
  ),
  RULES_DIR: text('rules', 'directory of the rule files; a Worker carries those that its build finds there', 'node'),
  RULES_KV_SECONDS: wholeNumber(
    1,
    86_400,
    60,
    'how often an isolate looks at the rules in the KV namespace `RULES_KV`, in seconds, 1 to 86400',
    'workers',
  ),
  STEP_UP_ISSUERS: setting(
    or([], stepUpIssuersText),
    `JSON array of the issuers whose step-up tokens are taken; presets ${PRESET_NAMES.map((name) => `\`${name}\``).join(', ')}`,
    '`[]`',
    { secret: true },
  ),
  TRUSTED_PROXIES: setting(
    trustedProxies,
    'CIDRs of the proxies whose forwarding headers are believed, `unix:` for a socket file, or `hops:N`',
    'none: forwarding headers are ignored',
  ),
  CLIENT_IP_HEADER: setting(
    or(null, z.string().toLowerCase().pipe(z.enum(CLIENT_ADDRESS_HEADERS))),
    'the one header that the trusted gateway always sets: `x-forwarded-for`, `forwarded`, `x-real-ip`, `cf-connecting-ip`, `x-envoy-external-address`',
    'none: `X-Forwarded-For` and `Forwarded` are walked',
  ),
  SESSION_COOKIE: setting(
    or(null, z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, 'must be the name of a cookie')),
    'cookie in which forward auth looks for the session token, a JWT of one of STEP_UP_ISSUERS, where no bearer token is one',
    'none: only `Authorization: Bearer` is looked at',
  ),
  STEP_UP_URL: setting(
    or(null, stepUpUrl),
    'page where a browser steps up, at most 512 characters; forward auth can send navigations there with the original URL in `return_to`',
    'none: no redirects',
  ),
  RETURN_HOSTS: setting(
    or([], z.string().transform(listOf).pipe(z.array(returnHost))),
    'hosts that `return_to` may name, comma-separated, with their port where it is not the usual one',
    'the host of STEP_UP_URL',
  ),
  PUBLIC_URL: setting(
    or(null, publicUrl),
    'address under which callers reach this service, as the AuthZEN metadata tells it',
    'none: taken from the request',
  ),
  IP_LISTS_DIR: text(
    'data/ip',
    'directory of the compiled address lists; a Worker carries those that its build finds there',
    'node',
  ),
  GEO_DATA: oneOf(
    GEO_DATA,
    'city',
    '`city` (about 115 MB, 50 MB when built into GEO_DIR, 16 MB on Workers), `country` (about 8 MB, no coordinates, so no travel) or `none`',
  ),
  GEO_DIR: text(
    'data/geo',
    'directory that `stepgate geo build` fills; while it is empty, the data of geoip-lite is used; a Worker carries what its build finds there',
    'node',
  ),
  GEO_MAX_AGE_DAYS: wholeNumber(
    1,
    3650,
    180,
    'older geo data still answers; a warning at start and `geo.problem` of `/readyz` say that it is old',
  ),
  GEO_FROM_CF: oneOf(
    ['on', 'off'],
    'off',
    '`on`: the place of the client is what `request.cf` says; only where the Worker is the gateway itself, or is called by one over a service binding that hands `cf` on',
    'workers',
  ),
  ASSETS_TIMEOUT_MS: wholeNumber(
    1,
    10_000,
    250,
    'how long a check waits for geo data and address lists that its isolate has not read yet, in milliseconds, 1 to 10000',
    'workers',
  ),
  STORE_TIMEOUT_MS: wholeNumber(1, 10_000, 50, 'whole budget of the store for one check, in milliseconds, 1 to 10000'),
  LOG_LEVEL: oneOf(LOG_LEVELS, 'info', '`silent`, `error`, `warn`, `info` (with decision records) or `debug`'),
} as const;

/** What the environment says, validated. */
export interface Settings {
  readonly production: boolean;
  /** 0 takes a free port. */
  readonly port: number;
  readonly host: string;
  /** Null for the embedded memory store. */
  readonly redisUrl: string | null;
  readonly redisPoolSize: number;
  /** Null: near to the first request. */
  readonly redisPoolLocation: PoolLocation | null;
  readonly apiKeys: readonly ApiKey[];
  readonly apiKeysFile: string | null;
  /** The first signs, all verify. */
  readonly deviceTokenSecrets: readonly string[];
  readonly privacyKey: string;
  readonly rulesDir: string;
  readonly rulesKvSeconds: number;
  readonly stepUpIssuers: readonly IssuerSettings[];
  readonly trustedProxies: TrustedProxies;
  /** Null walks `X-Forwarded-For` and `Forwarded`. */
  readonly clientIpHeader: ClientAddressHeader | null;
  readonly sessionCookie: string | null;
  readonly stepUpUrl: string | null;
  /** Empty means the host of `stepUpUrl`. */
  readonly returnHosts: readonly string[];
  /** Without a trailing slash. */
  readonly publicUrl: string | null;
  readonly ipListsDir: string;
  readonly geoData: GeoData;
  readonly geoDir: string;
  readonly geoMaxAgeDays: number;
  /** True takes `request.cf` for the place of the client. */
  readonly geoFromCf: boolean;
  readonly assetsTimeoutMs: number;
  readonly storeTimeoutMs: number;
  readonly logLevel: LogLevel;
  /** Secrets that were made because the environment gave none: they do not outlive the process. */
  readonly made: readonly SecretName[];
  /** Variables that are set and mean nothing on this runtime. */
  readonly ignored: readonly string[];
  /** Variables that are set, are none of the settings and look like one. */
  readonly misspelt: readonly { readonly name: string; readonly nearest: string }[];
}

/** One setting that cannot be used. */
export interface SettingFault {
  /** `missing` or `invalid`. */
  readonly code: 'missing' | 'invalid';
  readonly name: string;
  /** What was found, what is allowed, what to do. Never holds a secret. */
  readonly message: string;
}

/** The environment cannot be used. Lists every fault, not only the first. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly code = 'invalid_settings';
  readonly faults: readonly SettingFault[];
  constructor(faults: readonly SettingFault[]) {
    super(['the settings cannot be used:', ...faults.map(({ name, message }) => `  ${name} ${message}`)].join('\n'));
    this.faults = faults;
  }
}

/** The environment as a process or a Worker has it. */
export interface Environment {
  readonly [name: string]: string | undefined;
}

/**
 * Reads all settings. An empty variable counts as unset. `makeSecret` is the chance: at least 32 bytes as printable
 * ASCII without commas or colons; outside production it stands in for each secret that is missing. On Workers a store of
 * one isolate's own memory is for development: production must name a Redis.
 *
 * @throws {SettingsError} listing every fault
 */
export function loadSettings(environment: Environment, makeSecret: () => string, runtime: Runtime = 'node'): Settings {
  const faults: SettingFault[] = [];
  const made: SecretName[] = [];
  const found = (name: string): string | undefined => {
    const value = environment[name]?.trim();
    return value === '' ? undefined : value;
  };

  /** Undefined when there is a fault: it is then listed, and nothing is returned in the end. */
  const read = <T>(name: string, spec: SettingSpec<T>, value = found(name)): T | undefined => {
    const result = spec.schema.safeParse(value, { reportInput: true });
    if (result.success) return result.data;
    for (const issue of result.error.issues) {
      const shown = spec.secret || value === undefined ? '' : ` (found ${JSON.stringify(value.slice(0, 100))})`;
      faults.push({ code: 'invalid', name, message: `${messageOf(issue)}${shown}` });
    }
    return undefined;
  };
  // As it is written: other programs, which do not cut blanks, read this variable too.
  const production = read('NODE_ENV', SETTINGS.NODE_ENV, found('NODE_ENV') && environment.NODE_ENV) === 'production';
  const readSecret = <T>(name: SecretName, spec: SettingSpec<T>, wrap: (secret: string) => string): T | undefined => {
    if (found(name) !== undefined) return read(name, spec);
    if (production) {
      faults.push({
        code: 'missing',
        name,
        message: `is not set; with NODE_ENV=production it must be: ${spec.meaning}`,
      });
      return undefined;
    }
    made.push(name);
    return read(name, spec, wrap(makeSecret()));
  };

  const readApiKeys = (): readonly ApiKey[] | undefined => {
    const isInFile = runtime === 'node' && found('API_KEYS_FILE') !== undefined;
    if (isInFile && found('API_KEYS') === undefined) return [];
    const keys = readSecret('API_KEYS', SETTINGS.API_KEYS, (secret) => `development:${secret}`);
    return made.includes('API_KEYS') ? keys?.map((key) => ({ ...key, rights: ['admin'] })) : keys;
  };

  if (runtime === 'workers' && production && found('REDIS_URL') === undefined) {
    faults.push({ code: 'missing', name: 'REDIS_URL', message: NO_STORE_ON_WORKERS });
  }
  const geoFromCf = read('GEO_FROM_CF', SETTINGS.GEO_FROM_CF);
  const settings = {
    production,
    port: read('PORT', SETTINGS.PORT),
    host: read('HOST', SETTINGS.HOST),
    redisUrl: read('REDIS_URL', SETTINGS.REDIS_URL),
    redisPoolSize: read('REDIS_POOL_SIZE', SETTINGS.REDIS_POOL_SIZE),
    redisPoolLocation: read('REDIS_POOL_LOCATION', SETTINGS.REDIS_POOL_LOCATION),
    apiKeys: readApiKeys(),
    apiKeysFile: read('API_KEYS_FILE', SETTINGS.API_KEYS_FILE),
    deviceTokenSecrets: readSecret('DEVICE_TOKEN_SECRET', SETTINGS.DEVICE_TOKEN_SECRET, (secret) => secret),
    privacyKey: readSecret('PRIVACY_KEY', SETTINGS.PRIVACY_KEY, (secret) => secret),
    rulesDir: read('RULES_DIR', SETTINGS.RULES_DIR),
    rulesKvSeconds: read('RULES_KV_SECONDS', SETTINGS.RULES_KV_SECONDS),
    stepUpIssuers: read('STEP_UP_ISSUERS', SETTINGS.STEP_UP_ISSUERS),
    trustedProxies: read('TRUSTED_PROXIES', SETTINGS.TRUSTED_PROXIES),
    clientIpHeader: read('CLIENT_IP_HEADER', SETTINGS.CLIENT_IP_HEADER),
    sessionCookie: read('SESSION_COOKIE', SETTINGS.SESSION_COOKIE),
    stepUpUrl: read('STEP_UP_URL', SETTINGS.STEP_UP_URL),
    returnHosts: read('RETURN_HOSTS', SETTINGS.RETURN_HOSTS),
    publicUrl: read('PUBLIC_URL', SETTINGS.PUBLIC_URL),
    ipListsDir: read('IP_LISTS_DIR', SETTINGS.IP_LISTS_DIR),
    geoData: read('GEO_DATA', SETTINGS.GEO_DATA),
    geoDir: read('GEO_DIR', SETTINGS.GEO_DIR),
    geoMaxAgeDays: read('GEO_MAX_AGE_DAYS', SETTINGS.GEO_MAX_AGE_DAYS),
    geoFromCf: geoFromCf && geoFromCf === 'on',
    assetsTimeoutMs: read('ASSETS_TIMEOUT_MS', SETTINGS.ASSETS_TIMEOUT_MS),
    storeTimeoutMs: read('STORE_TIMEOUT_MS', SETTINGS.STORE_TIMEOUT_MS),
    logLevel: read('LOG_LEVEL', SETTINGS.LOG_LEVEL),
    made,
    ignored: Object.entries(SETTINGS).flatMap(([name, { only }]) =>
      only !== null && only !== runtime && found(name) !== undefined ? [name] : [],
    ),
    misspelt: Object.keys(environment).flatMap((name) => {
      const nearest = Object.hasOwn(SETTINGS, name) || found(name) === undefined ? undefined : nearestSetting(name);
      return nearest === undefined ? [] : [{ name, nearest }];
    }),
  };
  if (faults.length > 0 || !isComplete(settings)) throw new SettingsError(faults);
  return settings;
}

/** `SESSION_COOKIE_NAME` for `SESSION_COOKIE`, `TRUSTED_PROXY` for `TRUSTED_PROXIES`: so long a beginning is no other program's. */
const TELLING_BEGINNING = 10;

/** The setting that a variable was probably meant to be. */
function nearestSetting(name: string): string | undefined {
  const names = Object.keys(SETTINGS);
  const beginning = name.toUpperCase().slice(0, TELLING_BEGINNING);
  return (
    nearMiss(name, names) ?? names.find((each) => beginning.length === TELLING_BEGINNING && each.startsWith(beginning))
  );
}

const NO_STORE_ON_WORKERS =
  'is not set; on Workers with NODE_ENV=production it must be: each isolate would otherwise have a memory of its own, ' +
  'which counts and learns nothing beyond it. Set it to a Redis that Workers can reach: `npx wrangler secret put REDIS_URL`';

function isComplete(settings: { readonly [K in keyof Settings]: Settings[K] | undefined }): settings is Settings {
  return Object.values(settings).every((value) => value !== undefined);
}

/** One fault of a setting, where it is inside it, and what is allowed. */
export function messageOf(issue: z.core.$ZodIssue): string {
  const isMissing = issue.code === 'invalid_type' && issue.input === undefined && issue.path.length > 0;
  const said = isMissing ? `is missing; expected ${issue.expected}` : issue.message;
  const allowed = issue.code === 'invalid_value' ? `must be one of ${issue.values.join(', ')}` : said;
  const where = issue.path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return where === '' ? allowed : `${where} ${allowed}`;
}
