import { setTimeout as wait } from 'node:timers/promises';
import { StoreError } from '../model/store-error.ts';
import { redisStore } from '../store/redis/redis.ts';
import type { Store } from '../store/store.ts';

/** How long a command waits for Redis to answer at first, in milliseconds. */
const CONNECT_MS = 5000;
const STEP_MS = 20;

/**
 * The store in Redis, once it answers. A service starts degraded without Redis; a command cannot work without it.
 *
 * @throws {StoreError} if it does not answer in time
 */
export async function connectedRedis(url: string): Promise<Store> {
  const store = redisStore({ url });
  for (let waitedMs = 0; ; waitedMs += STEP_MS) {
    try {
      await store.ping();
      return store;
    } catch (error) {
      if (!(error instanceof StoreError) || waitedMs >= CONNECT_MS) {
        await store.close();
        throw error;
      }
      await wait(STEP_MS);
    }
  }
}
