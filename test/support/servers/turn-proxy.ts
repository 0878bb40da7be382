import { connect, createServer, type Socket } from 'node:net';
import { freePort } from './redis.ts';

/** A proxy in front of a Redis on this machine that counts network waits. */
export interface TurnProxy {
  readonly port: number;
  /** Waits for the network so far. */
  turns(): number;
  stop(): Promise<void>;
}

/**
 * A proxy that holds replies back until the client has nothing more to say: each release is one wait of the client for
 * the network, however its requests were cut into packets.
 */
export async function startTurnProxy(target: number): Promise<TurnProxy> {
  const port = await freePort();
  const sockets = new Set<Socket>();
  let turns = 0;
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
    let held: Buffer[] = [];
    let quiet: NodeJS.Timeout | undefined;
    const settle = (): void => {
      clearTimeout(quiet);
      quiet = setTimeout(() => {
        if (held.length === 0) return;
        turns += 1;
        client.write(Buffer.concat(held));
        held = [];
      }, 40);
    };
    client.on('data', (data) => {
      upstream.write(data);
      settle();
    });
    upstream.on('data', (data) => {
      held.push(data);
      settle();
    });
    client.on('close', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port,
    turns: () => turns,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
