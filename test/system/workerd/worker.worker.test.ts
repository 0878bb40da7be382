import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateKeyPair, SignJWT } from 'jose';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../support/servers/listen.ts';
import { post } from '../../support/servers/stepgate.ts';
import { startWorker, type WorkerOptions, type WorkerServer, workerBundle } from '../../support/servers/worker.ts';
import { COMPATIBILITY_DATE } from '../../support/servers/workerd.ts';

const SECRETS = {
  API_KEYS: 'app:a-key-in-production',
  DEVICE_TOKEN_SECRET: 'd'.repeat(32),
  PRIVACY_KEY: 'p'.repeat(32),
};
const LOGIN = { subject: 'ann', action: 'login', ip: '81.2.69.160' };

const servers: WorkerServer[] = [];

beforeAll(async () => {
  await workerBundle();
});

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

async function started(options: WorkerOptions = {}): Promise<WorkerServer> {
  const server = await startWorker(options);
  servers.push(server);
  return server;
}

async function checked({ url }: WorkerServer, body: object = LOGIN, headers: Record<string, string> = {}) {
  const { status, text } = await post(`${url}/v1/risk-check`, JSON.stringify(body), { headers });
  expect(status, text).toBe(200);
  return JSON.parse(text);
}

async function readiness({ url }: WorkerServer) {
  const response = await fetch(`${url}/readyz`);
  return { status: response.status, ...(await response.json()) };
}

/** The lines of the log that are JSON, once one of them satisfies. */
async function linesWith(server: WorkerServer, isWanted: (line: Record<string, unknown>) => boolean) {
  const lines = () => server.lines().flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
  await expect.poll(() => lines().some(isWanted)).toBe(true);
  return lines();
}

describe('the bundle of a deploy, in development', () => {
  test('The bundle of a deploy, in development starts in workerd and answers a check, but says that its memory is of no use beyond one isolate', async () => {
    const server = await started();
    expect(await checked(server)).toMatchObject({ decision: 'step-up', degraded: [] });
    const { status, store } = await readiness(server);
    expect(status).toBe(200);
    expect(store).toEqual({ driver: 'memory', reachable: true, problem: expect.stringContaining('REDIS_URL') });
    await linesWith(server, ({ level, msg }) => level === 40 && String(msg).includes('its own memory'));
  });

  test('The bundle of a deploy, in development writes what it decided to its log, in the shape of Node, with nobody’s name in it', async () => {
    const server = await started();
    const answer = await checked(server, { ...LOGIN, subject: 'Secret.Person@example.com' }, { 'X-Request-ID': 'r-1' });
    const lines = await linesWith(server, ({ type }) => type === 'decision');
    expect(lines.find(({ type }) => type === 'decision')).toMatchObject({
      id: answer.id,
      request_id: 'r-1',
      caller: 'tester',
      decision: 'step-up',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    });
    expect(JSON.stringify(server.lines())).not.toMatch(/secret\.person|81\.2\.69\.160/i);
  });

  test('The bundle of a deploy, in development keeps records and warnings to itself where LOG_LEVEL says so', async () => {
    const server = await started({ vars: { LOG_LEVEL: 'error' } });
    await checked(server);
    await checked(server);
    expect(server.lines()).toEqual([]);
  });

  test('The bundle of a deploy, in development reads variables that wrangler.toml writes as numbers, lists and tables', async () => {
    const issuer = { issuer: 'https://id.example', audience: 'app', jwks_uri: 'https://id.example/keys' };
    const server = await started({
      vars: { STORE_TIMEOUT_MS: 200, STEP_UP_ISSUERS: [{ ...issuer, algorithms: ['ES256'] }] },
    });
    expect((await readiness(server)).issuers).toEqual({ missing_keys: ['https://id.example'] });
  });

  test('The bundle of a deploy, in development names settings that mean nothing on Workers', async () => {
    const server = await started({ vars: { PORT: '8787', RULES_DIR: 'mine', IP_LISTS_DIR: 'data/ip' } });
    await checked(server);
    const lines = await linesWith(server, ({ settings }) => settings !== undefined);
    expect(lines.find(({ settings }) => settings !== undefined)).toMatchObject({
      level: 40,
      settings: ['PORT', 'RULES_DIR', 'IP_LISTS_DIR'],
    });
  });

  test('The bundle of a deploy, in development keeps no counters to be scraped, and says where to look', async () => {
    const { url } = await started();
    const response = await fetch(`${url}/metrics`);
    expect(response.status).toBe(501);
    expect(await response.json()).toMatchObject({ code: 'no_metrics', detail: expect.stringContaining('DECISIONS') });
  });

  test('The bundle of a deploy, in development counts bytes while it reads: a body beyond 64 KiB is a 413, whatever is announced', async () => {
    const { url } = await started();
    const { status, text } = await post(`${url}/v1/risk-check`, `{"action":"${'x'.repeat(70_000)}"}`);
    expect(status).toBe(413);
    expect(JSON.parse(text).code).toBe('body_too_large');
  });

  /** @see https://github.com/honojs/hono/issues/4432 */
  test('Header bytes beyond ASCII break nothing', async () => {
    const server = await started();
    const city = Buffer.from('Srīperumbūdūr').toString('latin1');
    expect(await checked(server, LOGIN, { 'CF-IPCity': city, 'X-Request-ID': city })).toMatchObject({
      decision: 'step-up',
    });
  });

  /** @see https://github.com/panther-labs/panther-analysis/pull/840 */
  test('No request leaves anything of itself in the answer to another, however they come', async () => {
    const server = await started();
    const robot = { action: 'a', subject: 'robot', ip: '198.51.100.40', context: { vpn: true }, dry_run: true };
    const person = { action: 'b', subject: 'person', ip: '203.0.113.5', dry_run: true };
    const told = async (body: object) => {
      const { id: _id, latency_ms: _latency, ...answer } = await checked(server, body);
      return JSON.stringify(answer);
    };
    const alone = await told(person);
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? told(robot) : told(person))),
    );
    expect(new Set(answers.filter((_, i) => i % 2 === 1))).toEqual(new Set([alone]));
  });
});

