import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { MAX_ODD_REQUESTS, oddRequests } from '../../../src/cli/odd-requests.ts';
import { type Finished, stepgate } from '../../support/cli.ts';
import { KEY, workshop } from '../../support/servers/stepgate.ts';

const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

type Handle = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

async function listening(handle: Handle): Promise<string> {
  const server = createServer(handle);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Report {
  readonly ok: boolean;
  readonly refused: number;
  readonly reached: number;
  readonly unclear: number;
  readonly findings: readonly { readonly route: string; readonly request: string; readonly outcome: string }[];
}

function reportOf({ stdout }: Finished): Report {
  return JSON.parse(stdout);
}

const reachedIn = (report: Report): string[] =>
  report.findings.filter(({ outcome }) => outcome === 'reached').map(({ request }) => request);

/** Challenges whatever is not the front page. */
const guarded: Handle = ({ url }, response) => {
  if (url === '/') return void response.end('front page');
  response.writeHead(401, { 'WWW-Authenticate': 'Bearer', 'X-Stepgate-Decision': 'step-up' }).end();
};

/** A gateway that knows one spelling of `POST /api/transfers` and one way to show a session, before an application that knows more. */
const careless: Handle = async (request, response) => {
  const { method = '', url = '', headers } = request;
  const body = await text(request);
  if (method === 'POST' && url === '/api/transfers' && !/\s\S+\s/.test(`${headers.authorization ?? ''} `)) {
    return void response.writeHead(401, { 'X-Stepgate-Decision': 'step-up' }).end();
  }
  const override =
    headers['x-http-method-override'] ?? headers.x_http_method_override ?? /_method=(\w+)/.exec(`${url}&${body}`)?.[1];
  const [path = ''] = String(headers['x-rewrite-url'] ?? url).split('?');
  const isHere = path.toLowerCase().replace(/\.json$/, '') === '/api/transfers';
  response.writeHead(isHere && (override ?? method) === 'POST' ? 200 : 404).end();
};

describe('stepgate probe', () => {
  test('Stepgate probe finds nothing where every odd request of a guarded route is refused', async () => {
    const url = await listening(guarded);
    const run = await stepgate([
      'probe',
      url,
      '--route',
      'POST /api/transfers',
      '--route',
      'GET /admin/users',
      '--json',
    ]);
    expect(run).toMatchObject({ code: 0, stderr: '' });
    const report = reportOf(run);
    expect(report).toMatchObject({ ok: true, reached: 0 });
    // Node's own parser refuses these before any handler sees them: who answered cannot be told.
    const unclear = report.findings.filter(({ outcome }) => outcome === 'unclear').map(({ request }) => request);
    expect(new Set(unclear)).toEqual(new Set(['the method in small letters']));
    expect(new Set(report.findings.map(({ route }) => route))).toEqual(
      new Set(['POST /api/transfers', 'GET /admin/users']),
    );
  });

  test('Stepgate probe names what reaches a route that is guarded in one spelling only', async () => {
    const url = await listening(careless);
    const run = await stepgate(['probe', url, '--route', 'POST /api/transfers', '--json']);
    expect(run.code).toBe(1);
    expect(reachedIn(reportOf(run))).toEqual(
      expect.arrayContaining([
        'a format behind the path',
        'capital letters',
        'an empty query',
        'X-HTTP-Method-Override: POST',
        'X_HTTP_Method_Override: POST',
        'X-Rewrite-URL for another path',
        'a word behind the token',
      ]),
    );
    const lines = await stepgate(['probe', url, '--route', 'POST /api/transfers']);
    expect(lines.stdout).toMatch(/^reached +200 +POST \/api\/transfers +a format behind the path$/m);
    expect(lines.stdout).toMatch(/^\d+ requests: \d+ refused, \d+ reached, \d+ unclear$/m);
  });

  test('Stepgate probe is inconclusive where the open page is refused as well, from the start or from some request on', async () => {
    const all = await listening((_, response) => void response.writeHead(403).end());
    const run = await stepgate(['probe', all, '--route', 'POST /api/transfers', '--json']);
    expect(run).toMatchObject({ code: 2, stdout: '' });
    expect(run.stderr).toMatch(/inconclusive: GET \/ was refused \(403\).*--open PATH/);

    let count = 0;
    const tired = await listening((request, response) => {
      count += 1;
      if (count > 20) response.writeHead(503).end();
      else return guarded(request, response);
    });
    const late = await stepgate(['probe', tired, '--route', 'POST /api/transfers']);
    expect(late).toMatchObject({ code: 2, stdout: '' });
  });

  test('Stepgate probe takes a page of another path for the open one', async () => {
    const url = await listening(({ url }, response) => void response.writeHead(url === '/prices' ? 200 : 401).end());
    expect((await stepgate(['probe', url, '--route', 'GET /admin'])).code).toBe(2);
    expect((await stepgate(['probe', url, '--route', 'GET /admin', '--open', '/prices'])).code).toBe(0);
  });

  test('A plain request that is answered 404 was not refused', async () => {
    const url = await listening((_, response) => void response.writeHead(404).end());
    const run = await stepgate(['probe', url, '--route', 'GET /admin', '--json']);
    expect(run.code).toBe(1);
    expect(reachedIn(reportOf(run))).toEqual(['the route itself, without a credential']);
  });

  test('Stepgate probe gets through a gateway with the shipped rules, and tells a route that they do not name from one that they guard', async () => {
    const shop = await workshop();
    try {
      const { server } = await shop.start({ RULES_DIR: join(import.meta.dirname, '../../../rules') });
      const url = await listening(async ({ method = '', url = '', headers }, response) => {
        const { status } = await fetch(`${server.url}/forward-auth`, {
          headers: {
            'X-Stepgate-Key': KEY,
            'X-Forwarded-Method': method,
            'X-Forwarded-Uri': url,
            'X-Stepgate-Has-Body': '0',
            'User-Agent': headers['user-agent'] ?? '',
          },
        });
        response.writeHead(status).end();
      });
      const run = await stepgate([
        ...['probe', url, '--json'],
        ...['--route', 'POST /api/transfers', '--route', 'POST /api/wires'],
      ]);
      expect(run.code, run.stderr).toBe(1);
      const plain = reportOf(run).findings.filter(({ request }) => request.startsWith('the route itself'));
      expect(plain.map(({ route, outcome }) => `${outcome} ${route}`)).toEqual([
        'refused POST /api/transfers',
        'reached POST /api/wires',
      ]);
    } finally {
      await shop.close();
    }
  });

  test('Stepgate probe finds _method in a form, which no gateway sees', async () => {
    const url = await listening(async (request, response) => {
      const body = await text(request);
      const isOpen = request.url === '/' || (request.method === 'POST' && request.url === '/account/7');
      if (!isOpen) response.writeHead(401, { 'X-Stepgate-Decision': 'step-up' });
      else response.writeHead(body.includes('_method=DELETE') ? 204 : 404);
      response.end();
    });
    const run = await stepgate(['probe', url, '--route', 'DELETE /account/7', '--json']);
    expect(run.code).toBe(1);
    expect(reachedIn(reportOf(run))).toEqual(['_method=DELETE in a form']);
  });

  test('Stepgate probe takes a route that is not guarded at all for reached, and follows no redirect', async () => {
    const asked: string[] = [];
    const elsewhere = await listening((request, response) => {
      asked.push(request.url ?? '');
      response.end();
    });
    const url = await listening((_, response) => {
      response.writeHead(302, { Location: `${elsewhere}/` }).end();
    });
    const run = await stepgate(['probe', url, '--route', 'GET /admin', '--json']);
    expect(run.code).toBe(1);
    expect(reachedIn(reportOf(run))).toContain('the route itself, without a credential');
    expect(asked).toEqual([]);
  });

  test('Stepgate probe sends the tokens of the test accounts, where there are some, and a bounded number of requests', async () => {
    const lines: string[] = [];
    let count = 0;
    const url = await listening(async (request, response) => {
      count += 1;
      lines.push(...request.rawHeaders.filter((_, i) => i % 2 === 1));
      await guarded(request, response);
    });
    const env = { STEPGATE_PROBE_SESSION: 'eyJ.ann.x', STEPGATE_PROBE_STEPPED_UP: 'eyJ.mallory.x' };
    const run = await stepgate(['probe', url, '--route', 'POST /pay', '--cookie-name', 'sid'], { env });
    expect(run.code).toBe(0);
    expect(lines).toEqual(
      expect.arrayContaining(['Bearer eyJ.ann.x', 'sid=eyJ.mallory.x', 'sid=eyJ.mallory.x; sid="\\145yJ.ann.x"']),
    );
    expect(count).toBeLessThanOrEqual(2 * MAX_ODD_REQUESTS + 3);
    for (const method of ['GET', 'POST', 'DELETE']) {
      const means = { cookieName: 's', session: 'a', steppedUp: 'b', nowhere: '/n' };
      const made = oddRequests({ method, path: '/kiosk/s' }, means);
      expect(made.length).toBeLessThanOrEqual(MAX_ODD_REQUESTS);
      expect(new Set(made.map(({ name }) => name)).size).toBe(made.length);
    }
  });

  test('Stepgate probe asks another host for nothing before it serves the nonce, and prints a nonce to serve', async () => {
    // TEST-NET-1: no packet of a test leaves for it without a nonce.
    const run = await stepgate(['probe', 'http://192.0.2.1', '--route', 'GET /admin']);
    expect(run.code).toBe(2);
    expect(run.stdout).toBe('');
    expect(run.stderr).toMatch(/192\.0\.2\.1 is not this machine/);
    expect(run.stderr).toMatch(/http:\/\/192\.0\.2\.1\/\.well-known\/stepgate-probe.*--nonce [0-9a-f]{32}$/m);
  });

  test.each([
    [['probe', 'http://127.0.0.1:1'], /--route/],
    [['probe', 'ftp://127.0.0.1', '--route', 'GET /a'], /http or https/],
    [['probe', 'http://127.0.0.1/path', '--route', 'GET /a'], /scheme, host and port only/],
    [['probe', 'http://127.0.0.1:1', '--route', 'get a'], /a method and a path/],
    [['probe', 'http://127.0.0.1:1', '--route', 'GET /account/{id}'], /a real path/],
    [['probe', 'http://127.0.0.1:1', '--route', '* /account/7'], /a method and a path/],
    [['probe', 'http://127.0.0.1:1', '--route', 'GET /account/*'], /a real path/],
    [['probe', 'http://127.0.0.1:1', '--route', 'GET /a', '--open', 'a'], /must be a path/],
    [
      ['probe', 'http://127.0.0.1:1', ...Array.from({ length: 6 }, (_, i) => ['--route', `GET /${i}`]).flat()],
      /no more than 5/,
    ],
    [['probe', 'http://127.0.0.1:1', '--route', 'GET /a', '--nonce', 'html'], /32 characters/],
    [['probe', 'http://127.0.0.1:1', '--route', 'GET /a'], /ECONNREFUSED/],
  ])('Stepgate probe says what is wrong with %j', async (args, said) => {
    const run = await stepgate(args);
    expect(run).toMatchObject({ code: 2, stdout: '' });
    expect(run.stderr).toMatch(said);
  });
});
