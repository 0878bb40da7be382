import type { Requirement } from '../model/decision.ts';

/** The step-up page, and where it may return to. */
export interface StepUpPageSettings {
  /** Absolute URL of the step-up page; null never redirects. */
  readonly stepUpUrl: string | null;
  /** Hosts that `return_to` may name, lower case, with the port unless it is the default. */
  readonly returnHosts: readonly string[];
}

/** The original request as its gateway described it. */
export interface Original {
  readonly proto: string | null;
  readonly host: string | null;
  /** Raw target, query included. */
  readonly target: string;
}

/** Longest address of the step-up page with all its parameters; beyond it `return_to` is left out. */
const MAX_LOCATION_LENGTH = 1024;

/**
 * URL of the step-up page for a page load, with `acr_values`, `max_age` and the original URL in `return_to`. Null if no
 * page is configured, or for that page itself, which would loop.
 *
 * `return_to` is always an absolute http(s) URL whose host is on the list, and is left out otherwise. The page must
 * check it all the same, as anyone can link to it.
 */
export function stepUpLocation(
  gateway: StepUpPageSettings,
  requirement: Pick<Requirement, 'acrValues' | 'maxAgeSeconds'>,
  original: Original,
): string | null {
  if (gateway.stepUpUrl === null) return null;
  const page = new URL(gateway.stepUpUrl);
  const back = returnUrl(original, gateway.returnHosts.length > 0 ? gateway.returnHosts : [page.host]);
  if (back !== null && back.host === page.host && back.pathname === page.pathname) return null;
  if (requirement.acrValues.length > 0) page.searchParams.set('acr_values', requirement.acrValues.join(' '));
  page.searchParams.set('max_age', String(requirement.maxAgeSeconds));
  const bare = page.href.length <= MAX_LOCATION_LENGTH ? page.href : gateway.stepUpUrl;
  if (back === null) return bare;
  page.searchParams.set('return_to', back.href);
  return page.href.length <= MAX_LOCATION_LENGTH ? page.href : bare;
}

function returnUrl({ proto, host, target }: Original, hosts: readonly string[]): URL | null {
  if ((proto !== 'https' && proto !== 'http') || host === null || !target.startsWith('/')) return null;
  const text = `${proto}://${host}${target}`;
  if (!hosts.includes(host.toLowerCase()) || !URL.canParse(text)) return null;
  const url = new URL(text);
  return hosts.includes(url.host) && url.username === '' && url.password === '' ? url : null;
}
