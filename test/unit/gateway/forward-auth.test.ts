import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadSettings } from '../../../src/app/settings.ts';
import { startServer } from '../../../src/node.ts';
import { noLog } from '../../../src/records/log.ts';
import { stepUpIssuers } from '../../../src/step-up/issuers.ts';
import { joseVerifier } from '../../../src/step-up/jose.ts';
import { type GatewayScene, gatewayScene, HOOK_RULES } from '../../support/gateway-scene.ts';
import { API_KEY } from '../../support/scene.ts';
import type { Reply } from '../../support/servers/http.ts';

let rig: GatewayScene;
beforeAll(async () => {
  rig = await gatewayScene();
});
afterAll(() => rig.close());

const OWNED = [
  'decision',
  'score',
  'level',
  'reasons',
  'subject',
  'action',
  'check',
  'request-id',
  'degraded',
  'error',
  'location',
].map((name) => `x-stepgate-${name}`);

/** What every answer to a gateway has to hold, whatever it says. */
function expectContract(answer: Reply): void {
  expect([200, 302, 401, 403]).toContain(answer.status);
  for (const name of OWNED) expect(answer.headers, name).toHaveProperty(name);
  const challenges = answer.rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'www-authenticate');
  expect(challenges).toHaveLength(answer.status === 401 || answer.status === 302 ? 1 : 0);
  const size = answer.rawHeaders.reduce((sum, text) => sum + text.length + 2, 0);
  expect(size).toBeLessThan(4096);
  for (const text of answer.rawHeaders) expect(text).toMatch(/^[\x20-\x7e]*$/);
}

async function bearer(subject: string): Promise<Record<string, string>> {
  return { Authorization: `Bearer ${await rig.token({ sub: subject })}` };
}

/**
 * @see https://github.com/lsst-sqre/gafaelfawr/pull/665
 * @see https://github.com/nginx/nginx/issues/715
 * @see https://github.com/kubernetes/ingress-nginx/issues/2292
 */
describe('the status tells the decision to every gateway', () => {
  test('An allow is exactly 200, without a body', async () => {
    const answer = await rig.forward('GET', '/public/a');
    expectContract(answer);
    expect(answer.status).toBe(200);
    expect(answer.text).toBe('');
    expect(answer.headers).toMatchObject({ 'x-stepgate-decision': 'allow', 'x-stepgate-action': 'catalogue' });
  });

  test('A step-up is 401 with one challenge, and everything a client needs is in headers', async () => {
    const answer = await rig.forward('POST', '/api/pay', await bearer('u1'));
    expectContract(answer);
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toMatch(
      /^Bearer error="insufficient_user_authentication", error_description="[^"]+", max_age="0"$/,
    );
    expect(answer.headers).toMatchObject({
      'x-stepgate-decision': 'step-up',
      'x-stepgate-reasons': 'payment',
      'x-stepgate-subject': 'u1',
      'x-stepgate-action': 'pay',
      'x-stepgate-level': 'low',
      'x-stepgate-error': '',
    });
    expect(answer.headers['x-stepgate-request-id']).toBe(answer.headers['x-request-id']);
    expect(JSON.parse(answer.text)).toMatchObject({ error: 'insufficient_user_authentication' });
  });

  test('A deny is 403 without a challenge', async () => {
    const answer = await rig.forward('POST', '/upload/x');
    expectContract(answer);
    expect(answer.status).toBe(403);
    expect(answer.headers).toMatchObject({ 'x-stepgate-decision': 'deny', 'x-stepgate-reasons': 'upload_refused' });
  });

  test.each([
    ['no key', { 'X-Stepgate-Key': '' }, 'unauthorized'],
    ['a wrong key', { 'X-Stepgate-Key': 'wrong-key-0123456789' }, 'unauthorized'],
    ['a key that a client sent in front of the gateway’s own', { 'X-Stepgate-Key': `x, ${API_KEY}` }, 'unauthorized'],
    ['no target', { 'X-Forwarded-Uri': '' }, 'target_missing'],
    ['a target with NUL', { 'X-Forwarded-Uri': '/admin%00/x' }, 'path_invalid'],
    ['a target that is a whole URL', { 'X-Forwarded-Uri': 'https://app.example/public' }, 'path_invalid'],
    ['two targets', { 'X-Forwarded-Uri': '/public/a, /admin' }, 'path_invalid'],
  ])('A call with %s is 403 and marked', async (_, headers, code) => {
    const answer = await rig.forward('GET', '/public/a', headers);
    expectContract(answer);
    expect(answer.status).toBe(403);
    expect(answer.headers).toMatchObject({ 'x-stepgate-error': code, 'x-stepgate-decision': 'deny' });
  });

  /** @see https://github.com/envoyproxy/envoy/issues/14001 */
  test('Rules that are not loaded are a marked 403, never a 5xx', async () => {
    const empty = { ...rig.engine.rules(), files: [] };
    const bare = await gatewayScene({ rules: () => empty });
    const answer = await bare.forward('GET', '/public/a');
    expectContract(answer);
    expect(answer).toMatchObject({ status: 403, headers: { 'x-stepgate-error': 'rules_not_loaded' } });
    await bare.close();
  });

  test('A fault inside is a marked 403, is logged, and tells nothing', async () => {
    const logged: string[] = [];
    const log = { ...rig.deps.log, error: (message: string) => logged.push(message) };
    const broken = await gatewayScene({
      rules: () => {
        throw new Error('secret detail');
      },
      deps: { log },
    });
    const answer = await broken.forward('GET', '/public/a');
    expectContract(answer);
    expect(answer).toMatchObject({ status: 403, headers: { 'x-stepgate-error': 'internal' } });
    expect(JSON.stringify(answer)).not.toContain('secret detail');
    expect(logged).toHaveLength(1);
    await broken.close();
  });

  /** @see https://github.com/UsefulSoftwareCo/executor/pull/1665 */
  test('Keys of the issuer that cannot be had hold a session to the floor, and make nobody of it; never a 5xx', async () => {
    const issuers = stepUpIssuers.parse([
      { issuer: 'https://issuer.test', audience: 'app', jwks_uri: 'https://issuer.test/keys', algorithms: ['ES256'] },
    ]);
    let fetches = 0;
    const verifier = joseVerifier({
      issuers,
      fetch: () => {
        fetches++;
        return Promise.reject(new TypeError('network connection lost'));
      },
    });
    const cut = await gatewayScene({ verifier });
    const session = await rig.token({ sub: 'u6', su: true });
    for (const headers of [{ Authorization: `Bearer ${session}` }, { Cookie: `session=${session}` }]) {
      for (const [uri, status] of [
        ['/admin', 401],
        ['/public/a', 401],
        ['/upload/x', 403],
      ] as const) {
        const answer = await cut.forward('GET', uri, { 'X-Step-Up-Token': 'e30.e30.e30', ...headers });
        expectContract(answer);
        expect(answer).toMatchObject({
          status,
          headers: { 'x-stepgate-subject': '', 'x-stepgate-degraded': 'step_up', 'x-stepgate-error': '' },
        });
        if (status === 401) expect(answer.headers['www-authenticate']).toContain('keys_unavailable');
      }
    }
    expect(await cut.forward('GET', '/public/a')).toMatchObject({
      status: 200,
      headers: { 'x-stepgate-degraded': '' },
    });
    // Once, and once again at once; not by every call.
    expect(fetches).toBe(2);
    await cut.close();
  });

  test('A deny by default for want of the store still has a requirement to challenge for', async () => {
    const down = await gatewayScene({
      store: {
        ...rig.engine.store,
        recordAttempt: async ({ keys }) => ({
          subject: keys.subject === null ? null : { state: 'failed', why: 'unreachable' },
          address: keys.address === null ? null : { state: 'failed', why: 'unreachable' },
          device: keys.device === null ? null : { state: 'failed', why: 'unreachable' },
        }),
      },
    });
    const answer = await down.forward('GET', '/public/a');
    expectContract(answer);
    expect(answer.status).toBe(401);
    expect(answer.headers['x-stepgate-degraded']).not.toBe('');
    await down.close();
  });
});

