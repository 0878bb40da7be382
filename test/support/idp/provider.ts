import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { type Context, interactionPolicy, Provider } from 'oidc-provider';
import { database } from '../../../examples/shop/provider/database.ts';
import { listen } from '../servers/listen.ts';

/** Assurance classes of the provider from weakest to strongest, and the methods (RFC 8176) that reach each. */
export const CLASSES = [
  { acr: 'urn:bank:loa:1', methods: ['pwd'] },
  { acr: 'urn:bank:loa:2', methods: ['pwd', 'otp'] },
  { acr: 'urn:bank:loa:3', methods: ['pwd', 'hwk'] },
] as const;
export const [LOA1, LOA2, LOA3] = CLASSES.map(({ acr }) => acr) as [string, string, string];

/** The API whose access tokens Stepgate takes, and one that is none of its business. */
export const API = 'https://api.bank.example';
export const OTHER_API = 'https://mail.bank.example';

/** Public clients with PKCE; both may ask for both APIs. */
export const CLIENTS = ['shop', 'back-office'] as const;
export const REDIRECT_URI = 'https://app.bank.example/callback';

/** What the log-in page asks a person for, and why it is shown. */
export interface LoginPage {
  readonly reasons: readonly string[];
  readonly asks: readonly string[];
}

export interface TokenClaims {
  readonly acr?: string;
  readonly amr?: readonly string[];
  readonly auth_time?: number;
}

/** A certified OpenID provider on 127.0.0.1. Sessions and grants outlive a restart, as with any shared database. */
export interface IdentityProvider {
  readonly issuer: string;
  /** Requests so far, by path. */
  readonly asked: Map<string, number>;
  /** Signs with a new key from now on; the keys so far stay published. Returns its `kid`. */
  rotate(): Promise<string>;
  /** Takes all keys but the newest out of the published set. */
  retireOldKeys(): void;
  /** Rewrites the claims of access tokens that come from a refresh. */
  onRefresh(rewrite: (claims: TokenClaims) => TokenClaims): void;
  /** Takes the whole provider off the network. */
  stop(): Promise<void>;
  /** Brings it back under the same address. */
  start(): Promise<void>;
}

/** How a provider differs from the usual one. */
export interface ProviderOptions {
  /** False leaves the port closed until `start`; default true. */
  readonly isStarted?: boolean;
  /** A page's own origin: its clients may be sent back to `/signed-in` and `/.stepgate/callback` there, and may ask for tokens from there. */
  readonly pageOrigin?: string;
}

export async function identityProvider({
  isStarted = true,
  pageOrigin,
}: ProviderOptions = {}): Promise<IdentityProvider> {
  const asked = new Map<string, number>();
  let server = await listen(createServer(answer));
  const { port, url: issuer } = server;

  const adapter = database();
  let refreshed = (claims: TokenClaims): TokenClaims => claims;
  let keyCount = 1;
  let keys = [await signingJwk('k1')];
  let provider = make();

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url?.split('?')[0] ?? '/';
    asked.set(path, (asked.get(path) ?? 0) + 1);
    const handled = path.startsWith('/interaction/')
      ? interact(provider, request, response)
      : provider.callback()(request, response);
    handled.catch((error: unknown) => response.writeHead(500).end(String(error)));
  }

  function make(): Provider {
    return providerOf(issuer, { keys, adapter, pageOrigin }, (claims) => refreshed(claims));
  }

  function reconfigure(): void {
    provider = make();
  }

  const stop = (): Promise<void> => server.stop();

  if (!isStarted) await stop();
  return {
    issuer,
    asked,
    async rotate() {
      keyCount += 1;
      const kid = `k${keyCount}`;
      keys = [await signingJwk(kid), ...keys];
      reconfigure();
      return kid;
    },
    retireOldKeys() {
      keys = keys.slice(0, 1);
      reconfigure();
    },
    onRefresh(rewrite) {
      refreshed = rewrite;
    },
    stop,
    async start() {
      server = await listen(createServer(answer), port);
    },
  };
}

