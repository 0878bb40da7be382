import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

/** A request as it leaves the browser. */
export interface Outgoing {
  readonly method: string;
  readonly url: string;
  /** By lower-case name. */
  readonly headers: { readonly [name: string]: string };
}

/** What came back; several lines of one name are several entries. */
export interface Incoming {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** Everything between the browser and the application. Rejects where nobody answers. */
export type Network = (request: Outgoing) => Promise<Incoming>;

/** A cookie as the browser keeps it. */
interface Cookie {
  readonly value: string;
  /** `; `-separated, without Max-Age and Expires. */
  readonly attributes: string;
  readonly expiresMs: number;
}

/** A device bound session as the browser keeps it. */
export interface KeptSession {
  readonly id: string;
  readonly origin: string;
  readonly includeSite: boolean;
  readonly refreshUrl: string;
  readonly exclusions: readonly { readonly domain: string; readonly path: string }[];
  readonly cookie: { readonly name: string; readonly attributes: string };
  readonly keys: { readonly private: CryptoKey; readonly public: JWK };
  readonly algorithm: 'ES256' | 'RS256';
  /** Signed at the next refresh, if there is one. */
  cachedChallenge: string | null;
}

/** A browser that does DBSC as the draft and Chromium 156 do, as far as a server can tell. */
export interface FakeBrowser {
  /** Sends a request of the browser's own page: sessions are refreshed before, registrations follow. */
  request(url: string, more?: { readonly method?: string; readonly headers?: Outgoing['headers'] }): Promise<Incoming>;
  /** Live sessions. */
  readonly sessions: readonly KeptSession[];
  /** Everything that was sent, oldest first. */
  readonly sent: readonly Outgoing[];
  /** Paths of what was sent since the last call. */
  pathsSince(): readonly string[];
  cookie(name: string): string | null;
  /** Sets a cookie as an answer of this page would. */
  setCookie(url: string, line: string): void;
  expireCookie(name: string): void;
  /** Thumbprint of the key of the newest session. */
  thumbprint(): Promise<string>;
  /** Refuses to sign from now on, as a browser does whose quota of TPM operations is used up. */
  useUpQuota(): void;
}

export interface FakeBrowserOptions {
  readonly network: Network;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** What its hardware can sign. */
  readonly algorithm?: 'ES256' | 'RS256';
  /** The draft has header values as quoted strings, Chromium sends them bare. */
  readonly quotes?: boolean;
}

/** @see https://w3c.github.io/webappsec-dbsc/#algorithms */
export function fakeBrowser(options: FakeBrowserOptions): FakeBrowser {
  const { network, now, algorithm = 'ES256', quotes = false } = options;
  const item = (text: string): string => (quotes ? `"${text}"` : text);
  const jar = new Map<string, Cookie>();
  const sessions = new Map<string, KeptSession>();
  const sent: Outgoing[] = [];
  let seen = 0;
  let hasQuota = true;

  const live = (name: string): Cookie | null => {
    const cookie = jar.get(name);
    return cookie !== undefined && cookie.expiresMs > now() ? cookie : null;
  };

  const setCookie = (url: string, line: string): void => {
    const [pair = '', ...rest] = line.split(';').map((part) => part.trim());
    const name = pair.slice(0, pair.indexOf('='));
    const isSecure = new URL(url).protocol === 'https:';
    const kept = rest.filter((attribute) => !/^(?:max-age|expires)=/i.test(attribute));
    const has = (attribute: string): boolean => kept.some((each) => each.toLowerCase() === attribute);
    if (has('secure') && !isSecure) return;
    if (name.startsWith('__Host-')) {
      if (!has('secure') || !has('path=/') || kept.some((each) => /^domain=/i.test(each))) return;
    }
    const maxAge = rest.map((attribute) => /^max-age=(-?\d+)$/i.exec(attribute)?.[1]).find((age) => age !== undefined);
    const expiresMs = maxAge === undefined ? Number.POSITIVE_INFINITY : now() + Number(maxAge) * 1000;
    jar.set(name, { value: pair.slice(name.length + 1), attributes: canonical(kept.join(';')), expiresMs });
  };

  const exchange = async (request: Outgoing): Promise<Incoming> => {
    const cookies = [...jar.keys()].flatMap((name) => {
      const cookie = live(name);
      return cookie === null ? [] : [`${name}=${cookie.value}`];
    });
    const outgoing: Outgoing = {
      ...request,
      headers: { ...(cookies.length > 0 && { cookie: cookies.join('; ') }), ...request.headers },
    };
    sent.push(outgoing);
    const answer = await network(outgoing);
    for (const [name, value] of answer.headers) {
      const lower = name.toLowerCase();
      if (lower === 'set-cookie') setCookie(request.url, value);
      if (lower === 'clear-site-data' && /"(?:\*|cookies|storage)"/.test(value)) {
        sessions.clear();
        if (/"(?:\*|cookies)"/.test(value)) jar.clear();
      }
      if (lower === 'secure-session-challenge') cacheChallenges(value);
    }
    return answer;
  };

  const cacheChallenges = (value: string): void => {
    for (const [, challenge = '', id = ''] of value.matchAll(/"([^"]*)";id="([^"]*)"/g)) {
      const session = sessions.get(id);
      if (session !== undefined) session.cachedChallenge = challenge;
    }
  };

  const sign = (session: Pick<KeptSession, 'keys' | 'algorithm'>, claims: object, jwk: JWK | null): Promise<string> =>
    new SignJWT({ ...claims })
      .setProtectedHeader({ alg: session.algorithm, typ: 'dbsc+jwt', ...(jwk !== null && { jwk }) })
      .sign(session.keys.private);

  /** Null: the session goes on as it is. */
  const instructed = (
    url: string,
    body: string,
    keys: KeptSession['keys'],
    expectedId: string | null,
  ): KeptSession | 'ended' => {
    const instructions = JSON.parse(body);
    const { session_identifier: id, refresh_url, scope, credentials } = instructions;
    if (typeof id !== 'string' || id === '' || (expectedId !== null && id !== expectedId)) return 'ended';
    if (instructions.continue === false) return 'ended';
    const refreshUrl = new URL(refresh_url, url);
    const origin = scope.origin ?? new URL(url).origin;
    const [credential] = credentials;
    const isSecure = refreshUrl.protocol === 'https:' || refreshUrl.hostname === 'localhost';
    if (!isSecure || siteOf(refreshUrl.origin) !== siteOf(origin)) return 'ended';
    return {
      id,
      origin,
      includeSite: scope.include_site === true,
      refreshUrl: refreshUrl.href,
      exclusions: scope.scope_specification.filter(({ type }: { type: string }) => type === 'exclude'),
      cookie: { name: credential.name, attributes: canonical(credential.attributes) },
      keys,
      algorithm,
      cachedChallenge: null,
    };
  };

  const register = async (url: string, value: string): Promise<void> => {
    const parsed = /^\(([^)]*)\)(.*)$/.exec(value);
    if (parsed === null || !parsed[1]?.split(' ').includes(algorithm)) return;
    const parameter = (name: string): string | null =>
      new RegExp(`;${name}="([^"]*)"`).exec(parsed[2] ?? '')?.[1] ?? null;
    const [path, challenge, authorization] = [parameter('path'), parameter('challenge'), parameter('authorization')];
    if (path === null || new URL(url).protocol !== 'https:') return;
    const pair = await generateKeyPair(algorithm, { extractable: true });
    const keys = { private: pair.privateKey, public: await exportJWK(pair.publicKey) };
    const endpoint = new URL(path, url).href;
    const claims = { jti: challenge, ...(authorization !== null && { authorization }) };
    const response = await sign({ keys, algorithm }, claims, keys.public);
    const answer = await exchange({
      method: 'POST',
      url: endpoint,
      headers: { 'secure-session-response': item(response) },
    });
    if (answer.status !== 200) return;
    const session = instructed(endpoint, answer.body, keys, null);
    if (session === 'ended') return;
    sessions.set(session.id, session);
    for (const [name, challenges] of answer.headers) {
      if (name.toLowerCase() === 'secure-session-challenge') cacheChallenges(challenges);
    }
  };

