import { Hono } from 'hono';
import { authzenRoutes } from './http/authzen.ts';
import { authenticate } from './http/caller.ts';
import { clientScriptRoutes } from './http/client-script.ts';
import { routePath } from './http/connection.ts';
import type { AppDeps } from './http/deps.ts';
import { eventRoutes } from './http/events.ts';
import { CALLER_KEY_HEADER, forwardAuthRoutes } from './http/forward-auth.ts';
import { healthRoutes } from './http/health.ts';
import { openApiDocument } from './http/openapi.ts';
import { ProblemError, problemResponse } from './http/problem.ts';
import { riskCheckRoutes } from './http/risk-check.ts';
import type { AppContext, AppEnv, Route } from './http/route.ts';
import { stepUpRoutes } from './http/step-up.ts';
import { subjectRoutes } from './http/subjects.ts';
import { StoreError } from './store/store.ts';

/** The whole HTTP side as a web-standard `fetch`; it holds no state beside what it is given. */
export function createApp(deps: AppDeps): Hono<AppEnv> {
  const routes = routesOf(deps);
  const app = new Hono<AppEnv>({ getPath: routePath });
  app.use(async (c, next) => {
    c.set('requestId', requestIdOf(c, deps));
    await next();
    dress(c.res.headers, c.var.requestId);
  });
  for (const { method, path, access, handle } of routes) {
    // The key is asked for inside the matched route: no spelling of a path can reach the handler beside it.
    const guarded = async (c: AppContext): Promise<Response> => {
      if (access !== 'own' && c.req.header(CALLER_KEY_HEADER) !== undefined) throw notAHook();
      if (access === 'key') c.set('caller', authenticate(deps.findCaller, c.req.header('authorization')));
      return handle(c);
    };
    if (method === '*') app.all(path, guarded);
    else app.on(method, path, guarded);
  }
  for (const [path, allowed] of methodsByPath(routes)) {
    app.all(path, (c) => {
      throw new ProblemError('method_not_allowed', `${c.req.method} is not allowed here; allowed: ${allowed}`, {
        headers: { Allow: allowed },
      });
    });
  }
  app.notFound((c) =>
    answerProblem(
      c,
      deps,
      new ProblemError('not_found', 'there is nothing at this path; GET /openapi.json lists what there is'),
    ),
  );
  app.onError((error, c) => answerProblem(c, deps, problemOf(error, c, deps)));
  return app;
}

/** Every route of the service. A new group of routes is one more line here. */
export function routesOf(deps: AppDeps): readonly Route[] {
  const routes: Route[] = [
    ...riskCheckRoutes(deps),
    ...eventRoutes(deps),
    ...stepUpRoutes(deps),
    ...subjectRoutes(deps),
    ...authzenRoutes(deps),
    ...forwardAuthRoutes(deps),
    ...clientScriptRoutes(deps),
    ...healthRoutes(deps),
  ];
  return [...routes, openApiRoute(routes)];
}

/** A gateway that asks the wrong route would read its 200 as "let in", whatever the body says. */
function notAHook(): ProblemError {
  return new ProblemError(
    'not_a_hook',
    'this route takes no X-Stepgate-Key; a gateway asks /forward-auth or /ext-authz, everybody else leaves the header out',
  );
}

function openApiRoute(routes: readonly Route[]): Route {
  let document: object | null = null;
  return {
    method: 'GET',
    path: '/openapi.json',
    access: 'public',
    summary: 'The OpenAPI 3.1 document of this service',
    answers: { 200: { description: 'The document' } },
    handle: (c) => {
      // Made for the first who asks: most processes are never asked.
      document ??= openApiDocument(routes);
      return c.json(document);
    },
  };
}

/** Paths that do not take every method, with the `Allow` header of their 405. */
function methodsByPath(routes: readonly Route[]): ReadonlyMap<string, string> {
  const byPath = new Map<string, Set<string>>();
  for (const { method, path } of routes) {
    if (method === '*') continue;
    const methods = byPath.get(path) ?? new Set();
    methods.add(method);
    if (method === 'GET') methods.add('HEAD');
    byPath.set(path, methods);
  }
  return new Map([...byPath].map(([path, methods]) => [path, [...methods].sort().join(', ')]));
}

/** RFC 9110 lets a field hold more; what is echoed into headers and logs is held to printable ASCII. */
const REQUEST_ID = /^[!-~](?:[ -~]{0,126}[!-~])?$/;

function requestIdOf(c: AppContext, deps: AppDeps): string {
  const sent = c.req.header('x-request-id');
  return sent !== undefined && REQUEST_ID.test(sent) ? sent : deps.scopeOf(c).engine.newId();
}

/** No answer may be kept or compared by a cache: a decision holds for the moment it was made. */
function dress(headers: Headers, requestId: string): void {
  headers.set('X-Request-ID', requestId);
  headers.set('X-Content-Type-Options', 'nosniff');
  if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store');
}

function problemOf(error: Error, c: AppContext, deps: AppDeps): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof StoreError) {
    return new ProblemError('store_unavailable', `the store did not answer (${error.code}); try again shortly`, {
      headers: { 'Retry-After': '1' },
    });
  }
  deps.log.error('a request ended in a fault', {
    request_id: c.var.requestId,
    method: c.req.method,
    error: error.stack ?? error.message,
  });
  return new ProblemError('internal', 'the service failed; its log says why under this X-Request-ID');
}

function answerProblem(c: AppContext, deps: AppDeps, problem: ProblemError): Response {
  const response = problemResponse(problem);
  dress(response.headers, c.var.requestId ?? requestIdOf(c, deps));
  return response;
}
