import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { routesOf } from '../../../src/app/app.ts';
import { openApiDocument } from '../../../src/http/openapi.ts';
import { type HostileRequest, hostileRequests } from '../../support/hostile/requests.ts';
import { API_KEY, scene } from '../../support/scene.ts';

const SEED = 20_261_125;

const { app, deps } = scene({
  deps: {
    gateway: {
      sessionCookie: 'session',
      stepUpUrl: 'https://id.example/',
      returnHosts: ['app.example'],
      publicUrl: null,
    },
  },
});
const routes = routesOf(deps);
const requests = fc.sample(hostileRequests(openApiDocument(routes)), { seed: SEED, numRuns: 20_000 });

/** Whether Hono would take this path for that of the route. */
function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll('.', '\\.').replace(/:\w+/g, '[^/?#]+').replace(/\/\*$/, '(?:/.*)?')}$`);
}

function sentTo(method: string, path: string): readonly HostileRequest[] {
  const pattern = patternOf(path);
  return requests.filter(
    (request) =>
      (method === '*' || request.method === method) &&
      request.isWhole &&
      pattern.test(request.target.split('?')[0] ?? ''),
  );
}

test.each(
  routes.map(({ method, path, access, body }) => [`${method} ${path}`, { method, path, access, body }] as const),
)(
  '%s is attacked, with a key where it needs one, and with bodies sound and spoilt where it takes one',
  (_name, { method, path, access, body }) => {
    const sent = sentTo(method, path);
    const authorized = sent.filter(({ headers }) =>
      headers.some(([name]) => /^(?:authorization|x-stepgate-key)$/i.test(name)),
    );
    expect((access === 'public' ? sent : authorized).length).toBeGreaterThan(2);
    if (body === undefined) return;
    for (const kind of ['schema', 'bytes', 'header'] as const) {
      expect(sent.filter((request) => request.kind === kind).length, kind).toBeGreaterThan(20);
    }
  },
);

test.each([
  ['/forward-auth', { 'X-Forwarded-Method': 'GET', 'X-Forwarded-Uri': '/open' }],
  ['/ext-authz/open', {}],
])('%s is attacked by every header that it reads', async (path, told) => {
  const read = new Set<string>();
  const get = vi.spyOn(Headers.prototype, 'get').mockImplementation(function (this: Headers, name) {
    read.add(name.toLowerCase());
    return new Map(this.entries()).get(name.toLowerCase()) ?? null;
  });
  try {
    await app.request(path, { headers: { 'X-Stepgate-Key': API_KEY, ...told } });
  } finally {
    get.mockRestore();
  }
  const sent = sentTo('*', path.replace('/open', '/*')).flatMap(({ headers }) =>
    headers.map(([name]) => name.toLowerCase()),
  );
  expect(read).toContain('user-agent');
  // Where a body ends is told by shapes of their own.
  expect(
    [...read].filter((name) => !/^(?:content-length|transfer-encoding)$/.test(name) && !sent.includes(name)),
  ).toEqual([]);
});
