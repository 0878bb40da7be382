import { Agent } from 'node:http';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { StartOptions } from '../../src/node.ts';
import { pseudonymizer } from '../../src/store/pseudonym.ts';
import { redisStore } from '../../src/store/redis/redis.ts';
import { send } from '../support/servers/http.ts';
import { type RedisServer, startRedis } from '../support/servers/redis.ts';
import { KEY, post, untilBusy, type Workshop, workshop } from '../support/servers/stepgate.ts';

let shop: Workshop;
let redis: RedisServer;

beforeAll(async () => {
  shop = await workshop();
  redis = await startRedis();
});

afterEach(async () => {
  redis.thaw();
  await shop.tidy();
});

afterAll(async () => {
  await shop.close();
  await redis.stop();
});

/** For a machine that is busy with other things. */
const PATIENCE = { timeout: 20_000 };

const BODY = '{"subject":"u","action":"a"}';

async function readyServer(more: NodeJS.ProcessEnv, options?: StartOptions) {
  const started = await shop.start({ REDIS_URL: redis.url, ...more }, options);
  await expect.poll(async () => (await fetch(`${started.server.url}/readyz`)).status, PATIENCE).toBe(200);
  return started;
}

describe('told to stop while Redis is slow', () => {
  /** @see https://github.com/derive-to/derive/pull/124 */
  test('A server that is told to stop while Redis is slow ends running checks in full, closes idle connections, and closes Redis last', async () => {
    // Longer than this test may take: what is not closed of itself is not cut off either.
    const { server } = await readyServer({ STORE_TIMEOUT_MS: '10000' }, { drainMs: 300_000 });
    const agent = new Agent({ keepAlive: true });
    shop.onTidy(() => agent.destroy());
    const idle = await Promise.all(Array.from({ length: 50 }, () => send(`${server.url}/healthz`, { agent })));
    expect(new Set(idle.map(({ status }) => status))).toEqual(new Set([200]));

    redis.freeze();
    const order: string[] = [];
    const checks = Array.from({ length: 5 }, () => post(`${server.url}/v1/risk-check`, BODY, { agent }));
    const answers = Promise.all(checks).then((all) => {
      order.push('answers');
      return all;
    });
    await untilBusy(server.url);
    const stopped = server.stop().then(() => order.push('stopped'));
    await expect(fetch(`${server.url}/readyz`)).rejects.toThrow();
    expect(order).toEqual([]);
    redis.thaw();
    for (const { status, text } of await answers) {
      expect(status).toBe(200);
      expect(JSON.parse(text).degraded).toEqual([]);
    }
    await stopped;
    expect(order).toEqual(['answers', 'stopped']);
    // What the running checks taught got through to Redis before it was closed.
    expect(await redis.admin.keys('*baseline*')).toHaveLength(1);
  });
});

describe('while Redis is slow', () => {
  /** @see https://github.com/honojs/node-server/issues/73 */
  test('Clients that go away before the answer crash nothing, and each is counted once or not at all', async () => {
    await redis.admin.flushall();
    const { server, lines } = await readyServer({ STORE_TIMEOUT_MS: '10000' });
    const faults: unknown[] = [];
    const onFault = (fault: unknown): unknown => faults.push(fault);
    process.on('unhandledRejection', onFault);
    process.on('uncaughtException', onFault);
    shop.onTidy(() => {
      process.off('unhandledRejection', onFault);
      process.off('uncaughtException', onFault);
    });
    const { hostname, port } = new URL(server.url);
    const head = [
      'POST /v1/risk-check HTTP/1.1',
      'Host: x',
      `Authorization: Bearer ${KEY}`,
      `Content-Length: ${BODY.length}`,
      '\r\n',
    ].join('\r\n');
    const abandoned = (text: string) =>
      new Promise<void>((resolve) => {
        const socket = connect(Number(port), hostname, () => {
          socket.write(text, () => void untilBusy(server.url).then(() => socket.resetAndDestroy()));
        });
        socket.on('error', () => undefined);
        socket.on('close', () => resolve());
      });
    redis.freeze();
    for (let round = 0; round < 5; round++) {
      // Half of them go away while their check waits for the store, half in the middle of their body.
      const texts = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? head + BODY : head + BODY.slice(0, 9)));
      await Promise.all(texts.map(abandoned));
    }
    redis.thaw();
    const { status, text } = await post(`${server.url}/v1/risk-check`, BODY);
    expect(status).toBe(200);
    expect(JSON.parse(text).degraded).toEqual([]);
    await server.stop();

    const store = redisStore({ url: redis.url });
    shop.onTidy(() => store.close());
    const subject = pseudonymizer('x'.repeat(48))('subject', 'u');
    const attempts = async () => (await store.readSubject(subject, Date.now()).catch(() => null))?.attempts1m;
    await expect.poll(attempts, PATIENCE).toBe(101);
    expect(faults).toEqual([]);
    expect(lines.filter((line) => /\bfault/.test(line))).toEqual([]);
  });
});
