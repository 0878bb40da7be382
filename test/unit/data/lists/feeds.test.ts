import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fetched, type FetchOptions, fetchFeed } from '../../../../src/data/lists/feeds.ts';

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
  '/moved-twice': (_request, response) =>
    void response.writeHead(308, { location: 'https://LISTS.example:443/moved' }).end('gone'),
  '/circle': (_request, response) => void response.writeHead(302, { location: '/circle' }).end(),
  '/lost': (_request, response) => void response.writeHead(301).end(),
  '/nonsense': (_request, response) => void response.writeHead(302, { location: 'https://[' }).end(),
  '/to': (request, response) => {
    const to = new URL(request.url ?? '', base).searchParams.get('to') ?? '';
    response.writeHead(302, { location: to, 'content-type': 'text/plain' }).end(LIST);
  },
};

let server: Server;
let base: string;
/** Targets that the server was asked for. */
const asked: string[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const answer = ANSWERS[(request.url ?? '').split('?')[0] ?? ''];
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
  it('A feed brings its text and validators, also compressed', async () => {
    expect(await get('/good')).toEqual({ outcome: 'new', text: LIST, etag: ETAG, lastModified: MODIFIED });
    expect(await get('/gzip')).toMatchObject({ outcome: 'new', text: LIST });
  });

  it('A feed that has nothing newer says so, by ETag or by date', async () => {
    expect(await get('/good', { etag: ETAG })).toEqual({ outcome: 'not_modified' });
    expect(await get('/good', { lastModified: MODIFIED })).toEqual({ outcome: 'not_modified' });
    expect(await get('/good', { etag: '"older"' })).toMatchObject({ outcome: 'new' });
  });

  /** @see https://github.com/Laarryy/Anti-VPN/issues/47 */
  it('A feed that is out of quota, failing or partial brings no text, whatever its body says', async () => {
    const quota = await get('/429');
    expect(quota).toMatchObject({ outcome: 'problem', problem: { code: 'feed_status' } });
    expect(quota.outcome === 'problem' && quota.problem.message).toMatch(/429.*3600/);
    for (const path of ['/500', '/206', '/missing', '/always-304'])
      expect(codeOf(await get(path)), path).toBe('feed_status');
  });

  it('A feed with an empty body, a page or bytes that are no text is refused', async () => {
    expect(codeOf(await get('/empty'))).toBe('feed_empty');
    expect(codeOf(await get('/blank'))).toBe('feed_empty');
    for (const path of ['/html', '/binary', '/latin']) expect(codeOf(await get(path)), path).toBe('feed_not_text');
  });

  it('A feed that is cut off is refused', async () => {
    expect(codeOf(await get('/truncated'))).toBe('feed_truncated');
    expect(codeOf(await get('/truncated-chunks'))).toBe('feed_truncated');
  });

  it('A feed that is too large is refused while it is read, also when it is small on the wire', async () => {
    expect(codeOf(await get('/endless'))).toBe('feed_too_large');
    expect(codeOf(await get('/claims-much'))).toBe('feed_too_large');
    expect(codeOf(await get('/bomb'))).toBe('feed_too_large');
  });

  it('A feed that never answers, or never ends, is given up after its budget', async () => {
    expect(codeOf(await get('/silent', { timeoutMs: 100 }))).toBe('feed_timeout');
    expect(codeOf(await get('/stalls', { timeoutMs: 100 }))).toBe('feed_timeout');
  });

  it('A feed that cannot be reached is a problem, not an exception', async () => {
    expect(codeOf(await get('/drops'))).toBe('feed_unreachable');
    expect(codeOf(await get('http://127.0.0.1:1/list'))).toBe('feed_unreachable');
  });

  it('A redirect of a feed over https does not end at http', async () => {
    // The answer comes from the local server; only the address asked for is another.
    const viaHttp: typeof fetch = (_url, init) => fetch(`${base}/good`, init);
    expect(codeOf(await get('https://lists.example/good', { fetch: viaHttp }))).toBe('feed_downgraded');
  });

  describe('that redirects', () => {
    /** `https://lists.example` is the local server; whoever asks for another host is told so. */
    const sent: string[] = [];
    const viaLocal: typeof fetch = async (url, init) => {
      sent.push(String(url));
      if (!String(url).startsWith('https://lists.example/')) throw new Error('nobody but the feed is to be asked');
      const answer = await fetch(String(url).replace('https://lists.example', base), init);
      return new Response(answer.body, { status: answer.status, headers: answer.headers });
    };
    const getSecure = async (path: string) => {
      sent.length = 0;
      return get(`https://lists.example${path}`, { fetch: viaLocal });
    };

    it('A feed that redirects is followed to the same host over https', async () => {
      expect(await getSecure('/moved-twice')).toEqual({
        outcome: 'new',
        text: LIST,
        etag: ETAG,
        lastModified: MODIFIED,
      });
      expect(sent).toEqual(['/moved-twice', '/moved', '/good'].map((path) => `https://lists.example${path}`));
    });

    it.each([
      'http://127.0.0.1:9000/latest/meta-data/',
      'https://127.0.0.1/',
      'https://other.example/good',
      'https://sub.lists.example/good',
      'https://lists.example.evil.example/good',
      'https://lists.example@127.0.0.1/good',
      '//169.254.169.254/latest',
      '\\\\127.0.0.1\\x',
      'file:///etc/passwd',
      'data:text/plain,1.1.1.1',
    ])('A feed that redirects to another host is refused before anybody is asked: %s', async (to) => {
      const fetched = await getSecure(`/to?to=${encodeURIComponent(to)}`);
      expect(fetched).toMatchObject({
        outcome: 'problem',
        problem: { code: 'feed_redirected', message: expect.stringContaining('redirect to another host') },
      });
      expect(sent).toHaveLength(1);
    });

    it.each([
      ['http://lists.example/good', 'feed_downgraded'],
      ['https://lists.example:9000/good', 'feed_redirected'],
      ['ftp://lists.example/good', 'feed_downgraded'],
    ])('A feed that redirects on its own host is followed over https and its own port only: %s', async (to, code) => {
      expect(codeOf(await getSecure(`/to?to=${encodeURIComponent(to)}`))).toBe(code);
      expect(sent).toHaveLength(1);
    });

    it('A redirect of a feed over http is not followed, unless to https', async () => {
      asked.length = 0;
      expect(codeOf(await get('/moved'))).toBe('feed_downgraded');
      expect(asked).toEqual(['/moved']);
      const up: typeof fetch = async (url, init) =>
        String(url) === 'https://127.0.0.1/good' ? new Response(LIST) : fetch(url, init);
      expect(await get(`/to?to=${encodeURIComponent('https://127.0.0.1/good')}`, { fetch: up })).toMatchObject({
        outcome: 'new',
        text: LIST,
      });
    });

    it('A feed that redirects in a circle, or nowhere, is given up', async () => {
      expect(codeOf(await getSecure('/circle'))).toBe('feed_redirected');
      expect(sent).toHaveLength(6);
      expect(codeOf(await getSecure('/lost'))).toBe('feed_status');
      expect(codeOf(await getSecure('/nonsense'))).toBe('feed_status');
    });
  });
});
