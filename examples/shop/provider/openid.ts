import { randomBytes } from 'node:crypto';
import { exportJWK, generateKeyPair } from 'jose';
import { type Context, interactionPolicy, Provider } from 'oidc-provider';
import type { Accounts } from './accounts.ts';
import { CLASSES, classAsked, rankOf, TWO_FACTORS } from './classes.ts';
import { database } from './database.ts';

/** Client and API of the provider. */
export interface ProviderOptions {
  /** Address under which browsers and the shop reach the provider. */
  readonly issuer: string;
  readonly accounts: Accounts;
  readonly client: { readonly id: string; readonly secret: string; readonly redirectUri: string };
  /** Audience of the access tokens, which Stepgate accepts as proofs. */
  readonly api: string;
}

/** Signs access tokens: must be in `algorithms` of Stepgate's entry for this issuer. */
export const SIGNED_WITH = 'ES256';

/** Life of an access token, in seconds. As a proof it counts for `max_age` of the rules only. */
const ACCESS_TOKEN_S = 3600;
const DAY_S = 86_400;

/**
 * An OpenID provider whose access tokens say how and when the person authenticated (RFC 9068, section 2.2.1), and mark a
 * step-up with `su: true`.
 */
export async function openProvider({ issuer, accounts, client, api }: ProviderOptions): Promise<Provider> {
  const { privateKey } = await generateKeyPair(SIGNED_WITH, { extractable: true });
  const key = { ...(await exportJWK(privateKey)), kid: 'k1', alg: SIGNED_WITH, use: 'sig' };
  return new Provider(issuer, {
    adapter: database(),
    jwks: { keys: [key] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        redirect_uris: [client.redirectUri],
        grant_types: ['authorization_code'],
        id_token_signed_response_alg: SIGNED_WITH,
      },
    ],
    acrValues: CLASSES,
    claims: { openid: ['sub', 'acr', 'auth_time', 'amr'], profile: ['name', 'role'], email: ['email'] },
    // The shop has an access token for its own API and none for the userinfo endpoint.
    conformIdTokenClaims: false,
    enabledJWA: { idTokenSigningAlgValues: [SIGNED_WITH] },
    findAccount: (_context: Context, id: string) => {
      const account = accounts.byId(id);
      if (account === null) return undefined;
      const { name, email, role } = account;
      return { accountId: id, claims: () => ({ sub: id, name, email, role }) };
    },
    interactions: { policy: loginPolicy(), url: (_: Context, { uid }: { uid: string }) => `/sign-in/${uid}` },
    loadExistingGrant: (context: Context) => grantToOwnShop(context, api),
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: '',
          audience: api,
          accessTokenFormat: 'jwt',
          accessTokenTTL: ACCESS_TOKEN_S,
          jwt: { sign: { alg: SIGNED_WITH } },
        }),
      },
    },
    extraTokenClaims: ({ oidc: { entities } }: Context) => {
      const { acr, amr, authTime, sid } = entities.AuthorizationCode ?? {};
      return { su: rankOf(acr) >= rankOf(TWO_FACTORS), acr, amr, auth_time: authTime, sid };
    },
    ttl: { AccessToken: ACCESS_TOKEN_S, IdToken: 3600, Session: DAY_S, Interaction: 3600, Grant: DAY_S },
  });
}

/**
 * The library handles `max_age` and `prompt` (`max_age=0` as `prompt=login`), but not a session that is too weak for `acr_values`.
 */
function loginPolicy() {
  const policy = interactionPolicy.base();
  const isTooWeak = ({ oidc: { params, session, result } }: Context): boolean =>
    params.acr_values !== undefined &&
    result?.login === undefined &&
    rankOf(session.acr) < rankOf(classAsked(params.acr_values));
  policy
    .get('login')
    .checks.add(
      new interactionPolicy.Check('acr_values', 'the session has not reached the class asked for', isTooWeak),
    );
  return policy;
}

/** The only client is the provider's own shop, so there is no consent page. */
async function grantToOwnShop({ oidc: { provider, client, session } }: Context, api: string) {
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope('openid profile email');
  grant.addResourceScope(api, '');
  await grant.save();
  return grant;
}
