import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Listening, listen } from './listen.ts';

/**
 * What becomes of replies on their way to the client: they pass, are held back until their fate changes, begin before a
 * reset, are refused together with the connection, or come `ms` late and by chance up to `jitterMs` more, in their order.
 */
export type Fate =
  | 'pass'
  | 'stalled'
  | 'reset mid-reply'
  | 'closed'
  | { readonly ms: number; readonly jitterMs: number };

/** A proxy in front of a server on this machine. */
export interface FaultyProxy extends Listening {
  /** Connections that are open now. */
  connections(): number;
  /** How often clients have waited for the network; 0 unless it counts. */
  turns(): number;
  /** From now on, for connections that are open as well. */
  replies(fate: Fate): void;
}

export interface ProxyOptions {
  /**
   * Every piece of data arrives so much later, on the way there and on the way back. The connection itself costs a way there and
   * back before its first piece, as TCP would on such a line. Default 0.
   */
  readonly delayMs?: number;
  /**
   * Holds replies back until the client has nothing more to say: each release is one wait of the client for the network, however
   * its requests were cut into packets.
   */
  readonly countsTurns?: boolean;
}

/** A client that says nothing for so long has nothing more to say. */
const QUIET_MS = 40;

export async function startProxy(
  target: number,
  { delayMs = 0, countsTurns = false }: ProxyOptions = {},
): Promise<FaultyProxy> {
  let open = 0;
  let turns = 0;
  let fate: Fate = 'pass';
  const held: (() => void)[] = [];
  const closing = new Set<() => void>();

  const server = createServer({ noDelay: true }, (client) => {
    if (fate === 'closed') {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ port: target, host: '127.0.0.1', noDelay: true });
    const reset = (): void => void client.resetAndDestroy();
    open += 1;
    closing.add(reset);
    client.once('close', () => {
      open -= 1;
      closing.delete(reset);
    });
    for (const socket of [client, upstream]) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        client.destroy();
        upstream.destroy();
      });
    }
    if (delayMs > 0) {
      client.pause();
      setTimeout(() => client.resume(), 2 * delayMs);
    }

    let isCut = false;
    let pieces: Buffer[] = [];
    let quiet: NodeJS.Timeout | undefined;
    const awaitQuiet = (): void => {
      clearTimeout(quiet);
      quiet = setTimeout(() => {
        if (pieces.length === 0) return;
        turns += 1;
        client.write(Buffer.concat(pieces));
        pieces = [];
      }, QUIET_MS);
    };
    const reply = (data: Buffer): void => {
      if (countsTurns) {
        pieces.push(data);
        awaitQuiet();
      } else if (fate === 'stalled') held.push(() => client.write(data));
      else if (fate !== 'reset mid-reply') client.write(data);
      else if (!isCut) {
        // The data may hold several replies, and not one of them may arrive whole. What was written before a reset may be lost with it.
        isCut = true;
        client.write(data.subarray(0, 2), () => setTimeout(reset, 5));
      }
    };
    const there = inOrder();
    const back = inOrder();
    client.on('data', (data) => {
      there(delayMs, () => upstream.write(data));
      if (countsTurns) awaitQuiet();
    });
    upstream.on('data', (data) => {
      const lateMs = typeof fate === 'object' ? fate.ms + Math.random() * fate.jitterMs : 0;
      back(delayMs + lateMs, () => reply(data));
    });
  });

  return {
    ...(await listen(server)),
    connections: () => open,
    turns: () => turns,
    replies(next) {
      fate = next;
      for (const release of held.splice(0)) release();
      if (next === 'closed') for (const close of closing) close();
    },
  };
}

/** Runs each piece of work after its delay, and never before one that came earlier. */
function inOrder(): (delayMs: number, work: () => void) => void {
  let last = Promise.resolve();
  return (delayMs, work) => {
    const dueMs = performance.now() + delayMs;
    last = last.then(async () => {
      const leftMs = dueMs - performance.now();
      if (leftMs > 0) await sleep(leftMs);
      work();
    });
  };
}
