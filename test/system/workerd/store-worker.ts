import { z } from 'zod';
import { storeBreaker } from '../../../src/store/breaker.ts';
import { budgetedStore } from '../../../src/store/budget.ts';
import type { PartwiseStore, Store } from '../../../src/store/store.ts';
import { redisPerRequest } from '../../../src/worker/redis-per-request.ts';
import { type RedisPoolNamespace, redisPool } from '../../../src/worker/redis-pool.ts';
import { attemptBy, learnOnce, storeContract } from '../../contract/store/store-suite.ts';
import { declared } from './vitest.ts';

export { RedisPool } from '../../../src/worker/redis-pool.ts';

/**
 * A Worker around the store and nothing else. Its paths: `/contract` lists the tests of the contract suite, and
 * `/contract/{n}` runs one here; `/attempt`, `/learn`, `/spend`, `/ping` do one operation with a store of their own;
 * `/pool/{method}` calls a Durable Object with whatever the body holds.
 */
interface Bindings {
  readonly REDIS_URL: string;
  /** Null: a connection for each request. */
  readonly POOL_SIZE: string | null;
  readonly STORE_TIMEOUT_MS: string;
  readonly REDIS_POOL: RedisPoolNamespace;
}

interface ExecutionContext {
  waitUntil(work: Promise<unknown>): void;
}

function openStore({ REDIS_URL, POOL_SIZE, REDIS_POOL, STORE_TIMEOUT_MS }: Bindings): PartwiseStore {
  return POOL_SIZE === null
    ? redisPerRequest({
        url: REDIS_URL,
        timeoutMs: Math.max(Number(STORE_TIMEOUT_MS), 1000),
        onConnectionError: (problem) => console.log(`no connection: ${problem}`),
      })
    : redisPool(REDIS_POOL, { size: Number(POOL_SIZE), location: null, random: Math.random });
}

let bindings: Bindings | undefined;

storeContract('redis from a Worker', async () => {
  if (bindings === undefined) throw new Error('no request has come yet');
  const store = openStore(bindings);
  return { store, close: () => store.close() };
});

/** Runs one operation with a store of its own, which is closed once the work after the answer has ended too. */
async function withStore<T>(
  env: Bindings,
  context: ExecutionContext,
  run: (store: Store, later: (work: Promise<unknown>) => void) => Promise<T>,
) {
  let opened: PartwiseStore;
  try {
    opened = openStore(env);
  } catch (error) {
    return Response.json({ thrown: String(error) });
  }
  const store = budgetedStore(opened, {
    timeoutMs: Number(env.STORE_TIMEOUT_MS),
    breaker: storeBreaker({ elapsedMs: () => performance.now() }),
  });
  const afterwork: Promise<unknown>[] = [];
  const began = Date.now();
  try {
    const value = await run(store, (work) => afterwork.push(work));
    return Response.json({ value, tookMs: Date.now() - began });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : String(error);
    return Response.json({ code, tookMs: Date.now() - began });
  } finally {
    context.waitUntil(Promise.allSettled(afterwork).then(() => store.close()));
  }
}

export default {
  async fetch(request: Request, env: Bindings, context: ExecutionContext): Promise<Response> {
    bindings = env;
    const { pathname, searchParams } = new URL(request.url);
    const [, route, rest] = pathname.split('/');
    const subject = searchParams.get('subject') ?? 'alice';
    const keys = {
      subject,
      address: `${subject}-address`,
      network: `${subject}-network`,
      device: `${subject}-device`,
    };
    const attempt = attemptBy(keys, Number(searchParams.get('at') ?? Date.now()) / 1000, { subject, country: 'NL' });
    switch (route) {
      case 'contract': {
        if (rest === undefined) return Response.json(declared.map(({ name }) => name));
        const failure = await declared[Number(rest)]?.run().then(
          () => null,
          (error: unknown) => (error instanceof Error ? (error.stack ?? error.message) : String(error)),
        );
        return Response.json({ failure });
      }
      case 'attempt':
        // Work of another kind keeps the request alive after its store was closed.
        if (searchParams.has('linger')) context.waitUntil(new Promise((resolve) => setTimeout(resolve, 25_000)));
        return withStore(env, context, async (store, later) => {
          const history = await store.recordAttempt(attempt);
          if (searchParams.has('learn')) later(store.updateBaseline(subject, learnOnce));
          return history;
        });
      case 'learn':
        return withStore(env, context, (store) => store.updateBaseline(subject, learnOnce));
      case 'spend':
        return withStore(env, context, async (store) => {
          const { device } = await store.recordAttempt(attempt);
          return { device, spent: await store.spendProof(subject, 600) };
        });
      case 'ping':
        return withStore(env, context, (store) => store.ping());
      case 'pool': {
        const args = z.array(z.unknown()).parse(await request.json());
        const pool = env.REDIS_POOL.get(env.REDIS_POOL.idFromName('redis-anywhere-0')) as unknown as Record<
          string,
          (...args: unknown[]) => Promise<unknown>
        >;
        try {
          return Response.json({ answer: await pool[rest ?? '']?.(...args) });
        } catch (error) {
          return Response.json({ thrown: String(error) });
        }
      }
      default:
        return new Response('no such path', { status: 404 });
    }
  },
};
