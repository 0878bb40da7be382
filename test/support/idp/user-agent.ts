import { createHash, randomBytes } from 'node:crypto';
import { API, type CLIENTS, type IdentityProvider, type LoginPage, REDIRECT_URI } from './provider.ts';

/** Who sits in front of the client: the account and the methods that this person can use. */
export interface Person {
  readonly account: string;
  readonly methods: readonly string[];
}

export interface AuthorizationRequest {
  readonly acrValues?: readonly string[];
  readonly maxAge?: number;
  readonly client?: (typeof CLIENTS)[number];
  /** Resource indicator (RFC 8707); default {@link API}. */
  readonly resource?: string;
}

export interface Tokens {
  readonly accessToken: string;
  readonly idToken: string;
  readonly refreshToken: string;
  /** The log-in pages that were shown on the way; empty when the session at the provider was enough. */
  readonly pages: readonly LoginPage[];
  readonly client: string;
}

/** A client and its browser in one: keeps the provider's cookies and fills in its log-in page. */
export interface UserAgent {
  /** Authorization code flow with PKCE. */
  authorize(request?: AuthorizationRequest): Promise<Tokens>;
  refresh(tokens: Tokens): Promise<Tokens>;
}

export function userAgent({ issuer }: IdentityProvider, { account, methods }: Person): UserAgent {
  const cookies = new Map<string, string>();

  async function send(url: string, form?: URLSearchParams): Promise<Response> {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie },
      ...(form !== undefined && { method: 'POST', body: form }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') cookies.delete(name);
      else cookies.set(name, value);
    }
    return response;
  }

  async function token(client: string, form: Record<string, string>, pages: readonly LoginPage[]): Promise<Tokens> {
    const response = await send(`${issuer}/token`, new URLSearchParams({ client_id: client, ...form }));
    const body = (await response.json()) as { access_token: string; id_token: string; refresh_token: string };
    if (response.status !== 200) throw new Error(`the provider gave no tokens: ${JSON.stringify(body)}`);
    const { access_token: accessToken, id_token: idToken, refresh_token: refreshToken } = body;
    return { accessToken, idToken, refreshToken, pages, client };
  }

  return {
    async authorize({ acrValues, maxAge, client = 'shop', resource = API } = {}) {
      const verifier = randomBytes(32).toString('base64url');
      const query = new URLSearchParams({
        client_id: client,
        response_type: 'code',
        scope: 'openid pay',
        redirect_uri: REDIRECT_URI,
        resource,
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
        ...(acrValues !== undefined && { acr_values: acrValues.join(' ') }),
        ...(maxAge !== undefined && { max_age: String(maxAge) }),
      });
      const pages: LoginPage[] = [];
      let response = await send(`${issuer}/auth?${query}`);
      for (;;) {
        const location = new URL(response.headers.get('location') ?? 'about:blank', issuer);
        if (location.href.startsWith(REDIRECT_URI)) {
          const code = location.searchParams.get('code');
          if (code === null) throw new Error(`the provider refused: ${location.search}`);
          const form = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT_URI, code_verifier: verifier };
          return token(client, { ...form, resource }, pages);
        }
        if (location.origin !== issuer) throw new Error(`led astray: ${response.status} ${await response.text()}`);
        response = await send(location.href);
        if (location.pathname.startsWith('/interaction/')) {
          const page = (await response.json()) as LoginPage;
          pages.push(page);
          const entered = page.asks.filter((method) => methods.includes(method)).map((method) => ['method', method]);
          response = await send(location.href, new URLSearchParams([['account', account], ...entered]));
        }
      }
    },

    refresh({ client, refreshToken }) {
      return token(client, { grant_type: 'refresh_token', refresh_token: refreshToken }, []);
    },
  };
}

/** What a client reads from a challenge (RFC 9470, section 3) and repeats in its authorization request. */
export function parseChallenge(header: string): { readonly acrValues: readonly string[]; readonly maxAge: number } {
  const [, parameters = ''] = /^Bearer (.*)$/.exec(header) ?? [];
  const found = new Map(
    [...parameters.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
  );
  if (found.get('error') !== 'insufficient_user_authentication') throw new Error(`not a step-up challenge: ${header}`);
  return { acrValues: found.get('acr_values')?.split(' ') ?? [], maxAge: Number(found.get('max_age')) };
}
