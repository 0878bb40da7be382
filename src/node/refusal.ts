import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { PROBLEMS, type ProblemCode, ProblemError, problemResponse } from '../http/problem.ts';

/** What Node's parser found, by the code of its error; anything else is a request that cannot be read. */
const REFUSALS: { readonly [code: string]: { readonly problem: ProblemCode; readonly detail: string } } = {
  HPE_HEADER_OVERFLOW: {
    problem: 'headers_too_large',
    detail: 'the header lines are larger than is read; send fewer or shorter ones',
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    problem: 'body_too_large',
    detail: 'the chunk extensions are larger than is read; send none',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    problem: 'request_timeout',
    detail: 'the request did not arrive in full in time; send it again',
  },
};
const UNREADABLE = {
  problem: 'invalid_request',
  detail: 'what was sent is not a request of HTTP/1.1 (RFC 9112)',
} as const;

/**
 * Answers unparsable input with a problem document and closes the connection, since it is unknown where the next
 * request begins. Node itself would answer without a body and without an `X-Request-ID`.
 */
export async function refuseUnparsed(error: Error, socket: Duplex, requestId: string): Promise<void> {
  if (!socket.writable || isAnswering(socket)) {
    socket.destroy();
    return;
  }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const { problem, detail } = REFUSALS[code] ?? UNREADABLE;
  const { status } = PROBLEMS[problem];
  const body = await problemResponse(new ProblemError(problem, detail)).text();
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-ID: ${requestId}`,
    'X-Content-Type-Options: nosniff',
    'Cache-Control: no-store',
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${isHead(error) ? '' : body}`, () => socket.destroy());
}

/** Best guess for an unparsed request: HEAD expects no body. */
function isHead(error: Error): boolean {
  return (
    'rawPacket' in error && Buffer.isBuffer(error.rawPacket) && error.rawPacket.toString('latin1', 0, 5) === 'HEAD '
  );
}

/** A second answer in the middle of one that is going out would be read as a part of it. */
function isAnswering(socket: Duplex): boolean {
  const message = '_httpMessage' in socket ? socket._httpMessage : null;
  return typeof message === 'object' && message !== null && '_headerSent' in message && message._headerSent === true;
}
