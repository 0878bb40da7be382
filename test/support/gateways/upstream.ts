import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { type Listening, listen } from '../servers/listen.ts';
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
export interface Upstream extends Listening {
  /** `127.0.0.1:3000`, with the port that was taken. */
  readonly address: string;
  /** Everything that arrived since the last call. */
  take(): Arrival[];
}

/** Where the application's own redirect leads. */
export const ELSEWHERE = '/public/elsewhere';
/** RFC 6455, section 1.3. */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export async function startUpstream(): Promise<Upstream> {
  const arrivals: Arrival[] = [];
  const server = createServer({ maxHeaderSize: 64 * 1024 }, async (request, response) => {
    arrivals.push(arrivalOf(request, await text(request)));
    const status = Number(/^\/public\/own\/(\d{3})$/.exec(request.url ?? '')?.[1] ?? 200);
    const headers = { 'Content-Type': 'text/plain', 'Set-Cookie': 'app=1; Path=/' };
    response
      .writeHead(status, { ...headers, ...(status === 302 && { Location: ELSEWHERE }) })
      .end('from the application');
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
      const word = frameText(received);
      if (word === null) return;
      received = Buffer.alloc(0);
      socket.write(textFrame(word));
    });
    socket.on('end', () => socket.end());
  });
  const { port, ...listening } = await listen(server);
  return { ...listening, port, address: `127.0.0.1:${port}`, take: () => arrivals.splice(0) };
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