async function signingJwk(kid: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' };
}

function providerOf(
  issuer: string,
  {
    keys,
    adapter,
    pageOrigin,
  }: {
    readonly keys: readonly JWK[];
    readonly adapter: ReturnType<typeof database>;
    readonly pageOrigin: string | undefined;
  },
  refreshed: (claims: TokenClaims) => TokenClaims,
): Provider {
  return new Provider(issuer, {
    adapter,
    jwks: { keys },
    cookies: { keys: ['signs cookies of the tests only'] },
    clients: CLIENTS.map((id) => ({
      client_id: id,
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      redirect_uris: [
        REDIRECT_URI,
        ...(pageOrigin === undefined ? [] : [`${pageOrigin}/signed-in`, `${pageOrigin}/.stepgate/callback`]),
      ],
    })),
    clientBasedCORS: (_: Context, origin: string) => origin === pageOrigin,
    acrValues: CLASSES.map(({ acr }) => acr),
    claims: { openid: ['sub', 'acr', 'auth_time', 'amr'] },
    findAccount: (_context: Context, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    interactions: { policy: loginPolicy(), url: (_: Context, { uid }: { uid: string }) => `/interaction/${uid}` },
    issueRefreshToken: () => true,
    loadExistingGrant: grantAll,
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_: Context, audience: string) => ({
          scope: 'pay',
          audience,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 3600,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    // RFC 9068, section 2.2.1: how and when the person authenticated goes into the access token too.
    extraTokenClaims: ({ oidc: { entities } }: Context) => {
      const { AuthorizationCode: code, RefreshToken: refresh } = entities;
      const source = code ?? refresh;
      const claims = { acr: source?.acr, amr: source?.amr, auth_time: source?.authTime } as TokenClaims;
      return code === undefined ? refreshed(claims) : claims;
    },
    ttl: { AccessToken: 3600, IdToken: 3600, RefreshToken: 86_400, Session: 86_400, Interaction: 3600, Grant: 86_400 },
  });
}

/** Beside `max_age`, which the provider knows itself: a session that has not reached the class asked for logs in again. */
function loginPolicy() {
  const policy = interactionPolicy.base();
  const tooWeak = ({ oidc: { params, session, result } }: Context): boolean =>
    params.acr_values !== undefined && result?.login === undefined && rankOf(session.acr) < rankOf(chosen(params));
  policy
    .get('login')
    .checks.add(new interactionPolicy.Check('acr_values', 'the session has not reached the class asked for', tooWeak));
  return policy;
}

/** OpenID Connect Core, section 3.1.2.1: `acr_values` come in order of preference. */
function chosen({ acr_values: asked }: { readonly acr_values?: string }): string {
  return asked?.split(' ').find((acr) => rankOf(acr) >= 0) ?? LOA1;
}

function rankOf(acr: string | undefined): number {
  return CLASSES.findIndex((candidate) => candidate.acr === acr);
}

/** All clients are the bank's own: nobody is asked for consent. */
async function grantAll({ oidc: { provider, client, session } }: Context) {
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope('openid');
  for (const api of [API, OTHER_API]) grant.addResourceScope(api, 'pay');
  await grant.save();
  return grant;
}

/** The log-in page as JSON (GET), and what a person enters there: `account` and `methods` (POST). */
async function interact(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { prompt, params } = await provider.interactionDetails(request, response);
  const wanted = CLASSES.find(({ acr }) => acr === chosen(params)) ?? CLASSES[0];
  if (request.method === 'GET') {
    const page: LoginPage = { reasons: prompt.reasons, asks: wanted.methods };
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(page));
    return;
  }
  const form = new URLSearchParams(await text(request));
  const amr = form.getAll('method');
  const reached = CLASSES.findLast(({ methods }) => methods.every((method) => amr.includes(method)));
  await provider.interactionFinished(
    request,
    response,
    reached === undefined
      ? { error: 'access_denied', error_description: 'not even the password was given' }
      : { login: { accountId: form.get('account'), acr: reached.acr, amr } },
  );
}
