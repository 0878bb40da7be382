import { messageOf } from '../../model/error-text.ts';
import { readUpTo } from '../../net/body.ts';
import type { DataProblem } from '../data-error.ts';

/** How a feed is fetched. */
export interface FetchOptions {
  /** Validators of the current version; null if there is none. */
  readonly etag: string | null;
  readonly lastModified: string | null;
  /** Timeout of one fetch, connection and body, in milliseconds. */
  readonly timeoutMs: number;
  /** Maximum size of the decoded body, counted while it is read. */
  readonly maxBytes: number;
  readonly fetch: typeof globalThis.fetch;
}

/** The result of a fetch. */
export type Fetched =
  | { readonly outcome: 'not_modified' }
  | {
      readonly outcome: 'new';
      readonly text: string;
      readonly etag: string | null;
      readonly lastModified: string | null;
    }
  | { readonly outcome: 'problem'; readonly problem: DataProblem };

/** Default timeout of one feed. */
export const DEFAULT_FEED_TIMEOUT_MS = 30_000;
/** Maximum size of a feed. */
export const DEFAULT_FEED_MAX_BYTES = 64 * 1024 * 1024;

const problem = (code: string, message: string): Fetched => ({ outcome: 'problem', problem: { code, message } });

const causeOf = (error: unknown): string => {
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return `${messageOf(error)}${cause}`;
};

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const MAX_REDIRECTS = 5;

/** Problems of a source that redirects elsewhere. */
export const REDIRECT_PROBLEMS: readonly string[] = ['feed_redirected', 'feed_downgraded'];

/** Where to fetch next, or why the redirect is refused. */
function redirectOf(from: string, location: string | null, hops: number): string | Fetched {
  const to = location !== null && URL.canParse(location, from) ? new URL(location, from) : null;
  if (to === null) return problem('feed_status', 'redirect without a readable address');
  const source = new URL(from);
  const cure = 'if that is intended, set its address as the source in feeds.json';
  // From http on its own port to https on the default port is an upgrade, not another service.
  const isUp =
    to.hostname === source.hostname && source.protocol === 'http:' && to.protocol === 'https:' && to.port === '';
  if (to.host !== source.host && !isUp) {
    return problem('feed_redirected', `redirect to another host, ${to.host || to.protocol}; ${cure}`);
  }
  if (to.protocol !== 'https:') {
    return problem('feed_downgraded', `redirect to ${to.protocol}//${to.host}, but only https is followed; ${cure}`);
  }
  return hops < MAX_REDIRECTS ? to.href : problem('feed_redirected', `more than ${MAX_REDIRECTS} redirects`);
}

function decodeText(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text.includes('\0') ? null : text;
  } catch {
    // If the decoder finds no text, these bytes are not text.
    return null;
  }
}

/**
 * Fetches a feed once, conditionally. Never throws or retries; the caller schedules updates. Follows redirects to the same host over
 * https, at most {@link MAX_REDIRECTS} times.
 *
 * Problems: `feed_unreachable`, `feed_timeout`, `feed_status` (anything but 200 and 304), `feed_redirected` (to another host, or
 * too often), `feed_downgraded` (to http), `feed_too_large`, `feed_truncated`, `feed_empty`, `feed_not_text` (binary, or a page of HTML).
 */
export async function fetchFeed(url: string, options: FetchOptions): Promise<Fetched> {
  const headers: Record<string, string> = { accept: 'text/plain, text/csv, application/json, */*;q=0.1' };
  if (options.etag !== null) headers['if-none-match'] = options.etag;
  else if (options.lastModified !== null) headers['if-modified-since'] = options.lastModified;
  const signal = AbortSignal.timeout(options.timeoutMs);
  // Followed by hand: a feed must not choose which host inside this network gets a request.
  const ask = (address: string) => options.fetch(address, { headers, signal, redirect: 'manual' });
  const failure = (error: unknown, code: string): Fetched =>
    signal.aborted
      ? problem('feed_timeout', `no complete answer within ${options.timeoutMs} ms`)
      : problem(code, causeOf(error));

  let response: Response;
  let asked = url;
  try {
    response = await ask(asked);
    for (let hops = 0; REDIRECTS.includes(response.status); hops++) {
      const next = redirectOf(asked, response.headers.get('location'), hops);
      await response.body?.cancel();
      if (typeof next !== 'string') return next;
      asked = next;
      response = await ask(asked);
    }
  } catch (error) {
    return failure(error, 'feed_unreachable');
  }
  const refuse = async (code: string, message: string): Promise<Fetched> => {
    try {
      await response.body?.cancel();
    } catch (error) {
      return problem(code, `${message} (and the connection broke: ${causeOf(error)})`);
    }
    return problem(code, message);
  };
  if (response.status === 304) {
    return options.etag === null && options.lastModified === null
      ? refuse('feed_status', 'answered 304 to an unconditional request')
      : { outcome: 'not_modified' };
  }
  if (response.status !== 200) {
    const retryAfter = response.headers.get('retry-after');
    return refuse(
      'feed_status',
      `answered ${response.status}, expected 200${retryAfter === null ? '' : `; retry after ${retryAfter.slice(0, 40)}`}`,
    );
  }
  // Some `fetch` implementations follow redirects in spite of `manual`.
  if (url.startsWith('https:') && response.url.startsWith('http:')) {
    return refuse('feed_downgraded', `redirect from https to ${response.url.slice(0, 200)}`);
  }
  const contentType = response.headers.get('content-type') ?? '';
  if (/^(?:text\/html|application\/xhtml)/i.test(contentType)) {
    return refuse('feed_not_text', `answered with ${contentType}, not a list`);
  }
  if (Number(response.headers.get('content-length') ?? 0) > options.maxBytes) {
    return refuse('feed_too_large', `larger than ${options.maxBytes} bytes`);
  }
  let bytes: Uint8Array | null = new Uint8Array();
  try {
    if (response.body !== null) bytes = await readUpTo(response.body, options.maxBytes);
  } catch (error) {
    return failure(error, 'feed_truncated');
  }
  if (bytes === null) return problem('feed_too_large', `larger than ${options.maxBytes} bytes`);
  const text = decodeText(bytes);
  if (text === null) return problem('feed_not_text', 'contains bytes that are not text');
  if (text.trim() === '') return problem('feed_empty', 'answered with an empty body');
  return {
    outcome: 'new',
    text,
    etag: response.headers.get('etag'),
    lastModified: response.headers.get('last-modified'),
  };
}
