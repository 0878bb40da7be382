import type { Credential } from '../model/request.ts';
import { queryPairs } from './query.ts';

/** The credentials of a request as they were sent. */
export interface SentCredentials {
  /** All lines of `Authorization`, joined by commas; null without one. */
  readonly authorization: string | null;
  /** What `Cookie` holds between its semicolons; none without one. */
  readonly cookies: readonly string[];
  /** Number of `Cookie` lines; 1 if the runtime joins them. */
  readonly cookieLines: number;
  /** All lines of `DPoP`, joined by commas; null without one. */
  readonly dpop: string | null;
  /** Target of the original request, as it was sent. */
  readonly target: string;
}

/**
 * The credentials before any token is verified. `tokens` are those that an origin may take for the session, each once;
 * empty if none was sent.
 */
export type ReadCredentials =
  | {
      readonly state: 'read';
      readonly tokens: readonly string[];
      /** Proof of possession that the only token came with (RFC 9449, section 7.1). */
      readonly dpop?: string;
    }
  | { readonly state: Extract<Credential['state'], 'refused' | 'unread'>; readonly code: string };

/** RFC 9110, section 11.2, with one blank and nothing behind the token: origins differ in what they make of more. */
const BEARER = /^Bearer ([A-Za-z0-9._~+/-]+=*)$/i;
/** A token under the scheme of RFC 9449, and the only form of one proof. */
const DPOP = /^DPoP ([A-Za-z0-9._~+/-]+=*)$/i;
const PROOF = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const OTHER_SCHEME = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?: [^\t]*)?$/;

/**
 * Reads the session of a request. A credential that some origin may read differently is `unread`: a request is judged
 * as the person whom the application serves, or not let through.
 *
 * Codes: `authorization_unreadable`, `authorization_scheme`, `authorization_beside_cookie`, `dpop_missing`, `dpop_unreadable`, `dpop_beside_other`,
 * `cookie_unreadable`, `cookie_chunked`, `cookie_repeated`, `cookie_lines`, `query_unreadable`.
 */
export function readCredentials(sent: SentCredentials, sessionCookie: string | null): ReadCredentials {
  const { authorization } = sent;
  const cookie = sessionCookie === null ? NOTHING : readSessionCookie(sent, sessionCookie);
  if (cookie.state !== 'read') return cookie;
  const query = readQuery(sent.target);
  if (query.state !== 'read') return query;
  const others = [...cookie.tokens, ...query.tokens];
  if (authorization === null) {
    if (sent.dpop !== null && others.length > 0) return unread('dpop_beside_other');
    // A proof alone goes with a request for a token.
    return { state: 'read', tokens: [...new Set(others)] };
  }
  const bound = DPOP.exec(authorization)?.[1];
  if (bound !== undefined) return readBound(bound, sent.dpop, others);
  if (sent.dpop !== null) return unread('dpop_beside_other');
  const token = BEARER.exec(authorization)?.[1];
  if (token !== undefined) return { state: 'read', tokens: [...new Set([token, ...others])] };
  const scheme = authorization.includes(', ') ? undefined : OTHER_SCHEME.exec(authorization)?.[1]?.toLowerCase();
  if (scheme === undefined || scheme === 'bearer') return unread('authorization_unreadable');
  if (others.length > 0) return unread('authorization_beside_cookie');
  return unread(scheme === 'dpop' ? 'authorization_unreadable' : 'authorization_scheme');
}

function readBound(token: string, dpop: string | null, others: readonly string[]): ReadCredentials {
  if (others.length > 0) return unread('authorization_beside_cookie');
  if (dpop === null) return { state: 'refused', code: 'dpop_missing' };
  return PROOF.test(dpop) ? { state: 'read', tokens: [token], dpop } : unread('dpop_unreadable');
}

const NOTHING = { state: 'read', tokens: [] } as const satisfies ReadCredentials;

function unread(code: string): ReadCredentials {
  return { state: 'unread', code };
}

/** Whether the query of a target has a token, or something that an origin may take for one. */
export function hasQueryToken(target: string): boolean {
  const query = readQuery(target);
  return query.state !== 'read' || query.tokens.length > 0;
}

/** Names by which applications take a bearer token from the query: that of RFC 6750, section 2.3, and Doorkeeper's. */
const QUERY_NAMES: ReadonlySet<string> = new Set(['access_token', 'bearer_token']);

/**
 * Tokens in the query. An application that takes bearer tokens takes them from there too, unless that was switched off
 * (passport-http-bearer, express-oauth2-jwt-bearer, Doorkeeper, SignalR).
 */
function readQuery(target: string): ReadCredentials {
  const tokens = new Set<string>();
  for (const { name, value } of queryPairs(target)) {
    if (!QUERY_NAMES.has(name) || value === '') continue;
    if (!BARE_TOKEN.test(value)) return unread('query_unreadable');
    tokens.add(value);
  }
  return tokens.size === 0 ? NOTHING : { state: 'read', tokens: [...tokens] };
}

