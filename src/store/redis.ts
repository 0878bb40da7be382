import { createHash } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';
import { Cluster, Redis } from 'ioredis';
import { z } from 'zod';
import type { Cells, Touch } from './cells.ts';
import { decodeTally } from './codec.ts';
import { parseRedisUrl, type RedisTarget } from './redis-url.ts';
import { REPLACE, TALLY } from './scripts.ts';
import { storeOver } from './slots.ts';
import { type Store, StoreError, type StoreFailure } from './store.ts';
import { CLOCK_SKEW_SECONDS, COUNTERS, SETS, type TallyChange } from './windows.ts';

/** Which Redis, and whom to tell about its connections. */
export interface RedisStoreOptions {
  /** `REDIS_URL`, see `parseRedisUrl`. */
  readonly url: string;
  /**
   * After how many ms a command without an answer is given up, 1 to 60,000; default 1000. Bounds what an unanswered
   * command holds on to; the budget of a check is kept by `budgetedStore`.
   */
  readonly timeoutMs?: number;
  /** Settings of TLS beside those of the URL, such as a CA; Node's own `NODE_EXTRA_CA_CERTS` works without. */
  readonly tls?: ConnectionOptions;
  /** Hears of every connection that failed, in one line without keys, values or passwords. */
  readonly onConnectionError?: (message: string) => void;
  /** Hears when the cluster client is replaced because its picture of the cluster stayed wrong. */
  readonly onRebuild?: () => void;
}

/** So many misrouted commands in a row, and a cluster client starts anew. */
const MISROUTED_TO_REBUILD = 5;

/** Most slots in one command: no other client of the server waits long for it. */
const MOST_GATHERED = 32;

/** Longest wait between two tries to connect, in ms: what recovery takes at most after the server is back. */
const MOST_RECONNECT_DELAY_MS = 1000;

/**
 * A store in Redis (7 or newer), Redis Cluster or a master behind sentinels. One client, whose commands go out in the
 * turn of the event loop in which they are given; nothing is queued while the server is away, and a command whose
 * connection broke is never sent again: a count is applied once or reported as failed.
 * @throws RedisUrlError when the URL cannot be understood.
 */
export function redisStore(options: RedisStoreOptions): Store {
  const target = parseRedisUrl(options.url);
  const timeoutMs = options.timeoutMs ?? 1000;
  let client = connect(target, options, timeoutMs);
  let misrouted = 0;

  /** Runs one command; any error becomes a StoreError. */
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

  function run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return ask(async (redis) => {
      try {
        return await redis.evalsha(script.sha1, keys.length, ...keys, ...args);
      } catch (error) {
        // A script that the server does not know did nothing, so that it can be sent in full.
        if (!messageOf(error).startsWith('NOSCRIPT')) throw error;
        return await redis.eval(script.source, keys.length, ...keys, ...args);
      }
    });
  }

  async function touchAll(touches: readonly Touch[]): Promise<SlotReply[]> {
    return read(slotReplies, await run(TALLY_SCRIPT, ...tallyCall(touches)));
  }

  async function touchAlone(touch: Touch): Promise<SlotReply | undefined> {
    const [reply] = await touchAll([touch]);
    return reply;
  }

  let gathered: Touch[] = [];
  let answered: Promise<SlotReply[]> | null = null;

  /** Where all keys lie on one server, what is touched in one turn of the event loop goes there as one command. */
  async function touchTogether(touch: Touch): Promise<SlotReply | undefined> {
    if (answered === null || gathered.length === MOST_GATHERED) {
      const together: Touch[] = [];
      gathered = together;
      answered = new Promise((resolve) => {
        setImmediate(() => {
          if (gathered === together) answered = null;
          resolve(touchAll(together));
        });
      });
    }
    const place = gathered.push(touch) - 1;
    return (await answered)[place];
  }

  const cells: Cells = {
    async touch(touch) {
      const reply = await (target.kind === 'cluster' ? touchAlone(touch) : touchTogether(touch));
      if (reply === undefined || typeof reply === 'string') throw refusal(reply ?? 'ERR');
      const count = touch.tallies.length;
      return { tallies: reply.slice(0, count).map((raw) => decodeTally(raw ?? '')), values: reply.slice(count) };
    },
    get: (key) => ask((redis) => redis.get(key)),
    async replace(key, expected, next, ttlMs) {
      const [written, found = null] = read(replaced, await run(REPLACE_SCRIPT, [key], [expected ?? '', next, ttlMs]));
      return written === 1 ? { written: true } : { written: false, found };
    },
    async claim(key, ttlSeconds) {
      return (await ask((redis) => redis.set(key, '1', 'EX', ttlSeconds, 'NX'))) === 'OK';
    },
    async remove(keys) {
      await ask((redis) => redis.del(...keys));
    },
    async ping() {
      await whenReady(client, timeoutMs);
      await ask(pingServers);
    },
    async close() {
      client.disconnect();
    },
  };
  return storeOver('redis', cells);
}

type Client = Redis | Cluster;

interface Script {
  readonly source: string;
  readonly sha1: string;
}

const TALLY_SCRIPT = withSha1(TALLY);
const REPLACE_SCRIPT = withSha1(REPLACE);

function withSha1(source: string): Script {
  return { source, sha1: createHash('sha1').update(source).digest('hex') };
}

/** What the script says of one slot: its keys, or the error by which it failed. */
const slotReplies = z.array(z.union([z.array(z.string().nullable()), z.string()]));
type SlotReply = z.infer<typeof slotReplies>[number];
const replaced = z.tuple([z.int(), z.string().nullable().optional()]);

