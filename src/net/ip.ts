import type { Address, AddressKind } from '../model/address.ts';

/** An address block: the words of its first address (host bits cleared) and the length of its prefix. */
export interface Cidr {
  readonly version: 4 | 6;
  /** Big-endian unsigned 32-bit words: one for IPv4, four for IPv6. */
  readonly words: readonly number[];
  /** 0..32 for IPv4, 0..128 for IPv6. */
  readonly prefix: number;
}

interface KindOfRange {
  readonly start: number;
  readonly end: number;
  readonly kind: AddressKind;
}

const block4 = (first: number, second: number, third: number, prefix: number, kind: AddressKind): KindOfRange => {
  const start = ((first << 24) | (second << 16) | (third << 8)) >>> 0;
  return { start, end: (start | (0xffffffff >>> prefix)) >>> 0, kind };
};

/** IPv4 blocks that are not the public internet: IANA special-purpose registry (RFC 6890 and updates), multicast, class E. */
const NOT_PUBLIC_V4: readonly KindOfRange[] = [
  block4(0, 0, 0, 8, 'special'),
  block4(10, 0, 0, 8, 'private'),
  block4(100, 64, 0, 10, 'cgnat'),
  block4(127, 0, 0, 8, 'loopback'),
  block4(169, 254, 0, 16, 'link_local'),
  block4(172, 16, 0, 12, 'private'),
  block4(192, 0, 0, 24, 'special'),
  block4(192, 0, 2, 24, 'special'),
  block4(192, 88, 99, 24, 'special'),
  block4(192, 168, 0, 16, 'private'),
  block4(198, 18, 0, 15, 'special'),
  block4(198, 51, 100, 24, 'special'),
  block4(203, 0, 113, 24, 'special'),
  block4(224, 0, 0, 3, 'special'),
];

/** Kind of one IPv4 address, given as an unsigned 32-bit word. */
function kindOfV4(word: number): AddressKind {
  for (const range of NOT_PUBLIC_V4) {
    if (word < range.start) return 'public';
    if (word <= range.end) return range.kind;
  }
  return 'public';
}

/** True when every address from `start` to `end` (unsigned 32-bit words, inclusive) lies in one block that is not public. */
export function isWithinNotPublicV4(start: number, end: number): boolean {
  return NOT_PUBLIC_V4.some((range) => start >= range.start && end <= range.end);
}

const TEREDO = 0x20010000;

/**
 * IPv6 blocks inside 2000::/3 that are not the public internet: protocol assignments with Teredo (RFC 2928, RFC 4380),
 * documentation (RFC 3849, RFC 9637), and 6to4 (RFC 3056) as a whole, whose addresses are read as the IPv4 inside them.
 */
const NOT_PUBLIC_V6 = [
  { start: 0x20010000, end: 0x200101ff },
  { start: 0x20010db8, end: 0x20010db8 },
  { start: 0x20020000, end: 0x2002ffff },
  { start: 0x3fff0000, end: 0x3fff0fff },
] as const;

/** Like {@link isWithinNotPublicV4} for IPv6, compared by the leading words of the first and last address. */
export function isWithinNotPublicV6(start: number, end: number): boolean {
  if (end < 0x20000000 || start > 0x3fffffff) return true;
  return NOT_PUBLIC_V6.some((range) => start >= range.start && end <= range.end);
}

/** Kind of one IPv6 address that embeds no IPv4 address. */
function kindOfV6(words: readonly number[]): AddressKind {
  const high = words[0] ?? 0;
  const second = words[1] ?? 0;
  const third = words[2] ?? 0;
  const low = words[3] ?? 0;
  if (high === 0 && second === 0 && third === 0 && low === 1) return 'loopback';
  const byte = high >>> 24;
  if (byte >= 0x20 && byte <= 0x3f) {
    if (high === TEREDO) return 'tunnel';
    if (isWithinNotPublicV6(high, high)) return 'special';
    return 'public';
  }
  if (byte === 0xfc || byte === 0xfd) return 'private';
  if (high >>> 22 === 0xfe80 >>> 6) return 'link_local';
  // Site-local fec0::/10 (RFC 3879): deprecated, but still used in private networks.
  if (high >>> 22 === 0xfec0 >>> 6) return 'private';
  // Outside 2000::/3 nothing is assigned to the public internet (RFC 4291 section 2.4).
  return 'special';
}

