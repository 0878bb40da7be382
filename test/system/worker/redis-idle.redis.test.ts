import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { idleClosingConnection } from '../../../src/worker/redis-idle.ts';
import { type RedisServer, startRedis } from '../../support/servers/redis.ts';
import { until } from '../../support/until.ts';

describe('a connection that is closed when idle', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  /** Connections to the server, but for the one of the test. */
  const clients = async (): Promise<number> =>
    Number(/connected_clients:(\d+)/.exec(await redis.admin.info('clients'))?.[1]) - 1;

  test('A connection that is closed when idle is made by the first call, shared by those that come with it, closed when nobody asks, and made anew', async () => {
    const connection = idleClosingConnection({ url: redis.url, idleMs: 100 });
    expect(await clients()).toBe(0);
    for (let round = 0; round < 2; round += 1) {
      const pings = Array.from({ length: 10 }, async () => (await connection()).commands.get('sg:{s:a}:baseline'));
      expect(await Promise.all(pings)).toEqual(Array(10).fill(null));
      expect(await clients()).toBe(1);
      await until(async () => (await clients()) === 0);
    }
  });

  test('A connection that is closed when idle does not try for ever to reach a server that is away', async () => {
    const problems: string[] = [];
    const connection = idleClosingConnection({
      url: redis.url,
      idleMs: 100,
      onConnectionError: (problem) => problems.push(problem),
    });
    await redis.kill();
    const { commands } = await connection();
    await expect(commands.get('sg:{s:a}:baseline')).rejects.toMatchObject({ code: 'unreachable' });
    await until(() => problems.length > 1);
    // By then it is closed: nobody connects when the server is back.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const told = problems.length;
    await redis.start();
    expect(await clients()).toBe(0);
    expect(problems).toHaveLength(told);
    expect(await (await connection()).commands.get('sg:{s:a}:baseline')).toBeNull();
    await until(async () => (await clients()) === 0);
  });
});
