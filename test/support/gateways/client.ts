import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { send as sendRequest } from '../servers/http.ts';
import { linesOf } from './upstream.ts';
import { frameText, textFrame } from './websocket.ts';

/** One request as a client sends it. */
export interface ClientRequest {
  readonly method: string;
  /** As it stands in the request line. */
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  /** Loopback address to send from. */
  readonly from: string;
  readonly websocket: boolean;
}

export interface ClientAnswer {
  readonly status: number;
  /** Lower-case name to its lines. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly body: string;
  /** What came back over the websocket for {@link WEBSOCKET_WORD}; null where none was opened. */
  readonly echo: string | null;
}

export const WEBSOCKET_WORD = 'hello over the socket';
/** Name of the site in every request. */
export const HOST = 'app.example';

const HANDSHAKE = [
  ['Connection', 'Upgrade'],
  ['Upgrade', 'websocket'],
  ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  ['Sec-WebSocket-Version', '13'],
] as const;

/** Header lines of the request with what an HTTP client adds by itself. */
export function sentHeaders({ headers, body, websocket }: ClientRequest): (readonly [string, string])[] {
  const has = (wanted: string): boolean => headers.some(([name]) => name.toLowerCase() === wanted);
  return [
    ...(has('host') ? [] : ([['Host', HOST]] as const)),
    ...(websocket ? HANDSHAKE : []),
    ...(body === '' || has('transfer-encoding')
      ? []
      : ([['Content-Length', String(Buffer.byteLength(body))]] as const)),
    ...headers,
  ];
}

/** Sends one request over a connection of its own. */
export async function send(port: number, sent: ClientRequest): Promise<ClientAnswer> {
  const { method, target, from, body } = sent;
  const headers = sentHeaders(sent).flat();
  if (sent.websocket) return handshake({ host: '127.0.0.1', port, localAddress: from, method, path: target, headers });
  const { status, rawHeaders, text } = await sendRequest(`http://127.0.0.1:${port}`, {
    ...{ method, target, headers, body, from },
  });
  return { status, headers: linesOf(rawHeaders), body: text, echo: null };
}

/** Opens a websocket, or takes the answer that refuses it. */
function handshake(options: RequestOptions): Promise<ClientAnswer> {
  return new Promise((resolve, reject) => {
    const call = request({ ...options, agent: false });
    const answer = ({ statusCode = 0, rawHeaders }: IncomingMessage, body: string, echo: string | null) =>
      resolve({ status: statusCode, headers: linesOf(rawHeaders), body, echo });
    call.on('response', (response) => text(response).then((body) => answer(response, body, null), reject));
    call.on('upgrade', (response, socket, head) => {
      let received = head;
      socket.on('error', reject);
      socket.on('end', () => reject(new Error('the websocket was closed before it answered')));
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        const echo = frameText(received);
        if (echo === null) return;
        socket.destroy();
        answer(response, '', echo);
      });
      socket.write(textFrame(WEBSOCKET_WORD, Buffer.from('mask')));
    });
    call.on('error', reject);
    call.end();
  });
}
