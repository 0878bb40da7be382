import { DEFAULT_ACTION } from './actions.ts';
import { folded } from './fold.ts';
import type { RoutePattern, RouteTable } from './ruleset.ts';

/**
 * A request method in upper case; null if missing or not a token (RFC 9110, section 5.6.2), such as two joined header
 * lines.
 */
export function normaliseMethod(method: string | null): string | null {
  return method !== null && /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/.test(method) ? method.toUpperCase() : null;
}

/** One segment of all patterns that share a beginning. */
interface Node {
  readonly literals: Map<string, Node>;
  param: Node | null;
  /** Patterns that end here. */
  readonly ends: RoutePattern[];
  /** Patterns that end in a `*` here: they cover this path and all below. */
  readonly stars: RoutePattern[];
}

/**
 * Compiles `/api/transfers/{id}`, where a parameter matches exactly one segment, and `/admin/*`, which covers `/admin`
 * and everything below it. Case, double slashes and trailing slashes are ignored.
 */
export function compileRoutes(routes: readonly RoutePattern[]): RouteTable {
  const root = newNode();
  for (const route of routes) {
    const segments = segmentsOf(route.path).map(folded);
    const isStar = segments.at(-1) === '*';
    let node = root;
    for (const segment of isStar ? segments.slice(0, -1) : segments) node = childOf(node, segment);
    (isStar ? node.stars : node.ends).push(route);
  }
  return {
    match: (method, readings, templates = false) =>
      readings.flatMap((reading) => {
        const found = patternsAt(root, reading, templates).filter((route) => fits(method, route.method));
        const actions = new Set(found.map(({ action }) => action));
        if (actions.size === 0 || method === null) actions.add(DEFAULT_ACTION);
        return [...actions].sort().map((action) => ({ action, reading }));
      }),
  };
}

function fits(method: string | null, pattern: string): boolean {
  if (method === null || pattern === '*' || pattern === method) return true;
  return method === 'HEAD' && pattern === 'GET';
}

function newNode(): Node {
  return { literals: new Map(), param: null, ends: [], stars: [] };
}

function childOf(node: Node, segment: string): Node {
  if (/^\{.*\}$/.test(segment)) {
    node.param ??= newNode();
    return node.param;
  }
  const known = node.literals.get(segment);
  if (known !== undefined) return known;
  const child = newNode();
  node.literals.set(segment, child);
  return child;
}

function patternsAt(root: Node, reading: string, templates: boolean): readonly RoutePattern[] {
  const found: RoutePattern[] = [];
  collect(root, segmentsOf(reading), templates ? new Map() : null, 0, found);
  return found;
}

/**
 * `visited` records how far each node was followed, since a pattern with many wildcards reaches it many times; null
 * without patterns.
 */
function collect(
  node: Node,
  segments: readonly string[],
  visited: Map<Node, Set<number>> | null,
  at: number,
  found: RoutePattern[],
): void {
  if (visited !== null) {
    const seen = visited.get(node) ?? new Set();
    if (seen.has(at)) return;
    visited.set(node, seen.add(at));
  }
  found.push(...node.stars);
  const segment = segments[at];
  if (segment === undefined) {
    found.push(...node.ends);
    return;
  }
  if (visited !== null && TEMPLATE.test(segment)) {
    const isRest = REST.test(segment);
    for (const child of childrenOf(node)) {
      if (isRest) collect(child, segments, visited, at, found);
      collect(child, segments, visited, at + 1, found);
    }
    if (isRest) collect(node, segments, visited, at + 1, found);
    return;
  }
  const literal = node.literals.get(segment);
  if (literal !== undefined) collect(literal, segments, visited, at + 1, found);
  if (node.param !== null) collect(node.param, segments, visited, at + 1, found);
}

/** A segment of a gateway's pattern that matches any: `{id}`, `:id`, `*`, `(.*)`, `<id>`, `[id]`. */
const TEMPLATE = /[{*([<]|^:/;
/** One that may match several segments or none: `*`, `{proxy+}`, `(.*)`, `[...rest]`. */
const REST = /[*+]|\.\.\./;

function childrenOf({ literals, param }: Node): Node[] {
  return [...literals.values(), ...(param === null ? [] : [param])];
}

function segmentsOf(path: string): string[] {
  return path
    .toLowerCase()
    .split('/')
    .filter((segment) => segment !== '');
}

/** A path that is guarded for some methods and open for the rest. */
export interface OpenMethods {
  readonly path: string;
  /** Methods that have a route, sorted. */
  readonly methods: readonly string[];
}

/**
 * Paths of the routes that name methods and leave others (`PROPFIND`, `PATCH`, …) to {@link DEFAULT_ACTION}: worth a warning
 * when rules are loaded, since an origin may answer those too. A path that a route for any method covers is not among them.
 */
export function openMethods(routes: readonly RoutePattern[]): OpenMethods[] {
  const methodsOf = new Map<string, Set<string>>();
  const covered = compileRoutes(
    routes.filter(({ method }) => method === '*').map((route) => ({ ...route, action: '*' })),
  );
  for (const { method, path } of routes) {
    const methods = methodsOf.get(path) ?? new Set();
    methodsOf.set(path, methods.add(method));
  }
  return [...methodsOf]
    .filter(
      ([path]) => !covered.match('*', [path.replace(/\*$/, '\u0000/\u0000')]).some(({ action }) => action === '*'),
    )
    .map(([path, methods]) => ({ path, methods: [...methods].sort() }));
}
