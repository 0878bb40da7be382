import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server that stands where Stepgate should, and what was asked of it. */
export interface Impostor {
  readonly url: string;
  /** `POST /v1/risk-check`, as they came. */
  readonly asked: readonly string[];
  stop(): Promise<void>;
}

/** Starts a server on 127.0.0.1 that answers whatever `answer` makes of a request. */
export async function impostor(answer: RequestListener): Promise<Impostor> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    async stop() {
      if (!server.listening) return;
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** Ways in which a Stepgate fails to answer. `closed` has no listener: nothing is there at all. */
export const FAULTS: Readonly<
  Record<'timeout' | 'unavailable' | 'invalid_answer', Readonly<Record<string, RequestListener>>>
> = {
  timeout: {
    'never answers': () => undefined,
    'answers the head and never the body': (_request, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' }).write('{"id":');
    },
  },
  unavailable: {
    'fails with a 500': (_request, response) => response.writeHead(500).end('oops'),
    'has a store that is away': (_request, response) => {
      response.writeHead(503, { 'Content-Type': 'application/problem+json' }).end('{"code":"store_unavailable"}');
    },
    'stands behind an overloaded proxy': (_request, response) => response.writeHead(429).end(),
  },
  invalid_answer: {
    'answers with a page': (_request, response) => response.writeHead(200).end('<html>log in to the Wi-Fi</html>'),
    'answers with nothing': (_request, response) => response.writeHead(200).end(),
    'answers {}': (_request, response) => response.writeHead(200).end('{}'),
    'answers with a decision that does not exist': (_request, response) => {
      response.writeHead(200).end(JSON.stringify({ decision: 'ALLOW' }));
    },
  },
};
