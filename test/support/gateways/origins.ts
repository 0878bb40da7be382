import { createServer, type IncomingMessage, type Server } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import express from 'express';
import { z } from 'zod';
import { freePort, listen } from '../servers/listen.ts';
import { startProgram } from '../servers/program.ts';

/** An application that answers what it makes of a request, in the way of its kind. It verifies nothing. */
export interface Origin {
  readonly name: string;
  /** `127.0.0.1:3000` */
  readonly address: string;
  close(): Promise<void>;
}

/** What an origin answers: whom it would serve, what it would do, and whom it believes Stepgate to have named. */
export const originView = z.strictObject({
  /** Subject of the token in `Authorization`, and of the one in the session cookie, as far as it reads them. */
  bearer: z.string().nullable(),
  cookie: z.string().nullable(),
  method: z.string(),
  target: z.string(),
  subject: z.string(),
  body: z.string(),
});
export type OriginView = z.output<typeof originView>;

/** One origin of each kind; they read tokens, cookies, method overrides and rewritten targets each in their own way. */
export async function startOrigins(): Promise<readonly Origin[]> {
  return Promise.all([
    expressOrigin(),
    nodeOrigin(),
    pythonOrigin('Python wsgiref', 'wsgi.py'),
    pythonOrigin('Python http.server', 'http_server.py'),
  ]);
}

/** Takes what Node's parser leaves of several lines, and cookies as `cookie` does: the first of a name, decoded. */
function expressOrigin(): Promise<Origin> {
  const app = express();
  app.use(async (request, response) => {
    const [scheme = '', token = ''] = (request.get('authorization') ?? '').split(' ');
    const query = request.query._method;
    response.json({
      bearer: /^bearer$/i.test(scheme) ? subjectOf(token) : null,
      cookie: subjectOf(pairs(request.get('cookie') ?? '').find(([name]) => name === 'session')?.[1] ?? ''),
      method:
        request.get('x-http-method-override')?.split(/ *, */)[0] ||
        (typeof query === 'string' && query) ||
        request.method,
      target: request.originalUrl,
      subject: request.get('x-stepgate-subject') ?? '',
      body: await text(request),
    } satisfies OriginView);
  });
  return listening('Express', createServer(app));
}

/** Takes the last of several lines and of several cookies of a name, and splits at any white space. */
function nodeOrigin(): Promise<Origin> {
  const last = (request: IncomingMessage, name: string): string | undefined => request.headersDistinct[name]?.at(-1);
  const server = createServer(async (request, response) => {
    const cookies = pairs(request.headers.cookie ?? '').filter(([name]) => name === 'session');
    const view: OriginView = {
      bearer: subjectOf(/\bBearer\s+([^\s,]+)/i.exec(last(request, 'authorization') ?? '')?.[1] ?? ''),
      cookie: subjectOf(cookies.at(-1)?.[1] ?? ''),
      method: last(request, 'x-http-method-override') || request.method || '',
      target: last(request, 'x-rewrite-url') || last(request, 'x-original-url') || request.url || '',
      subject: last(request, 'x-stepgate-subject') ?? '',
      body: await text(request),
    };
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(view));
  });
  return listening('node:http', server);
}

function pairs(cookies: string): [name: string, value: string][] {
  return cookies.split(/[;,]/).map((pair) => {
    const at = pair.indexOf('=');
    return [
      pair.slice(0, at).trim(),
      pair
        .slice(at + 1)
        .trim()
        .replace(/^"(.*)"$/, '$1')
        .replace(/%([0-9A-Fa-f]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16))),
    ];
  });
}

function subjectOf(token: string): string | null {
  try {
    const payload = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    return z.looseObject({ sub: z.string() }).parse(payload).sub;
  } catch {
    // Whoever cannot read the token serves nobody by it.
    return null;
  }
}

async function listening(name: string, server: Server): Promise<Origin> {
  const { port, stop } = await listen(server);
  return { name, address: `127.0.0.1:${port}`, close: stop };
}

async function pythonOrigin(name: string, file: string): Promise<Origin> {
  const port = await freePort();
  const args = ['-B', join(import.meta.dirname, 'origins', file), String(port)];
  const program = await startProgram('python3', args, { ready: port });
  return { name, address: `127.0.0.1:${port}`, close: async () => void (await program.stop('SIGKILL')) };
}
