import { candidatesOf, requestsOf } from '../gateway/candidates.ts';
import { queryNamesOtherMethod } from '../gateway/method-override.ts';
import { pathReadings } from '../gateway/path.ts';
import { ProblemError } from '../http/problem.ts';
import type { CheckRequest } from '../model/request.ts';
import { DEFAULT_ACTION } from '../rules/actions.ts';
import { HTTP_METHODS } from '../rules/route.ts';
import type { RouteMatch, RuleSet } from '../rules/ruleset.ts';

/**
 * What a request of the API-gateway profile may be (method as `action.name`, `route` as `resource.type`): the actions
 * of the routes, in every reading of the path. The path is `resource.id`, which may be a pattern (`/users/{id}`),
 * together with `path` or `uri` of its properties. A method that the rules name is also an action. Null for any other
 * request.
 *
 * @see https://github.com/openid/authzen/tree/main/interop/authzen-api-gateways
 */
export function requestsOfRoute(
  rules: RuleSet,
  request: CheckRequest,
): readonly [CheckRequest, ...CheckRequest[]] | null {
  const method = request.action.toUpperCase();
  if (request.resource.type?.toLowerCase() !== 'route' || !HTTP_METHODS.includes(method)) return null;
  const isNamed = rules.declares(request.action);
  const paths = pathsOf(request);
  if (paths.length === 0) {
    if (isNamed) return null;
    throw refused('resource.id', 'is not a path; send one that begins with a slash, or add resource.properties.path');
  }
  const found = paths.flatMap(({ at, path, isPattern }) => routesOf(rules, method, at, path, isPattern));
  const candidates = isNamed ? found.filter(({ action }) => action !== DEFAULT_ACTION) : found;
  if (!isNamed) return requestsOf(request, candidates);
  return candidates.length === 0 ? [request] : [request, ...requestsOf(request, candidates)];
}

interface StatedPath {
  readonly at: string;
  readonly path: string;
  readonly isPattern: boolean;
}

function pathsOf({ resource }: CheckRequest): StatedPath[] {
  const { path, uri } = resource.properties;
  const stated = [
    { at: 'resource.properties.path', text: path },
    { at: 'resource.properties.uri', text: uri },
  ].flatMap(({ at, text }) => (typeof text === 'string' ? [{ at, path: pathIn(text), isPattern: false }] : []));
  const own = { at: 'resource.id', path: pathIn(resource.id ?? ''), isPattern: stated.length === 0 };
  return own.path.startsWith('/') ? [own, ...stated] : stated;
}

/** The path and query of a URL or a path, with one character per byte. */
function pathIn(text: string): string {
  return text
    .replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '')
    .toWellFormed()
    .replace(/%(?![0-9a-f]{2})/gi, '%25')
    .replace(/[^\x21-\x7e]+/g, encodeURIComponent);
}

function routesOf(rules: RuleSet, method: string, at: string, path: string, isPattern: boolean): readonly RouteMatch[] {
  const paths = pathReadings(path);
  if (paths.invalid !== null) throw refused(at, paths.why);
  const known = queryNamesOtherMethod(path, method) ? null : method;
  const candidates = candidatesOf(rules, known, paths.readings, isPattern);
  if (candidates === null) throw refused(at, 'can be read as more actions than are checked for one request');
  return candidates;
}

function refused(path: string, message: string): ProblemError {
  return new ProblemError('invalid_request', `${path}: ${message}`, { faults: [{ path, message }] });
}
