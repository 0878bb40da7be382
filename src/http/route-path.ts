import { getPath } from 'hono/utils/url';
import { sentTarget } from '../net/connection.ts';

/** Prefix under which Envoy asks with the path of the original request. */
export const EXT_AUTHZ_PREFIX = '/ext-authz';

/**
 * The path by which a request is routed. What was sent to the Envoy hook stays there whatever dot segments follow: resolved
 * first, `/ext-authz/../healthz` would be answered 200 by another route, and let in.
 */
export function routePath(request: Request, options?: { readonly env?: unknown }): string {
  const raw = sentTarget(options?.env);
  return raw !== null && isUnderPrefix(raw) ? `${EXT_AUTHZ_PREFIX}/` : getPath(request);
}

/** True for the prefix itself and for whatever follows it behind any kind of delimiter. */
function isUnderPrefix(target: string): boolean {
  return target.startsWith(EXT_AUTHZ_PREFIX) && !/^[A-Za-z0-9_-]/.test(target.slice(EXT_AUTHZ_PREFIX.length));
}
