import { returnByBackButton } from './leave-page.ts';
import type { OnStepUp } from './step-up.ts';

/** Options of {@link brokerRedirect}. */
export interface BrokerOptions {
  /** Path on the page's own host that the gateway routes to Stepgate. Default `/.stepgate/step-up`. */
  readonly path?: string;
}

/** Stepgate started no step-up. `code` is that of its answer: `no_session` means that the person has to log in first. */
export class BrokerError extends Error {
  override readonly name = 'BrokerError';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Steps up without an OpenID Connect library: Stepgate, behind the gateway of this page, sends the browser to the identity provider and
 * back to this address, and keeps the proof in a cookie that scripts cannot read. Pending requests are lost with the page: keep a
 * form's input and send it again after the return. Coming back with the back button is a decline.
 *
 * Rejects with {@link BrokerError} if no step-up could be started.
 */
export function brokerRedirect({ path = '/.stepgate/step-up' }: BrokerOptions = {}): OnStepUp {
  return async ({ acrValues, maxAge }) => {
    const returned = returnByBackButton();
    const response = await fetch(path, {
      method: 'POST',
      mode: 'same-origin',
      headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
      body: JSON.stringify({ acr_values: acrValues, max_age: maxAge, return_to: location.href }),
    });
    const answer: unknown = await response.json().catch(() => null);
    const told = (name: string): string | null => {
      const value =
        typeof answer === 'object' && answer !== null
          ? Object.entries(answer).find(([key]) => key === name)?.[1]
          : null;
      return typeof value === 'string' ? value : null;
    };
    const to = told('location');
    if (!response.ok || to === null) {
      throw new BrokerError(
        told('code') ?? 'unexpected_answer',
        told('detail') ?? `${path} was answered ${response.status}; the gateway has to route it to Stepgate`,
      );
    }
    location.assign(to);
    return returned;
  };
}
