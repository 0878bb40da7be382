import { DurableObject } from 'cloudflare:workers';
import * as z from 'zod';
import type { Touch } from './cells.ts';
import { gatheringOf, type LinkOptions, lastingLink } from './redis.ts';
import { cellsOver, type RawCells, rawCells, type SlotReply, slotReplies, touchesOneByOne } from './redis-cells.ts';
import { storeErrorOf } from './redis-errors.ts';
import { parseRedisUrl } from './redis-url.ts';
import { storeOver } from './slots.ts';
import { type Store, StoreError } from './store.ts';
import { COUNTERS, type CounterName, SETS, type SetName } from './windows.ts';

/** Where Cloudflare can be asked to keep a Durable Object. @see https://developers.cloudflare.com/durable-objects/reference/data-location/ */
export const POOL_LOCATIONS = ['wnam', 'enam', 'sam', 'weur', 'eeur', 'apac', 'oc', 'afr', 'me'] as const;
export type PoolLocation = (typeof POOL_LOCATIONS)[number];

/** How many objects there are, and where. */
export interface RedisPoolOptions {
  /** Over how many objects the requests are spread, each with one connection; at least 1. */
  readonly size: number;
  /** The region nearest to Redis. Null: near to where the first request happens to come from. */
  readonly location: PoolLocation | null;
  /** From 0 to below 1: the object that this store asks. */
  readonly random: () => number;
}

/** The binding to the class {@link RedisPool}, as far as it is used. */
export interface RedisPoolNamespace {
  idFromName(name: string): RedisPoolId;
  get(id: RedisPoolId, options?: { locationHint?: PoolLocation }): PoolCalls;
}

/** Opaque. */
interface RedisPoolId {
  toString(): string;
}

/** What can be called from outside. Errors come back as values, since they lose their class on the way. */
type PoolCalls = {
  readonly [Name in Exclude<keyof RawCells, 'close'>]: (...args: Parameters<RawCells[Name]>) => Promise<unknown>;
};

/**
 * A store for one request of a Worker, through Durable Objects that stay connected to Redis. The object is chosen at
 * random for each store: none of them holds anything of a subject, and a subject under attack is spread over all of them.
 * Nothing is sent twice: a call that an object did not answer is reported as failed.
 */
export function redisPool(namespace: RedisPoolNamespace, options: RedisPoolOptions): Store {
  const place = options.location ?? 'anywhere';
  // The place is part of the name: an object stays where it was made.
  const name = `redis-${place}-${Math.floor(options.random() * options.size)}`;
  const hint = options.location === null ? {} : { locationHint: options.location };

  /** A new stub for each call: one that has met an error is of no more use. */
  async function call<T>(schema: z.ZodType<T>, ask: (pool: PoolCalls) => Promise<unknown>): Promise<T> {
    let answer: unknown;
    try {
      answer = await ask(namespace.get(namespace.idFromName(name), hint));
    } catch {
      // What the runtime says of an object that is overloaded, moved or gone; whether it did what was asked is unknown.
      throw new StoreError('unreachable', 'the Durable Object RedisPool cannot be reached');
    }
    const parsed = answerOf(schema).safeParse(answer);
    if (!parsed.success) throw new StoreError('rejected', 'the Durable Object RedisPool is of another version');
    if ('value' in parsed.data) return parsed.data.value;
    throw new StoreError(parsed.data.code, parsed.data.message);
  }

  const raw: RawCells = {
    touch: (touches) => call(slotReplies, (pool) => pool.touch(touches)),
    get: (key) => call(z.string().nullable(), (pool) => pool.get(key)),
    replace: (key, expected, next, ttlMs) => call(replacement, (pool) => pool.replace(key, expected, next, ttlMs)),
    claim: (key, ttlSeconds) => call(z.boolean(), (pool) => pool.claim(key, ttlSeconds)),
    remove: (keys) => call(nothing, (pool) => pool.remove(keys)),
    ping: () => call(nothing, (pool) => pool.ping()),
    close: async () => undefined,
  };
  return storeOver('redis', cellsOver(raw, queueMicrotask));
}

const nothing = z.undefined().transform(() => undefined);
const replacement = z.discriminatedUnion('written', [
  z.object({ written: z.literal(true) }),
  z.object({ written: z.literal(false), found: z.string().nullable() }),
]);

const failure = z.object({
  code: z.enum(['timeout', 'unreachable', 'circuit_open', 'rejected']),
  message: z.string(),
});

function answerOf<T>(schema: z.ZodType<T>) {
  return z.union([z.object({ value: schema }), failure]);
}