/**
 * Cookie parsers differ on quotes, escapes, separators, blanks, case and repeated names. So the name may appear only
 * where all of them find it: between semicolons, before one bare token.
 */
function readSessionCookie({ cookies, cookieLines }: SentCredentials, name: string): ReadCredentials {
  const values = new Set<string>();
  const wanted = lenientName(name);
  for (const segment of cookies) {
    const value = bareValue(segment, name);
    if (value !== null) values.add(value);
    else if (isChunk(segment, wanted)) return unread('cookie_chunked');
    else if (mayName(segment, wanted)) return unread('cookie_unreadable');
  }
  if (values.size > 1) return unread('cookie_repeated');
  if (values.size > 0 && cookieLines > 1) return unread('cookie_lines');
  return { state: 'read', tokens: [...values] };
}

/** The value of a clean pair of this name. `+` and `%` make it none: some parsers decode them and some do not. */
function bareValue(segment: string, name: string): string | null {
  const equals = segment.indexOf('=');
  if (equals === -1 || segment.slice(0, equals).replace(/^ +/, '') !== name) return null;
  const value = segment.slice(equals + 1);
  return BARE_TOKEN.test(value) ? value : null;
}

/** A token of which all parsers make the same. */
const BARE_TOKEN = /^[A-Za-z0-9._~/-]+$/;

/**
 * Texts between anything that separates pairs in some parser, besides the semicolon: commas, quotes, blanks,
 * unprintable characters. The second group is the equals sign after the text, also after blanks.
 */
const PIECES = /([^"&'(),<=>\\\0-\x20\x7f-\uffff]+)["'\\\0-\x20\x7f-\uffff]*(=?)/g;

/**
 * What numbers a piece of a cookie that was too long for one: `session.0` (Auth.js, Supabase), `session__0` (Auth0), `session_0` (OAuth2
 * Proxy), `session2` (lua-resty-session), `sessionC1` (ASP.NET), `session_chunks` (mod_auth_openidc); in the form of {@link lenientName}.
 */
const CHUNK = /^(?:[_-]{0,2}c?\d{1,3}|_chunks)$/;

function isChunk(segment: string, wanted: string): boolean {
  return namesChunk(lenientName(segment.split('=', 1)[0] ?? ''), wanted);
}

function namesChunk(name: string, wanted: string): boolean {
  return name.startsWith(wanted) && CHUNK.test(name.slice(wanted.length));
}

/**
 * Whether some parser may find a cookie with the wanted name, or a piece of it, between two semicolons: as the text
 * before the first equals sign, or before any.
 */
function mayName(segment: string, wanted: string): boolean {
  if (lenientName(segment.split('=', 1)[0] ?? '') === wanted) return true;
  if (segment.includes('%') && encodesPair(segment, wanted)) return true;
  for (const [, piece = '', equals] of segment.matchAll(PIECES)) {
    if (equals !== '=') continue;
    const name = lenientName(piece);
    if (name === wanted || namesChunk(name, wanted)) return true;
  }
  return false;
}

/** Pages that decode the header as a whole before they split it find pairs inside of values. */
function encodesPair(segment: string, wanted: string): boolean {
  const [, ...hidden] = decoded(segment).split(';');
  return hidden.some((pair) => lenientName(pair.split('=', 1)[0] ?? '') === wanted || isChunk(pair, wanted));
}

/**
 * A name in the form in which the most lenient parsers compare it: percent-decoded (Rack, PHP of old), in any case (.NET), without
 * outer blanks (a plus sign is one), cut at a NUL, an element of a list as the list, and with the characters that PHP makes an underscore of.
 */
function lenientName(name: string): string {
  const [text = ''] = decoded(decoded(name.replaceAll('+', ' ')))
    .normalize('NFKC')
    .split('\0', 1);
  const trimmed = withoutOuterBlanks(text);
  const bracket = trimmed.indexOf('[', 1);
  const isElement = bracket !== -1 && trimmed.includes(']', bracket);
  return (isElement ? trimmed.slice(0, bracket) : trimmed).replace(/[ .[]/g, '_').toLowerCase();
}

/**
 * Also trims anything else that is not printable ASCII. Not a pattern: one that looks for trailing blanks takes
 * quadratic time.
 */
function withoutOuterBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && !isPrintable(text.charCodeAt(start))) start += 1;
  while (end > start && !isPrintable(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isPrintable(code: number): boolean {
  return code > 0x20 && code < 0x7f;
}

function decoded(text: string): string {
  return text.includes('%') ? text.replace(/(?:%[0-9A-Fa-f]{2})+/g, decodedRun) : text;
}

function decodedRun(run: string): string {
  return new TextDecoder().decode(Uint8Array.from(run.slice(1).split('%'), (byte) => Number.parseInt(byte, 16)));
}
