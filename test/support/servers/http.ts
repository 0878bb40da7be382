import { once } from 'node:events';
import {
  type Agent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
} from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

export interface Sent {
  readonly method?: string;
  /** As it stands in the request line; default: the path of the URL. */
  readonly target?: string;
  /** By name, or a flat list of names and values. Nothing is added but `Host` and `Connection`. */
  readonly headers?: OutgoingHttpHeaders | readonly string[];
  readonly body?: string | undefined;
  /** Default: a connection of its own. */
  readonly agent?: Agent;
  /** Loopback address to send from. */
  readonly from?: string;
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly text: string;
}

/** Sends one request over Node's own client, which leaves targets and headers as they are. */
export async function send(
  url: string,
  { method = 'GET', target, headers = {}, body, agent, from }: Sent = {},
): Promise<Reply> {
  const { hostname, port, pathname, search } = new URL(url);
  const call = request({
    hostname,
    port,
    method,
    path: target ?? `${pathname}${search}`,
    headers,
    agent: agent ?? false,
    ...(from !== undefined && { localAddress: from }),
  });
  // Once the response is there, it tells of what fails.
  call.on('error', () => undefined);
  call.end(body);
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  const { statusCode = 0, rawHeaders } = response;
  return { status: statusCode, headers: response.headers, rawHeaders, text: await text(response) };
}

/** Sends raw bytes over one connection and gives back all that comes until it closes or falls silent for 2 s. */
export function raw(url: string, ...parts: (string | Buffer)[]): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let received = '';
    socket.setTimeout(2000, () => socket.end());
    socket.on('data', (chunk) => {
      received += chunk;
    });
    socket.on('close', () => resolve(received));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // Writing on after the server has answered and closed is part of what is tested.
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
    for (const part of parts) socket.write(part);
  });
}
