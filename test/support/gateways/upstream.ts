import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { frameText, textFrame } from './websocket.ts';

/** What an application behind a gateway gets to see of one request. */
export interface Arrival {
  readonly method: string;
  readonly target: string;
  /** Lower-case name to its lines, in the order they came. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly body: string;
}

/**
 * The application behind the gateways. It answers 200, or 500 on `/public/own/500`, with a cookie of its own, and echoes short
 * texts over websockets.
 */
export interface Upstream {
  /** `127.0.0.1:3000`, with the port that was taken. */
  readonly address: string;
  /** Everything that arrived since the last call. */
  take(): Arrival[];
  close(): Promise<void>;
}

/** Where the application's own redirect leads. */
export const ELSEWHERE = '/public/elsewhere';
/** RFC 6455, section 1.3. */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export async function startUpstream(): Promise<Upstream> {
  let arrivals: Arrival[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ maxHeaderSize: 64 * 1024 }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      arrivals.push(arrivalOf(request, Buffer.concat(chunks).toString()));
      const status = Number(/^\/public\/own\/(\d{3})$/.exec(request.url ?? '')?.[1] ?? 200);
      response
        .writeHead(status, {
          'Content-Type': 'text/plain',
          'Set-Cookie': 'app=1; Path=/',
          ...(status === 302 && { Location: ELSEWHERE }),
        })
        .end('from the application');
    });
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
    arrivals.push(arrivalOf(request, ''));
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key']}${WEBSOCKET_GUID}`)
      .digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    let received = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const text = frameText(received);
      if (text === null) return;
      received = Buffer.alloc(0);
      socket.write(textFrame(text));
    });
    socket.on('end', () => socket.end());
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // A gateway that is ended resets what it holds open.
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    take: () => arrivals.splice(0),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      arrivals = [];
    },
  };
}

function arrivalOf(request: IncomingMessage, body: string): Arrival {
  return { method: request.method ?? '', target: request.url ?? '', headers: linesOf(request.rawHeaders), body };
}

/** Node's flat list of names and values by lower-case name. */
export function linesOf(rawHeaders: readonly string[]): Map<string, string[]> {
  const lines = new Map<string, string[]>();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase();
    lines.set(name, [...(lines.get(name) ?? []), rawHeaders[i + 1] ?? '']);
  }
  return lines;
}
