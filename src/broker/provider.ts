import { importJWK, type JWK } from 'jose';
import * as oidc from 'openid-client';
import type { IssuerClient } from '../step-up/issuer.ts';

/** What a step-up asks the provider for. */
export interface AuthorizationRequest {
  readonly redirectUri: string;
  readonly acrValues: readonly string[];
  /** Greatest age of the authentication in seconds; 0 asks the person in any case. */
  readonly maxAgeSeconds: number;
  /** An ID token of the person (OpenID Connect Core, section 3.1.2.1); null where there is none. */
  readonly idTokenHint: string | null;
}

/** A started authorization. */
export interface StartedAuthorization {
  /** Where the browser is sent. */
  readonly href: string;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/** Why a provider gave no proof. */
export type ProviderFailure =
  /** The person refused, or closed the log-in. */
  | 'cancelled'
  /** The provider says that it cannot do what was asked for (OpenID Connect Core Unmet Authentication Requirements). */
  | 'too_weak'
  /** The answer belongs to no step-up of this browser. */
  | 'expired'
  | 'provider_failed';

/** A provider gave no proof. The message is for the log. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError';
  readonly code: ProviderFailure;
  constructor(code: ProviderFailure, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** One issuer, as its client sees it. */
export interface Provider {
  /** @throws {ProviderError} `provider_failed` */
  start(request: AuthorizationRequest): Promise<StartedAuthorization>;
  /**
   * Exchanges the code of an answer for tokens: the ID token, then the access token.
   * @throws {ProviderError}
   */
  finish(answer: URL, started: Pick<StartedAuthorization, 'state' | 'nonce' | 'verifier'>): Promise<readonly string[]>;
}

export interface ProviderOptions {
  readonly fetch: typeof fetch;
  /** Longest wait for one answer of the provider, in seconds; default 5. */
  readonly timeoutSeconds?: number;
}

/** The provider of a client. Its metadata is read on first use, and again after a failure. */
export function oidcProvider(client: IssuerClient, { fetch, timeoutSeconds = 5 }: ProviderOptions): Provider {
  let known: oidc.Configuration | null = null;

  // Only the result is kept: on Workers no request may wait for the reads of another.
  const configuration = async (): Promise<oidc.Configuration> => {
    if (known !== null) return known;
    try {
      known = await oidc.discovery(new URL(client.metadata), client.id, undefined, await authenticationOf(client), {
        [oidc.customFetch]: (url, options) => fetch(url, options as RequestInit),
        timeout: timeoutSeconds,
        execute: client.allowHttp || isLoopback(client.metadata) ? [oidc.allowInsecureRequests] : [],
      });
    } catch (error) {
      throw new ProviderError('provider_failed', `the metadata of ${client.metadata} cannot be read`, error);
    }
    return known;
  };

  return {
    async start({ redirectUri, acrValues, maxAgeSeconds, idTokenHint }) {
      const config = await configuration();
      const verifier = oidc.randomPKCECodeVerifier();
      const [state, nonce] = [oidc.randomState(), oidc.randomNonce()];
      const parameters = {
        ...client.parameters,
        redirect_uri: redirectUri,
        scope: client.scope,
        state,
        nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        max_age: String(maxAgeSeconds),
        // Both mean the same, but some providers know only one.
        ...(maxAgeSeconds === 0 && { prompt: 'login' }),
        ...(acrValues.length > 0 && { acr_values: acrValues.join(' ') }),
        ...(idTokenHint !== null && { id_token_hint: idTokenHint }),
      };
      const isPushed = config.serverMetadata().pushed_authorization_request_endpoint !== undefined;
      try {
        const url = isPushed
          ? await oidc.buildAuthorizationUrlWithPAR(config, parameters)
          : oidc.buildAuthorizationUrl(config, parameters);
        return { href: url.href, state, nonce, verifier };
      } catch (error) {
        known = null;
        throw new ProviderError('provider_failed', `the authorization request was not taken: ${causeOf(error)}`, error);
      }
    },

    async finish(answer, { state, nonce, verifier }) {
      const config = await configuration();
      try {
        const tokens = await oidc.authorizationCodeGrant(config, answer, {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: verifier,
          idTokenExpected: true,
        });
        return [tokens.id_token, tokens.access_token].filter((token) => token !== undefined);
      } catch (error) {
        if (!(error instanceof oidc.AuthorizationResponseError)) known = null;
        throw new ProviderError(failureOf(error), `no tokens were had: ${causeOf(error)}`, error);
      }
    },
  };
}

/** @see https://openid.net/specs/openid-connect-unmet-authentication-requirements-1_0.html */
const UNMET: readonly string[] = ['unmet_authentication_requirements', 'invalid_acr_values'];

/** Providers say so when a person gives up, and when a prompt was not wanted. */
const ENDED: readonly string[] = ['access_denied', 'login_required', 'interaction_required', 'consent_required'];

function failureOf(error: unknown): ProviderFailure {
  if (error instanceof oidc.AuthorizationResponseError) {
    if (ENDED.includes(error.error)) return 'cancelled';
    return UNMET.includes(error.error) ? 'too_weak' : 'provider_failed';
  }
  // A code that was used, or is too old: the person came here a second time.
  if (error instanceof oidc.ResponseBodyError && error.error === 'invalid_grant') return 'expired';
  return 'provider_failed';
}

/** Names and codes only: descriptions may hold what a client wrote. */
function causeOf(error: unknown): string {
  if (error instanceof oidc.AuthorizationResponseError || error instanceof oidc.ResponseBodyError) return error.error;
  if (error instanceof oidc.ClientError) return error.code ?? error.name;
  return error instanceof Error ? error.name : 'unknown';
}

async function authenticationOf({ authentication }: IssuerClient): Promise<oidc.ClientAuth> {
  switch (authentication.kind) {
    case 'none':
      return oidc.None();
    case 'secret': {
      const [basic, post] = [
        oidc.ClientSecretBasic(authentication.secret),
        oidc.ClientSecretPost(authentication.secret),
      ];
      // Basic is what a provider takes that does not say (OpenID Connect Discovery, section 3).
      return (as, ...rest) =>
        (as.token_endpoint_auth_methods_supported?.includes('client_secret_basic') === false ? post : basic)(
          as,
          ...rest,
        );
    }
    case 'private_key': {
      const { jwk } = authentication;
      const key = await importJWK(jwk as JWK, jwk.alg);
      if (key instanceof Uint8Array) throw new Error('client_key is not a private key');
      return oidc.PrivateKeyJwt(jwk.kid === undefined ? key : { key, kid: jwk.kid });
    }
  }
}

function isLoopback(address: string): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(address).hostname);
}
