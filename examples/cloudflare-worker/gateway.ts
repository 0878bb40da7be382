/**
 * A Cloudflare Worker in front of an application, with Stepgate deciding on every request over a binding.
 *
 * - Stepgate gets: method, target, host, scheme, client address, whether there is a body, the `cf` object, and the headers in
 *   {@link SENT}.
 * - Client's copies of `X-Stepgate-*` but `-Device*`, `X-Forwarded-*`, `X-Original-*`, `X-Rewrite-URL`, `Forwarded`, `X-Real-IP`
 *   and every name with anything but letters, digits and hyphens are removed.
 * - Step-up and deny: the answer of Stepgate, 401 with `WWW-Authenticate`, 302 to the step-up page for a browser, 403. The client
 *   gets no reasons, only the `X-Stepgate-Request-Id` of the decision record.
 * - Device cookie: added to the application's answer, with the invitation to a device bound session (DBSC).
 * - Device sessions: `/.stepgate/device/register` and `/refresh` are Stepgate's own and never reach the application.
 * - Step-up page: so are `/.stepgate/step-up` and `/callback`, where Stepgate steps people up itself (`client_id` of an issuer).
 * - No answer in time: 503 with `Retry-After`; nothing is let through.
 */

/** Bindings, see wrangler.toml. */
export interface Environment {
  readonly STEPGATE: Fetcher;
  /** One of Stepgate's `API_KEYS`. */
  readonly STEPGATE_KEY: string;
  /** The application; without it requests go to the origin server behind the route. */
  readonly APP?: Fetcher;
}

/** A binding to one service; the host in the URL does not matter. */
export interface Fetcher {
  fetch(request: Request): Promise<Response>;
}

/** Stepgate answers within little more than STORE_TIMEOUT_MS (50 ms). After this the request is refused. */
const TIMEOUT_MS = 500;

/** Only listed headers are sent, so that no client header is mistaken for one of this Worker's. */
const SENT = [
  'authorization',
  'cookie',
  'user-agent',
  'sec-ch-ua',
  'sec-ch-ua-platform',
  'sec-ch-ua-mobile',
  'accept',
  'accept-language',
  'referer',
  'sec-fetch-mode',
  'sec-fetch-dest',
  'x-requested-with',
  'x-step-up-token',
  'x-stepgate-device',
  'x-stepgate-device-proof',
  'dpop',
  'x-request-id',
  'secure-session-skipped',
  // These two mark a preflight.
  'origin',
  'access-control-request-method',
  // An application may obey these, so Stepgate must see them.
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
  'x-http-verb-override',
  'x-tunneled-method',
];

/** Browsers call these by themselves, and send no more than {@link DEVICE_SESSION_TOLD}. */
const DEVICE_SESSION_PATHS: readonly string[] = ['/.stepgate/device/register', '/.stepgate/device/refresh'];
const DEVICE_SESSION_TOLD = ['cookie', 'secure-session-response', 'sec-secure-session-id', 'x-request-id'];

/** The step-up in the browser, which may wait for the identity provider. */
const STEP_UP_PATHS: readonly string[] = ['/.stepgate/step-up', '/.stepgate/callback'];
const STEP_UP_TIMEOUT_MS = 20_000;

/** What an answer of Stepgate adds to that of the application. */
const ADDED = ['set-cookie', 'secure-session-registration'];

/**
 * Headers that only a client could have sent, and `Connection`: the next server removes the headers that it names. Applications
 * that read headers as CGI variables read an underscore as a hyphen, PHP also a dot, old CGI every character that a name may have.
 */
const FORGED =
  /^(?!x-stepgate-device(?:-proof)?$)(?:x-(?:stepgate|forwarded|original|rewrite)-.*|forwarded|x-real-ip|connection|.*[^a-z0-9-].*)$/i;

