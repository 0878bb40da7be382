import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { BUNDLED_SHARDS } from '../support/geo/built.ts';
import { raw } from '../support/servers/http.ts';
import { freePort } from '../support/servers/listen.ts';
import { isOpen } from '../support/servers/program.ts';
import { startRedis } from '../support/servers/redis.ts';
import { KEY, post, RULES, untilBusy, type Workshop, workshop } from '../support/servers/stepgate.ts';
import { until } from '../support/until.ts';

let shop: Workshop;
/** A GEO_DIR in which nothing was built, so that the library's data is compiled at the start. */
const NOTHING_BUILT = join(tmpdir(), 'stepgate-no-geo');

beforeAll(async () => {
  shop = await workshop();
});

afterEach(() => shop.tidy());

afterAll(() => shop.close());

describe('a started server', () => {
  test('A started server listens on a free port and answers checks', async () => {
    const { server, lines } = await shop.start();
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const { status, text } = await post(
      `${server.url}/v1/risk-check`,
      JSON.stringify({ subject: 'root', action: 'a' }),
    );
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ decision: 'deny' });
    await server.stop();
    const record = lines.map((line) => JSON.parse(line)).find(({ type }) => type === 'decision');
    expect(record).toMatchObject({ decision: 'deny', caller: 'tester', rule: { id: 'no-root' } });
  });

  test('A started server takes over changed rules without a restart and keeps the old ones when the new are broken', async () => {
    const { server } = await shop.start();
    const ready = async () => (await (await fetch(`${server.url}/readyz`)).json()).rules;
    const before = await ready();
    shop.onTidy(() => writeFile(join(shop.dir, 'default.json'), JSON.stringify(RULES)));
    await writeFile(join(shop.dir, 'default.json'), '{');
    await server.reload();
    expect(await ready()).toMatchObject({
      revision: before.revision,
      problem: expect.stringContaining('default.json'),
    });
    await writeFile(join(shop.dir, 'default.json'), JSON.stringify({ ...RULES, default: 'deny' }));
    await server.reload();
    const after = await ready();
    expect(after.revision).not.toBe(before.revision);
    expect(after.problem).toBeNull();
  });

  test('A started server counts in /metrics what it decided', async () => {
    const { server } = await shop.start({ GEO_DIR: NOTHING_BUILT });
    await post(`${server.url}/v1/risk-check`, JSON.stringify({ subject: 'root', action: 'a' }));
    await post(`${server.url}/v1/risk-check`, JSON.stringify({ subject: 'u', action: 'a' }));
    const response = await fetch(`${server.url}/metrics`);
    expect(response.headers.get('content-type')).toContain('text/plain');
    const text = await response.text();
    expect(text).toContain('stepgate_checks_total{decision="deny",rule="no-root"} 1');
    expect(text).toContain('stepgate_checks_total{decision="allow",rule="none"} 1');
    expect(text).toMatch(/stepgate_rules_info\{revision="sha256-[0-9a-f]+"\} 1/);
    expect(text).toMatch(/stepgate_geo_age_days\{source="geoip-lite"\} \d/);
  });

  /**
   * @see https://github.com/geoip-lite/node-geoip/issues/209
   * @see https://github.com/geoip-lite/node-geoip/issues/197
   * @see https://github.com/sapics/geoip-country/issues/22
   */
  test('A started server warns once of geo data that is old, tells so by /readyz, and still answers', async () => {
    const { server, lines } = await shop.start({ GEO_DIR: NOTHING_BUILT, GEO_DATA: 'country', GEO_MAX_AGE_DAYS: '1' });
    for (let i = 0; i < 3; i++) await post(`${server.url}/v1/risk-check`, '{"action":"a","ip":"81.2.69.160"}');
    const warnings = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'geo data');
    expect(warnings).toMatchObject([{ problem: expect.stringMatching(/^data_old: /) }]);
    const ready = await fetch(`${server.url}/readyz`);
    expect(ready.status).toBe(200);
    expect((await ready.json()).geo).toMatchObject({
      name: 'geoip-lite',
      age_days: expect.any(Number),
      problem: expect.stringMatching(/^data_old: the geo data is \d+ days old, more than 1,/),
    });
  });

  /** @see https://github.com/geoip-lite/node-geoip/pull/179 */
  test('A started server loads countries only, or no geo data at all, where it is told to', async () => {
    const geoOf = async (data: string) => {
      const { server } = await shop.start({ GEO_DIR: NOTHING_BUILT, GEO_DATA: data, GEO_MAX_AGE_DAYS: '3650' });
      const { text } = await post(`${server.url}/v1/risk-check`, '{"subject":"u","action":"a","ip":"81.2.69.160"}');
      return JSON.parse(text).signals;
    };
    const countries = await geoOf('country');
    expect(countries.geo.facts).toMatchObject({ 'geo.country': 'GB', 'geo.accuracy_km': 1000 });
    expect(countries.geo.facts['geo.city']).toBeUndefined();
    expect(countries.travel).toMatchObject({ state: 'unknown', why: 'coarse' });
    expect((await geoOf('city')).geo.facts).toMatchObject({ 'geo.city': 'Newmarket' });
    expect((await geoOf('none')).geo).toMatchObject({ state: 'unknown', why: 'source_off' });
  });

  test('A started server refuses a port that is taken and leaves nothing running', async () => {
    const { server } = await shop.start();
    await expect(shop.start({ PORT: new URL(server.url).port })).rejects.toThrow('EADDRINUSE');
  });

  /** @see https://github.com/keycloak/keycloak/issues/8724 */
  test('A started server refuses rules that demand an acr value which no issuer ranks', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'stepgate-acr-'));
    shop.onTidy(() => rm(dir, { recursive: true }));
    const demanding = (acr: string) =>
      writeFile(
        join(dir, 'default.json'),
        JSON.stringify({
          version: 1,
          rules: [{ id: 'strong', when: { action: 'pay' }, then: { decision: 'step-up', acr_values: [acr] } }],
        }),
      );
    const issuer = { issuer: 'https://idp.example', audience: 'app', jwks_uri: 'http://127.0.0.1:1/keys' };
    const issuers = [{ ...issuer, algorithms: ['ES256'], acr_order: ['0', '1', '2'] }];
    const environment = { RULES_DIR: dir, STEP_UP_ISSUERS: JSON.stringify(issuers) };
    await demanding('gold-typo');
    await expect(shop.start(environment)).rejects.toThrow(/No issuer ranks "gold-typo"/);
    await demanding('2');
    const { server } = await shop.start(environment);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });

  test('A started server speaks IPv6 where it is told to', async () => {
    const { server } = await shop.start({ HOST: '::1' });
    expect(server.url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });
});

