import { type RedisCommands, redisCommands, type Step, type StepReply, stepTaker } from '../store/redis/commands.ts';
import { batchingOf, lastingLink, type RedisStoreOptions } from '../store/redis/redis.ts';
import { parseRedisUrl } from '../store/redis/url.ts';

/** Which Redis, and when an idle connection is closed. */
export interface IdleClosingOptions extends RedisStoreOptions {
  /** After so long without a call the connection is closed, in ms; a call may find it open for up to twice as long. */
  readonly idleMs: number;
}

/** The steps of the store over one connection. */
export interface Connection {
  readonly commands: RedisCommands;
  /** Steps that arrive in one turn of the event loop are sent together. */
  readonly take: (step: Step) => Promise<StepReply>;
}

/**
 * A connection that is opened on demand, kept while in use, and closed when idle: then it neither holds a socket nor
 * reconnects. Resolves once the first attempt has succeeded or failed.
 *
 * @throws RedisUrlError if the URL is invalid
 */
export function idleClosingConnection(options: IdleClosingOptions): () => Promise<Connection> {
  const target = parseRedisUrl(options.url);
  let isAsked = false;
  let opened: (Connection & { readonly tried: Promise<void> }) | null = null;

  function open() {
    const link = lastingLink(target, options);
    const commands = redisCommands(link);
    const watch = setInterval(() => {
      if (isAsked) {
        isAsked = false;
        return;
      }
      clearInterval(watch);
      opened = null;
      void link.close();
    }, options.idleMs);
    return { commands, take: stepTaker(commands, batchingOf(target)), tried: link.tried() };
  }

  return async () => {
    isAsked = true;
    opened ??= open();
    const connection = opened;
    await connection.tried;
    return connection;
  };
}
