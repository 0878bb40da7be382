import type { Address } from '../model/address.ts';
import type { NoAddress } from '../model/request.ts';
import { type Cidr, cidrContains, formatCidr, isUnixPeer, parseCidr, parseForwardedEntry, parsePeer } from './ip.ts';

/** Which hops may speak for the client. */
export type TrustedProxies =
  | { readonly kind: 'none' }
  /** `unix`: a peer on a Unix domain socket is trusted. */
  | { readonly kind: 'cidrs'; readonly cidrs: readonly Cidr[]; readonly unix: boolean }
  /** Exactly this many proxies are in front of this service; the connection's peer is the first of them. */
  | { readonly kind: 'hops'; readonly hops: number };

/** Headers that can be declared as the only one in which the gateway writes the client's address. */
export const CLIENT_ADDRESS_HEADERS = [
  'x-forwarded-for',
  'forwarded',
  'x-real-ip',
  'cf-connecting-ip',
  'x-envoy-external-address',
] as const;
export type ClientAddressHeader = (typeof CLIENT_ADDRESS_HEADERS)[number];

/** The headers from which an address can be derived, read from a request; an absent one is undefined. */
export function addressHeaders(read: (name: string) => string | undefined): ForwardedRequest['headers'] {
  const headers: { [name: string]: string } = {};
  for (const name of CLIENT_ADDRESS_HEADERS) {
    const value = read(name);
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}

/** What is known about the origin of a request. */
export interface ForwardedRequest {
  /** Address of the connection's peer; null if the runtime does not provide it. */
  readonly peer: string | null;
  /** Lower-case header name to its value; several lines of one header joined with `, ` in the order they came. */
  readonly headers: { readonly [name: string]: string };
  readonly trusted: TrustedProxies;
  /**
   * The one header that the trusted gateway sets on every request, overwriting what a client sent. Only it is then read.
   * Without it `X-Forwarded-For` and `Forwarded` are walked.
   */
  readonly declared?: ClientAddressHeader;
}

/** The client's address, or why it is unknown. `malformed`: an entry is not an address. */
export type ClientAddress =
  | { readonly address: Address; readonly malformed: false }
  | { readonly address: null; readonly why: NoAddress; readonly malformed: boolean };

/** `TRUSTED_PROXIES` is invalid. */
export class TrustedProxiesError extends Error {
  readonly code = 'trusted_proxies_invalid';
}

const MAX_HOPS = 32;

/**
 * Parses `TRUSTED_PROXIES`: blocks or addresses separated by commas or blanks (`10.0.0.0/8, ::1`, and `unix:` for a
 * Unix socket), or `hops:N` with N from 1 to 32. Empty text trusts no one.
 *
 * @throws TrustedProxiesError with the invalid part and what is allowed.
 */
export function parseTrustedProxies(text: string): TrustedProxies {
  const parts = text.split(/[\s,]+/).filter((part) => part !== '');
  if (parts.length === 0) return { kind: 'none' };
  const [only = ''] = parts;
  if (parts.length === 1 && only.startsWith('hops:')) {
    const count = only.slice('hops:'.length);
    const hops = /^[1-9][0-9]?$/.test(count) ? Number(count) : 0;
    if (hops < 1 || hops > MAX_HOPS) {
      throw new TrustedProxiesError(
        `TRUSTED_PROXIES: "${only}" is no number of hops; write hops:1 to hops:${MAX_HOPS}, counting every proxy in front of this service`,
      );
    }
    return { kind: 'hops', hops };
  }
  const cidrs: Cidr[] = [];
  let unix = false;
  for (const part of parts) {
    if (part === 'unix:') {
      unix = true;
      continue;
    }
    const cidr = parseCidr(part);
    if (cidr === null) {
      throw new TrustedProxiesError(
        `TRUSTED_PROXIES: "${part}" is no address block; write blocks such as 10.0.0.0/8 or fd00::/8 separated by commas, unix:, or hops:N alone`,
      );
    }
    if (cidr.prefix === 0) {
      throw new TrustedProxiesError(
        `TRUSTED_PROXIES: "${part}" (${formatCidr(cidr)}) trusts every address, so any client could choose its own; name the blocks of your proxies, or use hops:N`,
      );
    }
    cidrs.push(cidr);
  }
  return { kind: 'cidrs', cidrs, unix };
}

/** True when the address belongs to a trusted block. Hop counts trust by position, never by address. */
export function isTrustedAddress(trusted: TrustedProxies, address: Address): boolean {
  return trusted.kind === 'cidrs' && trusted.cidrs.some((cidr) => cidrContains(cidr, address));
}

/** True for the address of the connection's other end. */
function isPeers(peer: string | null, address: Address): boolean {
  return peer !== null && parsePeer(peer)?.text === address.text;
}

const unknown = (why: NoAddress): ClientAddress => ({ address: null, why, malformed: why === 'malformed' });
const known = (address: Address): ClientAddress => ({ address, malformed: false });

/** One entry of a chain: an address, a hop that withholds its address on purpose, or something unreadable. */
type Entry = Address | 'withheld' | 'malformed';

/** Yields the entries of `X-Forwarded-For` from the right. An empty entry is one that its writer failed to fill. */
function* forwardedForEntries(value: string): Generator<Entry> {
  let end = value.length;
  while (end >= 0) {
    const comma = end === 0 ? -1 : value.lastIndexOf(',', end - 1);
    yield parseForwardedEntry(value.slice(comma + 1, end)) ?? 'malformed';
    end = comma;
  }
}

/** Position of the last `separator` before `end` that is outside quotes, counted from the right; -1 when there is none. */
function lastOutsideQuotes(value: string, separator: string, end: number): number {
  let quoted = false;
  for (let at = end - 1; at >= 0; at--) {
    const char = value[at];
    if (char === '"') {
      let backslashes = 0;
      while (value[at - 1 - backslashes] === '\\') backslashes++;
      if (backslashes % 2 === 0) quoted = !quoted;
    } else if (char === separator && !quoted) return at;
  }
  return -1;
}

const PAIR = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|"((?:[^"\\]|\\.)*)")$/;
const WITHHELD = /^(?:unknown|_[A-Za-z0-9._-]+)(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?$/i;

/** Reads one element of RFC 7239 `Forwarded`; only its `for` matters. */
function forwardedEntry(element: string): Entry {
  let node: string | null = null;
  let end = element.length;
  while (end >= 0) {
    const semicolon = lastOutsideQuotes(element, ';', end);
    const match = PAIR.exec(element.slice(semicolon + 1, end).trim());
    end = semicolon;
    if (match === null) return 'malformed';
    const [, name = '', token, quoted] = match;
    if (name.toLowerCase() !== 'for') continue;
    if (node !== null) return 'malformed';
    node = token ?? (quoted ?? '').replace(/\\(.)/g, '$1');
  }
  if (node === null) return 'withheld';
  if (WITHHELD.test(node)) return 'withheld';
  // RFC 7239 section 6: an IPv6 address is always in brackets there, or a port would pass for its last group.
  if (!node.startsWith('[') && node.indexOf(':') !== node.lastIndexOf(':')) return 'malformed';
  // The port may be obfuscated too.
  return parseForwardedEntry(node.replace(/(\]|\.\d+):_[A-Za-z0-9._-]+$/, '$1')) ?? 'malformed';
}

