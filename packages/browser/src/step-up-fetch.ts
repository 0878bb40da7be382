import { STEP_UP_HEADER } from '../../../src/contract/client-headers.ts';
import { stepUpOf } from './challenge.ts';
import { collectDevice, type DeviceReport } from './collect.ts';
import { DEVICE_HEADER } from './device-header.ts';
import { sharedStepUps } from './shared-step-ups.ts';
import type { OnStepUp } from './step-up.ts';

/** What a {@link stepUpFetch} does. */
export interface StepUpFetchOptions {
  readonly onStepUp: OnStepUp;
  /** Sends a request. Default: the browser's `fetch`. */
  readonly fetch?: (request: Request) => Promise<Response>;
  /** Default: {@link collectDevice}. Null sends no device header. */
  readonly collect?: (() => Promise<Pick<DeviceReport, 'header'>>) | null;
  /** Origins that get the device header and step-up tokens beside the page's own, such as `https://api.example`. */
  readonly origins?: readonly string[];
  /** Header that takes the token of a step-up. Default `X-Step-Up-Token`, which Stepgate reads. */
  readonly tokenHeader?: string;
}

/** Same shape as the browser's `fetch`. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** How often a device that could not be told is looked for again, by later requests. */
const MAX_LOOKS = 3;

/**
 * A `fetch` that shows the device, and that answers the step-up challenge of RFC 9470 by having the person step up and sending the
 * request once more, body included.
 *
 * - Requests to other origins than the page's own and `origins` are passed on as they are.
 * - `onStepUp` is asked once for all requests that were under way; a requirement that the running step-up does not meet is asked for
 *   after it. Where the person declines, each of them gets its challenge as the answer.
 * - `max_age=0`, the challenge for a proof that counts once, is asked for by each request anew: no step-up of before, and none of
 *   another request, is taken for it.
 * - A request is sent twice at most. A second challenge is the answer, as for a single-use proof that was spent before.
 * - The signal of a request ends that request alone, at any time, and never a step-up that others wait for.
 * - So that neither fingerprint nor token follows a redirect to a foreign host, requests to the page's origin have `mode: 'same-origin'`
 *   and those to `origins` `redirect: 'error'` (or `manual`, where asked for): such a redirect is a network error.
 */
export function stepUpFetch(options: StepUpFetchOptions): Fetch {
  const { collect = collectDevice, tokenHeader = STEP_UP_HEADER } = options;
  // Called without a receiver: browsers refuse their own `fetch` under another `this`.
  const send = options.fetch ?? ((request: Request) => fetch(request));
  const shown = new Set(options.origins?.map((origin) => new URL(origin).origin));
  const device = collect === null ? async () => null : remembered(collect);
  const stepUps = sharedStepUps(options.onStepUp);

  return async (input, init) => {
    const asked = new Request(input, init);
    const safe = safeguardOf(asked, shown);
    if (safe === null) return send(asked);
    const request = new Request(asked, safe);
    const { signal } = request;
    const header = await unlessAborted(signal, device());
    if (header !== null && !request.headers.has(DEVICE_HEADER)) request.headers.set(DEVICE_HEADER, header);
    const again = request.clone();
    const visit = stepUps.enter();
    try {
      const response = await send(request);
      const requirement = stepUpOf(response);
      const outcome = requirement !== null && (await unlessAborted(signal, visit.stepUp(requirement)));
      if (outcome === false) {
        discard(again.body);
        return response;
      }
      discard(response.body);
      if (outcome !== true) again.headers.set(tokenHeader, outcome);
      return await send(again);
    } finally {
      visit.leave();
    }
  };
}

/** What keeps a request from leaving the origins that may see its headers; null where it goes elsewhere from the start. */
function safeguardOf({ url, redirect }: Request, shown: ReadonlySet<string>): RequestInit | null {
  const { origin } = new URL(url);
  // Absent outside of browsers; `null` in a sandboxed frame, which no address has.
  if (origin === globalThis.origin) return { mode: 'same-origin' };
  return shown.has(origin) ? { redirect: redirect === 'manual' ? 'manual' : 'error' } : null;
}

/** Looks once and remembers; a device that could not be told is looked for again a few times. */
function remembered(collect: NonNullable<StepUpFetchOptions['collect']>): () => Promise<string | null> {
  let looks = 0;
  let device: Promise<string | null> | null = null;
  return () => {
    if (device !== null) return device;
    looks += 1;
    const looked = collect().then(
      ({ header }) => header,
      // A request must not fail for want of a claim.
      () => null,
    );
    device = looked;
    void looked.then((header) => {
      if (header === null && looks < MAX_LOOKS) device = null;
    });
    return looked;
  };
}

/** Rejects with the signal's reason as soon as it is aborted; the work goes on for whoever else waits for it. */
function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => reject(signal.reason);
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', end));
  });
}

/** Nobody will read it. One that is being read already is not ours to end. */
function discard(body: ReadableStream | null): void {
  body?.cancel().catch(() => undefined);
}
