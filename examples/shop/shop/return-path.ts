/**
 * Where the answer to a `return_to` of the browser may lead: into this site and nowhere else. Absolute and relative addresses are
 * taken; what is of another site, or no address, leads to the front page.
 */
export function returnPath(returnTo: string | undefined, origin: string): string {
  const path = pathOn(origin, returnTo ?? '/');
  // Once more, as the browser will read it: the path of `/.//evil.example` is `//evil.example`, which by itself names a host.
  return path !== null && pathOn(origin, path) === path ? path : '/';
}

function pathOn(origin: string, address: string): string | null {
  const url = URL.parse(address, origin);
  return url === null || url.origin !== origin ? null : `${url.pathname}${url.search}`;
}
