import type { MiddlewareHandler } from 'hono';
import { secureHeaders } from 'hono/secure-headers';

/**
 * Security headers of pages that load nothing but their own files. `formTargets` are the other origins at which their forms may
 * end: Chromium holds the redirects after a form to the policy as well.
 */
export function pageHeaders(formTargets: readonly string[] = []): MiddlewareHandler {
  return secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      imgSrc: ["'self'", 'data:'],
      connectSrc: ["'self'"],
      formAction: ["'self'", ...formTargets],
      frameAncestors: ["'none'"],
      baseUri: ["'none'"],
    },
    // Not `no-referrer`: it would remove the origin from forms, which identifies forms of other sites.
    referrerPolicy: 'same-origin',
  });
}