/** @see https://github.com/UsefulSoftwareCo/executor/pull/1665 */
test('A cold isolate that cannot fetch the keys of an issuer decides, and says that it lacks them', async () => {
  const issuer = 'https://id.example';
  const server = await started({
    vars: {
      STEP_UP_ISSUERS: [
        {
          issuer,
          audience: 'app',
          jwks_uri: `http://127.0.0.1:${await freePort()}/keys`,
          algorithms: ['ES256'],
          step_up: { claim: 'su', equals: true },
        },
      ],
    },
  });
  const { privateKey } = await generateKeyPair('ES256');
  const step_up_token = await new SignJWT({ su: true, auth_time: Math.floor(Date.now() / 1000) })
    .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
    .setIssuer(issuer)
    .setAudience('app')
    .setSubject('ann')
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(privateKey);
  const answers = await Promise.all([1, 2, 3].map(() => checked(server, { ...LOGIN, step_up_token })));
  for (const { decision, step_up } of answers) {
    expect(decision).toBe('step-up');
    expect(step_up.error.code).toBe('keys_unavailable');
  }
});

/** @see https://github.com/cloudflare/workers-sdk/issues/6821 */
test('The configuration that is deployed pins the compatibility that is tested', () => {
  const config = readFileSync(join(import.meta.dirname, '../../../wrangler.toml'), 'utf8');
  expect(config).toContain(`compatibility_date = "${COMPATIBILITY_DATE}"`);
  expect(config).toContain('compatibility_flags = ["nodejs_compat"]');
});

describe('in production', () => {
  const REFUSAL = {
    type: 'urn:stepgate:problem:misconfigured',
    title: 'The service is not configured',
    status: 503,
    code: 'misconfigured',
    detail: 'the service cannot start; its log says why',
  };

  test('A Worker without secrets and store refuses every request, and names them in its log only', async () => {
    const server = await started({ vars: { NODE_ENV: 'production', API_KEYS: '' } });
    for (const path of ['/v1/risk-check', '/forward-auth', '/healthz']) {
      const { status, headers, text } = await post(`${server.url}${path}`, '{"action":"login"}');
      expect(status).toBe(503);
      expect(headers['content-type']).toBe('application/problem+json');
      expect(JSON.parse(text)).toEqual(REFUSAL);
    }
    for (const name of ['API_KEYS', 'DEVICE_TOKEN_SECRET', 'PRIVACY_KEY', 'REDIS_URL']) {
      await expect.poll(() => server.lines().join('\n')).toContain(name);
    }
  });

  test('A Worker in production is what wrangler.toml says without a word more', async () => {
    const server = await started({ vars: { NODE_ENV: 'production' }, secrets: SECRETS });
    const { text } = await post(`${server.url}/v1/risk-check`, '{"action":"login"}');
    expect(JSON.parse(text)).toEqual(REFUSAL);
    await expect
      .poll(() => server.lines().join('\n'))
      .toMatch(/REDIS_URL is not set, and NODE_ENV=production requires it on Workers/);
  });

  test('A Worker in production never tells a secret that it cannot use', async () => {
    const server = await started({
      vars: { NODE_ENV: 'production', REDIS_URL: 'redis://:hunter2@host/x' },
      secrets: { ...SECRETS, PRIVACY_KEY: 'hunter3' },
    });
    const { status, text } = await post(`${server.url}/v1/risk-check`, '{"action":"login"}');
    expect(status).toBe(503);
    expect(JSON.parse(text)).toEqual(REFUSAL);
    await expect.poll(() => server.lines().join('\n')).toMatch(/PRIVACY_KEY must be at least 32 bytes/);
    expect(server.lines().join('\n')).not.toContain('hunter');
  });

  test('With Redis away every check is answered, held to friction, and readiness is red', async () => {
    const redis = `redis://127.0.0.1:${await freePort()}`;
    const server = await started({
      vars: { NODE_ENV: 'production', API_KEYS: SECRETS.API_KEYS },
      secrets: { ...SECRETS, REDIS_URL: redis },
    });
    for (let i = 0; i < 8; i += 1) {
      const answer = await checked(server, LOGIN, { Authorization: 'Bearer a-key-in-production' });
      expect(answer.decision).toBe('step-up');
      expect(answer.degraded.length).toBeGreaterThan(0);
    }
    const { status, store } = await readiness(server);
    expect(status).toBe(503);
    expect(store).toEqual({ driver: 'redis', reachable: false, problem: 'unreachable' });
  });
});
