import type { StepUpRequirement } from './challenge.ts';
import { returnByBackButton } from './leave-page.ts';
import type { OnStepUp } from './step-up.ts';

/** Parameters of the authorization request. */
export interface OidcStepUpArguments {
  acr_values?: string;
  max_age?: number;
  /** Set if `max_age` is 0. Both mean the same in OpenID Connect, but some providers know only one. */
  prompt?: 'login';
}

/** The part of a signed-in user that is read. */
export interface OidcUser {
  readonly access_token: string;
  readonly id_token?: string | undefined;
}

/**
 * The part of oidc-client-ts's `UserManager` that is used (3.5 or later; it adds `state`, `nonce` and PKCE). Bring your own with its
 * settings: authority, client, redirect addresses and storage.
 */
export interface OidcPopupClient {
  signinPopup(args: OidcStepUpArguments & { popupAbortOnClose: boolean }): Promise<OidcUser>;
}

/** Like {@link OidcPopupClient}, for a step-up that leaves the page. */
export interface OidcRedirectClient {
  signinRedirect(args: OidcStepUpArguments & { url_state: string }): Promise<void>;
}

/** Which token is the proof: the one whose issuer and audience Stepgate expects in `STEP_UP_ISSUERS`. */
export type OidcTokenKind = 'access_token' | 'id_token';

/**
 * Steps up in a popup. For `max_age=0` the provider must ask even if it has a session. The retried request carries the new token.
 * Closing the popup or refusing at the provider is a decline. Browsers open popups only within about five seconds of a click: start
 * slow requests early.
 */
export function oidcPopup(client: OidcPopupClient, token: OidcTokenKind = 'access_token'): OnStepUp {
  return async (requirement) => {
    let user: OidcUser;
    try {
      user = await client.signinPopup({ ...argumentsOf(requirement), popupAbortOnClose: true });
    } catch (error) {
      if (isDecline(error)) return false;
      throw error;
    }
    const proof = user[token];
    if (proof === undefined || proof === '') {
      throw new Error(`the provider's answer holds no ${token}; ask for the scope "openid" or use the other token`);
    }
    return proof;
  };
}

/**
 * Steps up by leaving the page for the provider, which sends the browser back to the client's `redirect_uri` with the address of
 * this page in `user.url_state`. Pending requests are lost with the page: keep a form's input and send it again after the return.
 * Coming back with the back button is a decline.
 */
export function oidcRedirect(client: OidcRedirectClient): OnStepUp {
  return async (requirement) => {
    const returned = returnByBackButton();
    await client.signinRedirect({ ...argumentsOf(requirement), url_state: location.href });
    return returned;
  };
}

function argumentsOf({ acrValues, maxAge }: StepUpRequirement): OidcStepUpArguments {
  return {
    ...(acrValues.length > 0 && { acr_values: acrValues.join(' ') }),
    ...(maxAge !== null && { max_age: maxAge }),
    ...(maxAge === 0 && { prompt: 'login' }),
  };
}

/** The messages of oidc-client-ts for a closed popup, and the OpenID Connect code for a refusal. */
function isDecline(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.message.startsWith('Popup closed') || ('error' in error && error.error === 'access_denied');
}
