import fc from 'fast-check';
import { z } from 'zod';
import { hostileOf, nastyText, type Schema, schema, spoiling } from './json.ts';
import { CANARY, OPEN_PREFIX, SECRETS } from './stage.ts';

/** One thing that is sent over a connection of its own. */
export interface HostileRequest {
  readonly kind: 'schema' | 'bytes' | 'gateway' | 'envoy' | 'path' | 'header' | 'shape';
  /** Upper case or not, as sent; `-` for a shape, which may be several requests or none. */
  readonly method: string;
  readonly target: string;
  /** Of the first request, as sent; one character is one byte. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer | null;
  /** What goes over the wire. */
  readonly bytes: Buffer;
  /** True where the bytes are one whole request that asks for the connection to be closed: it has to be answered. */
  readonly isWhole: boolean;
}

const documentSchema = z.object({
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({
        requestBody: z.object({ content: z.object({ 'application/json': z.object({ schema }) }) }).optional(),
      }),
    ),
  ),
});

/** One route of the document. */
interface Operation {
  /** Upper case. */
  readonly method: string;
  readonly path: string;
}

type Parts = Omit<HostileRequest, 'bytes' | 'isWhole'> & { readonly isWhole?: boolean };

const AUTHORIZED = ['Authorization', `Bearer ${SECRETS.apiKey}`] as const;

/** Requests to every route of an OpenAPI document, and what is no request. */
export function hostileRequests(openapi: unknown): fc.Arbitrary<HostileRequest> {
  const { paths } = documentSchema.parse(openapi);
  const bodies: { readonly path: string; readonly shape: Schema }[] = [];
  for (const [path, methods] of Object.entries(paths)) {
    const shape = methods.post?.requestBody?.content['application/json'].schema;
    if (shape !== undefined) bodies.push({ path, shape });
  }
  const jsons = bodies.map(({ path, shape }) => hostileOf(shape).map((value) => ({ path, json: jsonOf(value) })));
  const posted = fc.oneof(...jsons);
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ path, method: method.toUpperCase() })),
  );
  return fc.oneof(
    { weight: 5, arbitrary: posted.map(({ path, json }) => post('schema', path, json)) },
    { weight: 5, arbitrary: fc.tuple(posted, fc.array(spoiling, { minLength: 1, maxLength: 2 })).map(spoilt) },
    { weight: 5, arbitrary: gatewayCall },
    { weight: 3, arbitrary: envoyCall },
    { weight: 3, arbitrary: pathProbe(operations) },
    { weight: 3, arbitrary: fc.tuple(posted, hostileHeaders).map(headerProbe) },
    { weight: 2, arbitrary: shapes },
  );
}

function jsonOf(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value) ?? 'null');
}

function post(kind: HostileRequest['kind'], path: string, body: Buffer): HostileRequest {
  return request({
    kind,
    method: 'POST',
    target: path,
    headers: [AUTHORIZED, ['Content-Type', 'application/json']],
    body,
  });
}

function spoilt([{ path, json }, spoilings]: [
  { path: string; json: Buffer },
  ((json: Buffer) => Buffer)[],
]): HostileRequest {
  return post(
    'bytes',
    path,
    spoilings.reduce((bytes, spoil) => spoil(bytes), json),
  );
}

function request(parts: Parts): HostileRequest {
  const { method, target, headers, body } = parts;
  const lines = [
    `${method} ${target} HTTP/1.1`,
    ...(headers.some(([name]) => name === 'Host') ? [] : ['Host: pdp.example']),
    'Connection: close',
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...(body === null ? [] : [`Content-Length: ${body.length}`]),
  ];
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  return { ...parts, bytes: Buffer.concat([head, body ?? Buffer.alloc(0)]), isWhole: parts.isWhole ?? true };
}

/** Text as a header line can hold it: one character a byte, no end of line unless `raw`. */
const headerValue = nastyText.map((text) =>
  Buffer.from(text)
    .toString('latin1')
    .replace(/[\r\n\0]/g, ' ')
    .slice(0, 9000)
    .trim(),
);

const METHODS = [
  ...['GET', 'get', 'POST', 'HEAD', 'OPTIONS', 'DELETE', 'PUT', 'PATCH', 'PROPFIND', 'GET, POST', 'TRACE', ''],
];

