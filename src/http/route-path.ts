import { getPath } from 'hono/utils/url';
import { sentTarget } from '../net/connection.ts';

/** Prefix that Envoy puts before the path of the original request. */
export const EXT_AUTHZ_PREFIX = '/ext-authz';

/**
 * The path by which a request is routed. Calls to the Envoy hook stay there even with dot segments: if they were
 * resolved first, `/ext-authz/../healthz` would get a 200 from another route and be let in.
 */
export function routePath(request: Request, options?: { readonly env?: unknown }): string {
  const raw = sentTarget(options?.env);
  return raw !== null && isUnderPrefix(raw) ? `${EXT_AUTHZ_PREFIX}/` : getPath(request);
}

/** True for the prefix itself and for anything after it and a delimiter of any kind. */
function isUnderPrefix(target: string): boolean {
  return target.startsWith(EXT_AUTHZ_PREFIX) && !/^[A-Za-z0-9_-]/.test(target.slice(EXT_AUTHZ_PREFIX.length));
}
