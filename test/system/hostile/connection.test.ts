import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { answersIn, exchange } from '../../support/hostile/wire.ts';
import { KEY, post, type Workshop, workshop } from '../../support/servers/stepgate.ts';

let shop: Workshop;
beforeAll(async () => {
  shop = await workshop();
});
afterEach(() => shop.tidy());
afterAll(() => shop.close());

const HEAD = `POST /v1/risk-check HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\n`;
const HIDDEN = `GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n`;

async function sent(text: string) {
  const { server } = await shop.start();
  const { port } = new URL(server.url);
  return exchange(Number(port), Buffer.from(text, 'latin1'), { isHead: text.startsWith('HEAD ') });
}

const codeOf = (body: string): unknown => JSON.parse(body).code;

/**
 * @see https://datatracker.ietf.org/doc/html/rfc9112#section-6.3
 */
test.each([
  ['a length and chunks', `Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ['chunks and a length', `Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ['two lengths', `Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}${HIDDEN}`],
  ['a list of lengths', `Content-Length: 2, 40\r\n\r\n{}${HIDDEN}`],
  ['a signed length', `Content-Length: +2\r\n\r\n{}${HIDDEN}`],
  ['a blank before the colon', `Content-Length : 2\r\n\r\n{}${HIDDEN}`],
  ['an encoding that is not chunked', `Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ['an encoding behind chunked', `Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ['a bare line feed', `Content-Length: 2\n\n{}${HIDDEN}`],
  ['a negative chunk', `Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n${HIDDEN}`],
])('%s end the connection: what lies behind is never taken for a request', async (_what, rest) => {
  const { answers, rest: more, end } = await sent(HEAD + rest);
  expect(answers.map(({ status }) => status)).toEqual([400]);
  expect(answers.map(({ body }) => codeOf(body))).toEqual([
    expect.stringMatching(/^(?:invalid_request|incomplete_body)$/),
  ]);
  expect(more).toBe('');
  expect(end).toBe('closed');
});

test('Requests sent in one go are answered one by one, in their order', async () => {
  const ask = (action: string) => `${HEAD}Content-Length: ${13 + action.length}\r\n\r\n{"action":"${action}"}`;
  const { answers } = await sent(
    `${ask('a')}${HEAD}Content-Length: 2\r\n\r\n{}GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n${HIDDEN}${ask('b')}`,
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 400, 404, 200, 200]);
});

describe('what is no request is refused with a problem document and an X-Request-ID', () => {
  test.each([
    ['no HTTP at all', 'hello\r\n\r\n', 400, 'invalid_request'],
    ['no host', 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'invalid_request'],
    ['a NUL in a header', 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n', 400, 'invalid_request'],
    [
      'headers without end',
      `GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ${'b'.repeat(80_000)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
    [
      'chunk extensions without end',
      `${HEAD}Transfer-Encoding: chunked\r\n\r\n2;${'e'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`,
      413,
      'body_too_large',
    ],
  ])('%s', async (_what, text, status, code) => {
    const { answers, end } = await sent(text);
    expect(answers.map((answer) => [answer.status, codeOf(answer.body)])).toEqual([[status, code]]);
    expect(answers[0]?.headers.get('content-type')).toEqual(['application/problem+json']);
    expect(answers[0]?.headers.get('x-request-id')).toEqual([expect.stringMatching(/^[0-9A-Z]{26}$/)]);
    expect(end).toBe('closed');
  });

  test('A HEAD request is answered without a body', async () => {
    expect(await sent('HEAD /\xe9 HTTP/1.1\r\nHost: x\r\n\r\n')).toMatchObject({
      answers: [{ status: 400 }],
      rest: '',
    });
  });
});

describe('a Host that is none', () => {
  test.each(['1.1.1.999', '0x', '1.2.3.4.5', 'a..b', '[::1', 'a b', '%', '', '@', 'x:99999', 'xn--a', '\xe9'])(
    '%j is no fault of the service',
    async (host) => {
      const { server, lines } = await shop.start({ TRUSTED_PROXIES: '127.0.0.0/8' });
      const port = Number(new URL(server.url).port);
      const statusOf = async (line: string, headers: string, body = '') => {
        const bytes = Buffer.from(
          `${line} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${headers}\r\n\r\n${body}`,
          'latin1',
        );
        const { answers } = await exchange(port, bytes, { expectsClose: true });
        return answers.map(({ status }) => status);
      };
      const key = `X-Stepgate-Key: ${KEY}`;
      const statuses = [
        await statusOf('GET /.well-known/authzen-configuration', 'X-A: 1'),
        await statusOf('GET /healthz', 'X-A: 1'),
        await statusOf('GET /ext-authz/a', key),
        await statusOf('GET /forward-auth', `${key}\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Uri: /a`),
        await statusOf('POST /v1/risk-check', `Authorization: Bearer ${KEY}\r\nContent-Length: 14`, '{"action":"a"}'),
      ];
      for (const [status, ...more] of statuses) {
        expect(status).toBeLessThan(500);
        expect(more).toEqual([]);
      }
      expect(lines.filter((line) => /"level":[56]0/.test(line))).toEqual([]);
    },
  );
});

describe('a header line that comes twice never chooses the milder of its values', () => {
  const OPEN = ['X-Forwarded-Method: GET', 'X-Forwarded-Uri: /a'];
  const KEYED = `X-Stepgate-Key: ${KEY}`;

  test.each([
    ['the key, one of them wrong', [KEYED, 'X-Stepgate-Key: wrong', ...OPEN], 'unauthorized'],
    ['the key, the same', [KEYED, KEYED, ...OPEN], 'unauthorized'],
    ['the target', [KEYED, ...OPEN, 'X-Forwarded-Uri: /b'], 'path_invalid'],
    ['the target in another letter case', [KEYED, ...OPEN, 'x-forwarded-uri: /b'], 'path_invalid'],
  ])(
    'A header line that comes twice never chooses the milder of its values to a hook: %s',
    async (_what, lines, error) => {
      const { answers } = await sent(
        `GET /forward-auth HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${lines.join('\r\n')}\r\n\r\n`,
      );
      expect(answers.map(({ status, headers }) => [status, headers.get('x-stepgate-error')])).toEqual([[403, [error]]]);
    },
  );

  test('A header line that comes twice never chooses the milder of its values to a hook: the method, which then fits every method of the path', async () => {
    const { answers } = await sent(
      `GET /forward-auth HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${KEYED}\r\nX-Forwarded-Method: OPTIONS\r\n${OPEN.join('\r\n')}\r\nOrigin: https://x\r\nAccess-Control-Request-Method: GET\r\n\r\n`,
    );
    expect(answers.map(({ headers }) => headers.get('x-stepgate-reasons'))).not.toContainEqual(['preflight']);
    expect(answers.map(({ headers }) => headers.get('x-stepgate-action'))).toEqual([['request']]);
  });

  test.each([
    [
      'Authorization, the second one right',
      ['Authorization: Bearer wrong-key-wrong-key', `Authorization: Bearer ${KEY}`],
      401,
    ],
    [
      'Authorization, the first one right',
      [`Authorization: Bearer ${KEY}`, 'Authorization: Bearer wrong-key-wrong-key'],
      401,
    ],
    [
      'Content-Type',
      [`Authorization: Bearer ${KEY}`, 'Content-Type: application/json', 'Content-Type: text/plain'],
      415,
    ],
  ])(
    'A header line that comes twice never chooses the milder of its values to a check: %s',
    async (_what, lines, status) => {
      const { answers } = await sent(
        `POST /v1/risk-check HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${lines.join('\r\n')}\r\nContent-Length: 14\r\n\r\n{"action":"a"}`,
      );
      expect(answers.map((answer) => answer.status)).toEqual([status]);
    },
  );
});

test('An Expect that nobody knows is no reason to leave a gateway without a decision', async () => {
  const { answers } = await sent(
    `GET /forward-auth HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: the-unexpected\r\nX-Stepgate-Key: ${KEY}\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Uri: /\r\n\r\n`,
  );
  expect(answers.map(({ status, headers }) => [status, headers.get('x-stepgate-decision')])).toEqual([
    [200, ['allow']],
  ]);
});

describe('who drips bytes', () => {
  /** Opens a connection that sends `start`, then one byte at a time until it is ended; answers with what came. */
  function drip(url: string, start: string, byte: string): Promise<string> {
    const { hostname, port } = new URL(url);
    return new Promise((resolve) => {
      const socket = connect(Number(port), hostname);
      socket.write(start);
      const drops = setInterval(() => socket.write(byte), 20);
      let received = '';
      socket.on('data', (data) => (received += data));
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        clearInterval(drops);
        resolve(received);
      });
    });
  }

  test.each([
    ['of header lines', 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ', 'a'],
    ['of a body', `${HEAD}Content-Length: 60000\r\n\r\n{"action":"`, 'a'],
    ['of a chunk', `${HEAD}Transfer-Encoding: chunked\r\n\r\n`, '0'],
  ])('%s is cut off with a 408 problem, and holds nobody up meanwhile', async (_what, start, byte) => {
    const { server } = await shop.start({}, { headersTimeoutMs: 400, requestTimeoutMs: 800 });
    const slow = Array.from({ length: 200 }, () => drip(server.url, start, byte));
    expect((await post(`${server.url}/v1/risk-check`, '{"action":"a"}')).status).toBe(200);
    for (const received of await Promise.all(slow)) {
      const { answers, rest } = answersIn(received, false);
      expect(answers.map(({ status, body }) => [status, codeOf(body)])).toEqual([[408, 'request_timeout']]);
      expect(rest).toBe('');
    }
  });
});
