import { Hono } from 'hono';
import { authzenRoutes } from '../authzen/authzen.ts';
import { CALLER_KEY_HEADER, forwardAuthRoutes } from '../gateway/forward-auth.ts';
import type { AppContext, AppEnv, Route } from '../http/api-route.ts';
import { authenticate, hasRight, rightMissing } from '../http/caller.ts';
import { clientScriptRoutes } from '../http/client-script.ts';
import type { AppDeps } from '../http/deps.ts';
import { deviceSessionRoutes } from '../http/device-session.ts';
import { eventRoutes } from '../http/events.ts';
import { healthRoutes } from '../http/health.ts';
import { openApiDocument } from '../http/openapi.ts';
import { ProblemError, problemReply } from '../http/problem.ts';
import { jsonReply, type Reply } from '../http/reply.ts';
import { riskCheckRoutes } from '../http/risk-check.ts';
import { routePath } from '../http/route-path.ts';
import { stepUpRoutes } from '../http/step-up.ts';
import { subjectRoutes } from '../http/subjects.ts';
import type { Right } from '../model/api-keys.ts';
import { StoreError } from '../model/store-error.ts';

/** The HTTP side as a web-standard `fetch`; it keeps no state of its own. */
export function createApp(deps: AppDeps): Hono<AppEnv> {
  const routes = routesOf(deps);
  const app = new Hono<AppEnv>({ getPath: routePath });
  for (const [path, methods] of routesByPath(routes)) {
    const allowed = [...methods.keys(), ...(methods.has('GET') ? ['HEAD'] : [])].sort().join(', ');
    app.all(path, async (c) => {
      const requestId = requestIdOf(c, deps);
      c.set('requestId', requestId);
      const { method } = c.req;
      const route = methods.get('*') ?? methods.get(method === 'HEAD' ? 'GET' : method);
      if (route === undefined) {
        throw new ProblemError('method_not_allowed', `${method} is not allowed here; allowed: ${allowed}`, {
          headers: { Allow: allowed },
        });
      }
      // Checked inside the matched route, so that no spelling of the path avoids it.
      if (route.access !== 'own' && c.req.header(CALLER_KEY_HEADER) !== undefined) throw notAHook();
      if (route.access !== 'own' && route.access !== 'public') admit(c, deps, route.access);
      return responseOf(await route.handle(c), requestId);
    });
  }
  app.notFound((c) =>
    answerProblem(c, deps, new ProblemError('not_found', 'no route has this path; GET /openapi.json lists all routes')),
  );
  app.onError((error, c) => answerProblem(c, deps, problemOf(error, c, deps)));
  return app;
}

/** Every route of the service. A new group of routes is one line here. */
export function routesOf(deps: AppDeps): readonly Route[] {
  const routes: Route[] = [
    ...riskCheckRoutes(deps),
    ...eventRoutes(deps),
    ...stepUpRoutes(deps),
    ...subjectRoutes(deps),
    ...authzenRoutes(deps),
    ...forwardAuthRoutes(deps),
    ...deviceSessionRoutes(deps),
    ...clientScriptRoutes(deps),
    ...healthRoutes(deps),
  ];
  return [...routes, openApiRoute(routes)];
}

/** Requires a caller with the right. */
function admit(c: AppContext, deps: AppDeps, right: Right): void {
  const caller = authenticate(deps.findCaller, c.req.header('authorization'));
  c.set('caller', caller.name);
  if (hasRight(caller, right)) return;
  deps.metrics.rightRefused(caller.name, right);
  throw rightMissing(caller, right);
}

/** A gateway that calls the wrong route would read its status 200 as "allow". */
function notAHook(): ProblemError {
  return new ProblemError(
    'not_a_hook',
    'this route does not accept X-Stepgate-Key; gateways call /forward-auth or /ext-authz, other callers leave the header out',
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
    handle: () => {
      // Built on the first request; most processes never need it.
      document ??= openApiDocument(routes);
      return jsonReply(document);
    },
  };
}

/** The routes of each path by their method. */
function routesByPath(routes: readonly Route[]): ReadonlyMap<string, ReadonlyMap<string, Route>> {
  const byPath = new Map<string, Map<string, Route>>();
  for (const route of routes) {
    const methods = byPath.get(route.path) ?? new Map<string, Route>();
    byPath.set(route.path, methods.set(route.method, route));
  }
  return byPath;
}

/** Narrower than RFC 9110: printable ASCII only, because it is echoed into headers and logs. */
const REQUEST_ID = /^[!-~](?:[ -~]{0,126}[!-~])?$/;

function requestIdOf(c: AppContext, deps: AppDeps): string {
  const sent = c.req.header('x-request-id');
  return sent !== undefined && REQUEST_ID.test(sent) ? sent : deps.scopeOf(c).engine.newId();
}

/** Caches must not keep or revalidate an answer: a decision holds for one moment. */
function responseOf({ status, headers, body }: Reply, requestId: string): Response {
  return new Response(body, {
    status,
    headers: {
      'Cache-Control': 'no-store',
      // Without it Node sends an empty body in chunks.
      ...(body === null && status !== 204 && { 'Content-Length': '0' }),
      ...headers,
      'X-Request-ID': requestId,
      'X-Content-Type-Options': 'nosniff',
    },
  });
}

function problemOf(error: Error, c: AppContext, deps: AppDeps): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof StoreError) {
    return new ProblemError('store_unavailable', `the store did not respond (${error.code}); try again shortly`, {
      headers: { 'Retry-After': '1' },
    });
  }
  deps.log.error('a request failed', {
    request_id: c.get('requestId'),
    method: c.req.method,
    error: error.stack ?? error.message,
  });
  return new ProblemError('internal', 'the service failed; its log has the details under this X-Request-ID');
}

function answerProblem(c: AppContext, deps: AppDeps, problem: ProblemError): Response {
  return responseOf(problemReply(problem), c.get('requestId') ?? requestIdOf(c, deps));
}