const DOT = 46;
const COLON = 58;

/** Reads `text[from..to)` as four decimal numbers 0..255 without leading zeros; -1 when it is anything else. */
function readV4(text: string, from: number, to: number): number {
  if (to - from < 7 || to - from > 15) return -1;
  let word = 0;
  let part = 0;
  let digits = 0;
  let dots = 0;
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at);
    if (code === DOT) {
      if (digits === 0 || ++dots > 3) return -1;
      word = word * 256 + part;
      part = 0;
      digits = 0;
    } else {
      if (code < 48 || code > 57) return -1;
      // Some readers take `010.0.0.1` as octal and others as decimal.
      if (digits > 0 && part === 0) return -1;
      part = part * 10 + (code - 48);
      if (++digits > 3 || part > 255) return -1;
    }
  }
  return dots === 3 && digits > 0 ? word * 256 + part : -1;
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 97 && code <= 102) return code - 87;
  if (code >= 65 && code <= 70) return code - 55;
  return -1;
}

/** Reads the text forms of RFC 4291 section 2.2 into four words; null when it is anything else (zone, brackets, port). */
function readV6(text: string): [number, number, number, number] | null {
  const length = text.length;
  if (length < 2 || length > 45) return null;
  const groups: number[] = [];
  let gap = -1;
  let at = 0;
  if (text.charCodeAt(0) === COLON) {
    if (text.charCodeAt(1) !== COLON) return null;
    gap = 0;
    at = 2;
  }
  while (at < length) {
    const start = at;
    let value = 0;
    while (at < length && at - start < 5) {
      const digit = hexDigit(text.charCodeAt(at));
      if (digit < 0) break;
      value = value * 16 + digit;
      at++;
    }
    if (at === start || at - start > 4) return null;
    if (at < length && text.charCodeAt(at) === DOT) {
      const word = readV4(text, start, length);
      if (word < 0) return null;
      groups.push(word >>> 16, word & 0xffff);
      break;
    }
    groups.push(value);
    if (groups.length > 8) return null;
    if (at === length) break;
    if (text.charCodeAt(at) !== COLON) return null;
    at++;
    if (at === length) return null;
    if (text.charCodeAt(at) === COLON) {
      if (gap >= 0) return null;
      gap = groups.length;
      at++;
    }
  }
  if (gap < 0 ? groups.length !== 8 : groups.length > 7) return null;
  const words: [number, number, number, number] = [0, 0, 0, 0];
  const shift = 8 - groups.length;
  for (let index = 0; index < groups.length; index++) {
    const position = gap >= 0 && index >= gap ? index + shift : index;
    const word = position >> 1;
    const value = groups[index] ?? 0;
    words[word] = ((words[word] ?? 0) | (position % 2 === 0 ? value << 16 : value)) >>> 0;
  }
  return words;
}

/** The IPv4 word inside an IPv4-mapped (RFC 4291), NAT64 (RFC 6052) or 6to4 (RFC 3056) address, or -1. */
function embeddedV4(words: readonly number[]): number {
  const high = words[0] ?? 0;
  const second = words[1] ?? 0;
  const third = words[2] ?? 0;
  const low = words[3] ?? 0;
  if (high === 0 && second === 0 && third === 0xffff) return low;
  if (high === 0x0064ff9b && second === 0 && third === 0) return low;
  if (high >>> 16 === 0x2002) return (((high & 0xffff) << 16) | (second >>> 16)) >>> 0;
  return -1;
}

