import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keysWith } from '../servers/keys.ts';

/** The secrets of the server under attack: none of them may ever come back, in an answer or in a log. */
export const SECRETS = {
  apiKey: 'key-that-must-never-come-back-0123456789',
  deviceToken: 'device-token-secret-that-must-never-come-back',
  privacy: 'privacy-key-that-must-never-come-back-012345',
} as const;

/** Is sent as token, fingerprint, session, subject and address; raw ids stay out of every log. */
export const CANARY = 'Canary7Q2x';

/** The only action that anybody is let through with, and the header or fact that it takes. */
export const OPEN_ACTION = 'open.door';
export const OPEN_PREFIX = '/open';
export const OPEN_WORD = 'sesame';

/**
 * Everything is denied but one action in one circumstance, so that an allow which nobody asked for in exactly these words is
 * a fault: `open.door` with `context.word` being `sesame`, and a GET below `/open`.
 */
const RULES = {
  version: 1,
  actions: { 'open.route': { routes: [`GET ${OPEN_PREFIX}/*`], floor: 'allow' }, [OPEN_ACTION]: { floor: 'allow' } },
  floor: 'deny',
  default: 'deny',
  rules: [
    {
      id: 'open-door',
      when: { action: OPEN_ACTION, 'context.word': OPEN_WORD },
      then: { decision: 'allow', reason: 'the_word_was_said' },
    },
    { id: 'open-route', when: { action: 'open.route' }, then: { decision: 'allow', reason: 'open_route' } },
    {
      id: 'text-of-all-kinds',
      when: {
        any: [
          { 'context.text': { matches: '^(a+)+$' } },
          { 'context.text': { contains: 'x' } },
          { 'resource.properties.text': { in: ['a', 'b'] } },
          { 'subject.properties.role': { ne: 'admin' } },
          { 'context.number': { gt: 1 } },
          { 'context.list': { has: 'a' } },
        ],
      },
      then: { points: 1, reason: 'text' },
    },
  ],
};

/** Writes the rules into a new folder, and answers with the environment of a server on them. */
export async function hostileEnvironment(dir: string): Promise<NodeJS.ProcessEnv> {
  const rules = join(dir, 'hostile-rules');
  await mkdir(rules, { recursive: true });
  await writeFile(join(rules, 'hostile.json'), JSON.stringify(RULES));
  return {
    PORT: '0',
    API_KEYS: keysWith('fuzzer', SECRETS.apiKey),
    DEVICE_TOKEN_SECRET: SECRETS.deviceToken,
    PRIVACY_KEY: SECRETS.privacy,
    RULES_DIR: rules,
    IP_LISTS_DIR: join(dir, 'no-lists'),
    TRUSTED_PROXIES: '127.0.0.0/8',
    SESSION_COOKIE: 'session',
    STEP_UP_URL: 'https://login.example/step-up',
    RETURN_HOSTS: 'app.example',
    STEP_UP_ISSUERS: JSON.stringify([
      {
        issuer: 'https://idp.example',
        audience: 'bank',
        jwks: { keys: [PUBLIC_KEY] },
        algorithms: ['ES256'],
      },
    ]),
    LOG_LEVEL: 'info',
  };
}

/** The example of RFC 7517, appendix A.1; nobody here holds its private half. */
const PUBLIC_KEY = {
  kty: 'EC',
  crv: 'P-256',
  kid: 'k1',
  x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
  y: '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM',
};
