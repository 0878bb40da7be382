import { LRUCache } from 'lru-cache';
import { readUpTo } from '../net/body.ts';
import type { IssuerSettings, KeyLocation } from './issuer.ts';

/** What happened when an issuer's keys were asked for: for a metric and a log line. */
export interface Refetch {
  /** {@link IssuerSettings.name} */
  readonly issuer: string;
  readonly outcome: 'fetched' | 'failed';
  /** Why it failed, for people; empty when it did not. */
  readonly why: string;
  /** True when keys from before are used on. */
  readonly stale: boolean;
}

/** How keys are fetched, and whom to tell. */
export interface KeySourceOptions {
  readonly fetch: (input: string, init: RequestInit) => Promise<Response>;
  /** For discovery document and key set together, in milliseconds. */
  readonly timeoutMs: number;
  /** Whether callers wait for one another's fetch. Not on Workers: there a fetch belongs to the request that began it. */
  readonly shareFetches: boolean;
  readonly onRefetch: (refetch: Refetch) => void;
}

/** Keys, or why they cannot be had. */
export type Keys<T> =
  | { readonly state: 'had'; readonly keys: T; readonly justFetched: boolean }
  | { readonly state: 'unavailable'; readonly why: string; readonly retryAfterSeconds: number };

/** The keys of one issuer: fetched when first needed, cached, refetched for an unknown `kid`, used on while stale. */
export interface KeySource<T> {
  /** The keys while nothing has to be asked or waited for; null otherwise. */
  young(nowMs: number): T | null;
  current(nowMs: number): Promise<Keys<T>>;
  /**
   * The keys again, for a `kid` that they lack. `absent`: they have just been asked for and it was not there; `cooling`:
   * asking again so soon is not permitted, so nothing is known about it.
   */
  refetchFor(
    kid: string,
    nowMs: number,
  ): Promise<
    Keys<T> | { readonly state: 'absent' } | { readonly state: 'cooling'; readonly retryAfterSeconds: number }
  >;
  /** Remembers for a while that freshly fetched keys lack this `kid`. */
  rememberAbsent(kid: string, nowMs: number): void;
  /** True once the keys have been had. */
  readonly had: boolean;
}

/** For discovery document and key set together, unless said otherwise. */
export const FETCH_TIMEOUT_MS = 1_000;
/** First pause after a failure while no usable keys are there. */
export const RETRY_MS = 2_000;
/** How long, and how many, unknown `kid`s are remembered. */
const ABSENT_MS = 60_000;
const ABSENT_KIDS = 1_000;
/** Far above any real key set; a larger answer is not read to its end. */
const MAX_DOCUMENT_BYTES = 512 * 1024;

/**
 * @param prepare turns a key set's JSON into what is cached; what it throws counts as a failed fetch
 */
export function keySource<T>(
  settings: IssuerSettings,
  prepare: (jwks: unknown) => T,
  options: KeySourceOptions,
): KeySource<T> {
  return settings.keys.kind === 'inline'
    ? inlineKeys(prepare(settings.keys.jwks))
    : fetchedKeys(settings, settings.keys, prepare, options);
}

