import { connect, createServer, type Socket } from 'node:net';
import { freePort } from './redis.ts';

/** How a Redis behind the proxy fails: replies are held back, cut off in the middle, or nobody takes the connection. */
export type RedisFault = 'stalled' | 'reset mid-reply' | 'closed';

/** A proxy in front of a Redis on this machine. */
export interface RedisProxy {
  readonly port: number;
  /** Connections that are open now. */
  connections(): number;
  /** From now on, for connections that are open as well; null: none. */
  fail(fault: RedisFault | null): void;
  stop(): Promise<void>;
}

/**
 * Every piece of data arrives `delayMs` later, on the way there and on the way back. The connection itself costs a way there
 * and back before its first piece, as TCP would on such a line.
 */
export async function startRedisProxy(target: number, { delayMs = 0 } = {}): Promise<RedisProxy> {
  const port = await freePort();
  const clients = new Set<Socket>();
  const held: (() => void)[] = [];
  let fault: RedisFault | null = null;

  const server = createServer((client) => {
    if (fault === 'closed') {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(target, '127.0.0.1');
    clients.add(client);
    const ends = [client, upstream];
    for (const socket of ends) {
      socket.setNoDelay();
      socket.on('error', () => undefined);
      socket.on('close', () => {
        clients.delete(client);
        for (const other of ends) other.destroy();
      });
    }
    const later = (run: () => void): void => {
      if (delayMs === 0) run();
      else setTimeout(run, delayMs);
    };
    client.pause();
    later(() => later(() => client.resume()));
    client.on('data', (data) => later(() => upstream.write(data)));
    upstream.on('data', (data) =>
      later(() => {
        if (fault === 'stalled') held.push(() => client.write(data));
        if (fault === null) client.write(data);
        if (fault !== 'reset mid-reply') return;
        // What was written before a reset may be lost with it.
        client.write(data.subarray(0, Math.ceil(data.length / 2)), () => setTimeout(() => client.resetAndDestroy(), 5));
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port,
    connections: () => clients.size,
    fail(next) {
      fault = next;
      for (const release of held.splice(0)) release();
      if (next === 'closed') for (const client of clients) client.resetAndDestroy();
    },
    async stop() {
      for (const client of clients) client.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
