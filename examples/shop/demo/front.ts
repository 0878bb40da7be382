import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
  request as send,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { getRequestListener } from '@hono/node-server';
import { parse } from 'hono/utils/cookie';
import { PLACE_COOKIE, placeNamed, type Who } from './places.ts';

/** Proxy between a browser and a part of the demo that simulates the internet. */
export interface FrontOptions {
  readonly who: Who;
  /** Serves `/demo/…`: the panel and its calls. */
  readonly controls: (request: Request) => Response | Promise<Response>;
  /** Appended to every page. */
  readonly panel: string;
  /** Changes requests, and the addresses of redirects. */
  readonly disguise?: {
    readonly headers: (headers: IncomingHttpHeaders) => IncomingHttpHeaders;
    readonly location: (location: string) => string;
  };
}

/** A listening front; it answers 503 until `lead` is called. */
export interface Front {
  readonly port: number;
  /** Sends requests to this port of 127.0.0.1. */
  lead(port: number): void;
  close(): Promise<void>;
}

/**
 * Starts a front on a free port of 127.0.0.1. It sets the client address: it overwrites `X-Forwarded-For` with the address of the
 * place chosen in the panel, as the outermost proxy of a real site does with the peer's address.
 */
export async function startFront(options: FrontOptions): Promise<Front> {
  let upstream: number | null = null;
  const controls = getRequestListener(options.controls, { overrideGlobalObjects: false });
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/demo/') === true || request.url === '/demo') void controls(request, response);
    else if (upstream === null) response.writeHead(503).end('the demo is starting');
    else pass(options, upstream, request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    lead(port) {
      upstream = port;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      // The panel's stream of decisions never ends by itself.
      server.closeAllConnections();
      await closed;
    },
  };
}

function pass(options: FrontOptions, port: number, request: IncomingMessage, response: ServerResponse): void {
  const { who, disguise } = options;
  const cookies = parse(request.headers.cookie ?? '');
  const sent = disguise === undefined ? request.headers : disguise.headers(request.headers);
  const headers: OutgoingHttpHeaders = {
    ...sent,
    'x-forwarded-for': placeNamed(cookies[PLACE_COOKIE]).address[who],
    'accept-encoding': 'identity',
  };
  const onward = send({ host: '127.0.0.1', port, method: request.method, path: request.url, headers }, (answer) => {
    answered(options, answer, response).catch((error: unknown) => response.destroy(errorOf(error)));
  });
  onward.on('error', (error) => {
    if (!response.headersSent) response.writeHead(502).end(`the demo has lost a part of itself: ${error.message}`);
    else response.destroy();
  });
  response.on('close', () => onward.destroy());
  request.pipe(onward);
}

async function answered({ panel, disguise }: FrontOptions, answer: IncomingMessage, response: ServerResponse) {
  const headers: OutgoingHttpHeaders = { ...answer.headers };
  if (disguise !== undefined && answer.headers.location !== undefined) {
    headers.location = disguise.location(answer.headers.location);
  }
  const status = answer.statusCode ?? 502;
  if (answer.headers['content-type']?.startsWith('text/html') !== true) {
    response.writeHead(status, headers);
    answer.pipe(response);
    return;
  }
  const page = (await text(answer)).replace('</body>', () => `${panel}</body>`);
  delete headers['content-length'];
  delete headers['transfer-encoding'];
  response.writeHead(status, headers).end(page);
}

function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
