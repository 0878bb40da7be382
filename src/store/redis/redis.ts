import type { ConnectionOptions } from 'node:tls';
import { Cluster, Redis } from 'ioredis';
import { messageOf } from '../../model/error-text.ts';
import { StoreError } from '../../model/store-error.ts';
import { storeOver } from '../over-backend.ts';
import type { PartwiseStore } from '../store.ts';
import { type Client, type Later, loadScript, type RedisLink, redisBackend, redisCommands } from './commands.ts';
import { connectionMessage, storeErrorOf } from './errors.ts';
import { parseRedisUrl, type RedisTarget } from './url.ts';

/** Redis server, and callbacks for its connections. */
export interface RedisStoreOptions extends LinkOptions {
  /** `REDIS_URL`, see `parseRedisUrl`. */
  readonly url: string;
}

/** Timeouts, and callbacks for connections. */
export interface LinkOptions {
  /**
   * Timeout of a command in ms, 1 to 60,000; default 1000. Bounds what an unanswered command holds; `budgetedStore`
   * keeps the budget of a check.
   */
  readonly timeoutMs?: number;
  /** TLS options besides the URL, such as a CA; Node's `NODE_EXTRA_CA_CERTS` works without. */
  readonly tls?: ConnectionOptions;
  /** Hears of every connection that failed, in one line without keys, values or passwords. */
  readonly onConnectionError?: (message: string) => void;
  /** Hears when the cluster client is replaced because its picture of the cluster stayed wrong. */
  readonly onRebuild?: () => void;
  /**
   * From 0 to below 1: spreads reconnection attempts, so that processes that lost one server do not all return at once.
   * Default: no spread.
   */
  readonly random?: () => number;
}

/** After this many misrouted commands in a row, a cluster client is rebuilt. */
const MISROUTED_TO_REBUILD = 5;

/** Longest wait between two tries to connect, in ms: what recovery takes at most after the server is back. */
const MAX_RECONNECT_DELAY_MS = 1000;

/**
 * A store in Redis (7 or newer), Redis Cluster or a master behind sentinels. One client, whose commands go out in the
 * turn of the event loop in which they are given; nothing is queued while the server is away, and a command whose
 * connection broke is never sent again: a count is applied once or reported as failed.
 * @throws RedisUrlError when the URL cannot be understood.
 */
export function redisStore(options: RedisStoreOptions): PartwiseStore {
  const target = parseRedisUrl(options.url);
  return storeOver('redis', redisBackend(redisCommands(lastingLink(target, options)), batchingOf(target)));
}

/** How long a batch is collected: one turn of the event loop; in a cluster each step is sent alone to its keys. */
export function batchingOf(target: RedisTarget): Later | null {
  return target.kind === 'cluster' ? null : setImmediate;
}

/** A link that stays connected and reconnects by itself. */
export interface LastingLink extends RedisLink {
  /** Asked at once: resolves when the first try to connect has succeeded, failed or taken too long. */
  tried(): Promise<void>;
}

/** Connects to Redis and stays connected. */
export function lastingLink(target: RedisTarget, options: LinkOptions): LastingLink {
  const timeoutMs = options.timeoutMs ?? 1000;
  let client = connect(target, options, timeoutMs);
  let misrouted = 0;

  async function ask<T>(command: (redis: Client) => Promise<T>): Promise<T> {
    const asked = client;
    try {
      const reply = await command(asked);
      misrouted = 0;
      return reply;
    } catch (error) {
      if (target.kind === 'cluster' && isMisrouted(error)) {
        misrouted += 1;
        if (misrouted >= MISROUTED_TO_REBUILD && asked === client) {
          misrouted = 0;
          client = connect(target, options, timeoutMs);
          asked.disconnect();
          options.onRebuild?.();
        }
      }
      throw storeErrorOf(error);
    }
  }

  return {
    ask,
    async tried() {
      await connected(client, ['ready', 'close'], timeoutMs);
    },
    async ping() {
      const isReady = await connected(client, ['ready'], timeoutMs);
      if (!isReady) throw new StoreError('unreachable', `Redis is not connected after ${timeoutMs} ms`);
      await ask(pingServers);
    },
    async close() {
      client.disconnect();
    },
  };
}

function connect(target: RedisTarget, options: LinkOptions, timeoutMs: number): Client {
  const connection = connectionOptions(target, options, timeoutMs);
  const client = clientOf(target, connection, (tries) => reconnectDelayMs(tries, options.random));
  const report = (error: unknown): void => options.onConnectionError?.(connectionMessage(error));
  const tellScript = (server: Redis) => () => void loadScript(server).catch(report);
  // Without a listener, ioredis prints every error itself.
  client.on('error', report);
  if (client instanceof Cluster) {
    client.on('node error', report);
    // Without a queue, a node that is only connected when it is first needed loses the commands of that moment.
    client.on('+node', (node: Redis) => {
      node.on('ready', tellScript(node));
      if (node.status === 'wait') node.connect().catch(report);
    });
  } else {
    client.on('ready', tellScript(client));
  }
  return client;
}

