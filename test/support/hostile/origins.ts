import { posix } from 'node:path';

/** What one server on the way to an answer may do with a path. */
const STEPS: readonly ((path: string) => string)[] = [
  (path) => path.replace(/(?:%[0-9a-f]{2})+/gi, (run) => Buffer.from(run.replaceAll('%', ''), 'hex').toString()),
  // RFC 3986, section 6.2.2.2: what needs no encoding is decoded, the rest is left.
  (path) => path.replace(/%2e/gi, '.'),
  (path) => path.replaceAll('\\', '/'),
  (path) => path.replace(/;[^/]*/g, ''),
  (path) => path.replace(/;[^/\\]*/g, ''),
  (path) => path.replace(/\/+/g, '/'),
  (path) => posix.normalize(path),
  withoutDots,
  (path) => path.split('?')[0] ?? '',
  (path) => path.split('#')[0] ?? '',
];

/** Longest chain that is followed: more than any two servers in a row do. */
const MAX_STEPS = 5;

/** Every path that a chain of servers may make of a request target, each step in any order, dot segments resolved, in lower case. */
export function pathsOf(target: string): ReadonlySet<string> {
  // A dot segment that is still disguised names nothing: who does not decode it does not resolve it either.
  const resolved = [...unresolvedPathsOf(target)].map((path) => posix.normalize(path));
  return new Set(resolved.filter((path) => !/%2e/.test(path)));
}

/** The same as a router sees them that resolves no dot segments. */
export function unresolvedPathsOf(target: string): ReadonlySet<string> {
  const raw = Buffer.from(target.split('?')[0] ?? '', 'latin1').toString();
  // A URL parser takes what follows two slashes for a host.
  const starts = URL.canParse(raw, 'http://origin') ? [raw, new URL(raw, 'http://origin').pathname] : [raw];
  const seen = new Set(starts);
  let last = starts;
  for (let length = 0; length < MAX_STEPS && last.length > 0; length += 1) {
    const made = new Set(last.flatMap((path) => STEPS.map((step) => step(path))));
    last = [...made].filter((path) => !seen.has(path));
    for (const path of last) seen.add(path);
  }
  return new Set([...seen].map((path) => path.toLowerCase()));
}

/** What a server may find behind a path: a script in front or inside, an index at the end, or a session of ASP.NET. */
export function servedBy(path: string): readonly string[] {
  const script = /[^/]*\.(?:php|cgi|aspx)(?=\/)/i;
  const served = [
    path,
    path.replace(new RegExp(`/${script.source}`, 'i'), ''),
    path.replace(new RegExp(`(${script.source}).*`, 'i'), '$1'),
    path.replace(/\/(?:index|index\.\w+|default\.aspx)\/?$/i, ''),
    path.replace(/\/\(s\([^()/]*\)\)(?=\/|$)/i, ''),
  ];
  return [...new Set(served.map((each) => (each === '' ? '/' : each)))];
}

/** Dot segments resolved as in RFC 3986, section 5.2.4: an empty segment is one to go up from. */
function withoutDots(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split('/').slice(1)) {
    if (segment === '..') kept.pop();
    else if (segment !== '.') kept.push(segment);
  }
  return `/${kept.join('/')}`;
}