  /** The word of `Secure-Session-Skipped`; null if the session was refreshed or has ended. */
  const refresh = async (session: KeptSession): Promise<string | null> => {
    if (!hasQuota) return 'quota_exceeded';
    for (let attempt = 0; attempt < 3; attempt++) {
      const challenge = session.cachedChallenge;
      session.cachedChallenge = null;
      const response = challenge === null ? null : await sign(session, { jti: challenge }, null);
      let answer: Incoming;
      try {
        answer = await exchange({
          method: 'POST',
          url: session.refreshUrl,
          headers: {
            'sec-secure-session-id': item(session.id),
            ...(response !== null && { 'secure-session-response': item(response) }),
          },
        });
      } catch {
        return 'unreachable';
      }
      if (answer.status === 403 && session.cachedChallenge !== null) continue;
      if (answer.status >= 500) return 'server_error';
      if (answer.status !== 200) {
        sessions.delete(session.id);
        return null;
      }
      const next = answer.body === '' ? session : instructed(session.refreshUrl, answer.body, session.keys, session.id);
      if (next === 'ended') sessions.delete(session.id);
      else sessions.set(session.id, { ...next, cachedChallenge: session.cachedChallenge });
      return null;
    }
    sessions.delete(session.id);
    return null;
  };

  const needsRefresh = (session: KeptSession, url: string): boolean => {
    const { origin, pathname, hostname, href } = new URL(url);
    const isWithin = session.includeSite ? siteOf(origin) === siteOf(session.origin) : origin === session.origin;
    if (!isWithin || href === session.refreshUrl) return false;
    const isExcluded = session.exclusions.some(
      ({ domain, path }) =>
        (domain === '*' || domain === hostname) &&
        (pathname === path || pathname.startsWith(`${path.replace(/\/$/, '')}/`)),
    );
    if (isExcluded) return false;
    const cookie = live(session.cookie.name);
    return cookie === null || cookie.attributes !== session.cookie.attributes;
  };