type Connection = ReturnType<typeof connectionOptions>;

function connectionOptions(target: RedisTarget, options: LinkOptions, timeoutMs: number) {
  return {
    ...(target.username === null ? {} : { username: target.username }),
    ...(target.password === null ? {} : { password: target.password }),
    ...(target.tls ? { tls: options.tls ?? {} } : {}),
    commandTimeout: timeoutMs,
    connectTimeout: Math.max(timeoutMs, 1000),
    // A peer that went silent is dropped, and the commands that wait for it with it.
    socketTimeout: 2 * timeoutMs,
    keepAlive: 10_000,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // A loading server states when it will be ready, often wrongly.
    maxLoadingRetryTime: MAX_RECONNECT_DELAY_MS,
    // The server became a replica: reconnect, so that names or sentinels lead to the master. 1: no resending.
    reconnectOnError: (error: Error) => (error.message.startsWith('READONLY') ? (1 as const) : false),
  };
}

function clientOf(target: RedisTarget, connection: Connection, retryDelayMs: (tries: number) => number): Client {
  const single = {
    ...connection,
    enableOfflineQueue: false,
    retryStrategy: retryDelayMs,
  };
  switch (target.kind) {
    case 'standalone':
      return new Redis({ ...single, ...target.node, db: target.database });
    case 'sentinel':
      return new Redis({
        ...single,
        sentinels: target.sentinels.map((node) => ({ ...node })),
        name: target.master,
        db: target.database,
        sentinelRetryStrategy: retryDelayMs,
        ...(connection.tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: connection.tls }),
      });
    case 'cluster': {
      const nodes = target.nodes.map((node) => ({ ...node }));
      return new Cluster(nodes, {
        redisOptions: connection,
        enableOfflineQueue: false,
        // The check asks a node that may not be connected yet, and disconnects all if it is not. A cluster that is down
        // answers so to each command.
        enableReadyCheck: false,
        clusterRetryStrategy: retryDelayMs,
        maxRedirections: 4,
        // Zero: a command whose connection broke may have been applied, so it is not resent.
        retryDelayOnFailover: 0,
        retryDelayOnClusterDown: 0,
        // What is refused while its slot moves is refused until it has moved: waiting for it helps no check.
        retryDelayOnTryAgain: 0,
        slotsRefreshTimeout: Math.max(connection.commandTimeout, 1000),
        // Certificates name hosts: the name must reach TLS unresolved.
        ...(target.tls ? { dnsLookup: (host, answer) => answer(null, host) } : {}),
      });
    }
  }
}

/** Delay before the `tries`th reconnection attempt, in ms: between half and all of a growing time. */
export function reconnectDelayMs(tries: number, random: () => number = () => 1): number {
  return Math.round(Math.min(tries * 50, MAX_RECONNECT_DELAY_MS) * (0.5 + 0.5 * random()));
}

/** Waits for each master of a cluster, and is content when one of them answers: what lies on the others fails alone. */
async function pingServers(client: Client): Promise<void> {
  if (client instanceof Redis) {
    await client.ping();
    return;
  }
  const answers = await Promise.allSettled(client.nodes('master').map((node) => node.ping()));
  if (!answers.some(({ status }) => status === 'fulfilled')) {
    throw new StoreError('unreachable', 'no master of the Redis Cluster answers');
  }
}

/** Waits until the client is ready or one of the events occurs; in a cluster, for each master. False: timed out. */
async function connected(client: Client, events: readonly ConnectionEvent[], timeoutMs: number): Promise<boolean> {
  const isReady = client.status === 'ready' || (await happened(client, events, timeoutMs));
  if (!isReady || client instanceof Redis) return isReady;
  const connecting = client.nodes('master').filter(({ status }) => status !== 'ready');
  await Promise.all(connecting.map((node) => happened(node, ['ready', 'close'], timeoutMs)));
  return true;
}

type ConnectionEvent = 'ready' | 'close';

/** Whether one of the events occurred in time. */
function happened(client: Client, events: readonly ConnectionEvent[], timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (came: boolean) => {
      clearTimeout(timer);
      for (const event of events) client.off(event, come);
      resolve(came);
    };
    const come = () => settle(true);
    const timer = setTimeout(settle, timeoutMs, false);
    for (const event of events) client.once(event, come);
  });
}

function isMisrouted(error: unknown): boolean {
  return /\b(MOVED|ASK|CROSSSLOT|CLUSTERDOWN|READONLY)\b/.test(messageOf(error));
}