const pathPiece = fc.oneof(
  fc.constantFrom(
    ...['/', '//', '/.', '/..', '/../', '/%2e%2e/', '/..;/', '/..%2f', '%2f', '%252f', '%25252e', '%5c', '\\'],
    ...['..\\', '%00', '%0a', '%0d%0a', '%c0%ae', '%e0%80%af', '%ff', '%', '%zz', '%u002e', ';a=b', '?', '#', '%3f'],
    ...['%23', 'é', 'admin', OPEN_PREFIX, '/Open', 'open', '/x', CANARY, '%EF%BC%8F', '@evil.example'],
    ...['http://evil.example/open', 'a'.repeat(3000)],
  ),
  fc.string({ maxLength: 8 }),
);

const SLASHES = ['/', '//', '\\', '%2f', '%5c', '%252f', '/;x/', '/./', '%EF%BC%8F', '%c0%af'];
const UPWARDS = ['..', '%2e%2e', '.%2e', '..;', '..;a=b', '%252e%252e', '%2e%2e%3b', '..%00', '.', '...', 'x/../..'];

/** Out of what is open, in the spellings of the trade. */
const wayOut = fc
  .array(fc.tuple(fc.constantFrom(...SLASHES), fc.constantFrom(...UPWARDS)), { minLength: 1, maxLength: 3 })
  .chain((steps) =>
    fc
      .tuple(fc.constantFrom(...SLASHES), fc.constantFrom('admin', 'api', '', 'open', 'x?/open'))
      .map(([slash, end]) => `${OPEN_PREFIX}${steps.flat().join('')}${slash}${end}`),
  );

/** A request target of any kind; what a gateway could hand on in one header. */
export const hostileTarget = fc
  .oneof(
    wayOut,
    fc
      .tuple(fc.constantFrom('', '/', OPEN_PREFIX, `${OPEN_PREFIX}/x`), fc.array(pathPiece, { maxLength: 6 }))
      .map(([start, pieces]) => start + pieces.join('')),
  )
  .map((target) =>
    Buffer.from(target)
      .toString('latin1')
      .replace(/[\r\n\0]/g, ''),
  );

const GATEWAY_HEADERS = [
  ...['X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Real-IP', 'Forwarded', 'Cookie'],
  ...['Authorization', 'X-Step-Up-Token', 'X-Stepgate-Device', 'User-Agent', 'Accept', 'Sec-Fetch-Mode', 'Origin'],
  ...['Access-Control-Request-Method', 'X-HTTP-Method-Override', 'X-HTTP-Method', 'X-HTTP-Verb-Override'],
  ...['X-Tunneled-Method', 'X-Method-Override', 'X-Original-Method', 'Host', 'X-Original-URL', 'X-Rewrite-URL'],
  ...['X-Forwarded-Method', 'X-Forwarded-Uri', 'X-Stepgate-Redirect', 'X-Stepgate-Decision', 'X-User-Id', 'Expect'],
  ...['Upgrade', 'X-Request-ID', 'DPoP', 'X-Stepgate-Device-Proof', 'Secure-Session-Skipped', 'Sec-CH-UA', 'Referer'],
  ...['Sec-CH-UA-Platform', 'Sec-CH-UA-Mobile', 'Sec-Fetch-Dest', 'X-Requested-With', 'Accept-Language'],
  ...['CF-Connecting-IP', 'X-Envoy-External-Address'],
];

const COOKIES = [
  `session=${CANARY}`,
  `__Host-stepgate-su=${CANARY}; session=a.b.c; session=d.e.f`,
  'a=b; '.repeat(1500),
  '__Host-stepgate-device=x.y.z; __proto__=1',
  ';;;=;==; =x; session="a"',
  'session=%65%79%4a; session=eyJhbGciOiJub25lIn0.e30.',
];

const DEVICES = [
  `v=1;fp=${CANARY};conf=0.5;bot=1;c.canvas=a1`,
  'v=1;fp=x;c.__proto__=1;c.constructor=2',
  `v=1;${'c.k=x;'.repeat(500)}`,
  `v=1;${Array.from({ length: 100 }, (_, i) => `c.k${i}=x`).join(';')}`,
  'v=1;fp=x;conf=1e999',
  'v=1;fp=x;fp=y',
  'v=2;fp=x',
  ';;==;=',
];

const gatewayHeaders = fc.array(
  fc.oneof(
    fc.tuple(fc.constant('X-Stepgate-Device'), fc.constantFrom(...DEVICES)),
    fc.tuple(fc.constantFrom(...GATEWAY_HEADERS), headerValue),
    fc.tuple(fc.constant('Cookie'), fc.constantFrom(...COOKIES)),
    fc.tuple(
      fc.constant('X-Forwarded-For'),
      fc.array(headerValue, { maxLength: 300 }).map((all) => all.join(', ').slice(0, 9000)),
    ),
    fc.constant(['X-Many', 'x'] as [string, string]),
  ),
  { maxLength: 6 },
);