function read<T>(schema: z.ZodType<T>, reply: unknown): T {
  const parsed = schema.safeParse(reply);
  if (!parsed.success) throw new StoreError('rejected', 'Redis answered a script with something else than it returns');
  return parsed.data;
}

function tallyCall(touches: readonly Touch[]): [string[], (string | number)[]] {
  const keys = touches.flatMap(({ tallies, values }) => [...tallies.map(({ key }) => key), ...values]);
  return [keys, [CLOCK_SKEW_SECONDS, JSON.stringify(touches.map(slotCall))]];
}

function slotCall({ at, write, tallies, values }: Touch) {
  const changes = tallies.flatMap((tally, index) => tally.changes.map((change) => [index + 1, ...changeCall(change)]));
  return [at, write, tallies.map(({ ttlMs }) => ttlMs), values.length, changes];
}

function changeCall(change: TallyChange): readonly (string | number)[] {
  if ('count' in change) {
    const { windowSeconds, bucketSeconds } = COUNTERS[change.count];
    return [change.count, windowSeconds, bucketSeconds, 0, ''];
  }
  const { windowSeconds, cap } = SETS[change.see];
  return [change.see, windowSeconds, 1, cap, change.member];
}

function connect(target: RedisTarget, options: RedisStoreOptions, timeoutMs: number): Client {
  const client = clientOf(target, connectionOptions(target, options, timeoutMs));
  const report = (error: unknown): void => options.onConnectionError?.(connectionMessage(error));
  // Scripts are there before the first command, so that it takes one wait after a restart too.
  const loadScripts = (server: Redis) => () => {
    for (const { source } of [TALLY_SCRIPT, REPLACE_SCRIPT]) server.script('LOAD', source).catch(report);
  };
  // Without a listener, ioredis prints every error itself.
  client.on('error', report);
  if (client instanceof Cluster) {
    client.on('node error', report);
    // Without a queue, a node that is only connected when it is first needed loses the commands of that moment.
    client.on('+node', (node: Redis) => {
      node.on('ready', loadScripts(node));
      if (node.status === 'wait') node.connect().catch(report);
    });
  } else {
    client.on('ready', loadScripts(client));
  }
  return client;
}

type Connection = ReturnType<typeof connectionOptions>;

function connectionOptions(target: RedisTarget, options: RedisStoreOptions, timeoutMs: number) {
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
    // The server became a replica: connect anew, so that the name or the sentinels lead to the master. 1: no resending.
    reconnectOnError: (error: Error) => (error.message.startsWith('READONLY') ? (1 as const) : false),
  };
}

function clientOf(target: RedisTarget, connection: Connection): Client {
  const single = {
    ...connection,
    enableOfflineQueue: false,
    retryStrategy: reconnectDelay,
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
        sentinelRetryStrategy: reconnectDelay,
        ...(connection.tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: connection.tls }),
      });
    case 'cluster': {
      const nodes = target.nodes.map((node) => ({ ...node }));
      return new Cluster(nodes, {
        redisOptions: connection,
        enableOfflineQueue: false,
        clusterRetryStrategy: reconnectDelay,
        maxRedirections: 4,
        // Zero: a command whose connection broke may have been applied, so that it is not sent again.
        retryDelayOnFailover: 0,
        retryDelayOnClusterDown: 0,
        slotsRefreshTimeout: Math.max(connection.commandTimeout, 1000),
        // Certificates name hosts: the name must reach TLS unresolved.
        ...(target.tls ? { dnsLookup: (host, answer) => answer(null, host) } : {}),
      });
    }
  }
}

function reconnectDelay(tries: number): number {
  return Math.min(tries * 50, MOST_RECONNECT_DELAY_MS);
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

async function whenReady(client: Client, timeoutMs: number): Promise<void> {
  if (client.status === 'ready') return;
  await new Promise<void>((resolve, reject) => {
    const done = (settle: () => void) => () => {
      clearTimeout(timer);
      client.off('ready', ready);
      settle();
    };
    const ready = done(resolve);
    const late = done(() => reject(new StoreError('unreachable', `Redis is not connected after ${timeoutMs} ms`)));
    const timer = setTimeout(late, timeoutMs);
    client.once('ready', ready);
  });
}

function isMisrouted(error: unknown): boolean {
  return /\b(MOVED|ASK|CROSSSLOT|CLUSTERDOWN|READONLY)\b/.test(messageOf(error));
}

/** Replies of a server that is there but cannot serve anybody yet. */
const AWAY_REPLIES: ReadonlySet<string> = new Set(['LOADING', 'MASTERDOWN', 'CLUSTERDOWN', 'NOREPLICAS', 'BUSY']);

/** Replies quote keys and arguments, so that only their first word is told. */
function storeErrorOf(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const message = messageOf(error);
  if (message === 'Command timed out') return new StoreError('timeout', 'Redis did not answer in time');
  const redirected = message.startsWith('Too many Cluster redirections');
  if (redirected) return new StoreError('rejected', 'Redis Cluster sent a command round in circles');
  if (error instanceof Error && error.name === 'ReplyError') return refusal(message);
  return new StoreError('unreachable', 'Redis cannot be reached');
}

function refusal(message: string): StoreError {
  const [word = 'ERR'] = message.split(' ');
  const code: StoreFailure = AWAY_REPLIES.has(word) ? 'unreachable' : 'rejected';
  return new StoreError(code, `Redis refused a command: ${/^[A-Z]+$/.test(word) ? word : 'ERR'}`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : '';
}

function connectionMessage(error: unknown): string {
  if (error instanceof Error && error.name === 'ReplyError') return storeErrorOf(error).message;
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
  return `Redis cannot be reached: ${code ?? 'the connection broke'}`;
}
