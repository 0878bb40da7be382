import { STEP_UP_HEADER } from '../../../src/contract/client-headers.ts';
import { stepUpOf } from './challenge.ts';
import { collectDevice, type DeviceReport } from './collect.ts';
import { DEVICE_HEADER } from './device-header.ts';
import { DEVICE_PROOF_HEADER, type DeviceProver, deviceProver } from './device-key.ts';
import { sharedStepUps } from './shared-step-ups.ts';
import type { OnStepUp } from './step-up.ts';

/** Options of {@link stepUpFetch}. */
export interface StepUpFetchOptions {
  readonly onStepUp: OnStepUp;
  /** Sends a request. Default: the browser's `fetch`. */
  readonly fetch?: (request: Request) => Promise<Response>;
  /** Default: {@link collectDevice}. Null sends no device header. */
  readonly collect?: (() => Promise<Pick<DeviceReport, 'header'>>) | null;
  /** Default: {@link deviceProver}, a key that the browser keeps for this origin. Null sends no proof. */
  readonly prover?: DeviceProver | null;
  /** Those of `origins` that get the proof too: their `Access-Control-Allow-Headers` must name `X-Stepgate-Device-Proof`. */
  readonly proofOrigins?: readonly string[];
  /** Other origins that get the device header and step-up tokens, such as `https://api.example`. */
  readonly origins?: readonly string[];
  /** Header for the token of a step-up. Default `X-Step-Up-Token`, which Stepgate reads. */
  readonly tokenHeader?: string;
}

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** How many requests try to collect the device until one succeeds. */
const MAX_LOOKS = 3;

/**
 * A `fetch` that sends the device header and a proof of the device's key. On a step-up challenge (RFC 9470) it lets the person step up and sends the request once
 * more, body included.
 *
 * - Requests to origins other than the page's own and `origins` are passed through unchanged.
 * - `onStepUp` is called once for all pending requests. A requirement that the current step-up does not meet comes after it. If the
 *   person declines, every waiting request gets its challenge as the response.
 * - Each request that is challenged with `max_age=0`, for a proof that counts once, gets a step-up of its own.
 * - A request is sent at most twice. A second challenge is the response, for example for a single-use proof that is spent.
 * - The signal of a request aborts that request at any time, never a step-up that others wait for.
 * - A redirect to another host must get neither fingerprint nor token: requests to the page's origin have `mode: 'same-origin'`,
 *   those to `origins` `redirect: 'error'` (or `manual`, if set), so such a redirect is a network error.
 */
export function stepUpFetch(options: StepUpFetchOptions): Fetch {
  const { collect = collectDevice, prover = deviceProver(), tokenHeader = STEP_UP_HEADER } = options;
  // Called without a receiver, because browsers reject their `fetch` with another `this`.
  const send = options.fetch ?? ((request: Request) => fetch(request));
  const shown = new Set(options.origins?.map((origin) => new URL(origin).origin));
  const proven = new Set(options.proofOrigins?.map((origin) => new URL(origin).origin));
  /** Each time anew: a step-up may take longer than a proof lasts. */
  const prove = async (request: Request): Promise<void> => {
    const { origin } = new URL(request.url);
    if (origin !== globalThis.origin && !proven.has(origin)) return;
    const proof = await unlessAborted(request.signal, prover?.prove(request) ?? Promise.resolve(null));
    if (proof !== null) request.headers.set(DEVICE_PROOF_HEADER, proof);
  };
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
    await prove(request);
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
      prover?.setClock(response);
      await prove(again);
      if (outcome !== true) again.headers.set(tokenHeader, outcome);
      return await send(again);
    } finally {
      visit.leave();
    }
  };
}

/** Init that keeps a request on the trusted origins; null if it goes to another origin in the first place. */
function safeguardOf({ url, redirect }: Request, shown: ReadonlySet<string>): RequestInit | null {
  const { origin } = new URL(url);
  // Undefined outside of browsers; `null` in a sandboxed frame, which equals no address.
  if (origin === globalThis.origin) return { mode: 'same-origin' };
  return shown.has(origin) ? { redirect: redirect === 'manual' ? 'manual' : 'error' } : null;
}

/** Collects the device once, with a few more attempts if there is no fingerprint. */
function remembered(collect: NonNullable<StepUpFetchOptions['collect']>): () => Promise<string | null> {
  let looks = 0;
  let device: Promise<string | null> | null = null;
  return () => {
    if (device !== null) return device;
    looks += 1;
    const looked = collect().then(
      ({ header }) => header,
      // A failed fingerprint must not fail the request.
      () => null,
    );
    device = looked;
    void looked.then((header) => {
      if (header === null && looks < MAX_LOOKS) device = null;
    });
    return looked;
  };
}

/** Rejects with the signal's reason on abort; the work continues for other requests. */
function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => reject(signal.reason);
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', end));
  });
}

/** Cancels a body that is not needed, unless it is already being read. */
function discard(body: ReadableStream | null): void {
  body?.cancel().catch(() => undefined);
}
