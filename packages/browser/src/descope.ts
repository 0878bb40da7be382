import type { StepUpRequirement } from './challenge.ts';
import type { OnStepUp } from './step-up.ts';

/** Descope's `loginOptions` for a step-up. */
export interface DescopeStepUpOptions {
  readonly stepup: true;
}

/** The part of a Descope SDK response that is read. */
export interface DescopeAnswer {
  readonly ok: boolean;
  readonly data?: { readonly sessionJwt?: string } | undefined;
  readonly error?: { readonly errorCode: string; readonly errorDescription?: string } | undefined;
}

/**
 * An authentication with the SDK; null if the person declined. If the requirement's `maxAge` is 0, it has to be a new one: an
 * earlier one would be refused as spent.
 */
export type DescopeAuthenticate = (
  loginOptions: DescopeStepUpOptions,
  requirement: StepUpRequirement,
) => Promise<DescopeAnswer | null>;

/**
 * Steps up with a method of `@descope/web-js-sdk`, such as TOTP:
 * `descopeLogin((loginOptions) => sdk.totp.verify(loginId, code, loginOptions, sdk.getRefreshToken()))`.
 * The refresh token selects the session to step up; leave it out if Descope keeps it in a cookie. The retried request carries the
 * new session token, which has `su: true`, or its cookie does.
 */
export function descopeLogin(authenticate: DescopeAuthenticate): OnStepUp {
  return async (requirement) => {
    const answer = await authenticate({ stepup: true }, requirement);
    if (answer === null) return false;
    if (!answer.ok) throw descopeFault(answer.error);
    return answer.data?.sessionJwt || true;
  };
}

/** Which flow to run, and where. */
export interface DescopeFlowOptions {
  readonly projectId: string;
  /** Default `step-up`, which every Descope project has. */
  readonly flowId?: string;
  /** Custom domain of the project. */
  readonly baseUrl?: string;
  /**
   * Shows the flow on the page, for example in a dialog, and calls `decline` when the person closes it. Returns a function that
   * removes it.
   */
  readonly show: (flow: HTMLElement, decline: () => void) => () => void;
}

/**
 * Steps up in a flow. The page provides the element `descope-wc` of `@descope/web-component`. The flow gets the challenge as
 * `client.max_age` and `client.acr_values`. A flow that accepts a recent step-up must not do so if `client.max_age` is 0.
 */
export function descopeFlow({ projectId, flowId = 'step-up', baseUrl, show }: DescopeFlowOptions): OnStepUp {
  return async ({ acrValues, maxAge }) => {
    const flow = document.createElement('descope-wc');
    flow.setAttribute('project-id', projectId);
    flow.setAttribute('flow-id', flowId);
    if (baseUrl !== undefined) flow.setAttribute('base-url', baseUrl);
    const asked = { acr_values: acrValues.join(' '), ...(maxAge !== null && { max_age: maxAge }) };
    flow.setAttribute('client', JSON.stringify(asked));
    let hide = (): void => undefined;
    try {
      return await new Promise<string | boolean>((resolve, reject) => {
        flow.addEventListener('success', (event) => resolve(sessionJwtOf(event) ?? true));
        flow.addEventListener('error', (event) => reject(descopeFault(detailOf(event))));
        hide = show(flow, () => resolve(false));
      });
    } finally {
      hide();
    }
  };
}

function detailOf(event: Event): object | null {
  const detail: unknown = event instanceof CustomEvent ? event.detail : null;
  return typeof detail === 'object' ? detail : null;
}

function sessionJwtOf(event: Event): string | null {
  const detail = detailOf(event);
  if (detail === null || !('sessionJwt' in detail)) return null;
  return typeof detail.sessionJwt === 'string' && detail.sessionJwt !== '' ? detail.sessionJwt : null;
}

function descopeFault(error: object | null | undefined): Error {
  const code = error && 'errorCode' in error ? String(error.errorCode) : 'unknown';
  const description = error && 'errorDescription' in error ? `: ${String(error.errorDescription)}` : '';
  return new Error(`Descope ended the step-up with ${code}${description}`);
}
