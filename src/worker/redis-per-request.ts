import { Redis } from 'ioredis';
import { messageOf } from '../model/error-text.ts';
import { StoreError } from '../model/store-error.ts';
import { storeOver } from '../store/over-backend.ts';
import { type RedisLink, redisBackend, redisCommands } from '../store/redis/commands.ts';
import { connectionMessage, storeErrorOf } from '../store/redis/errors.ts';
import type { LinkOptions, RedisStoreOptions } from '../store/redis/redis.ts';
import { parseRedisUrl, RedisUrlError } from '../store/redis/url.ts';
import type { PartwiseStore } from '../store/store.ts';

/** Which Redis, and whom to tell about its connections. Certificates are checked by the runtime, against its own authorities. */
export type RedisPerRequestOptions = Omit<RedisStoreOptions, 'tls' | 'onRebuild'>;

/**
 * A store for one request of a Worker, where a socket belongs to the request that opened it. The connection is made with
 * the first operation and serves all that follow, work under `waitUntil` included; `close` ends it. A connection that
 * could not be made or broke is not made again: the next request makes its own.
 *
 * Password, database and first command go out together: one wait after TCP and TLS.
 * @throws RedisUrlError when the URL cannot be understood, or names a cluster or sentinels.
 */
export function redisPerRequest(options: RedisPerRequestOptions): PartwiseStore {
  // What one request asks in the same breath goes out together; nothing of another request may be waited for.
  const link = requestLink(standaloneTarget(options.url), options);
  return storeOver('redis', redisBackend(redisCommands(link), queueMicrotask));
}

/**
 * The one server of a URL.
 * @throws RedisUrlError
 */
function standaloneTarget(url: string) {
  const target = parseRedisUrl(url);
  if (target.kind === 'standalone') return target;
  const found = target.kind === 'cluster' ? 'a Redis Cluster' : 'sentinels';
  throw new RedisUrlError(
    `REDIS_URL names ${found}, which a connection for each request cannot serve: every request would have to ask first ` +
      'which server to ask. Bind the Durable Object RedisPool as REDIS_POOL, or name one server: rediss://host.',
  );
}

type StandaloneTarget = ReturnType<typeof standaloneTarget>;

function requestLink(target: StandaloneTarget, options: LinkOptions): RedisLink {
  let isClosed = false;
  let opened: Connection | null = null;
  const report = (error: unknown): void => {
    // What a connection says while it is being closed concerns nobody.
    if (!isClosed) options.onConnectionError?.(connectionMessage(error));
  };

  async function ask<T>(command: (redis: Redis) => Promise<T>): Promise<T> {
    if (isClosed) throw new StoreError('unreachable', 'the connection of this request is closed already');
    opened ??= open(target, options.timeoutMs ?? 1000, report);
    const [greeting, reply] = await Promise.allSettled([opened.greeted, command(opened.redis)]);
    // Why the server would not be spoken to says more than what it then said to the command.
    if (greeting.status === 'rejected') throw storeErrorOf(greeting.reason);
    if (reply.status === 'rejected') throw storeErrorOf(reply.reason);
    return reply.value;
  }

  return {
    ask,
    async ping() {
      await ask((redis) => redis.ping());
    },
    async close() {
      isClosed = true;
      opened?.redis.disconnect();
    },
  };
}

interface Connection {
  readonly redis: Redis;
  /** Rejects when the server refused the password or the database: whatever was sent after them does not count. */
  readonly greeted: Promise<void>;
}

function open(target: StandaloneTarget, timeoutMs: number, report: (error: unknown) => void): Connection {
  const redis = new Redis({
    ...target.node,
    ...(target.tls ? { tls: {} } : {}),
    lazyConnect: true,
    // Neither HELLO, client info, password, database nor INFO from the client: it would wait for each of them to be
    // answered before it sends a command.
    protocol: 2,
    disableClientInfo: true,
    enableReadyCheck: false,
    commandTimeout: timeoutMs,
    connectTimeout: timeoutMs,
    disconnectTimeout: 0,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  redis.on('error', report);
  return { redis, greeted: greet(redis, target, report) };
}

async function greet(redis: Redis, target: StandaloneTarget, report: (error: unknown) => void): Promise<void> {
  const { username, password, database } = target;
  const credentials = [username, password].filter((part) => part !== null);
  const greetings: Promise<unknown>[] = [];
  // Through `call`, as the client keeps back what it knows to change the connection.
  if (credentials.length > 0) greetings.push(redis.call('AUTH', ...credentials).catch(acceptOpenServer));
  if (database !== 0) greetings.push(redis.call('SELECT', database));
  try {
    await Promise.all(greetings);
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplyError') report(error);
    throw new StoreError('unreachable', connectionMessage(error));
  }
}

/** A password that the server does not ask for is no reason to stay away, here as on Node. */
function acceptOpenServer(error: unknown): void {
  if (!/without any password configured/.test(messageOf(error))) throw error;
}