/** Dotted decimal text of an unsigned 32-bit word. */
export function formatV4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

/** RFC 5952 text of four unsigned 32-bit words. */
export function formatV6(words: readonly number[]): string {
  const group = (index: number): number => {
    const word = words[index >> 1] ?? 0;
    return index % 2 === 0 ? word >>> 16 : word & 0xffff;
  };
  let runStart = 8;
  let runLength = 1;
  for (let index = 0; index < 8; index++) {
    let end = index;
    while (end < 8 && group(end) === 0) end++;
    if (end - index > runLength) {
      runStart = index;
      runLength = end - index;
    }
    if (end > index) index = end - 1;
  }
  let text = '';
  for (let index = 0; index < 8; index++) {
    if (index === runStart) {
      text += '::';
      index += runLength - 1;
    } else {
      if (text !== '' && !text.endsWith(':')) text += ':';
      text += group(index).toString(16);
    }
  }
  return text;
}

function v4Address(text: string, word: number): Address {
  return {
    text,
    version: 4,
    words: [word],
    kind: kindOfV4(word),
    counterKey: text,
    networkKey: `${text.slice(0, text.lastIndexOf('.'))}.0/24`,
  };
}

/**
 * Parses one IP address strictly: dotted decimal without leading zeros, or IPv6 without zone, brackets or port. White
 * space, short forms (`1.2.3`) and numbers (`2130706433`) are refused.
 *
 * IPv4-mapped, NAT64 (`64:ff9b::/96`) and 6to4 (`2002::/16`) addresses become the IPv4 address inside them, so that a
 * client has one counter in every spelling. Never throws; null if the text is not an address.
 */
export function parseAddress(text: string): Address | null {
  const word = readV4(text, 0, text.length);
  if (word >= 0) return v4Address(text, word);
  const words = readV6(text);
  if (words === null) return null;
  const inner = embeddedV4(words);
  if (inner >= 0) return v4Address(formatV4(inner), inner);
  return {
    text: formatV6(words),
    version: 6,
    words,
    kind: kindOfV6(words),
    counterKey: `${formatV6([words[0], words[1], 0, 0])}/64`,
    networkKey: `${formatV6([words[0], (words[1] & 0xffff0000) >>> 0, 0, 0])}/48`,
  };
}

/** Why an address identifies no client: every host has it, or a provider shares it among all its clients. */
export type Nobodys = 'loopback_address' | 'link_local_address' | 'unspecified_address' | 'shared_address';

/** The one address that Cloudflare states for every Worker which asks a zone that is not its own. */
const CLOUDFLARE_WORKERS = '2a06:98c0:3600::103';

/** Why the address cannot identify a client; null if it can. */
export function whyNobodys({ kind, text, words }: Address): Nobodys | null {
  if (kind === 'loopback') return 'loopback_address';
  if (kind === 'link_local') return 'link_local_address';
  if (kind === 'special' && words.every((word) => word === 0)) return 'unspecified_address';
  return text === CLOUDFLARE_WORKERS ? 'shared_address' : null;
}

/** Cuts the RFC 4007 zone id (`%eth0`) off an IPv6 address. */
function withoutZone(text: string): string {
  const at = text.indexOf('%');
  return at > 0 && at < text.length - 1 && text.includes(':') ? text.slice(0, at) : text;
}

/** True for the peer of a Unix domain socket (`unix:`, `unix:/run/x.sock`): a connection that has no address. */
export function isUnixPeer(text: string): boolean {
  return text.startsWith('unix:');
}

/**
 * Reads the address of a connection's other end. The zone id of a link-local address is cut, on any other it means nothing; a
 * Unix socket (`unix:`) has no address: null.
 */
export function parsePeer(text: string): Address | null {
  const bare = withoutZone(text);
  const address = parseAddress(bare);
  return bare !== text && address?.kind !== 'link_local' ? null : address;
}