/** @see https://github.com/caddyserver/caddy/pull/7545 */
describe('headers of our own name', () => {
  test('Headers of our own name are set on every answer, so that a copy sent by a client is overwritten', async () => {
    const spoofed = {
      'X-Stepgate-Decision': 'allow',
      'X-Stepgate-Score': '0',
      'X-Stepgate-Subject': 'admin',
      'X-Stepgate-Error': 'none',
    };
    for (const [method, uri] of [
      ['GET', '/public/a'],
      ['GET', '/admin'],
      ['GET', '/upload/x'],
      ['GET', ''],
    ] as const) {
      const answer = await rig.forward(method, uri, spoofed);
      expectContract(answer);
      expect(answer.headers['x-stepgate-subject']).toBe('');
      if (uri !== '/public/a') expect(answer.status).not.toBe(200);
    }
  });

  test('Headers of our own name stay ASCII and below 4 kB whatever subject, action and reasons are', async () => {
    const rules = {
      version: 1,
      actions: { ['é'.repeat(120)]: { routes: ['GET /long'] } },
      default: 'allow',
      rules: Array.from({ length: 60 }, (_, i) => ({
        id: `r${i}`,
        when: { 'resource.type': 'route' },
        then: { points: 1, reason: `a_rather_long_reason_code_number_${i}` },
      })),
    };
    const long = await gatewayScene({ rules, gateway: { stepUpUrl: `https://id.example/${'p'.repeat(480)}` } });
    const subject = 'ü'.repeat(200);
    const answer = await long.forward('GET', '/long', {
      Authorization: `Bearer ${await long.token({ sub: subject })}`,
    });
    expectContract(answer);
    expect(answer.status).toBe(200);
    expect(answer.headers['x-stepgate-subject']).toBe('');
    expect(String(answer.headers['x-stepgate-reasons']).split(',').length).toBeGreaterThan(5);
    const short = await long.forward('GET', '/long', { Authorization: `Bearer ${await long.token({ sub: 'zoë@x' })}` });
    expect(short.headers['x-stepgate-subject']).toBe('zo%C3%AB%40x');
    await long.close();
  });
});

describe('the caller', () => {
  test('The caller is not authenticated by the Authorization header, which is the end user’s', async () => {
    const answer = await rig.forward('GET', '/public/a', {
      'X-Stepgate-Key': '',
      Authorization: `Bearer ${API_KEY}`,
    });
    expect(answer).toMatchObject({ status: 403, headers: { 'x-stepgate-error': 'unauthorized' } });
  });

  /** @see https://github.com/TecharoHQ/anubis/issues/472 */
  test.each([
    ['GET', '/v1/risk-check'],
    ['POST', '/v1/risk-check'],
    ['GET', '/healthz'],
    ['GET', '/readyz'],
    ['GET', '/metrics'],
    ['GET', '/openapi.json'],
    ['GET', '/.well-known/authzen-configuration'],
    ['POST', '/access/v1/evaluation'],
    ['GET', '/no/such/route'],
  ])('%s %s is no hook and never says 2xx to a gateway', async (method, path) => {
    const headers = { 'X-Stepgate-Key': API_KEY, Authorization: `Bearer ${API_KEY}` };
    expect((await rig.ask(path, headers, method)).status).toBeGreaterThanOrEqual(400);
  });

  test('A bodyless GET on the JSON route is 405 with a plain key too', async () => {
    expect((await rig.ask('/v1/risk-check', { Authorization: `Bearer ${API_KEY}` })).status).toBe(405);
  });
});

