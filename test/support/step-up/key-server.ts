import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A real key endpoint on a free port, whose behaviour a test can change while it runs. */
export interface KeyServer {
  readonly origin: string;
  /** Requests so far, by path. */
  readonly asked: Map<string, number>;
  /** Answers the next requests. */
  behave(answer: (path: string, response: ServerResponse) => void): void;
  close(): Promise<void>;
}

export async function keyServer(port = 0): Promise<KeyServer> {
  const asked = new Map<string, number>();
  let answer: (path: string, response: ServerResponse) => void = (_path, response) => response.writeHead(404).end();
  const server: Server = createServer((request, response) => {
    const path = request.url ?? '/';
    asked.set(path, (asked.get(path) ?? 0) + 1);
    answer(path, response);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    behave(next) {
      answer = next;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export function json(value: unknown): (path: string, response: ServerResponse) => void {
  return (_path, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
  };
}
