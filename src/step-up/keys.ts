import { LRUCache } from 'lru-cache';
import { messageOf } from '../model/error-text.ts';
import { readUpTo } from '../net/body.ts';
import type { IssuerSettings, KeyLocation } from './issuer.ts';

/** The outcome of a key fetch, for a metric and a log line. */
export interface Refetch {
  /** {@link IssuerSettings.name} */
  readonly issuer: string;
  readonly outcome: 'fetched' | 'failed';
  /** Why it failed, for people; empty on success. */
  readonly why: string;
  /** True when cached keys stay in use after a failure. */
  readonly stale: boolean;
}

export interface KeySourceOptions {
  readonly fetch: (input: string, init: RequestInit) => Promise<Response>;
  /** Timeout for discovery document and key set together, in milliseconds. */
  readonly timeoutMs: number;
  /** Whether callers share a fetch. False on Workers, where a fetch belongs to the request that started it. */
  readonly shareFetches: boolean;
  readonly onRefetch: (refetch: Refetch) => void;
}

/** Keys, or why there are none. */
export type Keys<T> =
  | { readonly state: 'available'; readonly keys: T; readonly justFetched: boolean }
  | { readonly state: 'unavailable'; readonly why: string; readonly retryAfterSeconds: number };

/** Keys of one issuer: fetched on first use, cached, refetched for an unknown `kid`, and used while stale if fetches fail. */
export interface KeySource<T> {
  /** The cached keys while they are fresh; null otherwise. Never fetches. */
  fresh(nowMs: number): T | null;
  current(nowMs: number): Promise<Keys<T>>;
  /**
   * Fetches again for a `kid` that the keys lack. `absent`: a recent fetch did not have it. `cooling`: too soon for another
   * fetch, so it is unknown whether the key exists.
   */
  refetchFor(
    kid: string,
    nowMs: number,
  ): Promise<
    Keys<T> | { readonly state: 'absent' } | { readonly state: 'cooling'; readonly retryAfterSeconds: number }
  >;
  /** Remembers for a while that a fresh fetch lacked this `kid`. */
  rememberAbsent(kid: string, nowMs: number): void;
  /** Whether keys have been loaded. */
  readonly loaded: boolean;
}

/** Default timeout for discovery document and key set together. */
export const FETCH_TIMEOUT_MS = 1_000;
/** Pause after a failed fetch while there are no usable keys. */
export const RETRY_MS = 2_000;
/** How long an unknown `kid` is remembered, and how many of them. */
const ABSENT_MS = 60_000;
const ABSENT_KIDS = 1_000;
/** Limit on a response, far above any real key set. */
const MAX_DOCUMENT_BYTES = 512 * 1024;

/** @param prepare turns the key set's JSON into what is cached; if it throws, the fetch counts as failed */
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
  /** Shortest time between two refetches, for unknown `kid`s as for keys past their cache time. */
  const cooldownMs = settings.keysCooldownSeconds * 1000;
  const absent = new LRUCache<string, number>({ max: ABSENT_KIDS });
  let cached: { readonly keys: T; readonly fetchedAtMs: number } | null = null;
  let lastTry: { readonly atMs: number; readonly failure: string | null } | null = null;
  let underWay: Promise<void> | null = null;

  const usable = (nowMs: number): boolean =>
    cached !== null && nowMs - cached.fetchedAtMs < (settings.keysCacheSeconds + settings.staleKeysSeconds) * 1000;

  const fresh = (nowMs: number): T | null =>
    cached !== null && nowMs - cached.fetchedAtMs < settings.keysCacheSeconds * 1000 ? cached.keys : null;

  async function load(nowMs: number): Promise<void> {
    let failure: string | null = null;
    try {
      cached = { keys: prepare(await fetchKeys(location, settings, options)), fetchedAtMs: nowMs };
    } catch (error) {
      failure = messageOf(error);
    }
    lastTry = { atMs: nowMs, failure };
    const outcome = failure === null ? 'fetched' : 'failed';
    options.onRefetch({ issuer: settings.name, outcome, why: failure ?? '', stale: failure !== null && usable(nowMs) });
  }

  async function refresh(nowMs: number): Promise<void> {
    // A shared fetch is cancelled with the request that started it, and would then never settle.
    if (!options.shareFetches) return load(nowMs);
    if (underWay !== null) return underWay;
    const mine = load(nowMs).finally(() => {
      if (underWay === mine) underWay = null;
    });
    underWay = mine;
    return mine;
  }

  function outcome(nowMs: number): Keys<T> {
    if (cached !== null && usable(nowMs)) {
      return { state: 'available', keys: cached.keys, justFetched: lastTry?.failure === null };
    }
    return {
      state: 'unavailable',
      why: lastTry?.failure ?? 'they have not been fetched yet',
      retryAfterSeconds: secondsLeft(lastTry?.atMs ?? nowMs, RETRY_MS, nowMs),
    };
  }

  return {
    get loaded() {
      return cached !== null;
    },

    fresh,

    async current(nowMs) {
      const cachedKeys = fresh(nowMs);
      if (cachedKeys !== null) return { state: 'available', keys: cachedKeys, justFetched: false };
      if (cached !== null && usable(nowMs)) {
        const { keys } = cached;
        // Only one caller waits for the refetch; the others use stale keys, so a hanging endpoint delays one check.
        if (underWay !== null || !passed(lastTry?.atMs, cooldownMs, nowMs)) {
          return { state: 'available', keys, justFetched: false };
        }
      } else if (
        lastTry !== null &&
        lastTry.failure !== null &&
        (underWay !== null || !passed(lastTry.atMs, RETRY_MS, nowMs))
      ) {
        // After a failure one check retries once the pause is over; the others do not wait for it.
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
      // Stale keys are known to lack this `kid`, so they cannot be the answer.
      return lastTry !== null && lastTry.failure !== null
        ? { state: 'unavailable', why: lastTry.failure, retryAfterSeconds: secondsLeft(nowMs, cooldownMs, nowMs) }
        : outcome(nowMs);
    },

    rememberAbsent(kid, nowMs) {
      absent.set(kid, nowMs + ABSENT_MS);
    },
  };
}