  return {
    async request(url, { method = 'GET', headers = {} } = {}) {
      const skipped: string[] = [];
      for (const session of [...sessions.values()]) {
        const why = needsRefresh(session, url) ? await refresh(session) : null;
        if (why !== null) skipped.push(`${why};session_identifier="${session.id}"`);
      }
      const answer = await exchange({
        method,
        url,
        headers: { ...headers, ...(skipped.length > 0 && { 'secure-session-skipped': skipped.join(', ') }) },
      });
      for (const [name, value] of answer.headers) {
        if (name.toLowerCase() === 'secure-session-registration') await register(url, value);
      }
      return answer;
    },
    get sessions() {
      return [...sessions.values()];
    },
    sent,
    pathsSince() {
      const paths = sent.slice(seen).map(({ url }) => new URL(url).pathname);
      seen = sent.length;
      return paths;
    },
    cookie: (name) => live(name)?.value ?? null,
    setCookie,
    expireCookie: (name) => void jar.delete(name),
    thumbprint: async () => {
      const newest = [...sessions.values()].at(-1);
      if (newest === undefined) throw new Error('the browser has no session');
      return calculateJwkThumbprint(newest.keys.public);
    },
    useUpQuota: () => {
      hasQuota = false;
    },
  };
}

/** Attributes in one order and one case. */
function canonical(attributes: string): string {
  return attributes
    .split(';')
    .map((each) => each.trim().toLowerCase())
    .filter((each) => each !== '')
    .sort()
    .join('; ');
}

/** The last two labels, which is the registrable domain of every name used here. */
function siteOf(origin: string): string {
  const { protocol, hostname } = new URL(origin);
  return `${protocol}//${hostname.split('.').slice(-2).join('.')}`;
}
