import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What becomes of replies on their way to the client. */
export type ReplyFate =
  | { readonly kind: 'pass' }
  /** Each waits for so long, and by chance for up to `jitterMs` more; their order stays. */
  | { readonly kind: 'delay'; readonly ms: number; readonly jitterMs: number }
  /** Half of a reply arrives, then the connection is reset. */
  | { readonly kind: 'cut' };

/** A proxy in front of a server on this machine. */
export interface FaultyProxy {
  readonly port: number;
  /** From now on, for connections that are open as well. */
  replies(fate: ReplyFate): void;
  stop(): Promise<void>;
}

/** `random` is from 0 to below 1. */
export async function startFaultyProxy(target: number, random: () => number): Promise<FaultyProxy> {
  const sockets = new Set<Socket>();
  let fate: ReplyFate = { kind: 'pass' };
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ port: target, host: '127.0.0.1', noDelay: true });
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (data) => upstream.write(data));
    let sent = Promise.resolve();
    upstream.on('data', (data) => {
      if (fate.kind === 'cut') {
        client.write(data.subarray(0, Math.floor(data.length / 2)), () => client.resetAndDestroy());
        return;
      }
      const dueMs = performance.now() + (fate.kind === 'delay' ? fate.ms + random() * fate.jitterMs : 0);
      sent = sent.then(async () => {
        const leftMs = dueMs - performance.now();
        if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs));
        if (client.writable) client.write(data);
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    replies: (next) => {
      fate = next;
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
