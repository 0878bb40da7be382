/**
 * The target of a `return_to`, within this site only. Absolute and relative URLs are accepted; another site or an invalid URL leads
 * to the front page.
 */
export function returnPath(returnTo: string | undefined, origin: string): string {
  const path = pathOn(origin, returnTo ?? '/');
  // Resolved again, as the browser will: the path of `/.//evil.example` is `//evil.example`, which names a host.
  return path !== null && pathOn(origin, path) === path ? path : '/';
}

function pathOn(origin: string, address: string): string | null {
  const url = URL.parse(address, origin);
  return url === null || url.origin !== origin ? null : `${url.pathname}${url.search}`;
}
