import type { MiddlewareHandler } from 'hono';
import { secureHeaders } from 'hono/secure-headers';

/**
 * Security headers of pages that load only their own files. `formTargets` are other origins that their forms may lead to:
 * Chromium also applies the policy to redirects after a form.
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
