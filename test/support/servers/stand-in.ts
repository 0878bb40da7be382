import { createServer, type RequestListener } from 'node:http';
import { type Listening, listen } from './listen.ts';

/** A server that stands where Stepgate or a key endpoint should, and what was asked of it. */
export interface StandIn extends Listening {
  /** `POST /v1/risk-check`, as they came. */
  readonly asked: readonly string[];
  /** Answers the next requests. */
  behave(answer: RequestListener): void;
}

/** Starts a server that answers whatever `answer` makes of a request; default: 404. */
export async function standIn(
  answer: RequestListener = (_request, response) => response.writeHead(404).end(),
  port = 0,
): Promise<StandIn> {
  const asked: string[] = [];
  let current = answer;
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    current(request, response);
  });
  const behave = (next: RequestListener): void => {
    current = next;
  };
  return { ...(await listen(server, port)), asked, behave };
}

/** Answers JSON. */
export function json(value: unknown): RequestListener {
  return (_request, response) => response.setHeader('Content-Type', 'application/json').end(JSON.stringify(value));
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