const PORT = /^[1-9][0-9]{0,4}$/;

function isPort(text: string): boolean {
  return PORT.test(text) && Number(text) <= 65_535;
}

/**
 * Parses one entry of a forwarding header, which may have a port (1..65535), brackets and a zone id:
 * `81.2.69.160:51234`, `[2a00:1450::1]:443`, `[2a00:1450::1]`. Surrounding blanks are ignored. An IPv6 address without
 * brackets has no port. Null if the entry is anything else.
 */
export function parseForwardedEntry(entry: string): Address | null {
  const text = entry.trim();
  if (text.startsWith('[')) {
    const close = text.indexOf(']');
    if (close < 0) return null;
    const rest = text.slice(close + 1);
    if (rest !== '' && !(rest.startsWith(':') && isPort(rest.slice(1)))) return null;
    const inside = text.slice(1, close);
    return inside.includes(':') ? parsePeer(inside) : null;
  }
  const colon = text.indexOf(':');
  if (colon > 0 && text.indexOf(':', colon + 1) < 0) {
    return isPort(text.slice(colon + 1)) && text.slice(0, colon).includes('.')
      ? parseAddress(text.slice(0, colon))
      : null;
  }
  return parsePeer(text);
}

const PREFIX = /^(0|[1-9][0-9]{0,2})$/;

function masked(version: 4 | 6, words: readonly number[], prefix: number): Cidr {
  const cut = words.map((word, index) => {
    const bits = prefix - index * 32;
    if (bits >= 32) return word;
    return bits <= 0 ? 0 : (word & (0xffffffff << (32 - bits))) >>> 0;
  });
  return { version, words: cut, prefix };
}

/**
 * Parses an address block, `10.0.0.0/8`, or a single address. Host bits are cleared. Blocks inside the IPv4-mapped,
 * NAT64 and 6to4 spaces become the IPv4 block they represent, like addresses in {@link parseAddress}. Null if the text
 * is not a block.
 */
export function parseCidr(text: string): Cidr | null {
  const slash = text.indexOf('/');
  const base = slash < 0 ? text : text.slice(0, slash);
  const length = slash < 0 ? null : text.slice(slash + 1);
  if (length !== null && !PREFIX.test(length)) return null;
  const word = readV4(base, 0, base.length);
  if (word >= 0) {
    const prefix = length === null ? 32 : Number(length);
    return prefix <= 32 ? masked(4, [word], prefix) : null;
  }
  const words = readV6(base);
  if (words === null) return null;
  const prefix = length === null ? 128 : Number(length);
  if (prefix > 128) return null;
  const inner = embeddedV4(words);
  if (inner >= 0) {
    const is6to4 = words[0] >>> 16 === 0x2002;
    const isMapped = words[0] === 0;
    // As IPv4, the whole NAT64 or 6to4 block would be the entire internet.
    if (is6to4 ? prefix > 16 : isMapped ? prefix >= 96 : prefix > 96) {
      return masked(4, [inner], is6to4 ? Math.min(32, prefix - 16) : prefix - 96);
    }
  }
  return masked(6, words, prefix);
}

/** True when the address lies in the block. */
export function cidrContains(cidr: Cidr, address: Address): boolean {
  if (cidr.version !== address.version) return false;
  for (let index = 0; index < cidr.words.length; index++) {
    const bits = cidr.prefix - index * 32;
    if (bits <= 0) return true;
    const difference = (cidr.words[index] ?? 0) ^ (address.words[index] ?? 0);
    if (bits >= 32 ? difference !== 0 : difference >>> (32 - bits) !== 0) return false;
  }
  return true;
}

/** Text of a block, `10.0.0.0/8`. */
export function formatCidr(cidr: Cidr): string {
  return `${cidr.version === 4 ? formatV4(cidr.words[0] ?? 0) : formatV6(cidr.words)}/${cidr.prefix}`;
}