test('A server whose Redis is away logs that once, with its address, and once that it is back', async () => {
  const redis = await startRedis();
  shop.onTidy(() => redis.stop());
  const { lines } = await shop.start({ REDIS_URL: redis.url });
  const ofRedis = () => lines.map((line) => JSON.parse(line)).filter(({ msg }) => /connect.* to Redis/.test(msg));
  await redis.kill();
  await until(() => ofRedis().length > 0);
  // Several attempts to reconnect.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await redis.start();
  await until(() => ofRedis().some(({ msg }) => msg === 'connected to Redis again'));
  const server = `127.0.0.1:${redis.port}`;
  expect([...new Set(ofRedis().map((line) => line.server))]).toEqual([server]);
  expect(new Set(ofRedis().map(({ msg, problem }) => `${msg} ${problem}`)).size).toBe(ofRedis().length);
  expect(ofRedis().at(-1)).toMatchObject({ msg: 'connected to Redis again', down_s: expect.any(Number) });
});

describe('over a real connection', () => {
  /** @see https://github.com/nodejs/node/issues/60617 */
  test('Idle connections are kept longer than gateways keep them', async () => {
    const { server } = await shop.start();
    const agent = new Agent({ keepAlive: true });
    shop.onTidy(() => agent.destroy());
    const { headers } = await post(`${server.url}/v1/risk-check`, '{"action":"a"}', { agent });
    const seconds = Number(/timeout=(\d+)/.exec(String(headers['keep-alive']))?.[1]);
    expect(seconds).toBeGreaterThan(60);
  });

  test('A chunked body beyond 64 KiB is a 413 problem', async () => {
    const { server } = await shop.start();
    const chunk = `1000\r\n${' '.repeat(0x1000)}\r\n`;
    const answer = await raw(
      server.url,
      `POST /v1/risk-check HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nTransfer-Encoding: chunked\r\n\r\n`,
      ...Array.from({ length: 20 }, () => chunk),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain('application/problem+json');
    expect(answer).toContain('"code":"body_too_large"');
  });

  test.each(['abc', '1e3', '0x10', '-5'])('A Content-Length of %s is a 400', async (length) => {
    const { server } = await shop.start();
    const answer = await raw(
      server.url,
      `POST /v1/risk-check HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${KEY}\r\nContent-Length: ${length}\r\n\r\n{}`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('A Content-Length beyond 64 KiB is a 413 problem', async () => {
    const { server } = await shop.start();
    const { status } = await post(`${server.url}/v1/risk-check`, `{"action":"${'x'.repeat(70_000)}"}`);
    expect(status).toBe(413);
  });

  test.each([
    ['a host that is none', 'GET /healthz HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n'],
    ['a target with a backslash', 'GET /v1\\..\\healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    ['broken percent-encoding', 'GET /v1/subjects/%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    ['no host', 'GET /v1/risk-check HTTP/1.1\r\nConnection: close\r\n\r\n'],
    ['a line that is no request', 'hello\r\n\r\n'],
  ])('%s is refused with a 4xx', async (_what, text) => {
    const { server } = await shop.start();
    expect(await raw(server.url, text)).toMatch(/^HTTP\/1\.1 4\d\d /);
  });

  test('Header lines of 40 KiB are taken, more than 64 KiB are a 431', async () => {
    const { server } = await shop.start();
    const withHeader = (bytes: number) =>
      post(`${server.url}/v1/risk-check`, '{"action":"a"}', { headers: { Cookie: 'x'.repeat(bytes) } });
    expect((await withHeader(40 * 1024)).status).toBe(200);
    expect((await withHeader(70 * 1024)).status).toBe(431);
  });

  /** @see https://github.com/honojs/hono/issues/4432 */
  test('Header bytes beyond ASCII break nothing', async () => {
    const { server } = await shop.start();
    const head = `GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCF-IPCity: Srīperumbūdūr\r\nX-Request-ID: Srīperumbūdūr\r\n\r\n`;
    const answer = await raw(server.url, Buffer.from(head, 'utf8'));
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toMatch(/^[\x20-\x7e\r\n]*$/);
  });
});

describe('told to stop', () => {
  test('A server that is told to stop cuts off what still runs when the drain time is over', async () => {
    const { server } = await shop.start({}, { drainMs: 100 });
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    const cut = new Promise((resolve) => socket.once('close', resolve));
    // A body that never comes to its end.
    socket.write(
      `POST /v1/risk-check HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nContent-Length: 10\r\n\r\n{`,
    );
    await untilBusy(server.url);
    await server.stop();
    await cut;
  });

  test('A server that is stopped twice stops once', async () => {
    const { server } = await shop.start();
    expect(server.stop()).toBe(server.stop());
    await server.stop();
  });
});

describe('as a process', () => {
  test('The process prints a request that works when pasted, and exits 0 on SIGTERM', async () => {
    const child = run({ PORT: '0', RULES_DIR: shop.dir, GEO_DIR: BUNDLED_SHARDS });
    const printed = await child.saw(/curl [\s\S]*\}'/);
    const key = /Bearer ([^']+)'/.exec(printed)?.[1];
    const url = /curl -s (\S+)/.exec(printed)?.[1] ?? '';
    const body = /-d '([^']+)'/.exec(printed)?.[1] ?? '';
    expect(printed).toContain('embedded memory');
    const { status, text } = await post(url, body, { headers: { Authorization: `Bearer ${key}` } });
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ decision: 'allow' });
    child.process.kill('SIGTERM');
    expect(await child.exit).toBe(0);
    const messages = child
      .stdout()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).msg);
    expect(messages.slice(-2)).toEqual(['stopping', 'stopped']);
  });

  test('The process in development prints its greeting before its log', async () => {
    const child = run({ PORT: '0', GEO_DIR: BUNDLED_SHARDS }, ['sh', '-c', '"$0" src/node.ts 2>&1', process.execPath]);
    const printed = await child.saw(/"msg":"listening"/);
    expect(printed).toMatch(/^Stepgate listens on /);
    expect(printed).toContain('these routes list methods');
    expect(printed.indexOf('curl -s')).toBeLessThan(printed.indexOf('{"level"'));
  });

  test('The process on a terminal shows warnings only, unless LOG_LEVEL asks for more', async () => {
    const terminal = ['python3', '-c', 'import pty, sys; pty.spawn(sys.argv[1:])', process.execPath, 'src/node.ts'];
    const quiet = run({ PORT: '0', RULES_DIR: shop.dir, GEO_DIR: BUNDLED_SHARDS }, terminal);
    const printed = await quiet.saw(/curl [\s\S]*\}'/);
    expect(printed).toContain('Log: warnings and errors; LOG_LEVEL=info shows each decision');
    expect(printed).not.toContain('"level"');
    const loud = run({ PORT: '0', RULES_DIR: shop.dir, GEO_DIR: BUNDLED_SHARDS, LOG_LEVEL: 'info' }, terminal);
    expect(await loud.saw(/"msg":"listening"/)).not.toContain('LOG_LEVEL=info');
  });

  test('The process says in a line, not in a stack trace, that its port is taken, and exits 1', async () => {
    const { server } = await shop.start();
    const { port } = new URL(server.url);
    const child = run(shop.environment({ PORT: port }));
    expect(await child.exit).toBe(1);
    expect(child.stderr()).toBe(
      `cannot listen on 127.0.0.1:${port}: another process listens there (EADDRINUSE). Set PORT (0 takes a free one) or HOST.\n`,
    );
  });

  test('The process says that a PRIVACY_KEY made for one run hides from the next what Redis holds', async () => {
    const redis = `redis://127.0.0.1:${await freePort()}`;
    const alone = run(shop.environment({ REDIS_URL: redis }));
    expect(await alone.saw(/curl [\s\S]*\}'/)).toContain('Set PRIVACY_KEY, or the next run finds nothing in Redis');
    const keyed = run(shop.environment({ REDIS_URL: redis, PRIVACY_KEY: 'k'.repeat(32) }));
    expect(await keyed.saw(/curl [\s\S]*\}'/)).not.toContain('Set PRIVACY_KEY');
  });

  test('A second SIGTERM ends the process at once', async () => {
    const child = run(shop.environment());
    const printed = await child.saw(/http:\/\/127\.0\.0\.1:\d+/);
    const { port } = new URL(/http:\/\/127\.0\.0\.1:\d+/.exec(printed)?.[0] ?? '');
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      `POST /v1/risk-check HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nContent-Length: 10\r\n\r\n{`,
    );
    await untilBusy(`http://127.0.0.1:${port}`);
    child.process.kill('SIGTERM');
    await expect.poll(() => isOpen(Number(port)), { timeout: 20_000 }).toBe(false);
    expect(child.process.exitCode).toBeNull();
    child.process.kill('SIGTERM');
    expect(await child.exit).toBe(1);
    socket.destroy();
  });

  test('The process in production without its secrets refuses to start, names them and exits 2', async () => {
    const child = run({ NODE_ENV: 'production', RULES_DIR: shop.dir });
    expect(await child.exit).toBe(2);
    for (const name of ['API_KEYS', 'DEVICE_TOKEN_SECRET', 'PRIVACY_KEY']) expect(child.stderr()).toContain(name);
  });

  test('The process with a NODE_ENV that is none of the three words says so, prints no key and exits 2', async () => {
    const child = run({ NODE_ENV: 'prod', PORT: '0', RULES_DIR: shop.dir });
    expect(await child.exit).toBe(2);
    expect(child.stderr()).toContain('NODE_ENV must be development, test or production (found "prod")');
    expect(child.stderr()).not.toMatch(/curl|Bearer/);
  });

  test('The process with two issuers that do not say whose ids they know refuses to start, names both and exits 2', async () => {
    const issuers = ['https://bank.example', 'https://shop.example'].map((issuer) => ({
      issuer,
      audience: 'app',
      jwks_uri: `${issuer}/keys`,
      algorithms: ['ES256'],
    }));
    const child = run({ ...shop.environment(), STEP_UP_ISSUERS: JSON.stringify(issuers) });
    expect(await child.exit).toBe(2);
    for (const { issuer } of issuers) expect(child.stderr()).toContain(issuer);
    expect(child.stderr()).toContain('"subjects": "<name>"');
  });

  /** @see https://github.com/open-policy-agent/opa/issues/5914 */
  test('The process takes no connection before its rules are loaded: a slow source delays answers, it does not make up any', async () => {
    const slow = await mkdtemp(join(tmpdir(), 'stepgate-slow-'));
    shop.onTidy(() => rm(slow, { recursive: true }));
    // A pipe: whoever reads it waits until somebody writes.
    const source = join(slow, 'default.json');
    execFileSync('mkfifo', [source]);
    const port = await freePort();
    const child = run({ ...shop.environment(), PORT: String(port), RULES_DIR: slow });
    const reader = await open(source, 'w');
    expect(await isOpen(port)).toBe(false);
    await reader.writeFile(JSON.stringify(RULES));
    await reader.close();
    await child.saw(/Stepgate listens on/);
    const { text } = await post(`http://127.0.0.1:${port}/v1/risk-check`, '{"subject":"root","action":"a"}');
    expect(JSON.parse(text)).toMatchObject({ decision: 'deny', rule: { id: 'no-root' } });
  });

  test('The process with rules that cannot be used says why and exits 2', async () => {
    const broken = await mkdtemp(join(tmpdir(), 'stepgate-broken-'));
    shop.onTidy(() => rm(broken, { recursive: true }));
    await writeFile(join(broken, 'default.json'), '{"version":1,"rules":[{"id":"x"}]}');
    const child = run({ PORT: '0', RULES_DIR: broken });
    expect(await child.exit).toBe(2);
    expect(child.stderr()).toContain('default.json');
  });
});

function run(env: NodeJS.ProcessEnv, [command = '', ...args]: readonly string[] = [process.execPath, 'src/node.ts']) {
  const child: ChildProcess = spawn(command, args, {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  shop.onTidy(() => child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  return {
    process: child,
    stdout: () => stdout,
    stderr: () => stderr,
    exit: new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code))),
    /** Resolves with all of both streams once `pattern` stands in it. */
    saw: (pattern: RegExp) =>
      new Promise<string>((resolve, reject) => {
        const look = (): void => {
          if (pattern.test(stderr)) resolve(stderr);
          else if (pattern.test(stdout)) resolve(stdout);
        };
        child.stdout?.on('data', look);
        child.stderr?.on('data', look);
        child.once('close', () => reject(new Error(`ended before it printed ${pattern}: ${stderr}${stdout}`)));
      }),
  };
}
