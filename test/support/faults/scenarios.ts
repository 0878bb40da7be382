import { freePort } from '../servers/listen.ts';
import { type FaultyProxy, startProxy } from '../servers/proxy.ts';
import { type RedisServer, startRedis } from '../servers/redis.ts';
import { until } from '../until.ts';

/** A real Redis, and a proxy in front of it through which the service reaches it. */
export interface Stand {
  readonly redis: RedisServer;
  readonly proxy: FaultyProxy;
  /** For `REDIS_URL`. */
  readonly url: string;
  /** `STORE_TIMEOUT_MS` of the service that uses it: by this it is slow or not. */
  readonly budgetMs: number;
  stop(): Promise<void>;
}

/** One way in which something around the service fails. `S` is what it fails on. */
export interface Scenario<S> {
  /** Reads on after the name of what fails. */
  readonly name: string;
  begin(stand: S): Promise<unknown>;
  end(stand: S): Promise<unknown>;
}

/** One way in which Redis fails. */
export interface RedisScenario extends Scenario<Stand> {
  /**
   * What checks can still have of it: `nothing`; `refusals`: it answers, but counts and writes nothing; `all`, though later.
   */
  readonly leaves: 'nothing' | 'refusals' | 'all';
}

/** Loading takes long enough to be seen: each key takes its time, and others are answered in between. */
const SLOW_LOADING = ['--key-load-delay', '500', '--loading-process-events-interval-bytes', '1024'];
const LOADED_KEYS = 6000;

export async function startStand(budgetMs: number): Promise<Stand> {
  const redis = await startRedis();
  const proxy = await startProxy(redis.port);
  return {
    redis,
    proxy,
    url: `redis://127.0.0.1:${proxy.port}`,
    budgetMs,
    async stop() {
      await proxy.stop();
      await redis.stop();
    },
  };
}

export const SCENARIOS: readonly RedisScenario[] = [
  {
    name: 'is stopped',
    leaves: 'nothing',
    begin: async ({ redis }) => {
      await redis.admin.save();
      await redis.kill();
    },
    end: ({ redis }) => redis.start(),
  },
  {
    name: 'is frozen',
    leaves: 'nothing',
    begin: async ({ redis }) => redis.freeze(),
    end: async ({ redis }) => redis.thaw(),
  },
  {
    name: 'pauses its writers',
    leaves: 'nothing',
    begin: ({ redis }) => redis.admin.client('PAUSE', 60_000, 'WRITE'),
    end: ({ redis }) => redis.admin.client('UNPAUSE'),
  },
  {
    name: 'is slow within the budget',
    leaves: 'all',
    begin: async ({ proxy, budgetMs }) => proxy.replies({ ms: budgetMs / 10, jitterMs: budgetMs / 10 }),
    end: async ({ proxy }) => proxy.replies('pass'),
  },
  {
    name: 'is slow beyond the budget',
    leaves: 'nothing',
    begin: async ({ proxy, budgetMs }) => proxy.replies({ ms: 3 * budgetMs, jitterMs: budgetMs }),
    end: async ({ proxy }) => proxy.replies('pass'),
  },
  {
    name: 'is cut off in the middle of each reply',
    leaves: 'nothing',
    begin: async ({ proxy }) => proxy.replies('reset mid-reply'),
    end: async ({ proxy }) => proxy.replies('pass'),
  },
  {
    name: 'is over its memory limit (OOM)',
    leaves: 'refusals',
    begin: ({ redis }) => redis.admin.config('SET', 'maxmemory', '1'),
    end: ({ redis }) => redis.admin.config('SET', 'maxmemory', '0'),
  },
  {
    name: 'became a replica (READONLY)',
    leaves: 'refusals',
    // Of a master that is not there: it keeps what it has and serves it.
    begin: async ({ redis }) => redis.admin.replicaof('127.0.0.1', await freePort()),
    end: ({ redis }) => redis.admin.replicaof('NO', 'ONE'),
  },
  {
    name: 'forgets its scripts (NOSCRIPT)',
    leaves: 'all',
    begin: ({ redis }) => redis.admin.script('FLUSH'),
    end: async () => undefined,
  },
  {
    name: 'loads its data (LOADING)',
    leaves: 'nothing',
    begin: async ({ redis }) => {
      const pipeline = redis.admin.pipeline();
      for (let i = 0; i < LOADED_KEYS; i += 1) pipeline.set(`ballast:${i}`, 'x'.repeat(200), 'EX', 3600);
      await pipeline.exec();
      await redis.admin.save();
      await redis.kill();
      await redis.startLoading(SLOW_LOADING);
    },
    // It ends by itself.
    end: ({ redis }) => until(async () => (await redis.admin.ping().catch(() => '')) === 'PONG'),
  },
];
