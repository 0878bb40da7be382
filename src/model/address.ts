/**
 * Kind of an address. Only a `public` address has a place and a reputation; the others are private networks, transition
 * mechanisms or special addresses.
 */
export type AddressKind = 'public' | 'private' | 'loopback' | 'link_local' | 'cgnat' | 'tunnel' | 'special';

/** One parsed IP address in its canonical form. IPv4-mapped, NAT64 and 6to4 addresses are the IPv4 inside them. */
export interface Address {
  /** Canonical text: dotted decimal, or RFC 5952 for IPv6. */
  readonly text: string;
  readonly version: 4 | 6;
  /** Big-endian unsigned 32-bit words: one for IPv4, four for IPv6. */
  readonly words: readonly number[];
  readonly kind: AddressKind;
  /** What counters count by: the address itself for IPv4, the /64 for IPv6 (an attacker owns a whole /64). */
  readonly counterKey: string;
  /** The wider network for reputation and familiarity: the /24 for IPv4, the /48 for IPv6. */
  readonly networkKey: string;
}
