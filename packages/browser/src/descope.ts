import type { StepUpRequirement } from './challenge.ts';
import type { OnStepUp } from './step-up.ts';

/** Descope's `loginOptions` for a step-up. */
export interface DescopeStepUpOptions {
  readonly stepup: true;
}

/** The part of an answer of Descope's SDK that is read. */
export interface DescopeAnswer {
  readonly ok: boolean;
  readonly data?: { readonly sessionJwt?: string } | undefined;
  readonly error?: { readonly errorCode: string; readonly errorDescription?: string } | undefined;
}

/**
 * An authentication by the SDK; null where the person declined. Where the requirement's `maxAge` is 0, it has to be one of now: an
 * answer of before is refused as spent.
 */
export type DescopeAuthenticate = (
  loginOptions: DescopeStepUpOptions,
  requirement: StepUpRequirement,
) => Promise<DescopeAnswer | null>;

/**
 * Steps up with one of the methods of `@descope/web-js-sdk`, such as TOTP:
 * `descopeLogin((loginOptions) => sdk.totp.verify(loginId, code, loginOptions, sdk.getRefreshToken()))`.
 * The refresh token says whose session is stepped up; leave it out where Descope keeps it in a cookie. The retried request carries
 * the new session token, which has `su: true`; where that is in a cookie, the cookie does.
 */
export function descopeLogin(authenticate: DescopeAuthenticate): OnStepUp {
  return async (requirement) => {
    const answer = await authenticate({ stepup: true }, requirement);
    if (answer === null) return false;
    if (!answer.ok) throw descopeFault(answer.error);
    return answer.data?.sessionJwt || true;
  };
}

/** Which flow is run, and where. */
export interface DescopeFlowOptions {
  readonly projectId: string;
  /** Default `step-up`, the flow that each Descope project begins with. */
  readonly flowId?: string;
  /** Custom domain of the project. */
  readonly baseUrl?: string;
  /**
   * Puts the flow on the page, in a dialog say, and calls `decline` when the person closes it. Gives back what takes it away again.
   */
  readonly show: (flow: HTMLElement, decline: () => void) => () => void;
}

/**
 * Steps up in a flow. The page brings the element `descope-wc` of `@descope/web-component`. The flow sees the challenge as
 * `client.max_age` and `client.acr_values`: one that lets a recent step-up pass must not where `client.max_age` is 0.
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
