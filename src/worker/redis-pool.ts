import { DurableObject } from 'cloudflare:workers';
import * as z from 'zod';
import type { PoolLocation } from '../app/pool-location.ts';
import { messageOf } from '../model/error-text.ts';
import { StoreError } from '../model/store-error.ts';
import { COUNTED, COUNTED_EVENTS, SEEN_VALUES } from '../store/counters.ts';
import { storeOver } from '../store/over-backend.ts';
import { type RedisCommands, redisBackend, type StepReply } from '../store/redis/commands.ts';
import { storeErrorOf } from '../store/redis/errors.ts';
import type { PartwiseStore } from '../store/store.ts';
import { type Connection, idleClosingConnection } from './redis-idle.ts';

/** Number and location of the objects. */
export interface RedisPoolOptions {
  /** Over how many objects the requests are spread, each with one connection; at least 1. */
  readonly size: number;
  /** The region nearest to Redis. Null: near the first request. */
  readonly location: PoolLocation | null;
  /** From 0 to below 1: selects the object of this store. */
  readonly random: () => number;
  /** Hears of every call that no object answered, in one line without keys or values. */
  readonly onConnectionError?: (message: string) => void;
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

/** Remote calls. Errors are returned as values, since they lose their class in transit. */
type PoolCalls = {
  readonly [Name in Exclude<keyof RedisCommands, 'close'>]: (
    ...args: Parameters<RedisCommands[Name]>
  ) => Promise<unknown>;
};

/**
 * A store for one request of a Worker, through Durable Objects that stay connected to Redis. Each store picks an object
 * at random: no object holds anything about a subject, so a subject under attack is spread over all of them. Nothing is
 * sent twice: an unanswered call is reported as failed.
 */
export function redisPool(namespace: RedisPoolNamespace, options: RedisPoolOptions): PartwiseStore {
  const place = options.location ?? 'anywhere';
  // The location is part of the name: an object stays where it was created.
  const name = `redis-${place}-${Math.floor(options.random() * options.size)}`;
  const hint = options.location === null ? {} : { locationHint: options.location };

  /** A new stub for each call: one that has met an error is of no more use. */
  async function call<T>(answers: z.ZodType<Answer<T>>, ask: (pool: PoolCalls) => Promise<unknown>): Promise<T> {
    let answer: unknown;
    try {
      answer = await ask(namespace.get(namespace.idFromName(name), hint));
    } catch (error) {
      // The runtime's error for an object that is overloaded, moved or gone; whether it did its work is unknown.
      const message = 'the Durable Object RedisPool cannot be reached';
      options.onConnectionError?.(`${message}: ${messageOf(error)}`);
      throw new StoreError('unreachable', message, { cause: error });
    }
    const parsed = answers.safeParse(answer);
    if (!parsed.success) throw new StoreError('rejected', 'the Durable Object RedisPool is of another version');
    if ('value' in parsed.data) return parsed.data.value;
    throw errorOf(parsed.data);
  }

  const commands: RedisCommands = {
    steps: (steps) => call(ANSWERS.steps, (pool) => pool.steps(steps)),
    get: (key) => call(ANSWERS.get, (pool) => pool.get(key)),
    claim: (key, ttlSeconds, note) => call(ANSWERS.claim, (pool) => pool.claim(key, ttlSeconds, note)),
    remove: (keys) => call(ANSWERS.nothing, (pool) => pool.remove(keys)),
    ping: () => call(ANSWERS.nothing, (pool) => pool.ping()),
    close: async () => undefined,
  };
  return storeOver('redis', redisBackend(commands, queueMicrotask));
}

const failure = z.object({
  code: z.enum(['timeout', 'unreachable', 'circuit_open', 'rejected']),
  message: z.string(),
});
type Failure = z.infer<typeof failure>;

/** What an object answers. */
type Answer<T> = { value: T } | Failure;

function errorOf({ code, message }: Failure): StoreError {
  return new StoreError(code, message);
}

const stepReply = z.union([z.array(z.string().nullable()), failure.transform(errorOf)]);

/** Worker and object may be of two versions while a new one is rolled out. */
const ANSWERS = {
  steps: answerOf(z.array(stepReply)),
  get: answerOf(z.string().nullable()),
  claim: answerOf(z.boolean()),
  nothing: answerOf(z.undefined()),
} as const;

function answerOf<T>(value: z.ZodType<T>) {
  return z.union([z.object({ value }), failure]);
}

/**
 * After so long without a call the connection is closed, in ms. An object with an open connection or a timer stays in memory
 * and is paid for; one without is evicted a minute or two later.
 *
 * @see https://developers.cloudflare.com/durable-objects/concepts/durable-object-lifecycle/
 */
const IDLE_MS = 60_000;

/** A key of the store, see `keys.ts`: an object serves nothing else that may lie in the same Redis. */
const key = z.string().regex(/^sg:\{[sndp]:/);
const ttl = z.int().positive();
const read = z.strictObject({
  at: z.int(),
  write: z.boolean(),
  event: z.enum(COUNTED_EVENTS).nullable(),
  seen: z.record(z.enum(SEEN_VALUES), z.string().nullable()),
  counters: z.array(z.strictObject({ of: z.enum(COUNTED), key })),
  values: z.array(key),
});

const swap = z.strictObject({ key, expected: z.string().nullable(), next: z.string(), ttlMs: ttl });

/** Arguments of each call: anything else is refused before it reaches Redis. */
const CALLS = {
  steps: z.tuple([z.array(z.union([read, swap])).min(1)]),
  get: z.tuple([key]),
  claim: z.tuple([
    key,
    ttl,
    z
      .string()
      .regex(/^\d{0,16}$/)
      .default(''),
  ]),
  remove: z.tuple([z.array(key).min(1)]),
  ping: z.tuple([]),
} as const;

/** The variables that an object reads; the Worker has judged them before the first call. */
const environment = z.object({ REDIS_URL: z.string(), STORE_TIMEOUT_MS: z.coerce.number().default(50) });

/**
 * The Durable Object that stays connected to Redis. It runs only the store's operations, holds only its connection, and
 * may be evicted at any time; the next call reconnects. Calls that arrive in one turn of the event loop, from any
 * request, go to Redis as one command.
 */
export class RedisPool extends DurableObject implements PoolCalls {
  readonly #connection: () => Promise<Connection>;

  constructor(state: unknown, env: unknown) {
    super(state, env);
    const { REDIS_URL, STORE_TIMEOUT_MS } = environment.parse(env);
    this.#connection = idleClosingConnection({
      url: REDIS_URL,
      // What a command may hold on to is bounded here, the wait for it by the Worker.
      timeoutMs: Math.max(STORE_TIMEOUT_MS, 1000),
      idleMs: IDLE_MS,
      random: () => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32,
      onConnectionError: (problem) =>
        console.warn(JSON.stringify({ level: 'warn', msg: 'no connection to Redis', problem })),
    });
  }

