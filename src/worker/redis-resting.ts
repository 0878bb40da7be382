import { type RawCells, type RawReply, rawCells, type Step, stepByStep } from '../store/redis/cells.ts';
import { gatheringOf, lastingLink, type RedisStoreOptions } from '../store/redis/redis.ts';
import { parseRedisUrl } from '../store/redis/url.ts';

/** Which Redis, and when its connection may rest. */
export interface RestingOptions extends RedisStoreOptions {
  /** After so long without a call the connection is closed, in ms; a call may find it open for up to twice as long. */
  readonly idleMs: number;
}

/** The steps of the store over one connection. */
export interface Connection {
  readonly raw: RawCells;
  /** Steps that arrive in one turn of the event loop go out together. */
  readonly take: (step: Step) => Promise<RawReply>;
}

/**
 * A connection that is made when it is asked for, kept as long as it is used, and closed when nobody has asked for it for a
 * while: then it neither holds a socket nor tries to connect. The answer comes once the first try has succeeded or failed.
 * @throws RedisUrlError when the URL cannot be understood.
 */
export function restingConnection(options: RestingOptions): () => Promise<Connection> {
  const target = parseRedisUrl(options.url);
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
    }, options.idleMs);
    return { raw, take: stepByStep(raw, gatheringOf(target)), tried: link.tried() };
  }

  return async () => {
    isAsked = true;
    opened ??= open();
    const connection = opened;
    await connection.tried;
    return connection;
  };
}