/**
 * Yields the elements of `Forwarded` from the right, so that a client's own text, such as an unclosed quote, cannot
 * swallow the element that the trusted proxy appended.
 */
function* forwardedEntries(value: string): Generator<Entry> {
  let end = value.length;
  while (end >= 0) {
    const comma = lastOutsideQuotes(value, ',', end);
    yield forwardedEntry(value.slice(comma + 1, end).trim());
    end = comma;
  }
}

/**
 * Walks a chain from the right to the first entry that was not written by a trusted hop. The peer is already trusted.
 */
function walk(entries: Iterable<Entry>, trusted: TrustedProxies, peer: string | null): ClientAddress {
  let hopsLeft = trusted.kind === 'hops' ? trusted.hops : 0;
  for (const entry of entries) {
    // Entries further left are unverified.
    if (entry === 'malformed') return unknown('malformed');
    if (entry === 'withheld') return unknown('absent');
    if (trusted.kind === 'hops') {
      hopsLeft--;
      if (hopsLeft === 0) return isPeers(peer, entry) ? unknown('no_trusted_hop') : known(entry);
    } else if (!isTrustedAddress(trusted, entry)) return known(entry);
  }
  return unknown('no_trusted_hop');
}

/**
 * Finds the client's address.
 *
 * - An untrusted peer is the client; forwarding headers are ignored.
 * - With CIDRs the chain is walked from the right while the hop is trusted; the first untrusted address is the client.
 *   A chain of trusted addresses only is unknown (`no_trusted_hop`).
 * - With `hops:N` the Nth entry from the right is the client. A shorter chain did not pass all N proxies: unknown
 *   (`no_trusted_hop`), as its leftmost entry may be a proxy or forged.
 * - An entry that does not parse, even an empty one, ends the walk as unknown (`malformed`); entries further left are
 *   never used instead. `for=unknown`, an obfuscated identifier or an element without `for` ends it as `absent`.
 * - If `X-Forwarded-For` and `Forwarded` are both present and disagree, one of them is the client's: unknown
 *   (`malformed`). Declaring the gateway's header resolves this.
 * - A trusted proxy's own address, also in a declared header, is not the client's: unknown (`no_trusted_hop`).
 * - No header from a trusted peer: unknown (`absent`).
 */
export function clientAddress(request: ForwardedRequest): ClientAddress {
  const { peer, headers, trusted, declared } = request;
  if (trusted.kind !== 'hops') {
    if (peer === null || peer === '') return unknown('absent');
    if (isUnixPeer(peer)) {
      if (trusted.kind === 'none' || !trusted.unix) return unknown('absent');
    } else {
      const address = parsePeer(peer);
      if (address === null) return unknown('malformed');
      if (!isTrustedAddress(trusted, address)) return known(address);
    }
  }
  if (declared !== undefined && declared !== 'x-forwarded-for' && declared !== 'forwarded') {
    const value = headers[declared];
    if (value === undefined) return unknown('absent');
    const address = parseForwardedEntry(value);
    if (address === null) return unknown('malformed');
    const isProxys = trusted.kind === 'hops' ? isPeers(peer, address) : isTrustedAddress(trusted, address);
    return isProxys ? unknown('no_trusted_hop') : known(address);
  }
  const forwardedFor = declared === 'forwarded' ? undefined : headers['x-forwarded-for'];
  const forwarded = declared === 'x-forwarded-for' ? undefined : headers.forwarded;
  if (forwardedFor === undefined && forwarded === undefined) return unknown('absent');
  if (forwarded === undefined) return walk(forwardedForEntries(forwardedFor ?? ''), trusted, peer);
  const byForwarded = walk(forwardedEntries(forwarded), trusted, peer);
  if (forwardedFor === undefined) return byForwarded;
  const byForwardedFor = walk(forwardedForEntries(forwardedFor), trusted, peer);
  const agree =
    byForwarded.address === null || byForwardedFor.address === null
      ? byForwarded.address === byForwardedFor.address
      : byForwarded.address.text === byForwardedFor.address.text;
  return agree ? byForwardedFor : unknown('malformed');
}
