import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildImage, type Image } from '../../support/container/image.ts';
import { freePort } from '../../support/servers/listen.ts';
import { until } from '../../support/until.ts';

const SECRET = 'a-secret-of-the-image-test-that-is-long-enough';

let image: Image;

beforeAll(async () => {
  image = await buildImage();
}, 600_000);

afterAll(() => image?.remove());

/** What `docker run` does without arguments. */
const program = (): string[] => [...image.config.Entrypoint, ...image.config.Cmd];
/** What Docker runs to ask for health: the first word only says that no shell is wanted. */
const healthCheck = (): string[] => image.config.Healthcheck.Test.slice(1);

test('The image holds the program, its rules and the production packages, and nothing else', async () => {
  expect((await readdir(join(image.root, 'app'))).sort()).toEqual([
    ...['LICENSE', 'data', 'dist', 'node_modules', 'package.json', 'rules', 'src'],
  ]);
  const packages = await readdir(join(image.root, 'app/node_modules'));
  expect(packages).toEqual(expect.arrayContaining(['hono', 'ioredis', 'jose']));
  for (const development of ['vitest', 'typescript', 'wrangler', 'node', '@biomejs']) {
    expect(packages).not.toContain(development);
  }
});

test('The user of the image is nobody, and can write nowhere', async () => {
  const look = `
    const { getuid, getgid, getgroups, cwd } = process;
    const status = require('node:fs').readFileSync('/proc/self/status', 'utf8');
    const capabilities = /CapEff:\\s*(\\w+)/.exec(status)[1];
    const tries = ['/app/x', '/tmp/x', '/app/src/node.ts', '/app/data/ip/x'].map((path) => {
      try { require('node:fs').writeFileSync(path, ''); return 'written'; } catch (error) { return error.code; }
    });
    console.log(JSON.stringify({ user: getuid(), group: getgid(), groups: getgroups(), cwd: cwd(), capabilities, tries }));`;
  const looked = image.run([...image.config.Entrypoint, '-e', look]);
  expect(await looked.exited, looked.output()).toBe(0);
  const { tries, ...who } = JSON.parse(looked.output());
  expect(who).toEqual({ user: 65532, group: 65532, groups: [65532], cwd: '/app', capabilities: '0000000000000000' });
  expect(new Set(tries)).not.toContain('written');
});

test('Without secrets the image refuses to start, and says which are missing', async () => {
  const started = image.run(program());
  expect(await started.exited).toBe(2);
  for (const name of ['API_KEYS', 'DEVICE_TOKEN_SECRET', 'PRIVACY_KEY']) expect(started.output()).toContain(name);
});

test('The image starts, turns healthy, answers a check, and ends when it is stopped', async () => {
  const port = await freePort();
  const place = { PORT: String(port), HOST: '127.0.0.1' };
  const secrets = { API_KEYS: `gateway:${SECRET}`, DEVICE_TOKEN_SECRET: SECRET, PRIVACY_KEY: SECRET };
  const health = (): Promise<number | null> => image.run(healthCheck(), place).exited;
  expect(await health()).toBe(1);

  const started = image.run(program(), { ...place, ...secrets });
  await until(() => started.output().includes('"listening"'));
  expect(await health()).toBe(0);
  const response = await fetch(`http://127.0.0.1:${port}/v1/risk-check`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${SECRET}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ subject: 'ann', action: 'login', ip: '89.98.229.250' }),
  });
  expect(response.status).toBe(200);
  const { signals, ...answer } = (await response.json()) as { decision: string; signals: { geo: object } };
  expect(answer.decision).toBe('step-up');
  expect(signals.geo).toMatchObject({ state: 'measured', facts: { 'geo.country': 'NL' } });

  const script = await fetch(`http://127.0.0.1:${port}/client.js`);
  expect(script.headers.get('content-type')).toContain('javascript');

  started.kill('SIGTERM');
  expect(await started.exited, started.output()).toBe(0);
  expect(started.output()).toContain('"stopped"');
  expect(await health()).toBe(1);
});
