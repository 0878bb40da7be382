import type { CheckRequest } from '../model/request.ts';
import type { RouteMatch, RuleSet } from '../rules/ruleset.ts';

/** Most actions that one request may be, and most pairs of an action and a reading; beyond them the path is called ambiguous. */
const MAX_ACTIONS = 16;
const MAX_CANDIDATES = 64;

/**
 * The actions that a request may be to its origin, each with the reading of the path that makes it one. Null if there
 * are too many. Where no rule tests `resource.id`, an action is one candidate in any reading.
 */
export function candidatesOf(
  rules: RuleSet,
  method: string | null,
  readings: readonly string[],
  templates = false,
): readonly RouteMatch[] | null {
  const matches = rules.routeTable.match(method, readings, templates);
  const byAction = new Map(matches.map((match) => [match.action, match] as const).reverse());
  if (byAction.size > MAX_ACTIONS) return null;
  const candidates = rules.tests('resource.id') ? matches : [...byAction.values()].reverse();
  return candidates.length > MAX_CANDIDATES ? null : candidates;
}

/** The request as each of the candidates, of which there is one at least. */
export function requestsOf(
  request: Omit<CheckRequest, 'action'>,
  candidates: readonly RouteMatch[],
): [CheckRequest, ...CheckRequest[]] {
  const [first = { action: '', reading: '' }, ...others] = candidates;
  const under = ({ action, reading }: RouteMatch): CheckRequest => ({
    ...request,
    action,
    resource: { ...request.resource, id: reading },
  });
  return [under(first), ...others.map(under)];
}
