import { afterAll, beforeAll, expect, test } from 'vitest';
import { stepgate } from '../../support/cli.ts';
import { type RedisServer, startRedis } from '../../support/servers/redis.ts';
import { post, type Workshop, workshop } from '../../support/servers/stepgate.ts';

const PRIVACY_KEY = 'a-privacy-key-of-at-least-thirty-two-bytes';

let redis: RedisServer;
let shop: Workshop;

beforeAll(async () => {
  redis = await startRedis();
  shop = await workshop();
});

afterAll(async () => {
  await shop.close();
  await redis.stop();
});

test('A subject is shown without raw addresses, erased, and then gone', async () => {
  const env = { REDIS_URL: redis.url, PRIVACY_KEY };
  const { server } = await shop.start(env);
  await expect.poll(async () => (await fetch(`${server.url}/readyz`)).status).toBe(200);
  const event = {
    type: 'login.succeeded',
    subject: 'ann@example.com',
    ip: '81.2.69.160',
    device: { fingerprint: '5d41402abc4b2a76' },
  };
  expect((await post(`${server.url}/v1/events`, JSON.stringify(event))).status).toBe(202);

  const shown = await stepgate(['subject', 'show', 'Ann@Example.com'], { env });
  expect(JSON.parse(shown.stdout)).toMatchObject({
    subject: 'ann@example.com',
    baseline: { learned: 1, countries: [{ code: 'GB' }], devices: [{ trusted: false }] },
  });
  expect(shown.stdout).not.toContain('81.2.69');

  const erased = await stepgate(['subject', 'erase', 'ann@example.com', '--json'], { env });
  expect(JSON.parse(erased.stdout)).toEqual({ erased: true });
  const gone = await stepgate(['subject', 'show', 'ann@example.com'], { env });
  expect(gone.code).toBe(1);
  expect(gone.stderr).toContain('nothing is stored');
});

test('stepgate subject says what to set without the key that hides subjects', async () => {
  const { code, stderr } = await stepgate(['subject', 'show', 'ann'], { env: { REDIS_URL: redis.url } });
  expect(stderr).toContain('set PRIVACY_KEY');
  expect(code).toBe(2);
});