describe('method and path of the original request', () => {
  /** @see https://github.com/cisagov/Malcolm/issues/1106 */
  test.each([
    '/./upload/x',
    '/upload/./x',
    '/.//upload/x',
    '/%2e/upload/x',
    '/public/..%2fupload/x',
    '/public/..;/upload',
  ])('%s is refused like /upload/x', async (uri) => {
    expect((await rig.forward('GET', uri)).status).toBe(403);
  });

  /** @see https://github.com/cisagov/Malcolm/issues/1042 */
  test.each([
    '/public/../admin/users',
    '/public/%2e%2e/admin',
    '/public/..%2fadmin/users',
    '/public/..\\admin',
    '/ADMIN',
  ])('%s is never let in by the lenient rule of /public', async (uri) => {
    const answer = await rig.forward('GET', uri);
    expect(answer).toMatchObject({ status: 401, headers: { 'x-stepgate-action': 'admin' } });
  });

  /** @see https://github.com/dadrus/heimdall/issues/709 */
  test('A missing method takes the strictest action of the path', async () => {
    const answer = await rig.forward('', '/api/pay', await bearer('u2'));
    expect(answer).toMatchObject({ status: 401, headers: { 'x-stepgate-action': 'pay' } });
  });

  /** @see https://github.com/apache/apisix/issues/11690 */
  test('The hook’s own method and path never replace missing headers', async () => {
    const answer = await rig.ask('/forward-auth', { 'X-Stepgate-Key': API_KEY, 'X-Forwarded-For': '81.2.69.160' });
    expectContract(answer);
    expect(answer).toMatchObject({ status: 403, headers: { 'x-stepgate-error': 'target_missing' } });
  });

  /** @see https://github.com/pomerium/pomerium/pull/1563 */
  test('Method and path of the original request come from headers only: a query of the hook is never read', async () => {
    const query = '?uri=https://app.example/public&method=GET&amount=900&user=admin';
    const base = { 'X-Stepgate-Key': API_KEY, 'X-Forwarded-Method': 'POST' };
    const without = await rig.ask(`/forward-auth${query}`, base);
    expect(without.headers['x-stepgate-error']).toBe('target_missing');
    const answer = await rig.ask(`/forward-auth${query}`, { ...base, 'X-Forwarded-Uri': '/upload/x?to=1&amount=900' });
    expect(answer).toMatchObject({ status: 403, headers: { 'x-stepgate-subject': '', 'x-stepgate-action': 'upload' } });
  });

  /** @see https://github.com/NVIDIA/OpenShell/issues/1357 */
  test('HEAD and a lower-case get follow the route of GET, PROPFIND the default action', async () => {
    expect((await rig.forward('HEAD', '/reports/1')).status).toBe(401);
    expect((await rig.forward('get', '/reports/1')).status).toBe(401);
    const other = await rig.forward('PROPFIND', '/reports/1');
    expect(other).toMatchObject({ status: 200, headers: { 'x-stepgate-action': 'request' } });
  });

  /** @see https://github.com/oauth2-proxy/oauth2-proxy/issues/735 */
  test('Another header that names another method is never taken, and is flagged', async () => {
    for (const name of ['X-Original-Method', 'X-HTTP-Method-Override']) {
      const answer = await rig.forward('POST', '/api/pay', {
        [name]: 'OPTIONS',
        Origin: 'https://app.example',
        'Access-Control-Request-Method': 'POST',
        ...(await bearer('u3')),
      });
      expect(answer.status).toBe(401);
      expect(answer.headers).toMatchObject({
        'x-stepgate-action': 'pay',
        'x-stepgate-reasons': 'header_conflict,payment',
      });
    }
    // Two headers of a gateway that disagree: the action of either method is taken, and the strictest holds.
    const lenient = await rig.forward('GET', '/api/pay', { 'X-Original-Method': 'POST', ...(await bearer('u3')) });
    expect(lenient).toMatchObject({ status: 401, headers: { 'x-stepgate-action': 'pay' } });
    expect(await rig.forward('GET', '/api/pay', await bearer('u3'))).toMatchObject({ status: 200 });
    const agreeing = await rig.forward('POST', '/api/pay', { 'X-Original-Method': 'POST', ...(await bearer('u3')) });
    expect(agreeing.headers['x-stepgate-reasons']).toBe('payment');
  });

  test('Two methods in one header are no method', async () => {
    const answer = await rig.forward('OPTIONS, POST', '/api/pay', await bearer('u4'));
    expect(answer).toMatchObject({ status: 401, headers: { 'x-stepgate-reasons': 'header_conflict,payment' } });
  });
});

/** @see https://github.com/oauth2-proxy/oauth2-proxy/issues/1549 */
describe('a CORS preflight', () => {
  const preflight = { Origin: 'https://app.example', 'Access-Control-Request-Method': 'POST' };

  test('A CORS preflight passes uncounted and unrecorded when the gateway itself states OPTIONS', async () => {
    const asked: string[] = [];
    const store = new Proxy(rig.engine.store, {
      get: (target, name, receiver) => {
        asked.push(String(name));
        return Reflect.get(target, name, receiver);
      },
    });
    const own = await gatewayScene({ store });
    const answer = await own.forward('OPTIONS', '/api/pay', preflight);
    expectContract(answer);
    expect(answer).toMatchObject({ status: 200, headers: { 'x-stepgate-reasons': 'preflight' } });
    await own.settled();
    expect(own.records).toEqual([]);
    expect(asked).toEqual([]);
    await own.forward('POST', '/api/pay', preflight);
    await own.settled();
    expect(asked).toContain('recordAttempt');
    await own.close();
  });

  test.each([
    ['without Origin', 'OPTIONS', { Origin: '' }],
    ['without Access-Control-Request-Method', 'OPTIONS', { 'Access-Control-Request-Method': '' }],
    ['stated as another method by the gateway', 'POST', { 'X-Original-Method': 'OPTIONS' }],
    ['with the method contradicted', 'OPTIONS', { 'X-Original-Method': 'POST' }],
  ])('%s is judged like any request', async (_, method, headers) => {
    const answer = await rig.forward(method, '/admin', { ...preflight, ...headers });
    expect(answer.status).toBe(401);
  });

  test('A CORS preflight does not pass without the key of the gateway', async () => {
    const answer = await rig.forward('OPTIONS', '/api/pay', { ...preflight, 'X-Stepgate-Key': '' });
    expect(answer.status).toBe(403);
  });
});

