import { afterAll, beforeAll } from 'vitest';
import { redisStore } from '../../src/store/redis/redis.ts';
import type { Store } from '../../src/store/store.ts';
import { revocationSuite } from '../contract/revocation-suite.ts';
import { type RedisServer, startRedis } from '../support/servers/redis.ts';

let server: RedisServer;
let stores: readonly [Store, Store];

beforeAll(async () => {
  server = await startRedis();
  const open = () => redisStore({ url: server.url, timeoutMs: 5000 });
  stores = [open(), open()];
  await Promise.all(stores.map((store) => store.ping()));
});

afterAll(async () => {
  await Promise.all(stores.map((store) => store.close()));
  await server.stop();
});

revocationSuite('between two processes over Redis', () => stores);
