/** Where the store is, as `REDIS_URL` names it. */
export type RedisTarget = Credentials & { readonly tls: boolean } & (
    | { readonly kind: 'standalone'; readonly node: RedisNode; readonly database: number }
    | { readonly kind: 'cluster'; readonly nodes: readonly RedisNode[] }
    | {
        readonly kind: 'sentinel';
        readonly sentinels: readonly RedisNode[];
        readonly master: string;
        readonly database: number;
      }
  );

/** One server of a URL. */
export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

interface Credentials {
  readonly username: string | null;
  readonly password: string | null;
}

/** `REDIS_URL` is invalid. The message never contains a password. */
export class RedisUrlError extends Error {
  override readonly name = 'RedisUrlError';
  readonly code = 'redis_url_invalid';
}

const URL_FORM = /^(rediss?)(?:\+(cluster|sentinel))?:\/\/(?:([^@/]*)@)?([^@/]+)((?:\/[^/]*)*)$/;

/**
 * Reads `REDIS_URL`:
 * - `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS: one server;
 * - the same with several hosts, commas between, or `redis+cluster://host`: Redis Cluster. Each host may repeat the whole
 *   URL, as long as scheme and credentials are the same;
 * - `redis+sentinel://[user:password@]host[:port],…/master[/database]`: the master that the sentinels name.
 *
 * `@`, `,`, `/` and `:` within a user or password are percent-encoded. Ports default to 6379, of sentinels to 26379.
 * @throws RedisUrlError
 */
export function parseRedisUrl(text: string): RedisTarget {
  const parts = URL_FORM.exec(withoutRepeats(text.trim()));
  if (parts === null) {
    throw invalid('it is not of the form redis://[user:password@]host[:port][,host[:port]…][/database]');
  }
  const [, scheme, variant, userinfo, hosts = '', path = ''] = parts;
  const nodes = hosts.split(',').map((host) => nodeFrom(host, variant === 'sentinel' ? 26_379 : 6379));
  const [first] = nodes;
  if (first === undefined) throw invalid('it names no host');
  const segments = path.split('/').filter((segment) => segment !== '');
  const common = { tls: scheme === 'rediss', ...credentialsFrom(userinfo) };

  if (variant === 'sentinel') {
    const [master, database, ...rest] = segments;
    if (master === undefined || rest.length > 0) {
      throw invalid('sentinels need the name of the master, as in redis+sentinel://host/mymaster');
    }
    return { kind: 'sentinel', sentinels: nodes, master, database: databaseFrom(database), ...common };
  }
  if (variant === 'cluster' || nodes.length > 1) {
    if (segments.length > 0) throw invalid('Redis Cluster has one database, so that none can be chosen');
    return { kind: 'cluster', nodes, ...common };
  }
  const [database, ...rest] = segments;
  if (rest.length > 0) throw invalid('its path is more than one number of a database');
  return { kind: 'standalone', node: first, database: databaseFrom(database), ...common };
}

/** `redis://a,redis://b` as `redis://a,b`. */
function withoutRepeats(url: string): string {
  const [first = '', ...others] = url.split(',');
  const prefix = /^[a-z+]+:\/\/(?:[^@/]*@)?/.exec(first)?.[0] ?? '';
  const scheme = prefix.slice(0, prefix.indexOf('//') + 2);
  const hosts = others.map((other) => {
    if (prefix !== '' && other.startsWith(prefix)) return other.slice(prefix.length);
    return scheme !== '' && other.startsWith(scheme) ? other.slice(scheme.length) : other;
  });
  return [first, ...hosts].join(',');
}

function nodeFrom(text: string, defaultPort: number): RedisNode {
  // A scheme without a default port: URL hides the default port of schemes it knows.
  const parsed = URL.parse(`redis://${text}`);
  if (parsed === null || parsed.hostname === '' || /[\s?#]/.test(text))
    throw invalid('one of its hosts is not host:port');
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: parsed.port === '' ? defaultPort : Number(parsed.port),
  };
}

function credentialsFrom(userinfo: string | undefined): Credentials {
  if (userinfo === undefined || userinfo === '') return { username: null, password: null };
  const colon = userinfo.indexOf(':');
  try {
    const username = decodeURIComponent(colon === -1 ? userinfo : userinfo.slice(0, colon));
    const password = colon === -1 ? '' : decodeURIComponent(userinfo.slice(colon + 1));
    return { username: username === '' ? null : username, password: password === '' ? null : password };
  } catch {
    // The decoder's message quotes the text.
    throw invalid('its user or password is not percent-encoded text');
  }
}

function databaseFrom(text: string | undefined): number {
  if (text === undefined) return 0;
  if (!/^\d{1,5}$/.test(text)) throw invalid('its database is not a number');
  return Number(text);
}

function invalid(found: string): RedisUrlError {
  return new RedisUrlError(
    `REDIS_URL cannot be understood: ${found}. Allowed are redis://host, rediss://host (TLS), ` +
      'redis://host,host (Redis Cluster), redis+cluster://host and redis+sentinel://host,host/master.',
  );
}