/** After so long without a call the connection is closed, in ms: an object with an open connection or timer is paid for. */
const IDLE_MS = 60_000;

/** A key of the store, see `keys.ts`: an object serves nothing else that may lie in the same Redis. */
const key = z.string().regex(/^sg:\{[sndp]:/);
const ttl = z.int().positive();
const change = z.union([
  z.strictObject({ count: z.enum(Object.keys(COUNTERS) as [CounterName, ...CounterName[]]) }),
  z.strictObject({ see: z.enum(Object.keys(SETS) as [SetName, ...SetName[]]), member: z.string() }),
]);
const touch = z.strictObject({
  at: z.int(),
  write: z.boolean(),
  tallies: z.array(z.strictObject({ key, ttlMs: ttl, changes: z.array(change) })),
  values: z.array(key),
});

/** What each call takes: anything else is refused before it comes near Redis. */
const CALLS = {
  touch: z.tuple([z.array(touch).min(1)]),
  get: z.tuple([key]),
  replace: z.tuple([key, z.string().nullable(), z.string(), ttl]),
  claim: z.tuple([key, ttl]),
  remove: z.tuple([z.array(key).min(1)]),
  ping: z.tuple([]),
} as const;

/** The one variable that an object reads. */
const environment = z.object({ REDIS_URL: z.string() });

/**
 * The Durable Object that stays connected to Redis. It takes the steps of the store and nothing else, holds nothing but its
 * connection, and may be evicted at any time: the next call connects anew. What arrives in one turn of the event loop, from
 * whatever request, goes to Redis as one command.
 */
export class RedisPool extends DurableObject implements PoolCalls {
  readonly #connection: () => Promise<Connection>;

  constructor(state: unknown, env: unknown) {
    super(state, env);
    this.#connection = restingConnection(environment.parse(env).REDIS_URL, {
      onConnectionError: (problem) =>
        console.warn(JSON.stringify({ level: 'warn', msg: 'no connection to Redis', problem })),
    });
  }

  touch(...args: unknown[]) {
    return answered(CALLS.touch, args, async (touches) => {
      const { touchOne } = await this.#connection();
      return Promise.all(touches.map(async (one): Promise<SlotReply> => (await touchOne(one)) ?? 'ERR'));
    });
  }

  get(...args: unknown[]) {
    return answered(CALLS.get, args, async (...asked) => (await this.#connection()).raw.get(...asked));
  }

  replace(...args: unknown[]) {
    return answered(CALLS.replace, args, async (...asked) => (await this.#connection()).raw.replace(...asked));
  }

  claim(...args: unknown[]) {
    return answered(CALLS.claim, args, async (...asked) => (await this.#connection()).raw.claim(...asked));
  }

  remove(...args: unknown[]) {
    return answered(CALLS.remove, args, async (...asked) => (await this.#connection()).raw.remove(...asked));
  }

  ping(...args: unknown[]) {
    return answered(CALLS.ping, args, async () => (await this.#connection()).raw.ping());
  }
}

/** Runs a call whose arguments are what it takes. */
async function answered<A extends readonly unknown[], T>(
  schema: z.ZodType<A>,
  args: readonly unknown[],
  run: (...args: A) => Promise<T>,
): Promise<{ value: T } | z.infer<typeof failure>> {
  const asked = schema.safeParse(args);
  if (!asked.success) return { code: 'rejected', message: 'RedisPool takes the steps of the store and nothing else' };
  try {
    return { value: await run(...asked.data) };
  } catch (error) {
    const { code, message } = storeErrorOf(error);
    return { code, message };
  }
}

interface Connection {
  readonly raw: RawCells;
  readonly touchOne: (touch: Touch) => Promise<SlotReply | undefined>;
}

/** A connection that is made when it is asked for, and closed when nobody has asked for it for a while. */
function restingConnection(url: string, options: LinkOptions): () => Promise<Connection> {
  const target = parseRedisUrl(url);
  let isAsked = false;
  let opened: (Connection & { readonly tried: Promise<void> }) | null = null;

  function open() {
    const link = lastingLink(target, options);
    const raw = rawCells(link);
    const watch = setInterval(() => {
      if (isAsked) {
        isAsked = false;
        return;
      }
      clearInterval(watch);
      opened = null;
      void link.close();
    }, IDLE_MS);
    const touchOne = touchesOneByOne(raw, gatheringOf(target));
    return { raw, touchOne, tried: link.tried() };
  }

  return async () => {
    isAsked = true;
    opened ??= open();
    const connection = opened;
    await connection.tried;
    return connection;
  };
}
