import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import type { Address } from '../../../src/model/address.ts';
import {
  cidrContains,
  formatCidr,
  formatV4,
  formatV6,
  parseAddress,
  parseCidr,
  parseForwardedEntry,
  parsePeer,
  whyNobodys,
} from '../../../src/net/ip.ts';

const text = (input: string): string | null => parseAddress(input)?.text ?? null;
const kind = (input: string): string | null => parseAddress(input)?.kind ?? null;

const word = fc.integer({ min: 0, max: 0xffffffff });
/** Zero-rich, so that compression and the special ranges are met often. */
const group = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 0xffff }));
const groups = fc.array(group, { minLength: 8, maxLength: 8 });
const publicGroups = fc
  .tuple(fc.integer({ min: 0x2003, max: 0x3ffe }), fc.array(group, { minLength: 7, maxLength: 7 }))
  .map(([first, rest]) => [first, ...rest]);

describe('an address', () => {
  it('An address is refused when it is written in any but the strict form', () => {
    for (const input of [
      '',
      '010.0.0.1',
      '1.2.3',
      '1.2.3.4.5',
      '1.2.3.256',
      '1.2.3.04',
      '1..2.3',
      '.1.2.3',
      '1.2.3.',
      '+1.2.3.4',
      '1.2.3.4 ',
      ' 1.2.3.4',
      '0x7f.0.0.1',
      '2130706433',
      '1.2.3.4:80',
      '1.2.3.4/32',
      '[2a00::1]',
      '2a00::1%eth0',
      '2a00::1::2',
      ':2a00::1',
      '2a00:1',
      '2a00::1:',
      ':::',
      ':',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1:2:3:4:5:6:7:8::',
      '12345::',
      'g::',
      '::1.2.3.4:5',
      '1:2:3:4:5:6:7:1.2.3.4',
      'unix:',
      'localhost',
      '１.2.3.4',
    ]) {
      expect(parseAddress(input), input).toBeNull();
    }
  });

  /** @see https://github.com/whitequark/ipaddr.js/issues/43 */
  it('An address is refused when the IPv4 part of a mapped address is impossible', () => {
    for (const input of ['::ffff:203.0.113.9000', '::ffff:300.1.1.1', '::ffff:1.2.3', '::ffff:010.0.0.1']) {
      expect(parseAddress(input), input).toBeNull();
      expect(parseForwardedEntry(input), input).toBeNull();
    }
  });

  /** @see https://github.com/cyanheads/toolkit-mcp-server/issues/14 */
  it('An address is the IPv4 inside a mapped address, dotted or hexadecimal', () => {
    expect(parseAddress('::ffff:7f00:1')).toMatchObject({ text: '127.0.0.1', kind: 'loopback', version: 4 });
    expect(parseAddress('::ffff:a00:1')).toMatchObject({ text: '10.0.0.1', kind: 'private' });
    expect(text('::FFFF:203.0.113.7')).toBe('203.0.113.7');
    expect(text('0:0:0:0:0:ffff:cb00:7107')).toBe('203.0.113.7');
    expect(parseAddress('::FFFF:81.2.69.160')?.counterKey).toBe(parseAddress('0:0:0:0:0:ffff:5102:45a0')?.counterKey);
  });

  /** @see https://github.com/jtdowney/private_address_check/issues/11 */
  it('An address is never public when a transition or special form hides an inner address', () => {
    expect(parseAddress('64:ff9b::10.0.0.1')).toMatchObject({ text: '10.0.0.1', kind: 'private' });
    expect(parseAddress('2002:0a00:0001::1')).toMatchObject({ text: '10.0.0.1', kind: 'private' });
    for (const input of ['::10.0.0.1', '::ffff:0:10.0.0.1', '64:ff9b:1::1', '5f00::1', '100::1', '::']) {
      expect(kind(input), input).toBe('special');
    }
  });

  it('An address keeps a public IPv4 address public through NAT64 and 6to4', () => {
    expect(parseAddress('64:ff9b::808:808')).toMatchObject({ text: '8.8.8.8', kind: 'public' });
    expect(parseAddress('2002:808:808:1::1')).toMatchObject({ text: '8.8.8.8', kind: 'public', version: 4 });
  });

  it('An address has the kind of its range up to both ends', () => {
    const kinds: readonly (readonly [string, string])[] = [
      ['0.255.255.255', 'special'],
      ['1.0.0.0', 'public'],
      ['9.255.255.255', 'public'],
      ['10.0.0.0', 'private'],
      ['10.255.255.255', 'private'],
      ['11.0.0.0', 'public'],
      ['100.63.255.255', 'public'],
      ['100.64.0.0', 'cgnat'],
      ['100.127.255.255', 'cgnat'],
      ['100.128.0.0', 'public'],
      ['127.0.0.1', 'loopback'],
      ['169.254.169.254', 'link_local'],
      ['172.15.255.255', 'public'],
      ['172.16.0.0', 'private'],
      ['172.31.255.255', 'private'],
      ['172.32.0.0', 'public'],
      ['192.0.0.8', 'special'],
      ['192.0.2.1', 'special'],
      ['192.88.99.1', 'special'],
      ['192.168.255.255', 'private'],
      ['192.169.0.0', 'public'],
      ['198.18.0.1', 'special'],
      ['198.20.0.0', 'public'],
      ['198.51.100.9', 'special'],
      ['203.0.113.7', 'special'],
      ['223.255.255.255', 'public'],
      ['224.0.0.1', 'special'],
      ['255.255.255.255', 'special'],
      ['::1', 'loopback'],
      ['::2', 'special'],
      ['2001::1', 'tunnel'],
      ['2001:20::1', 'special'],
      ['2001:1ff:ffff::', 'special'],
      ['2001:200::', 'public'],
      ['2001:db8::1', 'special'],
      ['2001:db9::1', 'public'],
      ['3fff:fff::1', 'special'],
      ['3fff:1000::1', 'public'],
      ['2a00:1450:4001::1', 'public'],
      ['fc00::1', 'private'],
      ['fdff::1', 'private'],
      ['fe80::1', 'link_local'],
      ['febf::1', 'link_local'],
      ['fec0::1', 'private'],
      ['ff02::1', 'special'],
      ['4000::1', 'special'],
    ];
    for (const [input, expected] of kinds) expect(kind(input), input).toBe(expected);
  });

  it('An address counts by itself for IPv4 and by the /64 for IPv6, and belongs to a /24 or a /48', () => {
    expect(parseAddress('81.2.69.160')).toMatchObject({ counterKey: '81.2.69.160', networkKey: '81.2.69.0/24' });
    expect(parseAddress('2A00:1450:4001:0801:0:0:0:200e')).toMatchObject({
      text: '2a00:1450:4001:801::200e',
      counterKey: '2a00:1450:4001:801::/64',
      networkKey: '2a00:1450:4001::/48',
    });
    expect(parseAddress('2a00:1450:4001:801::1')?.counterKey).toBe(
      parseAddress('2a00:1450:4001:801:ffff::2')?.counterKey,
    );
  });

  it('An address gives back every IPv4 address that it is given', () => {
    fc.assert(
      fc.property(word, (value) => {
        const address = parseAddress(formatV4(value));
        expect(address?.words).toEqual([value]);
        expect(address?.text).toBe(formatV4(value));
      }),
    );
  });

  it('An address has the text and bytes that ipaddr.js finds in an IPv6 address', () => {
    fc.assert(
      fc.property(publicGroups, fc.boolean(), (parts, upper) => {
        const long = parts.map((part) => part.toString(16).padStart(4, '0')).join(':');
        const reference = new ipaddr.IPv6(parts);
        const address = parseAddress(upper ? long.toUpperCase() : long);
        expect(address?.text).toBe(reference.toRFC5952String());
        expect(address?.words.flatMap((value) => [value >>> 16, value & 0xffff])).toEqual(parts);
        expect(parseAddress(reference.toRFC5952String())).toEqual(address);
      }),
      { numRuns: 500 },
    );
  });

  it('An address compresses any eight groups as RFC 5952 asks', () => {
    fc.assert(
      fc.property(groups, (parts) => {
        const words = [0, 2, 4, 6].map((at) => (((parts[at] ?? 0) << 16) | (parts[at + 1] ?? 0)) >>> 0);
        expect(formatV6(words)).toBe(new ipaddr.IPv6(parts).toRFC5952String());
      }),
      { numRuns: 500 },
    );
  });

  it('An address is never found in text that ipaddr.js refuses, and no text makes the parser throw', () => {
    const noise = fc.string({ unit: fc.constantFrom(...'0123456789abcf:.%/[] x'), maxLength: 24 });
    fc.assert(
      fc.property(fc.oneof(noise, fc.string()), (input) => {
        const found = parseAddress(input) !== null;
        if (found) expect(ipaddr.isValid(input)).toBe(true);
        parsePeer(input);
        parseForwardedEntry(input);
        parseCidr(input);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('an address that is nobody’s', () => {
  it.each([
    ['127.0.0.1', 'loopback_address'],
    ['127.8.9.10', 'loopback_address'],
    ['::1', 'loopback_address'],
    ['::ffff:127.0.0.1', 'loopback_address'],
    ['64:ff9b::7f00:1', 'loopback_address'],
    ['169.254.10.10', 'link_local_address'],
    ['fe80::1', 'link_local_address'],
    ['0.0.0.0', 'unspecified_address'],
    ['::', 'unspecified_address'],
    ['2a06:98c0:3600::103', 'shared_address'],
  ] as const)('%s: %s', (text, why) => {
    expect(whyNobodys(addressOf(text))).toBe(why);
  });

  it('An address that is nobody’s is not a private, carrier, documentation, tunnel or public one', () => {
    for (const text of ['10.1.2.3', '100.64.0.1', 'fc00::1', '203.0.113.7', '2001::1', '81.2.69.160', '::2']) {
      expect(whyNobodys(addressOf(text)), text).toBeNull();
    }
  });
});

describe('a peer', () => {
  /** @see https://github.com/autocracy/python-ipy/issues/28 */
  it('A peer loses its zone id', () => {
    const peer = parsePeer('fe80::a00:27ff:fe4c:3982%eth0');
    expect(peer).toMatchObject({ text: 'fe80::a00:27ff:fe4c:3982', kind: 'link_local', counterKey: 'fe80::/64' });
  });

  it('A peer of a Unix socket has no address', () => {
    expect(parsePeer('unix:')).toBeNull();
    expect(parsePeer('unix:/run/stepgate.sock')).toBeNull();
  });

  it('A peer may not have a zone id on an IPv4 address, or an empty one', () => {
    expect(parsePeer('1.2.3.4%eth0')).toBeNull();
    expect(parsePeer('fe80::1%')).toBeNull();
  });

  /** @see https://github.com/netaddr/netaddr/issues/140 */
  it('A peer may have a zone id on a link-local address alone', () => {
    for (const entry of ['2001:db8::1%eth0', '2001:db8::1%25', '[2a00:1450:4001::1%25eth0]:443', 'fc00::1%eth0']) {
      expect(parsePeer(entry), entry).toBeNull();
      expect(parseForwardedEntry(entry), entry).toBeNull();
    }
  });
});

describe('a forwarded entry', () => {
  it('A forwarded entry loses brackets, zone and port', () => {
    const read = (entry: string): string | null => parseForwardedEntry(entry)?.text ?? null;
    expect(read(' 81.2.69.160:51234 ')).toBe('81.2.69.160');
    expect(read('[2a00:1450::1]:443')).toBe('2a00:1450::1');
    expect(read('[2a00:1450::1]')).toBe('2a00:1450::1');
    expect(read('2a00:1450::1')).toBe('2a00:1450::1');
    expect(read('[::ffff:81.2.69.160]:80')).toBe('81.2.69.160');
    expect(read('[fe80::1%eth0]:80')).toBe('fe80::1');
  });

  it('A forwarded entry is refused with a port that is none, or brackets that do not fit', () => {
    for (const entry of [
      '81.2.69.160:99999',
      '81.2.69.160:65536',
      '81.2.69.160:0',
      '81.2.69.160:',
      '81.2.69.160:080',
      '81.2.69.160:8a',
      '[81.2.69.160]:80',
      '[2a00::1]443',
      '[2a00::1',
      '2a00::1]:443',
      '[]',
      '',
      ':80',
    ]) {
      expect(parseForwardedEntry(entry), entry).toBeNull();
    }
  });
});

describe('a CIDR', () => {
  const contains = (cidr: string, address: string): boolean => {
    const block = parseCidr(cidr);
    const inside = parseAddress(address);
    if (block === null || inside === null) throw new Error(`bad test data ${cidr} ${address}`);
    return cidrContains(block, inside);
  };

  it('A CIDR holds what a slow bitwise comparison says it holds', () => {
    fc.assert(
      fc.property(word, word, fc.integer({ min: 0, max: 32 }), (base, other, prefix) => {
        // Half of the probes are made to share the prefix, or nearly so.
        const near = prefix === 0 ? other : ((base & (0xffffffff << (32 - prefix))) ^ (other >>> prefix)) >>> 0;
        for (const probe of [other, prefix === 32 ? base : near]) {
          const bits = (value: number): string => value.toString(2).padStart(32, '0').slice(0, prefix);
          expect(contains(`${formatV4(base)}/${prefix}`, formatV4(probe))).toBe(bits(base) === bits(probe));
        }
      }),
    );
    fc.assert(
      fc.property(publicGroups, publicGroups, fc.integer({ min: 0, max: 128 }), (base, other, prefix) => {
        const mixed = base.map((part, index) => (index * 16 < prefix ? part : (other[index] ?? 0)));
        for (const probe of [other, mixed]) {
          const expected = new ipaddr.IPv6(probe).match(new ipaddr.IPv6(base), prefix);
          const asText = (parts: number[]): string => new ipaddr.IPv6(parts).toRFC5952String();
          expect(contains(`${asText(base)}/${prefix}`, asText(probe))).toBe(expected);
        }
      }),
    );
  });

  /** @see https://github.com/hrbrmstr/iptools/issues/26 */
  it('A CIDR of a single host holds that host only', () => {
    expect(contains('81.2.69.160/32', '81.2.69.160')).toBe(true);
    expect(contains('81.2.69.160/32', '81.2.69.161')).toBe(false);
    expect(contains('2a00:bad::1/128', '2a00:bad::1')).toBe(true);
    expect(contains('2a00:bad::1/128', '2a00:bad::2')).toBe(false);
    expect(contains('0.0.0.0/0', '255.255.255.255')).toBe(true);
  });

  /** @see https://github.com/honojs/hono/issues/3723 */
  it('A block written in IPv4 holds mapped addresses, and one written mapped holds IPv4', () => {
    expect(contains('127.0.0.1', '::ffff:127.0.0.1')).toBe(true);
    expect(contains('10.0.0.0/8', '::ffff:a01:203')).toBe(true);
    expect(contains('::ffff:10.0.0.0/104', '10.1.2.3')).toBe(true);
    expect(contains('::ffff:10.0.0.0/104', '11.1.2.3')).toBe(false);
  });

  it('A CIDR of a whole transition mechanism never becomes the whole internet', () => {
    expect(contains('64:ff9b::/96', '8.8.8.8')).toBe(false);
    expect(contains('2002::/16', '8.8.8.8')).toBe(false);
    expect(contains('2002:808:808::/48', '8.8.8.8')).toBe(true);
  });

  it('A CIDR clears host bits and refuses lengths that are none', () => {
    const cidr = parseCidr('10.1.2.3/8');
    expect(cidr === null ? null : formatCidr(cidr)).toBe('10.0.0.0/8');
    for (const bad of [
      '10.0.0.0/33',
      '10.0.0.0/',
      '10.0.0.0/08',
      '10.0.0.0/-1',
      '10.0.0.0/8/8',
      '::/129',
      '/8',
      '10/8',
    ]) {
      expect(parseCidr(bad), bad).toBeNull();
    }
  });
});

function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return address;
}
