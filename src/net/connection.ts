/** What only the connection itself knows. */
export interface Connection {
  /** Address of the peer; null if the runtime does not provide it. */
  readonly peer: string | null;
  /** Request method as it was sent. */
  readonly method: string;
  /**
   * Request target as it was sent. A web-standard `Request` has dot segments resolved already; where there is nothing
   * else (Workers), the edge has resolved them too.
   */
  readonly target: string;
}

/** Node's request, as far as it is looked at; other runtimes have none. */
interface Incoming {
  readonly rawHeaders?: unknown;
  readonly url?: unknown;
  readonly method?: unknown;
  readonly socket?: { readonly remoteAddress?: unknown };
}

/** The parts of Hono's context that are used, for any app. */
export interface RequestContext {
  readonly env: unknown;
  readonly req: { readonly raw: { readonly url: string }; readonly method: string };
}

/** The connection behind a request, on every runtime. */
export function connectionOf(c: RequestContext): Connection {
  const incoming = incomingOf(c.env);
  return {
    peer: textOf(incoming?.socket?.remoteAddress) ?? textOf(edgePeerOf(c.env)),
    method: textOf(incoming?.method) ?? c.req.method,
    target: sentTarget(c.env) ?? targetIn(c.req.raw.url),
  };
}

/** Request target as Node received it; null if the runtime does not provide it. */
export function sentTarget(env: unknown): string | null {
  return textOf(incomingOf(env)?.url);
}

/** Number of header lines with this lower-case name; 1 if the runtime joins them. */
export function headerLines(c: RequestContext, name: string): number {
  const raw = incomingOf(c.env)?.rawHeaders;
  if (!Array.isArray(raw)) return 1;
  return raw.filter((text, i) => i % 2 === 0 && typeof text === 'string' && text.toLowerCase() === name).length;
}

function targetIn(url: string): string {
  const { pathname, search } = new URL(url);
  return `${pathname}${search}`;
}

function incomingOf(env: unknown): Incoming | null {
  if (typeof env !== 'object' || env === null || !('incoming' in env)) return null;
  const { incoming } = env;
  return typeof incoming === 'object' && incoming !== null ? incoming : null;
}

/** See `EdgeRequest`. */
function edgePeerOf(env: unknown): unknown {
  if (typeof env !== 'object' || env === null || !('edge' in env)) return null;
  const { edge } = env;
  return typeof edge === 'object' && edge !== null && 'peer' in edge ? edge.peer : null;
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
