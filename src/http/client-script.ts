import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { Route } from './api-route.ts';
import type { AppDeps } from './deps.ts';
import { ProblemError } from './problem.ts';

/**
 * `GET /client.js` and `/client.mjs`: the browser client as a plain script and as an ES module, for pages of any
 * origin. Cached for an hour, then revalidated by `ETag`.
 */
export function clientScriptRoutes({ clientScripts }: Pick<AppDeps, 'clientScripts'>): Route[] {
  return [
    scriptRoute('/client.js', 'The browser client as a plain script: global `Stepgate`', clientScripts?.plain),
    scriptRoute('/client.mjs', 'The browser client as an ES module', clientScripts?.module),
  ];
}

const HEADERS = {
  'Cache-Control': 'public, max-age=3600, stale-while-revalidate=86400',
  'Access-Control-Allow-Origin': '*',
  // Pages that isolate themselves (Cross-Origin-Embedder-Policy) load nothing else from another origin.
  'Cross-Origin-Resource-Policy': 'cross-origin',
} as const;

function scriptRoute(path: string, summary: string, text: string | undefined): Route {
  const etag = text === undefined ? null : `"${bytesToHex(sha256(utf8ToBytes(text))).slice(0, 32)}"`;
  return {
    method: 'GET',
    path,
    access: 'public',
    summary,
    answers: {
      200: { description: 'The script' },
      304: { description: 'The copy that the browser has is the newest' },
    },
    handle: (c) => {
      if (text === undefined || etag === null) {
        throw new ProblemError('not_found', 'the client is not built here; run npm run build:client and start again');
      }
      const headers = { ...HEADERS, ETag: etag };
      if (isNamed(etag, c.req.header('if-none-match'))) return { status: 304, headers, body: null };
      return { status: 200, headers: { ...headers, 'Content-Type': 'text/javascript; charset=utf-8' }, body: text };
    },
  };
}

/** Weak comparison, as RFC 9110, section 13.1.2, has it: proxies that compress make tags weak. */
function isNamed(etag: string, ifNoneMatch: string | undefined): boolean {
  const tags = (ifNoneMatch ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(etag) || tags.includes('*');
}