describe('the hook call itself', () => {
  /** @see https://github.com/thomseddon/traefik-forward-auth/pull/353 */
  test('The hook call itself by HEAD has the same status and challenge and no body', async () => {
    const headers = { 'X-Stepgate-Key': API_KEY, 'X-Forwarded-Method': 'HEAD', 'X-Forwarded-Uri': '/reports/1' };
    const answer = await rig.ask('/forward-auth', headers, 'HEAD');
    expectContract(answer);
    expect(answer).toMatchObject({ status: 401, text: '' });
  });

  test.each(['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND'])(
    'The hook call itself by %s is answered alike',
    async (method) => {
      const headers = { 'X-Stepgate-Key': API_KEY, 'X-Forwarded-Method': 'GET', 'X-Forwarded-Uri': '/admin' };
      const answer = await rig.ask('/forward-auth', headers, method);
      expectContract(answer);
      expect(answer.status).toBe(401);
    },
  );

  /**
   * @see https://github.com/traefik/traefik/pull/3907
   * @see https://github.com/caddyserver/caddy/issues/5430
   */
  test('The hook call itself with the headers of a websocket handshake is a plain call with a plain answer', async () => {
    const handshake = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version': '13',
    };
    for (const uri of ['/public/ws', '/admin/ws', '/upload/ws']) {
      const plain = await rig.forward('GET', uri);
      const upgraded = await rig.forward('GET', uri, handshake);
      expectContract(upgraded);
      expect(upgraded.status).toBe(plain.status);
      expect(upgraded.headers['x-stepgate-decision']).toBe(plain.headers['x-stepgate-decision']);
    }
  });

  /** @see https://github.com/apache/apisix/issues/11020 */
  test('The hook call itself that announces a body and sends none is answered at once and closed', async () => {
    const text = [
      'GET /forward-auth HTTP/1.1',
      'Host: risk',
      `X-Stepgate-Key: ${API_KEY}`,
      'Content-Type: application/json',
      'Content-Length: 512',
      'X-Forwarded-Method: POST',
      'X-Forwarded-Uri: /upload/x',
      '',
      '',
    ].join('\r\n');
    const received = await rig.raw(text);
    expect(received).toMatch(/^HTTP\/1\.1 403 /);
    expect(received.toLowerCase()).toContain('connection: close');
    expect(received.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  /** @see https://github.com/honojs/hono/issues/5191 */
  test('The hook call itself is never answered from a cache, whatever the client says it has: the status is the decision', async () => {
    for (const match of [undefined, '*', '"x"', 'W/"x"']) {
      const headers =
        match === undefined ? {} : { 'If-None-Match': match, 'If-Modified-Since': new Date().toUTCString() };
      for (const [uri, status] of [
        ['/public/a', 200],
        ['/admin', 401],
        ['/upload/x', 403],
      ] as const) {
        const answer = await rig.forward('GET', uri, headers);
        expect(answer.status).toBe(status);
        expect(answer.headers['cache-control']).toBe('no-store');
        expect(answer.headers).not.toHaveProperty('etag');
        expect(answer.headers).not.toHaveProperty('last-modified');
      }
    }
  });

  test('The hook call itself does not read a body that does come', async () => {
    const body = 'x'.repeat(512);
    const received = await rig.raw(
      `POST /forward-auth HTTP/1.1\r\nHost: risk\r\nX-Stepgate-Key: ${API_KEY}\r\nContent-Length: 512\r\n` +
        `X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /public/a\r\n\r\n${body}`,
    );
    expect(received).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe('who the request is of', () => {
  test('A bearer token of a configured issuer that verifies names the subject', async () => {
    const answer = await rig.forward('GET', '/public/a', await bearer('Ann@Example.com'));
    expect(answer.headers['x-stepgate-subject']).toBe('ann%40example.com');
  });

  test('The session cookie names the subject where there is no such bearer token', async () => {
    const cookie = { Cookie: `theme=dark; session=${await rig.token({ sub: 'bob' })}` };
    expect((await rig.forward('GET', '/public/a', cookie)).headers['x-stepgate-subject']).toBe('bob');
  });

  test('A token that does not verify names nobody, and a guarded action asks for a log-in', async () => {
    for (const token of [await rig.forged({ sub: 'admin' }), 'e30.e30.e30', 'opaque']) {
      const answer = await rig.forward('GET', '/admin', { Authorization: `Bearer ${token}` });
      expect(answer).toMatchObject({ status: 401, headers: { 'x-stepgate-subject': '' } });
    }
    const expired = await rig.token({ sub: 'admin' }, 8000);
    const answer = await rig.forward('GET', '/public/a', { Authorization: `Bearer ${expired}` });
    expect(answer.headers['x-stepgate-subject']).toBe('');
  });

  test('Session tokens of two subjects are refused: the origin may take the one that was not judged', async () => {
    const [bob, eve] = [await rig.token({ sub: 'bob' }), await rig.token({ sub: 'eve', su: true })];
    const ambiguous = { status: 403, headers: { 'x-stepgate-error': 'session_ambiguous', 'x-stepgate-subject': '' } };
    const mixed = { Authorization: `Bearer ${eve}`, Cookie: `session=${bob}` };
    expect(await rig.forward('GET', '/public/a', mixed)).toMatchObject(ambiguous);
  });

  test('A bearer token and a session cookie of one subject are one session', async () => {
    const bob = await rig.token({ sub: 'bob' });
    const again = { Authorization: `Bearer ${bob}`, Cookie: `session=${await rig.token({ sub: 'bob' }, 20)}` };
    expect(await rig.forward('GET', '/public/a', again)).toMatchObject({ status: 200 });
  });

  test('X-User-Id and the like are never read', async () => {
    const answer = await rig.forward('GET', '/public/a', { 'X-User-Id': 'admin', 'X-Forwarded-User': 'admin' });
    expect(answer.headers['x-stepgate-subject']).toBe('');
  });
});

describe('a step-up proof', () => {
  test('A step-up proof may be the session token itself', async () => {
    const token = await rig.token({ sub: 'p1', su: true });
    expect((await rig.forward('GET', '/admin', { Authorization: `Bearer ${token}` })).status).toBe(200);
  });

  test.each([
    ['X-Step-Up-Token', (token: string) => ({ 'X-Step-Up-Token': token })],
    ['the cookie __Host-stepgate-su', (token: string) => ({ Cookie: `__Host-stepgate-su=${token}` })],
  ])('A step-up proof may come in %s beside the session token', async (_, headersOf) => {
    const proof = await rig.token({ sub: 'p2', su: true });
    const answer = await rig.forward('GET', '/admin', { ...(await bearer('p2')), ...headersOf(proof) });
    expect(answer).toMatchObject({ status: 200, headers: { 'x-stepgate-reasons': 'guarded_route,step_up_satisfied' } });
  });

  test('The newest one counts, so an old cookie does not hide a fresh token', async () => {
    const answer = await rig.forward('GET', '/admin', {
      Authorization: `Bearer ${await rig.token({ sub: 'p3', su: true })}`,
      Cookie: `__Host-stepgate-su=${await rig.token({ sub: 'p3', su: true }, 3000)}`,
    });
    expect(answer.status).toBe(200);
  });

  test('A step-up proof of the session counts before one that somebody else left in the browser, however new', async () => {
    const answer = await rig.forward('GET', '/admin', {
      Authorization: `Bearer ${await rig.token({ sub: 'p3', su: true }, 300)}`,
      Cookie: `__Host-stepgate-su=${await rig.token({ sub: 'bob', su: true })}`,
    });
    expect(answer.status).toBe(200);
  });

  test('A step-up proof of somebody else, forged, too old or without a session is not taken, and the challenge says why', async () => {
    const cases: [Record<string, string>, RegExp][] = [
      [{ ...(await bearer('p4')), 'X-Step-Up-Token': await rig.token({ sub: 'eve', su: true }) }, /subject_mismatch/],
      [{ ...(await bearer('p4')), 'X-Step-Up-Token': await rig.forged({ sub: 'p4', su: true }) }, /signature/],
      [{ ...(await bearer('p4')), 'X-Step-Up-Token': await rig.token({ sub: 'p4', su: true }, 900) }, /token_too_old/],
      [{ 'X-Step-Up-Token': await rig.token({ sub: 'p4', su: true }) }, /subject_mismatch/],
    ];
    for (const [headers, why] of cases) {
      const answer = await rig.forward('GET', '/admin', headers);
      expectContract(answer);
      expect(answer.status).toBe(401);
      expect(answer.headers['www-authenticate']).toMatch(why);
    }
  });

  test('A step-up proof for single use is spent once, also where the path can be read in two ways', async () => {
    const spend = async (subject: string, uri: string) => {
      const proof = { 'X-Step-Up-Token': await rig.token({ sub: subject, su: true, jti: `once-${subject}` }) };
      const headers = { ...(await bearer(subject)), ...proof };
      return [(await rig.forward('POST', uri, headers)).status, (await rig.forward('POST', uri, headers)).status];
    };
    expect(await spend('p5', '/api/pay')).toEqual([200, 401]);
    expect(await spend('p6', '/public/..%2fapi/pay')).toEqual([200, 401]);
    expect(await spend('p7', '/api/pay;v=1')).toEqual([200, 401]);
    expect(await spend('p8', '/admin/..%2f..%2fapi/pay')).toEqual([200, 401]);
  });
});

describe('several candidate actions', () => {
  test('Several candidate actions count as one attempt, and one decision is recorded', async () => {
    const fresh = await gatewayScene();
    const headers = { Authorization: `Bearer ${await fresh.token({ sub: 'counted' })}` };
    await fresh.forward('', '/public/..%2fadmin', headers);
    await fresh.settled();
    expect(fresh.records).toHaveLength(1);
    const key = fresh.engine.pseudonym('subject', 'counted');
    const slot = await fresh.engine.store.readSubject(key, fresh.engine.now());
    expect(slot?.attempts1m).toBe(1);
    await fresh.close();
  });

  test('Several candidate actions beyond what is checked for one request are refused as ambiguous', async () => {
    const below = (depth: number): string => '/a'.repeat(depth);
    const actions = Object.fromEntries(
      Array.from({ length: 17 }, (_, i) => [`a${i}`, { routes: [`GET ${below(i)}/*`] }]),
    );
    const many = await gatewayScene({ rules: { ...HOOK_RULES, actions, rules: HOOK_RULES.rules.slice(0, 1) } });
    expect((await many.forward('GET', below(15))).status).toBe(200);
    expect(await many.forward('GET', below(16))).toMatchObject({
      status: 403,
      headers: { 'x-stepgate-error': 'path_ambiguous' },
    });
    await many.close();
  });
});

describe('the device', () => {
  const FINGERPRINT = { 'X-Stepgate-Device': 'v=1;fp=b1946ac92492d2347c6235b4d2611184' };

  /** @see https://github.com/traefik/traefik/issues/3660 */
  test('The device that earns trust gets a __Host- cookie; lost on its way, the user is only asked again', async () => {
    const proven = async (secondsAgo: number) => ({
      ...(await bearer('d1')),
      ...FINGERPRINT,
      'X-Step-Up-Token': await rig.token({ sub: 'd1', su: true }, secondsAgo),
    });
    const answer = await rig.forward('POST', '/api/pay', await proven(20));
    expectContract(answer);
    expect(answer.status).toBe(200);
    const [cookie = ''] = answer.headers['set-cookie'] ?? [];
    expect(cookie).toMatch(
      /^__Host-stepgate-device=[\w.-]+; Max-Age=2592000; Path=\/; Secure; HttpOnly; SameSite=Lax$/,
    );
    await rig.settled();

    const lost = await rig.forward('POST', '/api/pay', { ...(await bearer('d1')), ...FINGERPRINT });
    expect(lost.status).toBe(401);
    const again = await rig.forward('POST', '/api/pay', await proven(10));
    expect(again.status).toBe(200);
    expect(again.headers['set-cookie']).toHaveLength(1);

    await rig.settled();
    const kept = { Cookie: cookie.split(';')[0] ?? '' };
    await rig.forward('GET', '/public/a', { ...(await bearer('d1')), ...FINGERPRINT, ...kept });
    await rig.settled();
    expect(rig.records.at(-1)?.facts).toMatchObject({ 'device.state': 'trusted' });

    const alone = await rig.forward('GET', '/public/a', { ...(await bearer('d1')), ...kept });
    expect(alone.status).toBe(200);
    await rig.settled();
    expect(rig.records.at(-1)?.facts).toMatchObject({ 'device.state': 'unconfirmed', 'device.trusted': false });
  });

  test('The device takes the next generation of its cookie at each visit, on a page load without traits too', async () => {
    const own = await gatewayScene({ rules: HOOK_RULES });
    const session = async () => ({ Authorization: `Bearer ${await own.token({ sub: 'd9' })}` });
    const first = await own.forward('POST', '/api/pay', {
      ...(await session()),
      ...FINGERPRINT,
      'X-Step-Up-Token': await own.token({ sub: 'd9', su: true }, 5),
    });
    let cookie = first.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
    for (const traits of [FINGERPRINT, {}, FINGERPRINT]) {
      await own.settled();
      own.clock.ms += 3_600_000;
      const answer = await own.forward('GET', '/public/a', { ...(await session()), ...traits, Cookie: cookie });
      const [set = ''] = answer.headers['set-cookie'] ?? [];
      expect(set).toMatch(/^__Host-stepgate-device=[\w.-]+; Max-Age=\d+; Path=\/; Secure; HttpOnly; SameSite=Lax$/);
      expect(set.split(';')[0]).not.toBe(cookie);
      cookie = set.split(';')[0] ?? '';
      await own.settled();
      expect(own.records.at(-1)?.facts).toMatchObject({ 'device.token_reused': false });
    }
    const again = await own.forward('GET', '/public/a', { ...(await session()), ...FINGERPRINT, Cookie: cookie });
    expect(again.headers).not.toHaveProperty('set-cookie');
    await own.close();
  });

  test('The device is told by its header with all that the collector says', async () => {
    const header = 'v=1;fp=b1946ac92492d2347c6235b4d2611184;confidence=0.7;bot=1;c.canvas=a1b2';
    await rig.forward('GET', '/public/a', { ...(await bearer('d3')), 'X-Stepgate-Device': header });
    await rig.settled();
    expect(rig.records.at(-1)).toMatchObject({
      facts: { 'device.state': 'new', 'device.confidence': 0.7, 'device.bot': true },
      signals: { device: { state: 'measured' } },
    });
  });

  test.each([
    ['of another version', ['v=2;fp=abc']],
    ['in two lines', ['v=1;fp=abc', 'v=1;fp=abc']],
    ['that is too long', [`v=1;fp=${'a'.repeat(5000)}`]],
    ['that is none', ['ü%00,;=']],
    ['of a blocked collector', ['v=1;fp=undefined;confidence=0.9;c.canvas=a1b2']],
  ])('The device with a header %s counts as absent, says why, and fails nothing', async (_case, lines) => {
    const answer = await rig.forward('GET', '/public/a', { ...(await bearer('d4')), 'X-Stepgate-Device': lines });
    expectContract(answer);
    expect(answer.status).toBe(200);
    await rig.settled();
    expect(rig.records.at(-1)).toMatchObject({
      facts: { 'device.state': 'absent', 'device.trusted': false },
      signals: { device: { state: 'unknown', why: 'malformed_claim' } },
    });
    expect(rig.records.at(-1)?.erased).not.toContain('device.fingerprint');
  });

  test('Cookie on an answer that is no allow is never set', async () => {
    const answer = await rig.forward('POST', '/api/pay', { ...(await bearer('d2')), ...FINGERPRINT });
    expect(answer.headers).not.toHaveProperty('set-cookie');
  });
});

describe('the client address', () => {
  async function addressOf(trusted: string, headers: Record<string, string>): Promise<object> {
    const own = await gatewayScene({ trusted });
    await own.forward('GET', '/public/a', headers);
    await own.settled();
    const [record] = own.records;
    const expected = (text: string) => own.engine.pseudonym('address', text);
    const named = ['81.2.69.160', '203.0.113.7', '127.0.0.1'].find((text) => record?.address === expected(text));
    await own.close();
    return { address: record?.address === null ? null : (named ?? 'other') };
  }

  test('The client address is the last entry that the trusted gateway appended, not what a client wrote before it', async () => {
    const headers = { 'X-Forwarded-For': '203.0.113.7, 81.2.69.160' };
    expect(await addressOf('127.0.0.0/8', headers)).toEqual({ address: '81.2.69.160' });
  });

  test('The client address is unknown, and never the gateway’s own, where the gateway is not trusted', async () => {
    expect(await addressOf('', { 'X-Forwarded-For': '81.2.69.160' })).toEqual({ address: null });
    expect(await addressOf('192.0.2.0/24', { 'X-Forwarded-For': '81.2.69.160' })).toEqual({ address: null });
  });

  test.each([
    ['', 1],
    ['192.0.2.0/24', 1],
    ['127.0.0.0/8', 0],
  ])(
    'The client address that cannot be told with TRUSTED_PROXIES=%s is warned of %i times, however many calls come',
    async (trusted, times) => {
      const warnings: string[] = [];
      const own = await gatewayScene({
        trusted,
        deps: { log: { ...noLog, warn: (message) => warnings.push(message) } },
      });
      for (let call = 0; call < 3; call++) await own.forward('GET', '/public/a', { 'X-Forwarded-For': '81.2.69.160' });
      await own.close();
      expect(warnings.filter((warning) => warning.includes('TRUSTED_PROXIES'))).toHaveLength(times);
    },
  );

  test('The client hints of the browser are read beside its user agent', async () => {
    const own = await gatewayScene();
    const chrome = { 'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) Chrome/138.0.0.0 Safari/537.36' };
    await own.forward('GET', '/public/a', { ...chrome, 'Sec-CH-UA-Platform': '"Windows"' });
    await own.forward('GET', '/public/a', chrome);
    await own.settled();
    expect(own.records.map(({ facts }) => facts['client.hints_contradict'])).toEqual([true, undefined]);
    await own.close();
  });

  /** @see https://github.com/envoyproxy/envoy/issues/21519 */
  test('The client address comes from X-Envoy-External-Address only where that header is declared', async () => {
    const headers = { 'X-Forwarded-For': '127.0.0.9', 'X-Envoy-External-Address': '203.0.113.7' };
    expect(await addressOf('127.0.0.0/8', headers)).toEqual({ address: null });
    const declared = await gatewayScene({
      deps: {
        trust: { trusted: { ...rig.deps.trust.trusted }, declared: 'x-envoy-external-address' },
      },
    });
    await declared.forward('GET', '/public/a', headers);
    await declared.settled();
    expect(declared.records[0]?.address).toBe(declared.engine.pseudonym('address', '203.0.113.7'));
    await declared.close();
  });

  /** @see https://github.com/cloudflare/cloudflare-docs/pull/10293 */
  test('Address and country are not taken from what an edge says about the calling Worker', async () => {
    const own = await gatewayScene();
    await own.forward('GET', '/public/a', {
      'CF-Worker': 'gateway.example',
      'CF-IPCountry': 'FR',
      'CF-Connecting-IP': '203.0.113.7',
    });
    await own.settled();
    const [record] = own.records;
    expect(record?.facts['geo.country']).toBeUndefined();
    expect(record?.address).toBe(own.engine.pseudonym('address', '81.2.69.160'));
    await own.close();
  });
});

/**
 * @see https://github.com/authelia/authelia/issues/3506
 * @see https://github.com/authelia/authelia/issues/939
 */
test('Many and large cookies are no reason for the service to fail', async () => {
  const rules = fileURLToPath(new URL('../../contract/authzen/fixtures/authzen-interop', import.meta.url));
  const environment = { PORT: '0', API_KEYS: `gateway:${API_KEY}`, RULES_DIR: rules, LOG_LEVEL: 'silent' };
  const service = await startServer(loadSettings(environment, () => 'a-secret-made-for-one-run-of-this-test'));
  const response = await fetch(`${service.url}/forward-auth`, {
    headers: {
      'X-Stepgate-Key': API_KEY,
      'X-Forwarded-Method': 'GET',
      'X-Forwarded-Uri': '/public/a',
      Cookie: Array.from({ length: 100 }, (_, i) => `c${i}=${'x'.repeat(300)}`).join('; '),
      Authorization: `Bearer ${'x'.repeat(4500)}`,
    },
  });
  expect(response.status).toBe(403);
  expect(response.headers.get('x-stepgate-error')).toBe('');
  expect(response.headers.get('x-stepgate-decision')).toBe('deny');
  await service.stop();
});

describe('/ext-authz', () => {
  const KEY = { 'X-Stepgate-Key': API_KEY };

  test('/ext-authz takes method and path of the request itself, behind the prefix', async () => {
    expect(await rig.ask('/ext-authz/admin/x?y=1', KEY, 'DELETE')).toMatchObject({
      status: 401,
      headers: { 'x-stepgate-action': 'admin' },
    });
    expect((await rig.ask('/ext-authz/public/x', KEY)).status).toBe(200);
    expect((await rig.ask('/ext-authz/upload/x', KEY, 'PUT')).status).toBe(403);
    expect((await rig.ask('/ext-authz/', KEY)).headers['x-stepgate-action']).toBe('request');
  });

  test('/ext-authz by HEAD follows GET and has no body', async () => {
    const answer = await rig.ask('/ext-authz/reports/1', KEY, 'HEAD');
    expectContract(answer);
    expect(answer).toMatchObject({ status: 401, text: '' });
  });

  test('/ext-authz passes a preflight, whose method is the request’s own', async () => {
    const headers = { ...KEY, Origin: 'https://app.example', 'Access-Control-Request-Method': 'POST' };
    expect((await rig.ask('/ext-authz/api/pay', headers, 'OPTIONS')).status).toBe(200);
  });

  test.each([
    '/ext-authz/../healthz',
    '/ext-authz/%2e%2e/healthz',
    '/ext-authz/..%2fhealthz',
    '/ext-authz/x/../../healthz',
    '/ext-authz/x/../../forward-auth',
    '/ext-authz/public/../admin',
    '/ext-authz/public/..%2fadmin',
    '/ext-authz/public/%2e%2e/admin',
    '/ext-authz/%61dmin/',
    '/ext-authz//admin',
  ])('%s stays in this hook and is judged as what it resolves to', async (target) => {
    const answer = await rig.ask(target, KEY);
    expectContract(answer);
    if (target.includes('dmin'))
      expect(answer).toMatchObject({ status: 401, headers: { 'x-stepgate-action': 'admin' } });
    else expect(answer.headers['x-stepgate-action']).toBe('request');
  });

  test.each([
    '/ext-authz',
    '/ext-authz?x',
    '/ext-authz;/admin',
    '/ext-authz%2fadmin',
    '/x/../ext-authz/public',
    '/ext-authz/public/..\\admin',
  ])('%s holds no path to judge and is refused', async (target) => {
    const answer = await rig.ask(target, KEY);
    expect(answer.status).toBeGreaterThanOrEqual(400);
  });

  test('/ext-authz never reads X-Forwarded-Method or -Uri, which there are a client’s word', async () => {
    const headers = { ...KEY, 'X-Forwarded-Method': 'GET', 'X-Forwarded-Uri': '/public/a' };
    expect((await rig.ask('/ext-authz/upload/x', headers, 'POST')).status).toBe(403);
  });
});

describe('a navigation', () => {
  const HTML = { Accept: 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8' };
  let pages: GatewayScene;
  beforeAll(async () => {
    pages = await gatewayScene({
      gateway: { stepUpUrl: 'https://id.example/step-up?tenant=a', returnHosts: ['app.example'] },
    });
  });
  afterAll(() => pages.close());

  test('A navigation that needs a step-up is told the page in a header, the status stays 401', async () => {
    const answer = await pages.forward('GET', '/account?tab=2', HTML);
    expectContract(answer);
    expect(answer.status).toBe(401);
    const location = new URL(String(answer.headers['x-stepgate-location']));
    expect(location.origin + location.pathname).toBe('https://id.example/step-up');
    expect(Object.fromEntries(location.searchParams)).toEqual({
      tenant: 'a',
      acr_values: 'urn:stepgate:su',
      max_age: '600',
      return_to: 'https://app.example/account?tab=2',
    });
    expect(answer.headers).not.toHaveProperty('location');
  });

  test('A navigation is redirected where the gateway can pass a redirect on', async () => {
    const answer = await pages.forward('GET', '/account', { ...HTML, 'X-Stepgate-Redirect': '1' });
    expectContract(answer);
    expect(answer.status).toBe(302);
    expect(new URL(String(answer.headers.location)).searchParams.get('return_to')).toBe('https://app.example/account');
    // It stands once: all headers together have to stay below 4 kB.
    expect(answer.headers['x-stepgate-location']).toBe('');
  });

  /** @see https://github.com/mozilla/experimenter/issues/881 */
  test('A posted form is sent to the step-up page with the way back to its own page', async () => {
    const answer = await pages.forward('POST', '/admin', {
      ...HTML,
      'Sec-Fetch-Mode': 'navigate',
      'Sec-Fetch-Dest': 'document',
      Referer: 'https://app.example/transfers/new',
      'X-Stepgate-Redirect': '1',
    });
    expectContract(answer);
    expect(answer.status).toBe(302);
    const location = new URL(String(answer.headers.location));
    expect(location.searchParams.get('return_to')).toBe('https://app.example/transfers/new');
  });

  test('A way back that has to be left out is told by a header', async () => {
    const answer = await pages.forward('GET', '/account', { ...HTML, 'X-Forwarded-Host': 'evil.example' });
    expect(answer.headers['x-stepgate-reasons']).toMatch(/,return_host_not_allowed$/);
    expect(answer.headers['x-stepgate-location']).not.toContain('return_to');
  });

  test('The redirect of a long page stays below 4 kB with all its headers', async () => {
    const target = `/account?q=${'é'.repeat(1500)}`;
    const answer = await pages.forward('GET', target, { ...HTML, 'X-Stepgate-Redirect': '1' });
    expectContract(answer);
    expect(answer.headers['x-stepgate-reasons']).toMatch(/,return_query_too_long$/);
  });

  test.each([
    ['a script', 'GET', { Accept: 'application/json' }],
    ['an image', 'GET', { ...HTML, 'Sec-Fetch-Mode': 'no-cors' }],
    ['a frame', 'GET', { ...HTML, 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'iframe' }],
    ['a request that a script says is its own', 'GET', { ...HTML, 'X-Requested-With': 'XMLHttpRequest' }],
    ['a form without the page that posted it', 'POST', HTML],
    ['a change that no form makes', 'PUT', HTML],
  ])('%s is none', async (_, method, headers) => {
    const answer = await pages.forward(method, '/admin', { ...headers, 'X-Stepgate-Redirect': '1' });
    expect(answer).toMatchObject({ status: 401, headers: { 'x-stepgate-location': '' } });
  });
});

test.each([
  'admin.example',
  'ADMIN.example',
  'admin.example:443',
  'admin.example:1',
  'admin.example.',
  'admin.example.:80',
  'admin.example:',
])('A rule on the host sees the site that servers choose by it: %s', async (host) => {
  const own = await gatewayScene({
    rules: {
      actions: { request: { floor: 'allow' } },
      rules: [
        {
          id: 'h',
          when: { 'resource.properties.host': 'admin.example' },
          then: { decision: 'deny', reason: 'closed' },
        },
      ],
    },
  });
  const asked = await own.forward('GET', '/x', { 'X-Forwarded-Host': host });
  expect([asked.status, asked.headers['x-stepgate-reasons']]).toEqual([403, 'closed']);
  await own.close();
});

describe('a step-up token that is longer than any is read', () => {
  const tooLong = async (it: GatewayScene): Promise<string> =>
    `${await it.token({ sub: 'long', su: true })}${'A'.repeat(20_000)}`;

  test.each([
    ['the header', (token: string) => ({ 'X-Step-Up-Token': token })],
    ['the cookie', (token: string) => ({ Cookie: `__Host-stepgate-su=${token}` })],
  ])('Is refused in %s as too long, and not counted as a forgery', async (_, headersOf) => {
    const fresh = await gatewayScene();
    const outcomes: unknown[] = [];
    const { recordOutcome } = fresh.engine.store;
    const session = { Authorization: `Bearer ${await fresh.token({ sub: 'long' })}` };
    Object.assign(fresh.engine.store, {
      recordOutcome: (outcome: Parameters<typeof recordOutcome>[0]) => outcomes.push(outcome),
    });
    const answer = await fresh.forward('POST', '/api/pay', { ...session, ...headersOf(await tooLong(fresh)) });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toContain('too_large');
    await fresh.settled();
    expect(fresh.records.at(-1)).toMatchObject({ step_up: { satisfied: false, error: 'too_large' } });
    expect(outcomes).toEqual([]);
    await fresh.close();
  });

  test('Is refused by the JSON API in the same way', async () => {
    const fresh = await gatewayScene();
    const body = { subject: 'long', action: 'pay', step_up_token: await tooLong(fresh) };
    const response = await fresh.post('/v1/risk-check', body);
    expect(await response.json()).toMatchObject({ decision: 'step-up', step_up: { error: { code: 'too_large' } } });
    await fresh.close();
  });
});