function fetchedKeys<T>(
  settings: IssuerSettings,
  location: FetchedLocation,
  prepare: (jwks: unknown) => T,
  options: KeySourceOptions,
): KeySource<T> {
  /** At most one refetch for unknown `kid`s, and one for keys past their cache age, in this time. */
  const cooldownMs = settings.keysCooldownSeconds * 1000;
  const absent = new LRUCache<string, number>({ max: ABSENT_KIDS });
  let cached: { readonly keys: T; readonly fetchedAtMs: number } | null = null;
  let lastTry: { readonly atMs: number; readonly failure: string | null } | null = null;
  let underWay: Promise<void> | null = null;

  const usable = (nowMs: number): boolean =>
    cached !== null && nowMs - cached.fetchedAtMs < (settings.keysCacheSeconds + settings.staleKeysSeconds) * 1000;

  const young = (nowMs: number): T | null =>
    cached !== null && nowMs - cached.fetchedAtMs < settings.keysCacheSeconds * 1000 ? cached.keys : null;

  async function load(nowMs: number): Promise<void> {
    let failure: string | null = null;
    try {
      cached = { keys: prepare(await fetchKeys(location, settings, options)), fetchedAtMs: nowMs };
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    lastTry = { atMs: nowMs, failure };
    const outcome = failure === null ? 'fetched' : 'failed';
    options.onRefetch({ issuer: settings.name, outcome, why: failure ?? '', stale: failure !== null && usable(nowMs) });
  }

  async function refresh(nowMs: number): Promise<void> {
    // A fetch that another request began, and was cancelled with, would never end.
    if (!options.shareFetches) return load(nowMs);
    if (underWay !== null) return underWay;
    const mine = load(nowMs).finally(() => {
      if (underWay === mine) underWay = null;
    });
    underWay = mine;
    return mine;
  }

  /** The keys at hand after a fetch, or why there are none. */
  function outcome(nowMs: number): Keys<T> {
    if (cached !== null && usable(nowMs)) {
      return { state: 'had', keys: cached.keys, justFetched: lastTry?.failure === null };
    }
    return {
      state: 'unavailable',
      why: lastTry?.failure ?? 'they have not been fetched yet',
      retryAfterSeconds: secondsLeft(lastTry?.atMs ?? nowMs, RETRY_MS, nowMs),
    };
  }

  return {
    get had() {
      return cached !== null;
    },

    young,

    async current(nowMs) {
      const fresh = young(nowMs);
      if (fresh !== null) return { state: 'had', keys: fresh, justFetched: false };
      if (cached !== null && usable(nowMs)) {
        const { keys } = cached;
        // While one caller waits for the answer the others go on: an endpoint that hangs holds up one check, not all.
        if (underWay !== null || !passed(lastTry?.atMs, cooldownMs, nowMs)) {
          return { state: 'had', keys, justFetched: false };
        }
      } else if (
        lastTry !== null &&
        lastTry.failure !== null &&
        (underWay !== null || !passed(lastTry.atMs, RETRY_MS, nowMs))
      ) {
        // Where the last fetch was in vain the next may be too: after a pause one check asks, and no other waits for it.
        return outcome(nowMs);
      }
      await refresh(nowMs);
      return outcome(nowMs);
    },

    async refetchFor(kid, nowMs) {
      const until = absent.get(kid);
      if (until !== undefined && nowMs < until && nowMs >= until - ABSENT_MS) return { state: 'absent' };
      const retryAfterSeconds = secondsLeft(lastTry?.atMs ?? nowMs, cooldownMs, nowMs);
      if (underWay === null && !passed(lastTry?.atMs, cooldownMs, nowMs)) {
        return lastTry === null || lastTry.failure === null
          ? { state: 'cooling', retryAfterSeconds }
          : { state: 'unavailable', why: lastTry.failure, retryAfterSeconds };
      }
      await refresh(nowMs);
      // Stale keys are known not to hold this one, so they are no answer here.
      return lastTry !== null && lastTry.failure !== null
        ? { state: 'unavailable', why: lastTry.failure, retryAfterSeconds: secondsLeft(nowMs, cooldownMs, nowMs) }
        : outcome(nowMs);
    },

    rememberAbsent(kid, nowMs) {
      absent.set(kid, nowMs + ABSENT_MS);
    },
  };
}

/** Also true when the clock was set back, so that a wrong moment in the future does not bar the way to the keys. */
function passed(sinceMs: number | undefined, spanMs: number, nowMs: number): boolean {
  return sinceMs === undefined || nowMs - sinceMs >= spanMs || nowMs < sinceMs;
}

/** Whole seconds of a pause that are left, at least one. */
function secondsLeft(sinceMs: number, spanMs: number, nowMs: number): number {
  return Math.max(1, Math.ceil((sinceMs + spanMs - nowMs) / 1000));
}

function inlineKeys<T>(keys: T): KeySource<T> {
  return {
    had: true,
    young: () => keys,
    current: async () => ({ state: 'had', keys, justFetched: true }),
    refetchFor: async () => ({ state: 'absent' }),
    rememberAbsent: () => undefined,
  };
}

type FetchedLocation = Exclude<KeyLocation, { kind: 'inline' }>;

async function fetchKeys(
  location: FetchedLocation,
  settings: IssuerSettings,
  options: KeySourceOptions,
): Promise<unknown> {
  const signal = AbortSignal.timeout(options.timeoutMs);
  const uri = location.kind === 'uri' ? location.uri : await discover(location.uri, settings, options, signal);
  return fetchJson(uri, options, signal);
}

/** OpenID Connect Discovery 1.0, section 4.3: a document that speaks for another issuer must not be used. */
async function discover(
  uri: string,
  settings: IssuerSettings,
  options: KeySourceOptions,
  signal: AbortSignal,
): Promise<string> {
  const document = await fetchJson(uri, options, signal);
  const { issuer, jwks_uri: jwksUri } = document as { issuer?: unknown; jwks_uri?: unknown };
  if (issuer !== settings.name) {
    throw new Error(`the discovery document at ${uri} is of issuer ${String(issuer)}, expected ${settings.name}`);
  }
  if (typeof jwksUri !== 'string') throw new Error(`the discovery document at ${uri} has no jwks_uri`);
  // A document from afar must not send requests to this machine, however safe plain http is there.
  if (!URL.canParse(jwksUri) || (uri.startsWith('https:') && new URL(jwksUri).protocol !== 'https:')) {
    throw new Error(`the discovery document at ${uri} names keys at ${jwksUri}, expected an https address`);
  }
  return jwksUri;
}

async function fetchJson(uri: string, options: KeySourceOptions, signal: AbortSignal): Promise<object> {
  // A redirect is not followed: the configured address is the one that is trusted.
  const init: RequestInit = { headers: { accept: 'application/json' }, redirect: 'manual', signal };
  let response: Response;
  try {
    response = await options.fetch(uri, init);
  } catch (error) {
    if (signal.aborted) throw new Error(`${uri} did not answer within ${options.timeoutMs} ms`, { cause: error });
    // A kept-alive connection that the other end has just closed fails at once; the time left is enough for a new one.
    response = await options.fetch(uri, init).catch((again: unknown) => {
      throw new Error(`${uri} cannot be reached (${describe(again)})`, { cause: error });
    });
  }
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`${uri} answered ${response.status}, expected 200`);
  }
  let body: string;
  try {
    body = await readText(response, uri);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new Error(`${uri} did not finish its answer within ${options.timeoutMs} ms`, { cause: error });
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch (error) {
    throw new Error(`${uri} answered what is no JSON`, { cause: error });
  }
  if (typeof parsed !== 'object' || parsed === null) throw new Error(`${uri} answered what is no JSON object`);
  return parsed;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

async function readText(response: Response, uri: string): Promise<string> {
  if (response.body === null) return '';
  const bytes = await readUpTo(response.body, MAX_DOCUMENT_BYTES);
  if (bytes === null) throw new Error(`${uri} answered more than ${MAX_DOCUMENT_BYTES} bytes`);
  return new TextDecoder().decode(bytes);
}
