import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { CliError } from './fault.ts';

/** Where requests are sent. The address is settled once: a name is not looked up again between two of them. */
export interface Peer {
  readonly address: string;
  readonly port: number;
  readonly isTls: boolean;
  /** Value of `Host`, and the name that the certificate must be for. */
  readonly host: string;
}

/** A request exactly as sent; an HTTP client would refuse or correct much of it. */
export interface RawRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

export interface RawAnswer {
  readonly status: number;
  /** Lower-case name to its last value. */
  readonly headers: ReadonlyMap<string, string>;
  /** The part of the body received so far. */
  readonly body: string;
}

const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * Sends one request over its own connection and reads the answer, with its body if wanted. Redirects are not followed.
 * Null if the peer closes without an answer, as some do for what they cannot parse.
 *
 * @throws {CliError} without an answer within `timeoutMs`
 * @throws {Error} of Node, with its code, without a connection
 */
export function exchange(
  peer: Peer,
  request: RawRequest,
  { timeoutMs, withBody = false }: { readonly timeoutMs: number; readonly withBody?: boolean },
): Promise<RawAnswer | null> {
  return new Promise((resolve, reject) => {
    const socket = connected(peer);
    let received = Buffer.alloc(0);
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new CliError(`${peer.host} gave no answer within ${Math.round(timeoutMs)} ms`));
    }, timeoutMs);
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answerOf(received.toString('latin1')));
    };
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const isHeadThere = answerOf(received.toString('latin1')) !== null;
      if (received.length > MAX_ANSWER_BYTES || (isHeadThere && !withBody)) finish();
    });
    socket.on('end', finish);
    socket.on('error', (error) => {
      // Closed during the request: the peer stopped reading.
      if ('code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')) return finish();
      clearTimeout(timer);
      reject(error);
    });
    socket.write(bytesOf(peer, request));
  });
}

function connected({ address, port, isTls, host }: Peer): Socket {
  if (!isTls) return connectTcp(port, address);
  return connectTls({ host: address, port, servername: host.replace(/:\d+$/, '') });
}

function bytesOf({ host }: Peer, { method, target, headers, body }: RawRequest): Buffer {
  const has = (wanted: string): boolean => headers.some(([name]) => name.toLowerCase() === wanted);
  const length = Buffer.byteLength(body);
  const own: (readonly [string, string])[] = [
    ['Host', host],
    ...(has('connection') ? [] : [['Connection', 'close'] as const]),
    // Methods that have no body of themselves announce none (RFC 9110, section 8.6).
    ...(length > 0 || !['GET', 'HEAD', 'OPTIONS'].includes(method)
      ? [['Content-Length', String(length)] as const]
      : []),
  ];
  const lines = [...own, ...headers].map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines}\r\n${body}`);
}

/** Null while the head is not all there. Interim answers are passed over. */
function answerOf(text: string): RawAnswer | null {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return null;
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first)?.[1] ?? 0);
  const body = text.slice(end + 4);
  if (status >= 100 && status < 200 && status !== 101) return answerOf(body);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { status, headers, body };
}
