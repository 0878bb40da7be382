import type { StepUpAnswer } from '../../../src/contract/answer.ts';
import { isNavigation } from '../../../src/contract/client-headers.ts';
import { problemOf } from '../../../src/contract/problem.ts';
import { stepUpLocation } from '../../../src/contract/step-up-page.ts';
import { headerReader, type IncomingRequest } from './incoming.ts';

/** Your step-up page. */
export interface StepUpPage {
  /** Absolute URL of the page. It gets `acr_values`, `max_age` and, in `return_to`, the URL of the request. */
  readonly url: string;
  /** Public origin of this application, such as `https://shop.example`; never taken from a header. */
  readonly origin: string;
}

/** A response that ends a request. */
export interface Refusal {
  readonly status: 302 | 401 | 403;
  readonly headers: { readonly [name: string]: string };
  /** Empty for a redirect. */
  readonly body: string;
}

/**
 * A step-up: 401 with the challenge of RFC 9470 and a problem document with the same `acr_values` and `max_age`; for a navigation, a
 * redirect to the step-up page if there is one. `check` is the id of the check.
 */
export function stepUpRefusal(
  request: IncomingRequest,
  demand: StepUpAnswer,
  page: StepUpPage | null,
  check: string | null,
): Refusal {
  const challenge = { 'WWW-Authenticate': demand.www_authenticate };
  const location = page === null ? null : pageFor(request, demand, page);
  if (location !== null) {
    return { status: 302, headers: { ...NOT_KEPT, ...challenge, Location: location }, body: '' };
  }
  const said = {
    ...problemOf('step_up_required', {
      title: 'A step-up is required',
      status: 401,
      detail: 'authenticate again as WWW-Authenticate says, then repeat the request with the new token',
    }),
    acr_values: demand.acr_values,
    max_age: demand.max_age,
  };
  return problem(401, said, challenge, check);
}

/** A deny: 403 with a problem document that gives no reasons, which are for the application only. */
export function denyRefusal(check: string | null): Refusal {
  const said = problemOf('access_denied', {
    title: 'Access is denied',
    status: 403,
    detail: 'this request is refused; authenticating again will not change that',
  });
  return problem(403, said, {}, check);
}

const NOT_KEPT = { 'Cache-Control': 'no-store' };

function problem(
  status: 401 | 403,
  said: object,
  headers: { readonly [name: string]: string },
  check: string | null,
): Refusal {
  return {
    status,
    headers: { ...NOT_KEPT, ...headers, 'Content-Type': 'application/problem+json' },
    body: JSON.stringify(check === null ? said : { ...said, check }),
  };
}

function pageFor(request: IncomingRequest, demand: StepUpAnswer, { url, origin }: StepUpPage): string | null {
  // A posted form would be lost on the way: its page gets the challenge and keeps what was typed.
  if (request.method !== 'GET' || !isNavigation({ method: request.method }, headerReader(request))) return null;
  const { protocol, host } = new URL(origin);
  const page = stepUpLocation(
    { stepUpUrl: url, returnHosts: [host] },
    { acrValues: demand.acr_values, maxAgeSeconds: demand.max_age },
    { proto: protocol.slice(0, -1), host, target: request.target },
  );
  return page?.href ?? null;
}