export default {
  async fetch(request: Request, env: Environment): Promise<Response> {
    const app = env.APP ?? { fetch: (passed: Request) => fetch(passed) };
    const forwarded = forwardedHeaders(request);
    const [path = '/'] = targetOf(request).split('?');

    let answer: Response;
    try {
      if (DEVICE_SESSION_PATHS.includes(path)) return await env.STEPGATE.fetch(deviceSessionCall(request, path));
      if (STEP_UP_PATHS.includes(path))
        return await env.STEPGATE.fetch(stepUpCall(request, forwarded, env.STEPGATE_KEY));
      answer = await env.STEPGATE.fetch(hookCall(request, forwarded, env.STEPGATE_KEY));
    } catch (error) {
      console.error('Stepgate gave no answer', error);
      return unavailable();
    }
    if ([302, 401, 403].includes(answer.status)) return forClient(answer);
    // Only a 200 of Stepgate lets a request through, not one of something else (a wrong binding).
    if (answer.status !== 200 || answer.headers.get('x-stepgate-decision') !== 'allow') return unavailable();

    const headers = new Headers(request.headers);
    for (const name of [...headers.keys()]) if (FORGED.test(name)) headers.delete(name);
    // As judged: one line, however many the client sent.
    const cookies = request.headers.get('cookie');
    if (cookies !== null) headers.set('cookie', cookies);
    for (const [name, value] of forwarded) headers.set(name, value);
    for (const [name, value] of answer.headers) if (name.startsWith('x-stepgate-')) headers.set(name, value);
    const response = await app.fetch(new Request(request, { headers, redirect: 'manual' }));

    const added = ADDED.map((name) => [name, answer.headers.get(name)] as const);
    // The response to a websocket handshake cannot be rebuilt.
    if (response.status === 101 || added.every(([, value]) => value === null)) return response;
    const withMore = new Response(response.body, response);
    for (const [name, value] of added) if (value !== null) withMore.headers.append(name, value);
    return withMore;
  },
};

/** Set by this Worker. Cloudflare always sets `CF-Connecting-IP`. */
function forwardedHeaders(request: Request): [string, string][] {
  const url = new URL(request.url);
  return [
    ['x-forwarded-for', request.headers.get('cf-connecting-ip') ?? 'unknown'],
    ['x-forwarded-proto', url.protocol.replace(':', '')],
    ['x-forwarded-host', url.host],
  ];
}

function deviceSessionCall(request: Request, path: string): Request {
  const headers = new Headers();
  for (const name of DEVICE_SESSION_TOLD) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  const { method, body } = request;
  return new Request(`http://stepgate${path}`, { method, headers, body, signal: AbortSignal.timeout(4 * TIMEOUT_MS) });
}

function stepUpCall(request: Request, forwarded: [string, string][], key: string): Request {
  const headers = new Headers(forwarded);
  headers.set('x-stepgate-key', key);
  for (const name of [...SENT, 'content-type']) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  const { method, body } = request;
  return new Request(`http://stepgate${targetOf(request)}`, {
    method,
    headers,
    body,
    redirect: 'manual',
    signal: AbortSignal.timeout(STEP_UP_TIMEOUT_MS),
  });
}

function hookCall(request: Request, forwarded: [string, string][], key: string): Request {
  const headers = new Headers(forwarded);
  headers.set('x-stepgate-key', key);
  headers.set('x-stepgate-redirect', '1');
  // A preflight has no body; with one it is judged like any other request.
  headers.set(
    'x-stepgate-has-body',
    request.body === null || request.headers.get('content-length') === '0' ? '0' : '1',
  );
  headers.set('x-forwarded-method', request.method);
  headers.set('x-forwarded-uri', targetOf(request));
  for (const name of SENT) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  return new Request('http://stepgate/forward-auth', {
    headers,
    // The client's place, for a Stepgate that is a Worker too.
    ...('cf' in request && { cf: request.cf }),
    // A redirect is meant for the browser.
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
}

/** The target as the application gets it. A URL parser would resolve `%2e%2e`, which the runtime passes on unchanged. */
function targetOf({ url }: Request): string {
  return /^[^:]*:\/\/[^/?#]*([^#]*)/.exec(url)?.[1] ?? '/';
}

/** Reasons and score would help an attacker. */
function forClient(answer: Response): Response {
  const shown = new Response(answer.body, answer);
  for (const name of ['reasons', 'error', 'score', 'level', 'subject', 'action', 'check', 'degraded', 'location']) {
    shown.headers.delete(`x-stepgate-${name}`);
  }
  return shown;
}

function unavailable(): Response {
  return Response.json(
    { error: 'temporarily_unavailable' },
    { status: 503, headers: { 'retry-after': '5', 'cache-control': 'no-store' } },
  );
}