/** Also true when the clock was set back, so that a time in the future does not block fetches. */
function passed(sinceMs: number | undefined, spanMs: number, nowMs: number): boolean {
  return sinceMs === undefined || nowMs - sinceMs >= spanMs || nowMs < sinceMs;
}

/** Whole seconds left of a pause, at least 1. */
function secondsLeft(sinceMs: number, spanMs: number, nowMs: number): number {
  return Math.max(1, Math.ceil((sinceMs + spanMs - nowMs) / 1000));
}

function inlineKeys<T>(keys: T): KeySource<T> {
  return {
    loaded: true,
    fresh: () => keys,
    current: async () => ({ state: 'available', keys, justFetched: true }),
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

/** A discovery document for another issuer must not be used (OpenID Connect Discovery 1.0, section 4.3). */
async function discover(
  uri: string,
  settings: IssuerSettings,
  options: KeySourceOptions,
  signal: AbortSignal,
): Promise<string> {
  const document = await fetchJson(uri, options, signal);
  const { issuer, jwks_uri: jwksUri } = document as { issuer?: unknown; jwks_uri?: unknown };
  if (issuer !== settings.name) {
    throw new Error(`the discovery document at ${uri} is for issuer ${String(issuer)}, expected ${settings.name}`);
  }
  if (typeof jwksUri !== 'string') throw new Error(`the discovery document at ${uri} has no jwks_uri`);
  // A remote document must not direct requests to this machine, where plain http is allowed.
  if (!URL.canParse(jwksUri) || (uri.startsWith('https:') && new URL(jwksUri).protocol !== 'https:')) {
    throw new Error(`the discovery document at ${uri} has jwks_uri ${jwksUri}, expected an https address`);
  }
  return jwksUri;
}

async function fetchJson(uri: string, options: KeySourceOptions, signal: AbortSignal): Promise<object> {
  // Redirects are not followed: only the configured address is trusted.
  const init: RequestInit = { headers: { accept: 'application/json' }, redirect: 'manual', signal };
  let response: Response;
  try {
    response = await options.fetch(uri, init);
  } catch (error) {
    if (signal.aborted) throw new Error(`${uri} did not respond within ${options.timeoutMs} ms`, { cause: error });
    // A kept-alive connection that the server has just closed fails at once, so there is time for a second try.
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
    throw new Error(`${uri} did not finish its response within ${options.timeoutMs} ms`, { cause: error });
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch (error) {
    throw new Error(`${uri} did not return JSON`, { cause: error });
  }
  if (typeof parsed !== 'object' || parsed === null) throw new Error(`${uri} did not return a JSON object`);
  return parsed;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

async function readText(response: Response, uri: string): Promise<string> {
  if (response.body === null) return '';
  const bytes = await readUpTo(response.body, MAX_DOCUMENT_BYTES);
  if (bytes === null) throw new Error(`${uri} returned more than ${MAX_DOCUMENT_BYTES} bytes`);
  return new TextDecoder().decode(bytes);
}
