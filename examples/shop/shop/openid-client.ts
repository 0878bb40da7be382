import { createHash, randomBytes } from 'node:crypto';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { z } from 'zod';

/** The shop as a client of its OpenID provider: authorization code flow with PKCE, tokens kept on the server. */
export interface OpenIdClient {
  /** Starts a log-in or step-up: where to send the browser, and what to keep in its session until it returns. */
  begin(request: AuthorizationRequest): Promise<{ readonly location: string; readonly transaction: Transaction }>;
  /**
   * Ends it with the query of the callback.
   *
   * @throws {OpenIdError} when the provider refused, or the answer is not one to this transaction
   */
  finish(callback: URLSearchParams, transaction: Transaction): Promise<LogIn>;
}

export interface AuthorizationRequest {
  /** Accepted classes (RFC 9470). */
  readonly acrValues?: readonly string[];
  /** Greatest age of the authentication, in seconds; with 0 the provider asks despite its session. */
  readonly maxAge?: number;
  /** Asks for the password despite a session at the provider. */
  readonly anew?: boolean;
}

/** One round trip to the provider, used once. */
export interface Transaction {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
}

/** The user, and the token that proves the log-in. */
export interface LogIn {
  readonly subject: string;
  readonly name: string;
  readonly email: string;
  readonly isAdministrator: boolean;
  /** Access token for the shop's API: with `su: true` it is a proof for Stepgate. */
  readonly accessToken: string;
  /** Epoch milliseconds. */
  readonly expiresMs: number;
}

/** The log-in failed. */
export class OpenIdError extends Error {
  override readonly name = 'OpenIdError';
  /** As RFC 6749 names it, such as `access_denied`; `invalid_answer` for an unusable answer. */
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface OpenIdClientOptions {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly redirectUri: string;
  /** Audience of the access token. */
  readonly api: string;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

const discovery = z.object({
  issuer: z.string(),
  authorization_endpoint: z.url(),
  token_endpoint: z.url(),
  jwks_uri: z.url(),
});
const tokenAnswer = z.object({ access_token: z.string(), id_token: z.string(), expires_in: z.number() });
const idToken = z.object({
  sub: z.string(),
  nonce: z.string(),
  name: z.string(),
  email: z.string(),
  role: z.string(),
});

export function openIdClient(options: OpenIdClientOptions): OpenIdClient {
  const { issuer, clientId, clientSecret, redirectUri, api, now } = options;
  let known: Promise<Provider> | null = null;
  /** Fetched once; after a failure, fetched again next time. */
  const provider = (): Promise<Provider> => {
    known ??= discover(issuer).catch((error: unknown) => {
      known = null;
      throw error;
    });
    return known;
  };

  return {
    async begin({ acrValues, maxAge, anew }) {
      const { authorizationEndpoint } = await provider();
      const transaction = { state: secret(), nonce: secret(), codeVerifier: secret() };
      const location = new URL(authorizationEndpoint);
      const parameters = {
        client_id: clientId,
        response_type: 'code',
        scope: 'openid profile email',
        resource: api,
        redirect_uri: redirectUri,
        state: transaction.state,
        nonce: transaction.nonce,
        code_challenge: createHash('sha256').update(transaction.codeVerifier).digest('base64url'),
        code_challenge_method: 'S256',
        ...(acrValues !== undefined && acrValues.length > 0 && { acr_values: acrValues.join(' ') }),
        ...(maxAge !== undefined && { max_age: String(maxAge) }),
        // `max_age=0` means the same; a provider ignores parameters that it does not know.
        ...((anew === true || maxAge === 0) && { prompt: 'login' }),
      };
      for (const [name, value] of Object.entries(parameters)) location.searchParams.set(name, value);
      return { location: location.href, transaction };
    },

    async finish(callback, transaction) {
      const { tokenEndpoint, keys } = await provider();
      // RFC 9207: an answer that another provider mixed in names another issuer.
      if (callback.get('iss') !== issuer) throw invalid('the answer is of another issuer');
      if (callback.get('state') !== transaction.state) throw invalid('the answer is to another request');
      const error = callback.get('error');
      if (error !== null) throw new OpenIdError(error, callback.get('error_description') ?? error);
      const code = callback.get('code') ?? '';
      const response = await fetch(tokenEndpoint, {
        method: 'POST',
        headers: { Authorization: `Basic ${basic(clientId, clientSecret)}` },
        body: new URLSearchParams({
          grant_type: 'authorization_code',
          code,
          redirect_uri: redirectUri,
          code_verifier: transaction.codeVerifier,
          resource: api,
        }),
      });
      if (!response.ok) throw invalid(`the code was answered ${response.status}`);
      const tokens = tokenAnswer.parse(await response.json());
      const { payload } = await jwtVerify(tokens.id_token, keys, { issuer, audience: clientId });
      const claims = idToken.parse(payload);
      if (claims.nonce !== transaction.nonce) throw invalid('the ID token was made for another request');
      return {
        subject: claims.sub,
        name: claims.name,
        email: claims.email,
        isAdministrator: claims.role === 'administrator',
        accessToken: tokens.access_token,
        expiresMs: now() + tokens.expires_in * 1000,
      };
    },
  };
}

interface Provider {
  readonly authorizationEndpoint: string;
  readonly tokenEndpoint: string;
  readonly keys: ReturnType<typeof createRemoteJWKSet>;
}

async function discover(issuer: string): Promise<Provider> {
  const response = await fetch(`${issuer}/.well-known/openid-configuration`);
  const found = discovery.parse(await response.json());
  if (found.issuer !== issuer) throw invalid(`${issuer} calls itself ${found.issuer}`);
  return {
    authorizationEndpoint: found.authorization_endpoint,
    tokenEndpoint: found.token_endpoint,
    keys: createRemoteJWKSet(new URL(found.jwks_uri)),
  };
}

function secret(): string {
  return randomBytes(32).toString('base64url');
}

/** RFC 6749, section 2.3.1: both parts are form-encoded before they are joined. */
function basic(id: string, password: string): string {
  return Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(password)}`).toString('base64');
}

function invalid(message: string): OpenIdError {
  return new OpenIdError('invalid_answer', message);
}
