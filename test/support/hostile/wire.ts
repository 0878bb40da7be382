import { connect } from 'node:net';

/** One answer as it came over the wire. */
export interface WireAnswer {
  readonly status: number;
  /** Lower-case names; several lines of one name in their order. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly body: string;
}

/** All that came back for what was sent. */
export interface Exchange {
  readonly answers: readonly WireAnswer[];
  /** What came and is no whole answer. */
  readonly rest: string;
  /** `closed`: the server ended the connection; `quiet`: it wants more, so that we ended it; `stuck`: it did not even end then. */
  readonly end: 'closed' | 'quiet' | 'stuck';
}

/** A server that says nothing for so long waits for more of the request. */
const QUIET_MS = 250;
/** Nothing may hold a connection for longer, once its other end has left. */
const STUCK_MS = 10_000;

/** Sends bytes over a connection of their own and reads what comes until it ends. `method` tells whether answers have a body. */
export function exchange(
  port: number,
  bytes: Buffer,
  { isHead = false, expectsClose = false } = {},
): Promise<Exchange> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let received = '';
    let end: Exchange['end'] = 'closed';
    let quiet: NodeJS.Timeout | undefined;
    const stuck = setTimeout(() => {
      end = 'stuck';
      socket.destroy();
    }, STUCK_MS);
    const listen = (): void => {
      clearTimeout(quiet);
      // What asks for the connection to be closed is answered, however busy the server is.
      if (expectsClose) return;
      quiet = setTimeout(() => {
        end = 'quiet';
        socket.end();
      }, QUIET_MS);
    };
    socket.setEncoding('latin1');
    socket.on('connect', () => {
      socket.write(bytes);
      listen();
    });
    socket.on('data', (data) => {
      received += data;
      listen();
    });
    // A server that has answered may close before all was sent: what it answered is what counts.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(quiet);
      clearTimeout(stuck);
      resolve({ ...answersIn(received, isHead), end });
    });
  });
}

/** Cuts what came into answers: each has a `Content-Length`, comes in chunks, or has no body. */
export function answersIn(text: string, isHead: boolean): Pick<Exchange, 'answers' | 'rest'> {
  const answers: WireAnswer[] = [];
  let rest = text;
  for (;;) {
    const headEnd = rest.indexOf('\r\n\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(rest)?.[1] ?? Number.NaN);
    if (headEnd === -1 || Number.isNaN(status)) return { answers, rest };
    const headers = headersOf(rest.slice(0, headEnd).split('\r\n').slice(1));
    const after = rest.slice(headEnd + 4);
    const body =
      isHead || status < 200 || status === 204 || status === 304 ? { text: '', length: 0 } : bodyOf(headers, after);
    if (body === null) return { answers, rest };
    answers.push({ status, headers, body: Buffer.from(body.text, 'latin1').toString() });
    rest = after.slice(body.length);
  }
}

function headersOf(lines: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), line.slice(colon + 1).trim()]);
  }
  return headers;
}

function bodyOf(headers: WireAnswer['headers'], after: string): { text: string; length: number } | null {
  if (headers.get('transfer-encoding')?.[0] === 'chunked') return chunksOf(after);
  const length = Number(headers.get('content-length')?.[0] ?? 0);
  return after.length < length ? null : { text: after.slice(0, length), length };
}

function chunksOf(after: string): { text: string; length: number } | null {
  let text = '';
  for (let at = 0; ; ) {
    const size = /^([0-9a-f]+)\r\n/i.exec(after.slice(at, at + 20));
    if (size === null) return null;
    const [line, digits = ''] = size;
    const length = Number.parseInt(digits, 16);
    const start = at + line.length;
    if (after.length < start + length + 2) return null;
    text += after.slice(start, start + length);
    at = start + length + 2;
    if (length === 0) return { text, length: at };
  }
}
