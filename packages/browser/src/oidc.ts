import type { StepUpRequirement } from './challenge.ts';
import type { OnStepUp } from './step-up.ts';

/** What the authorization request is told. */
export interface OidcStepUpArguments {
  acr_values?: string;
  max_age?: number;
  /** Where `max_age` is 0. OpenID Connect means the same by both, but some providers know one of them only. */
  prompt?: 'login';
}

/** The part of a signed-in user that is read. */
export interface OidcUser {
  readonly access_token: string;
  readonly id_token?: string | undefined;
}

/**
 * The part of the `UserManager` of oidc-client-ts that is used (3.5 or later; it adds `state`, `nonce` and PKCE itself). Bring your
 * own with its settings: authority, client, redirect addresses and storage.
 */
export interface OidcPopupClient {
  signinPopup(args: OidcStepUpArguments & { popupAbortOnClose: boolean }): Promise<OidcUser>;
}

/** As {@link OidcPopupClient}, for a step-up that leaves the page. */
export interface OidcRedirectClient {
  signinRedirect(args: OidcStepUpArguments & { url_state: string }): Promise<void>;
}

/** Which token proves the step-up: the one whose issuer and audience Stepgate expects in `STEP_UP_ISSUERS`. */
export type OidcTokenKind = 'access_token' | 'id_token';

/**
 * Steps up in a popup. Where the challenge says `max_age=0`, the provider is told to ask although it has a session. The retried
 * request carries the new token. A popup that is closed or refused at the provider is a decline.
 * Browsers open popups soon after a click only (about five seconds): start slow requests early.
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
 * this page in `user.url_state`. Requests that wait are gone with the page: keep a form's input and send it anew after the return.
 * Where the person comes back by the back button instead, it is a decline.
 */
export function oidcRedirect(client: OidcRedirectClient): OnStepUp {
  return async (requirement) => {
    const comeBack = comeBackByHistory();
    await client.signinRedirect({ ...argumentsOf(requirement), url_state: location.href });
    return comeBack;
  };
}

/** Settles only when the browser takes this very page out of its back/forward cache. */
function comeBackByHistory(): Promise<false> {
  return new Promise((resolve) => {
    const shown = ({ persisted }: PageTransitionEvent): void => {
      if (!persisted) return;
      removeEventListener('pageshow', shown);
      resolve(false);
    };
    addEventListener('pageshow', shown);
  });
}

function argumentsOf({ acrValues, maxAge }: StepUpRequirement): OidcStepUpArguments {
  return {
    ...(acrValues.length > 0 && { acr_values: acrValues.join(' ') }),
    ...(maxAge !== null && { max_age: maxAge }),
    ...(maxAge === 0 && { prompt: 'login' }),
  };
}

/** The words of oidc-client-ts for a closed popup, and the code of OpenID Connect for a person who said no. */
function isDecline(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.message.startsWith('Popup closed') || ('error' in error && error.error === 'access_denied');
}
