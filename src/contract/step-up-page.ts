import type { Requirement } from '../model/decision.ts';

/** The step-up page, and where it may return to. */
export interface StepUpPageSettings {
  /** Absolute URL of the step-up page, or a path of the application's own host; null never redirects. */
  readonly stepUpUrl: string | null;
  /**
   * Hosts that `return_to` may name, lower case, with the port unless it is the default; `*.shop.example` is every host below
   * `shop.example`. Empty: the host of the step-up page alone.
   */
  readonly returnHosts: readonly string[];
}

/** The original request as its gateway described it. */
export interface Original {
  /** A list if several proxies each named one: the first is what the browser used. */
  readonly proto: string | null;
  readonly host: string | null;
  /** Raw target, query included. */
  readonly target: string;
}

/** Longest address that gateways carry in one header: nginx reads an answer's headers into 4 kB by default. */
export const MAX_LOCATION_LENGTH = 3000;

/** Why a step-up page was not told the whole way back. */
export type ReturnFlaw =
  /** Scheme or host of the original request is missing or unreadable. */
  | 'unreadable'
  /** The host is not in `RETURN_HOSTS`. */
  | 'host_not_allowed'
  /** The address was too long with the query, which was left out. */
  | 'query_too_long'
  /** The address was too long even without the query. */
  | 'too_long';

/** Where a browser steps up. */
export interface StepUpLocation {
  readonly href: string;
  /** Null if `return_to` is the whole URL of the original request. */
  readonly flaw: ReturnFlaw | null;
}

/** What may differ from one redirect to another. */
export interface StepUpLocationOptions {
  readonly maxLength?: number;
  readonly more?: { readonly [name: string]: string };
  readonly back?: Original;
}

/**
 * The step-up page for a page load, with `acr_values`, `max_age` and the original URL in `return_to`. Null if no page is
 * configured, or for that page itself, which would loop.
 *
 * `return_to` is always an absolute http(s) URL whose host is on the list, and is left out otherwise. The page must
 * check it all the same, as anyone can link to it. `back` is where to return to, if not to the original URL. `more` are further
 * parameters. `maxLength` bounds the whole address: beyond it the query of `return_to` is left out, then `return_to`.
 */
export function stepUpLocation(
  gateway: StepUpPageSettings,
  requirement: Pick<Requirement, 'acrValues' | 'maxAgeSeconds'>,
  original: Original,
  { maxLength = MAX_LOCATION_LENGTH, more = {}, back: wanted = original }: StepUpLocationOptions = {},
): StepUpLocation | null {
  if (gateway.stepUpUrl === null) return null;
  const page = pageUrl(gateway.stepUpUrl, siteOf(original));
  if (page === null) return null;
  const hosts = gateway.returnHosts.length > 0 ? gateway.returnHosts : [page.host];
  const back = returnUrl(siteOf(wanted), wanted.target, hosts);
  if (back instanceof URL && back.host === page.host && back.pathname === page.pathname) return null;
  const bare = page.href;
  if (requirement.acrValues.length > 0) page.searchParams.set('acr_values', requirement.acrValues.join(' '));
  page.searchParams.set('max_age', String(requirement.maxAgeSeconds));
  for (const [name, value] of Object.entries(more)) page.searchParams.set(name, value);
  const asked = page.href.length <= maxLength ? page.href : bare;
  if (!(back instanceof URL)) return { href: asked, flaw: back };
  const withReturn = (to: string): string => {
    page.searchParams.set('return_to', to);
    return page.href;
  };
  const whole = withReturn(back.href);
  if (whole.length <= maxLength) return { href: whole, flaw: null };
  const short = withReturn(back.origin + back.pathname);
  if (back.search !== '' && short.length <= maxLength) return { href: short, flaw: 'query_too_long' };
  return { href: asked, flaw: 'too_long' };
}

/**
 * The absolute URL that `text` names, if a browser may be sent there: http(s), without a user, and with a host on the list.
 * Null for anything else.
 */
export function allowedReturn(text: string, hosts: readonly string[]): URL | null {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return null;
  const url = new URL(text);
  return isAllowedHost(url.host, hosts) && url.username === '' && url.password === '' ? url : null;
}

/** Scheme and host of the original request, as in an origin; null if either is missing or unreadable. */
export function siteOf({ proto, host }: Pick<Original, 'proto' | 'host'>): string | null {
  const scheme = proto?.split(',', 1)[0]?.trim().toLowerCase();
  if ((scheme !== 'https' && scheme !== 'http') || host === null) return null;
  // A dot behind a name makes it absolute in the DNS and another one to a browser: not the one that pages link to.
  const name = host.toLowerCase().replace(/\.(?=:\d+$|$)/, '');
  const site = `${scheme}://${name}`;
  return /^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::\d{1,5})?$/.test(name) && URL.canParse(site)
    ? new URL(site).origin
    : null;
}

function pageUrl(stepUpUrl: string, site: string | null): URL | null {
  if (!stepUpUrl.startsWith('/')) return new URL(stepUpUrl);
  return site === null ? null : new URL(stepUpUrl, site);
}

function returnUrl(site: string | null, target: string, hosts: readonly string[]): URL | ReturnFlaw {
  if (site === null || !target.startsWith('/') || !URL.canParse(site + target)) return 'unreadable';
  return allowedReturn(site + target, hosts) ?? 'host_not_allowed';
}

function isAllowedHost(host: string, hosts: readonly string[]): boolean {
  return hosts.some((allowed) => (allowed.startsWith('*.') ? host.endsWith(allowed.slice(1)) : host === allowed));
}
