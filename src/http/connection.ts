import { getPath } from 'hono/utils/url';

/** What only the connection itself tells. */
export interface Connection {
  /** Address of its other end; null where the runtime does not say. */
  readonly peer: string | null;
  /** Request method as it was sent. */
  readonly method: string;
  /**
   * Request target as it was sent. A web-standard `Request` has dot segments already resolved; where only that is to be had
   * (Workers), the edge in front has resolved them too.
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

/** What is looked at of Hono's context, whatever an app has put into it. */
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
    target: textOf(incoming?.url) ?? targetIn(c.req.raw.url),
  };
}

/** How many header lines of this name (in lower case) came; 1 where the runtime does not tell them apart. */
export function headerLines(c: RequestContext, name: string): number {
  const raw = incomingOf(c.env)?.rawHeaders;
  if (!Array.isArray(raw)) return 1;
  return raw.filter((text, i) => i % 2 === 0 && typeof text === 'string' && text.toLowerCase() === name).length;
}

function targetIn(url: string): string {
  const { pathname, search } = new URL(url);
  return `${pathname}${search}`;
}

/** Prefix under which Envoy asks with the path of the original request. */
export const EXT_AUTHZ_PREFIX = '/ext-authz';

/**
 * The path by which a request is routed. What was sent to the Envoy hook stays there whatever dot segments follow: resolved
 * first, `/ext-authz/../healthz` would be answered 200 by another route, and let in.
 */
export function routePath(request: Request, options?: { readonly env?: unknown }): string {
  const raw = textOf(incomingOf(options?.env)?.url);
  return raw !== null && isUnderPrefix(raw) ? `${EXT_AUTHZ_PREFIX}/` : getPath(request);
}

/** True for the prefix itself and for whatever follows it behind any kind of delimiter. */
function isUnderPrefix(target: string): boolean {
  return target.startsWith(EXT_AUTHZ_PREFIX) && !/^[A-Za-z0-9_-]/.test(target.slice(EXT_AUTHZ_PREFIX.length));
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
