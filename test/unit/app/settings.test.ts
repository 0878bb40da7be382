import { describe, expect, test } from 'vitest';
import { type Environment, loadSettings, SETTINGS, SettingsError } from '../../../src/app/settings.ts';

const MADE = 'made-by-chance-0123456789abcdefghijklmnop';
const makeSecret = () => MADE;
const SECRET = 'a-secret-of-more-than-thirty-two-bytes-of-text';

const production: Environment = {
  NODE_ENV: 'production',
  API_KEYS: 'gateway:0123456789abcdef0123',
  DEVICE_TOKEN_SECRET: SECRET,
  PRIVACY_KEY: SECRET,
};

function faultsOf(environment: Environment): readonly { name: string; code: string; message: string }[] {
  try {
    loadSettings(environment, makeSecret);
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
  return [];
}

describe('loadSettings', () => {
  test('loadSettings needs nothing in development and makes the three secrets', () => {
    const settings = loadSettings({}, makeSecret);
    expect(settings).toMatchObject({
      production: false,
      port: 8787,
      host: '127.0.0.1',
      redisUrl: null,
      rulesDir: 'rules',
      ipListsDir: 'data/ip',
      geoData: 'city',
      geoDir: 'data/geo',
      geoMaxAgeDays: 180,
      assetsTimeoutMs: 250,
      storeTimeoutMs: 50,
      logLevel: 'info',
      trustedProxies: { kind: 'none' },
      clientIpHeader: null,
      stepUpIssuers: [],
      apiKeys: [{ name: 'development', rights: ['admin'], kind: 'secret', secret: MADE }],
      apiKeysFile: null,
      deviceTokenSecrets: [MADE],
      privacyKey: MADE,
      made: ['API_KEYS', 'DEVICE_TOKEN_SECRET', 'PRIVACY_KEY'],
    });
  });

  test('loadSettings refuses to start in production without each of the secrets and names all of them', () => {
    expect(faultsOf({ NODE_ENV: 'production' }).map(({ name, code }) => [name, code])).toEqual([
      ['API_KEYS', 'missing'],
      ['DEVICE_TOKEN_SECRET', 'missing'],
      ['PRIVACY_KEY', 'missing'],
    ]);
    expect(loadSettings(production, makeSecret).made).toEqual([]);
  });

  /** @see https://github.com/UKHomeOfficeForms/hof/pull/108 */
  test.each(['prod', 'Production', 'PRODUCTION', 'staging', ' production', 'production ', 'dev', 'productionn', '1'])(
    'loadSettings refuses NODE_ENV=%j: a live system never starts in development mode by a slip of the pen',
    (value) => {
      expect(faultsOf({ NODE_ENV: value })).toEqual([
        {
          code: 'invalid',
          name: 'NODE_ENV',
          message: `must be development, test or production (found ${JSON.stringify(value)})`,
        },
      ]);
      expect(faultsOf({ ...production, NODE_ENV: value })).toHaveLength(1);
    },
  );

  test('loadSettings is in production only by that very word; development and test need no secrets, nor does an empty NODE_ENV', () => {
    expect(loadSettings(production, makeSecret).production).toBe(true);
    for (const value of ['development', 'test', '', '  ', undefined]) {
      expect(loadSettings({ NODE_ENV: value }, makeSecret).production, value).toBe(false);
    }
  });

  test('loadSettings takes an empty variable for an unset one', () => {
    expect(loadSettings({ PORT: '', REDIS_URL: ' ', LOG_LEVEL: '' }, makeSecret)).toMatchObject({
      port: 8787,
      redisUrl: null,
      logLevel: 'info',
    });
  });

  test('loadSettings reads callers with a secret in clear and as a SHA-256', () => {
    const hex = 'AB'.repeat(32);
    const { apiKeys } = loadSettings({ API_KEYS: `nginx:with:colons:0123456789, envoy:sha256:${hex},` }, makeSecret);
    expect(apiKeys).toEqual([
      { name: 'nginx', rights: ['check', 'events'], kind: 'secret', secret: 'with:colons:0123456789' },
      { name: 'envoy', rights: ['check', 'events'], kind: 'sha256', hex: hex.toLowerCase() },
    ]);
  });

  test('loadSettings reads a list of device token secrets, the first of which signs', () => {
    const second = `${SECRET}-2`;
    expect(loadSettings({ DEVICE_TOKEN_SECRET: `${SECRET}, ${second}` }, makeSecret).deviceTokenSecrets).toEqual([
      SECRET,
      second,
    ]);
  });

  test('loadSettings lists every fault at once, with what was found and what is allowed', () => {
    const faults = faultsOf({
      PORT: '80a',
      STORE_TIMEOUT_MS: '0',
      LOG_LEVEL: 'loud',
      TRUSTED_PROXIES: '10.0.0.0/33',
      CLIENT_IP_HEADER: 'x-my-ip',
      REDIS_URL: 'http://cache',
      STEP_UP_ISSUERS: '[{"issuer": "https://idp.example"}]',
    });
    expect(new Set(faults.map(({ name }) => name))).toEqual(
      new Set([
        'PORT',
        'REDIS_URL',
        'STEP_UP_ISSUERS',
        'TRUSTED_PROXIES',
        'CLIENT_IP_HEADER',
        'STORE_TIMEOUT_MS',
        'LOG_LEVEL',
      ]),
    );
    const messageFor = (name: string) => faults.find((fault) => fault.name === name)?.message;
    expect(messageFor('PORT')).toBe('must be a whole number from 0 to 65535 (found "80a")');
    expect(messageFor('LOG_LEVEL')).toBe('must be one of silent, error, warn, info, debug (found "loud")');
    expect(messageFor('REDIS_URL')).toContain('redis://');
    expect(messageFor('TRUSTED_PROXIES')).toMatch(/^"10\.0\.0\.0\/33" is not an address block; write [^"]*$/);
  });

  test.each([
    ['API_KEYS', 'no-colon-hunter2-hunter2', 'hunter2'],
    ['API_KEYS', 'a:hunter2', 'hunter2'],
    ['API_KEYS', 'a:sha256:hunter2', 'hunter2'],
    ['API_KEYS', 'a:hunter2-hunter2-hunter2,a:hunter2-hunter2-hunter3', 'hunter2'],
    ['DEVICE_TOKEN_SECRET', 'hunter2', 'hunter2'],
    ['PRIVACY_KEY', 'hunter2', 'hunter2'],
    ['REDIS_URL', 'postgres://:hunter2@db', 'hunter2'],
  ])('loadSettings refuses a bad %s (%s) without repeating the secret', (name, value, secret) => {
    const faults = faultsOf({ [name]: value });
    expect(faults.map((fault) => fault.name)).toEqual([name]);
    expect(JSON.stringify(faults)).not.toContain(secret);
  });

  test.each([
    ['[{}]', 'STEP_UP_ISSUERS [0].issuer is missing; expected string'],
    ['[{"preset":"auth0","audience":"a"}]', 'STEP_UP_ISSUERS [0].domain is missing; expected string'],
    [
      '[{"preset":"auht0"}]',
      'STEP_UP_ISSUERS [0].preset must be auth0, descope, entra, keycloak, oidc or okta, or left out; found "auht0"',
    ],
    ['[7]', 'STEP_UP_ISSUERS [0] invalid input: expected object, received number'],
  ])('loadSettings says of the issuers %s where they are wrong, and how', (value, expected) => {
    const said = faultsOf({ STEP_UP_ISSUERS: value }).map(({ name, message }) => `${name} ${message}`);
    expect(said).toContainEqual(expect.stringContaining(expected));
  });

  test('loadSettings takes countries only, or no geo data at all, and a limit for its age', () => {
    expect(loadSettings({ GEO_DATA: 'country', GEO_MAX_AGE_DAYS: '30' }, makeSecret)).toMatchObject({
      geoData: 'country',
      geoMaxAgeDays: 30,
    });
    expect(loadSettings({ GEO_DATA: 'none' }, makeSecret).geoData).toBe('none');
    expect(faultsOf({ GEO_DATA: 'off', GEO_MAX_AGE_DAYS: '0' }).map(({ name }) => name)).toEqual([
      'GEO_DATA',
      'GEO_MAX_AGE_DAYS',
    ]);
  });

  test('loadSettings counts the bytes of a secret, not its characters', () => {
    expect(faultsOf({ PRIVACY_KEY: 'é'.repeat(15) })).toHaveLength(1);
    expect(faultsOf({ PRIVACY_KEY: 'é'.repeat(16) })).toHaveLength(0);
  });

  test('Every setting has a meaning and a default for the table of the README', () => {
    for (const { meaning, fallback } of Object.values(SETTINGS)) {
      expect(meaning).not.toBe('');
      expect(fallback).not.toBe('');
    }
  });
});

describe('what gateways need', () => {
  test('What gateways need is off by default', () => {
    expect(loadSettings({}, makeSecret)).toMatchObject({
      sessionCookie: null,
      stepUpUrl: null,
      returnHosts: [],
      publicUrl: null,
    });
  });

  test('What gateways need is read', () => {
    const environment = {
      SESSION_COOKIE: '__Host-session',
      STEP_UP_URL: 'https://id.example/step-up?tenant=a',
      RETURN_HOSTS: 'App.example, shop.example:8443,[::1]:3000,*.Tenants.example',
      PUBLIC_URL: 'https://pdp.example/stepgate/',
    };
    expect(loadSettings(environment, makeSecret)).toMatchObject({
      sessionCookie: '__Host-session',
      stepUpUrl: 'https://id.example/step-up?tenant=a',
      returnHosts: ['app.example', 'shop.example:8443', '[::1]:3000', '*.tenants.example'],
      publicUrl: 'https://pdp.example/stepgate',
    });
    expect(loadSettings({ STEP_UP_URL: 'http://localhost:3000/up' }, makeSecret).stepUpUrl).toBe(
      'http://localhost:3000/up',
    );
  });

  test.each([
    ['SESSION_COOKIE', 'two words'],
    ['SESSION_COOKIE', 'a=b'],
    ['STEP_UP_URL', '/step-up'],
    ['STEP_UP_URL', '//id.example/step-up'],
    ['STEP_UP_URL', 'http://id.example/step-up'],
    ['STEP_UP_URL', 'javascript:alert(1)'],
    ['STEP_UP_URL', 'https://user:pass@id.example/'],
    ['STEP_UP_URL', 'https://id.example/#x'],
    ['STEP_UP_URL', `https://id.example/${'a'.repeat(512)}`],
    ['RETURN_HOSTS', 'https://app.example'],
    ['RETURN_HOSTS', '*.example'],
    ['RETURN_HOSTS', '*.com'],
    ['RETURN_HOSTS', '*.co.uk'],
    ['RETURN_HOSTS', '*.github.io'],
    ['RETURN_HOSTS', 'a.*.example'],
    ['RETURN_HOSTS', 'app.example/x'],
    ['PUBLIC_URL', 'https://pdp.example/?x=1'],
    ['PUBLIC_URL', 'ftp://pdp.example'],
  ])('%s is refused as %s', (name, value) => {
    expect(faultsOf({ [name]: value })).toMatchObject([{ code: 'invalid', name }]);
  });
});

test('A variable that looks like a setting and is none is named with the one that was meant', () => {
  const misspelt = {
    SESSION_COOKIE_NAME: 'SESSION_COOKIE',
    TRUSTED_PROXY: 'TRUSTED_PROXIES',
    STEP_UP_ISSUER: 'STEP_UP_ISSUERS',
    Redis_Url: 'REDIS_URL',
    CLIENT_IP_HEADERS: 'CLIENT_IP_HEADER',
  };
  const others = {
    PATH: '/bin',
    HOME: '/',
    HOSTNAME: 'a',
    PWD: '/',
    NODE_OPTIONS: '',
    REDIS_PORT: '1',
    LANG: 'C',
    TZ: 'UTC',
  };
  const environment = Object.fromEntries(Object.keys(misspelt).map((name) => [name, 'x']));
  expect(loadSettings({ ...others, ...environment, RULES_DIRS: '' }, makeSecret).misspelt).toEqual(
    Object.entries(misspelt).map(([name, nearest]) => ({ name, nearest })),
  );
});
