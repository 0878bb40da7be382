import { createServer, type IncomingMessage, request as nodeRequest, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { describe } from 'vitest';
import gateway, { type Fetcher } from '../../examples/cloudflare-worker/gateway.ts';
import { GATEWAY_KEY } from './stage.ts';
import { gatewaySuite, listeningGateway } from './suite.ts';

/**
 * Node stands in for the edge: it puts the client's address into `CF-Connecting-IP` and hands over a `Request`, whose URL is
 * normalised as the edge does it.
 *
 * @see https://developers.cloudflare.com/workers/runtime-apis/bindings/service-bindings/http/
 * @see https://developers.cloudflare.com/fundamentals/reference/http-headers/
 */
describe('the gateway Worker of examples/cloudflare-worker, run by Node', () => {
  gatewaySuite({
    id: 'cloudflare-worker',
    how: 'node',
    settings: { TRUSTED_PROXIES: 'hops:1', CLIENT_IP_HEADER: 'x-forwarded-for' },
    // Upgrades are the edge's own business: a Request of Node's cannot carry one.
    cannotShow: ['websocket', 'websocket-refused', 'h2c'],
    open: async (stage) => {
      const env = {
        STEPGATE: bindingTo(`127.0.0.1:${stage.enginePort}`),
        APP: bindingTo(stage.upstream.address),
        STEPGATE_KEY: GATEWAY_KEY,
      };
      const server = createServer({ maxHeaderSize: 64 * 1024 }, (incoming, response) => {
        edge(incoming, (request) => gateway.fetch(request, env), response).catch((error: unknown) => {
          response.destroy(error instanceof Error ? error : new Error(String(error)));
        });
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      return {
        ...listeningGateway(stage, port),
        close: async () => {
          server.closeAllConnections();
          await new Promise((resolve) => server.close(resolve));
        },
      };
    },
  });
});

async function edge(
  incoming: IncomingMessage,
  worker: (request: Request) => Promise<Response>,
  response: ServerResponse,
): Promise<void> {
  const headers = new Headers();
  for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2) {
    headers.append(incoming.rawHeaders[i] ?? '', incoming.rawHeaders[i + 1] ?? '');
  }
  headers.set('cf-connecting-ip', incoming.socket.remoteAddress ?? '');
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const target = (incoming.url ?? '/').replace(/^http:\/\/[^/]+/, '');
  const request = new Request(`http://${incoming.headers.host}${target}`, {
    method: incoming.method ?? 'GET',
    headers,
    ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
  });
  const answer = await worker(request);
  response.writeHead(answer.status, [...answer.headers].flat());
  response.end(Buffer.from(await answer.arrayBuffer()));
}

/** A service binding: the request goes to that address and nowhere else, headers as they are. */
function bindingTo(address: string): Fetcher {
  return {
    fetch: async (request) => {
      const url = new URL(request.url);
      const body = request.body === null ? '' : await request.text();
      return new Promise((resolve, reject) => {
        const call = nodeRequest(
          {
            host: address.split(':')[0],
            port: address.split(':')[1],
            path: `${url.pathname}${url.search}`,
            method: request.method,
            headers: Object.fromEntries([...request.headers].filter(([name]) => name !== 'connection')),
            agent: false,
            signal: request.signal,
          },
          (response) => {
            const headers = new Headers();
            for (let i = 0; i + 1 < response.rawHeaders.length; i += 2) {
              headers.append(response.rawHeaders[i] ?? '', response.rawHeaders[i + 1] ?? '');
            }
            // Told to follow, fetch would ask the page that a redirect names and hand on its answer.
            if (response.statusCode === 302 && request.redirect !== 'manual') {
              reject(new Error('a redirect was followed'));
              return;
            }
            headers.delete('connection');
            headers.delete('transfer-encoding');
            headers.delete('keep-alive');
            resolve(
              new Response(Readable.toWeb(response) as ReadableStream, { status: response.statusCode ?? 502, headers }),
            );
          },
        );
        call.on('error', reject);
        call.end(body);
      });
    },
  };
}
