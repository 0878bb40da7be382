import type { Requirement } from '../model/decision.ts';

/** Where browsers step up, and whereto they may come back. */
export interface StepUpPageSettings {
  /** Absolute URL of the page where a browser steps up; null never redirects. */
  readonly stepUpUrl: string | null;
  /** Hosts that `return_to` may name, lower case, with their port where it is not the usual one. */
  readonly returnHosts: readonly string[];
}

/** The original request as its gateway told it. */
export interface Original {
  readonly proto: string | null;
  readonly host: string | null;
  /** Raw target, query included. */
  readonly target: string;
}

/** Longest address of the step-up page with all its parameters; beyond it `return_to` is left out. */
const MAX_LOCATION_LENGTH = 1024;

/**
 * Address of the step-up page for one navigation, with `acr_values`, `max_age` and the original URL in `return_to`. Null when
 * no page is configured or the navigation is to that page itself, which would go round in circles.
 *
 * `return_to` is always an absolute http(s) URL whose host is on the list; it is left out when scheme, host or target are
 * anything else. The page has to check it all the same: not only this redirect leads there.
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