const gatewayCall = fc
  .tuple(
    fc.constantFrom(SECRETS.apiKey, SECRETS.apiKey, SECRETS.apiKey, SECRETS.apiKey.slice(0, -1), '', 'x'),
    fc.oneof({ weight: 3, arbitrary: fc.constant('GET') }, { weight: 1, arbitrary: fc.constantFrom(...METHODS) }),
    hostileTarget,
    gatewayHeaders,
    fc.constantFrom(
      ...['/forward-auth', '/forward-auth', '/forward-auth', '/forward-auth', '/forward-auth?uri=/open'],
      '/Forward-Auth',
    ),
    fc.constantFrom('GET', 'POST', 'HEAD', 'OPTIONS'),
  )
  .map(([key, method, uri, more, target, own]) =>
    request({
      kind: 'gateway',
      method: own,
      target,
      headers: [['X-Stepgate-Key', key], ['X-Forwarded-Method', method], ['X-Forwarded-Uri', uri], ...more],
      body: null,
    }),
  );

const envoyCall = fc
  .tuple(fc.constantFrom('GET', 'GET', 'GET', 'POST', 'HEAD', 'OPTIONS', 'PROPFIND'), hostileTarget, gatewayHeaders)
  .map(([method, uri, more]) =>
    request({
      kind: 'envoy',
      method,
      target: `/ext-authz${uri}`.replaceAll(' ', '%20'),
      headers: [['X-Stepgate-Key', SECRETS.apiKey], ...more],
      body: null,
    }),
  );

function pathProbe(operations: readonly Operation[]): fc.Arbitrary<HostileRequest> {
  const filled = (path: string): fc.Arbitrary<string> =>
    nastyText.map((text) =>
      path.replace(/\{\w+\}/g, encodeURIComponent(text.toWellFormed()).slice(0, 4000)).replace('*', 'x'),
    );
  const spelled = fc.oneof(fc.constant([]), fc.array(pathPiece, { minLength: 1, maxLength: 3 }));
  const probe = ({ method, path }: Operation): fc.Arbitrary<HostileRequest> =>
    fc
      .tuple(
        fc.oneof({ weight: 2, arbitrary: fc.constant(method) }, { weight: 1, arbitrary: otherMethod }),
        filled(path),
        spelled,
        fc.boolean(),
        fc.constantFrom(true, true, true, false),
      )
      .map(([sent, target, pieces, isFirst, isAuthorized]) =>
        request({
          kind: 'path',
          method: sent,
          target: Buffer.from(isFirst && pieces.length > 0 ? `/${pieces.join('')}${target}` : target + pieces.join(''))
            .toString('latin1')
            .replace(/[\r\n\0 ]/g, ''),
          headers: isAuthorized ? [AUTHORIZED] : [],
          body: null,
        }),
      );
  return fc.oneof(...operations.map(probe));
}

const otherMethod = fc.constantFrom('GET', 'POST', 'DELETE', 'HEAD', 'PUT', 'OPTIONS', 'PATCH');

const hostileHeaders = fc.array(
  fc.oneof(
    fc.tuple(fc.constant('X-Request-ID'), headerValue),
    fc.tuple(
      fc.constant('Content-Type'),
      fc.oneof(
        headerValue,
        fc.constantFrom('text/json', 'application/json; charset=utf-7', 'multipart/form-data', 'application/x+json'),
      ),
    ),
    fc.tuple(
      fc.constant('Authorization'),
      fc.oneof(
        headerValue,
        fc.constantFrom(
          `Bearer ${SECRETS.apiKey}x`,
          `bearer ${SECRETS.apiKey}`,
          `Basic ${SECRETS.apiKey}`,
          `Bearer  ${SECRETS.apiKey.slice(1)}`,
        ),
      ),
    ),
    fc.tuple(
      fc.constantFrom(
        ...['Content-Encoding', 'Expect', 'Accept', 'Range', 'Upgrade', 'X-Stepgate-Key', 'If-None-Match', 'Origin'],
      ),
      headerValue,
    ),
    fc.tuple(fc.constantFrom('__proto__', 'constructor', 'toString', 'X-A'), headerValue),
  ),
  { minLength: 1, maxLength: 4 },
);

