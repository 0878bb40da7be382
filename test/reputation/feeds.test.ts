import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fetched, type FetchOptions, fetchFeed } from '../../src/reputation/feeds.ts';

const LIST = '81.2.69.160\n8.8.8.0/24\n';
const ETAG = '"v1"';
const MODIFIED = 'Tue, 24 Nov 2026 10:00:00 GMT';

/** What the local feed server does by path. */
const ANSWERS: { readonly [path: string]: (request: IncomingMessage, response: ServerResponse) => void } = {
  '/good': (request, response) => {
    if (request.headers['if-none-match'] === ETAG || request.headers['if-modified-since'] === MODIFIED) {
      response.writeHead(304).end();
    } else response.writeHead(200, { 'content-type': 'text/plain', etag: ETAG, 'last-modified': MODIFIED }).end(LIST);
  },
  '/always-304': (_request, response) => void response.writeHead(304).end(),
  '/429': (_request, response) =>
    void response.writeHead(429, { 'content-type': 'text/plain', 'retry-after': '3600' }).end('1.1.1.1 is too busy'),
  '/500': (_request, response) => void response.writeHead(500).end(LIST),
  '/206': (_request, response) => void response.writeHead(206).end(LIST),
  '/empty': (_request, response) => void response.writeHead(200).end(),
  '/blank': (_request, response) => void response.writeHead(200).end(' \n\n'),
  '/html': (_request, response) =>
    void response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>1.1.1.1</html>'),
  '/binary': (_request, response) => void response.writeHead(200).end(Buffer.from([49, 0, 50])),
  '/latin': (_request, response) => void response.writeHead(200).end(Buffer.from([0xe9, 0xe9])),
  '/truncated': (_request, response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write(LIST);
    setImmediate(() => response.destroy());
  },
  '/truncated-chunks': (_request, response) => {
    response.writeHead(200);
    response.write(LIST);
    setImmediate(() => response.destroy());
  },
  '/endless': (_request, response) => {
    response.writeHead(200);
    const more = (): void => {
      while (!response.destroyed && response.write('1.1.1.1\n'.repeat(1024)));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  },
  '/claims-much': (_request, response) => {
    response.writeHead(200, { 'content-length': '999999999' });
    response.write(LIST);
  },
  '/bomb': (_request, response) =>
    void response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(8 << 20, '1.1.1.1\n'))),
  '/gzip': (_request, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(LIST)),
  '/silent': () => undefined,
  '/stalls': (_request, response) => {
    response.writeHead(200);
    response.write(LIST);
  },
  '/drops': (_request, response) => void response.destroy(),
  '/moved': (_request, response) => void response.writeHead(302, { location: '/good' }).end(),
  '/circle': (_request, response) => void response.writeHead(302, { location: '/circle' }).end(),
};

let server: Server;
let base: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    const answer = ANSWERS[request.url ?? ''];
    if (answer === undefined) response.writeHead(404).end();
    else answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const get = (path: string, changes: Partial<FetchOptions> = {}): Promise<Fetched> =>
  fetchFeed(path.startsWith('http') ? path : base + path, {
    etag: null,
    lastModified: null,
    timeoutMs: 5_000,
    maxBytes: 1 << 20,
    fetch: globalThis.fetch,
    ...changes,
  });

const codeOf = (fetched: Fetched): string => (fetched.outcome === 'problem' ? fetched.problem.code : fetched.outcome);

describe('a feed', () => {
  it('brings its text and validators, compressed or redirected', async () => {
    expect(await get('/good')).toEqual({ outcome: 'new', text: LIST, etag: ETAG, lastModified: MODIFIED });
    expect(await get('/moved')).toMatchObject({ outcome: 'new', text: LIST });
    expect(await get('/gzip')).toMatchObject({ outcome: 'new', text: LIST });
  });

  it('that has nothing newer says so, by ETag or by date', async () => {
    expect(await get('/good', { etag: ETAG })).toEqual({ outcome: 'not_modified' });
    expect(await get('/good', { lastModified: MODIFIED })).toEqual({ outcome: 'not_modified' });
    expect(await get('/good', { etag: '"older"' })).toMatchObject({ outcome: 'new' });
  });

  /** @see https://github.com/Laarryy/Anti-VPN/issues/47 */
  it('that is out of quota, failing or partial brings no text, whatever its body says', async () => {
    const quota = await get('/429');
    expect(quota).toMatchObject({ outcome: 'problem', problem: { code: 'feed_status' } });
    expect(quota.outcome === 'problem' && quota.problem.message).toMatch(/429.*3600/);
    for (const path of ['/500', '/206', '/missing', '/always-304'])
      expect(codeOf(await get(path)), path).toBe('feed_status');
  });

  it('with an empty body, a page or bytes that are no text is refused', async () => {
    expect(codeOf(await get('/empty'))).toBe('feed_empty');
    expect(codeOf(await get('/blank'))).toBe('feed_empty');
    for (const path of ['/html', '/binary', '/latin']) expect(codeOf(await get(path)), path).toBe('feed_not_text');
  });

  it('that is cut off is refused', async () => {
    expect(codeOf(await get('/truncated'))).toBe('feed_truncated');
    expect(codeOf(await get('/truncated-chunks'))).toBe('feed_truncated');
  });

  it('that is too large is refused while it is read, also when it is small on the wire', async () => {
    expect(codeOf(await get('/endless'))).toBe('feed_too_large');
    expect(codeOf(await get('/claims-much'))).toBe('feed_too_large');
    expect(codeOf(await get('/bomb'))).toBe('feed_too_large');
  });

  it('that never answers, or never ends, is given up after its budget', async () => {
    expect(codeOf(await get('/silent', { timeoutMs: 100 }))).toBe('feed_timeout');
    expect(codeOf(await get('/stalls', { timeoutMs: 100 }))).toBe('feed_timeout');
  });

  it('that cannot be reached is a problem, not an exception', async () => {
    expect(codeOf(await get('/drops'))).toBe('feed_unreachable');
    expect(codeOf(await get('/circle'))).toBe('feed_unreachable');
    expect(codeOf(await get('http://127.0.0.1:1/list'))).toBe('feed_unreachable');
  });

  it('over https does not end at http', async () => {
    // The answer comes from the local server; only the address asked for is another.
    const viaHttp: typeof fetch = (_url, init) => fetch(`${base}/good`, init);
    expect(codeOf(await get('https://lists.example/good', { fetch: viaHttp }))).toBe('feed_downgraded');
  });
});