  steps(...args: unknown[]) {
    return answered(CALLS.steps, args, async (steps) => {
      const { take } = await this.#connection();
      // In a cluster one of them may fail without the others.
      const replies = await Promise.allSettled(steps.map((step) => take(step)));
      return replies.map((reply) =>
        stepReplyOf(reply.status === 'fulfilled' ? reply.value : storeErrorOf(reply.reason)),
      );
    });
  }

  get(...args: unknown[]) {
    return answered(CALLS.get, args, async (...asked) => (await this.#connection()).commands.get(...asked));
  }

  claim(...args: unknown[]) {
    return answered(CALLS.claim, args, async (...asked) => (await this.#connection()).commands.claim(...asked));
  }

  remove(...args: unknown[]) {
    return answered(CALLS.remove, args, async (...asked) => (await this.#connection()).commands.remove(...asked));
  }

  ping(...args: unknown[]) {
    return answered(CALLS.ping, args, async () => (await this.#connection()).commands.ping());
  }
}

/** Runs a call whose arguments are what it takes. */
async function answered<A extends readonly unknown[], T>(
  schema: z.ZodType<A>,
  args: readonly unknown[],
  run: (...args: A) => Promise<T>,
): Promise<Answer<T>> {
  const asked = schema.safeParse(args);
  if (!asked.success) return { code: 'rejected', message: 'RedisPool takes the steps of the store and nothing else' };
  try {
    return { value: await run(...asked.data) };
  } catch (error) {
    return failureOf(storeErrorOf(error));
  }
}

function failureOf({ code, message }: StoreError): Failure {
  return { code, message };
}

function stepReplyOf(reply: StepReply): readonly (string | null)[] | Failure {
  return reply instanceof StoreError ? failureOf(reply) : reply;
}