function headerProbe([{ path, json }, headers]: [{ path: string; json: Buffer }, [string, string][]]): HostileRequest {
  const own = headers.some(([name]) => name === 'Authorization') ? [] : [AUTHORIZED];
  return request({ kind: 'header', method: 'POST', target: path, headers: [...own, ...headers], body: json });
}

/** An attack on where one request ends and the next begins, or on what a parser takes for a request at all. */
const SMUGGLED = `GET /v1/subjects/${CANARY} HTTP/1.1\r\nHost: x\r\n\r\n`;
const HEAD = `POST /v1/risk-check HTTP/1.1\r\nHost: x\r\n${AUTHORIZED.join(': ')}\r\n`;
const CHUNKED = `0\r\n\r\n${SMUGGLED}`;

const SHAPES = [
  `${HEAD}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED}`,
  `${HEAD}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n${CHUNKED}`,
  `${HEAD}Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}${SMUGGLED}`,
  `${HEAD}Content-Length: 2, 40\r\n\r\n{}${SMUGGLED}`,
  `${HEAD}Content-Length: +2\r\n\r\n{}${SMUGGLED}`,
  `${HEAD}Content-Length : 2\r\n\r\n{}${SMUGGLED}`,
  `${HEAD}Content-Length: 2\n\n{}${SMUGGLED}`,
  `${HEAD}Transfer-Encoding: xchunked\r\n\r\n${CHUNKED}`,
  `${HEAD}Transfer-Encoding: chunked, identity\r\n\r\n${CHUNKED}`,
  `${HEAD}Transfer-Encoding: identity, chunked\r\nTransfer-Encoding: cow\r\n\r\n${CHUNKED}`,
  `${HEAD}Transfer-Encoding:\x0bchunked\r\n\r\n${CHUNKED}`,
  `${HEAD}Transfer-Encoding\t: chunked\r\n\r\n${CHUNKED}`,
  `${HEAD} Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}`,
  `${HEAD}X-A: 1\r\n folded\r\nContent-Length: 2\r\n\r\n{}`,
  `${HEAD}Transfer-Encoding: chunked\r\n\r\n2;${'e'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`,
  `${HEAD}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}`,
  `${HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Stepgate-Key: x\r\n\r\n${SMUGGLED}`,
  `${HEAD}Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n`,
  `${HEAD}Content-Length: 99999999999999999999\r\n\r\n{}`,
  `${HEAD}Content-Length: 10\r\n\r\n{}`,
  `POST /v1/risk-check HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}`,
  `POST /v1/risk-check HTTP/9.9\r\nHost: x\r\n\r\n`,
  `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`,
  `GET\t/healthz\tHTTP/1.1\r\nHost: x\r\n\r\n`,
  `GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n`,
  `GET /healthz HTTP/1.1\r\n\r\n`,
  `GET http://evil.example/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
  `GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
  `OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
  `CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n`,
  `GET /healthz\r\n\r\n`,
  `GET /forward-auth HTTP/1.1\r\nHost: x\r\nX-Stepgate-Key: ${SECRETS.apiKey}\r\nX-Forwarded-Uri: /a\0b\r\n\r\n`,
  `GET /forward-auth HTTP/1.1\r\nHost: x\r\nX-Stepgate-Key: ${SECRETS.apiKey}\r\nX-Forwarded-Uri: /open\rX: y\r\n\r\n`,
  `GET /healthz HTTP/1.1\r\nHost: x\r\n${'X-A: b\r\n'.repeat(3000)}\r\n`,
  `GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ${'b'.repeat(80_000)}\r\n\r\n`,
  `GET /${'a'.repeat(80_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
  `GET /healthz HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n`,
  `GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA\r\n\r\n`,
  `GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: the-unexpected\r\nConnection: close\r\n\r\n`,
  // Pipelined: each is answered in its turn.
  'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20),
  `${`${HEAD}Content-Length: 17\r\n\r\n{"action":"some"}`.repeat(5)}GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n`,
  `${HEAD}Content-Length: 2\r\n\r\n{}\r\n\r\n${SMUGGLED}`,
  `GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGARBAGE\r\n\r\n`,
  '\r\n\r\n\r\n',
  '',
];

const shapes = fc
  .oneof(
    { weight: 4, arbitrary: fc.constantFrom(...SHAPES).map((text) => Buffer.from(text, 'latin1')) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.constantFrom(...SHAPES), spoiling)
        .map(([text, spoil]) => spoil(Buffer.from(text, 'latin1'))),
    },
  )
  .map(
    (bytes): HostileRequest => ({
      kind: 'shape',
      method: '-',
      target: '',
      headers: [],
      body: null,
      bytes,
      isWhole: false,
    }),
  );
