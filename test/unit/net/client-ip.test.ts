import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ClientAddressHeader,
  clientAddress,
  parseTrustedProxies,
  TrustedProxiesError,
} from '../../../src/net/client-ip.ts';

interface Arrival {
  peer?: string | null;
  trusted?: string;
  xff?: string;
  forwarded?: string;
  headers?: { [name: string]: string };
  declared?: ClientAddressHeader;
}

/** The client's address as text, or the reason why there is none; `!` marks what was malformed. */
function read(arrival: Arrival): string {
  const headers = { ...arrival.headers };
  if (arrival.xff !== undefined) headers['x-forwarded-for'] = arrival.xff;
  if (arrival.forwarded !== undefined) headers.forwarded = arrival.forwarded;
  const client = clientAddress({
    peer: arrival.peer === undefined ? '192.0.2.10' : arrival.peer,
    headers,
    trusted: parseTrustedProxies(arrival.trusted ?? '192.0.2.0/28'),
    ...(arrival.declared === undefined ? {} : { declared: arrival.declared }),
  });
  return `${client.address === null ? client.why : client.address.text}${client.malformed ? '!' : ''}`;
}

describe('without a trusted peer', () => {
  it('The peer is the client whatever the headers say', () => {
    expect(read({ peer: '81.2.69.160', xff: '1.1.1.1' })).toBe('81.2.69.160');
    expect(read({ peer: '81.2.69.160', forwarded: 'for=1.1.1.1' })).toBe('81.2.69.160');
    expect(read({ peer: '81.2.69.160', trusted: '', xff: 'rubbish' })).toBe('81.2.69.160');
    expect(read({ peer: '81.2.69.160', headers: { 'x-real-ip': '1.1.1.1' }, declared: 'x-real-ip' })).toBe(
      '81.2.69.160',
    );
  });

  /** @see https://github.com/autocracy/python-ipy/issues/28 */
  it('A link-local peer loses its zone', () => {
    expect(read({ peer: 'fe80::a00:27ff:fe4c:3982%eth0' })).toBe('fe80::a00:27ff:fe4c:3982');
  });

  it('There is no address when the runtime names no peer, or nonsense', () => {
    expect(read({ peer: null, xff: '1.1.1.1' })).toBe('absent');
    expect(read({ peer: '' })).toBe('absent');
    expect(read({ peer: 'nonsense' })).toBe('malformed!');
  });

  /** @see https://github.com/miantiao-me/Sink/pull/136 */
  it('A socket file is no address, nor is its name in a header', () => {
    expect(read({ peer: 'unix:', headers: { 'x-real-ip': 'unix:' } })).toBe('absent');
    expect(read({ peer: 'unix:', trusted: 'unix:', headers: { 'x-real-ip': 'unix:' }, declared: 'x-real-ip' })).toBe(
      'malformed!',
    );
    expect(read({ peer: 'unix:/run/a.sock', trusted: 'unix:', xff: '81.2.69.160' })).toBe('81.2.69.160');
  });
});

describe('X-Forwarded-For from a trusted peer', () => {
  /** @see https://github.com/akka/akka-http/issues/3790 */
  it('X-Forwarded-For from a trusted peer may carry a port, but not one above 65535', () => {
    expect(read({ xff: '203.0.113.7:51234' })).toBe('203.0.113.7');
    expect(read({ xff: '203.0.113.7:99999' })).toBe('malformed!');
  });

  /** @see https://github.com/maxmind/geoip-api-c/issues/119 */
  it('X-Forwarded-For from a trusted peer with a port gives the public address that a place can be found for', () => {
    const client = clientAddress({
      peer: '192.0.2.10',
      headers: { 'x-forwarded-for': '8.8.8.8:55220' },
      trusted: parseTrustedProxies('192.0.2.0/28'),
    });
    expect(client.address).toMatchObject({ text: '8.8.8.8', kind: 'public' });
  });

  /** @see https://github.com/migadu/alps/pull/18 */
  it('X-Forwarded-For from a trusted peer is read from the right, so an invented left end neither resets nor burns a counter', () => {
    for (const invented of ['198.51.100.1', '198.51.100.2', '198.51.100.3', 'rubbish', '']) {
      expect(read({ xff: `${invented}, 203.0.113.66` })).toBe('203.0.113.66');
    }
  });

  it('X-Forwarded-For from a trusted peer is walked on while the hop is trusted', () => {
    const trusted = '192.0.2.0/28, 10.0.0.0/8, 2a00:1450::/32';
    expect(read({ trusted, xff: '1.1.1.1, 81.2.69.160, 10.0.0.7, [2a00:1450::7]:443' })).toBe('81.2.69.160');
    expect(read({ trusted, xff: '1.1.1.1,81.2.69.160,10.0.0.7' })).toBe('81.2.69.160');
  });

  /** @see https://github.com/forgekeep/nebula-mesh/pull/232 */
  it('X-Forwarded-For from a trusted peer ends as unknown at an entry that does not parse and never steps over it', () => {
    expect(read({ xff: '198.51.100.9, not-an-ip' })).toBe('malformed!');
    expect(read({ xff: '198.51.100.9, not-an-ip, 192.0.2.3' })).toBe('malformed!');
    expect(read({ xff: '198.51.100.9, unknown' })).toBe('malformed!');
  });

  /** @see https://github.com/Netflix/zuul/issues/364 */
  it('X-Forwarded-For from a trusted peer with an empty last entry is malformed, and the entry before is not promoted', () => {
    for (const xff of [',', '', ' , ,', '203.0.113.7,', '203.0.113.7, ']) expect(read({ xff }), xff).toBe('malformed!');
  });

  /** @see https://github.com/whitequark/ipaddr.js/issues/43 */
  it('X-Forwarded-For from a trusted peer with an impossible mapped address is malformed', () => {
    for (const xff of ['::ffff:203.0.113.9000', '::ffff:300.1.1.1', '::ffff:1.2.3']) {
      expect(read({ xff }), xff).toBe('malformed!');
    }
  });

  /** @see https://github.com/cyanheads/toolkit-mcp-server/issues/14 */
  it('X-Forwarded-For from a trusted peer gives one address for all spellings of a mapped one', () => {
    expect(read({ xff: '::FFFF:203.0.113.7' })).toBe('203.0.113.7');
    expect(read({ xff: '0:0:0:0:0:ffff:cb00:7107' })).toBe('203.0.113.7');
  });

  it('X-Forwarded-For from a trusted peer has IPv6 with a port in brackets; without them the last group is part of the address, and the counted /64 is one for all ports', () => {
    expect(read({ xff: '[2a00:1450:4001::1]:443' })).toBe('2a00:1450:4001::1');
    expect(read({ xff: '2a00:1450:4001::1' })).toBe('2a00:1450:4001::1');
    expect(read({ xff: '2a00:1450:4001:0:0:0:0:1:443' })).toBe('malformed!');
    const counterOf = (xff: string) =>
      clientAddress({
        peer: '192.0.2.10',
        headers: { 'x-forwarded-for': xff },
        trusted: parseTrustedProxies('192.0.2.0/28'),
      }).address?.counterKey;
    const groups = fc.array(
      fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16)),
      { minLength: 1, maxLength: 6 },
    );
    const port = fc.integer({ min: 1, max: 9_999 });
    fc.assert(
      fc.property(groups, fc.nat(6), port, port, (all, gap, one, other) => {
        const text = `2a00:${all.slice(0, gap).join(':')}::${all.slice(gap).join(':')}`;
        expect(counterOf(`${text}:${one}`)).toBe(counterOf(`${text}:${other}`));
      }),
    );
  });

  it('X-Forwarded-For from a trusted peer of trusted addresses only, or without any header, leaves the client unknown', () => {
    expect(read({ xff: '192.0.2.3, 192.0.2.4' })).toBe('no_trusted_hop');
    expect(read({})).toBe('absent');
  });

  /** @see https://github.com/honojs/hono/issues/3723 */
  it('X-Forwarded-For from a trusted peer is believed from a peer in mapped form when its IPv4 block is trusted', () => {
    expect(read({ peer: '::ffff:127.0.0.1', trusted: '127.0.0.1, ::1', xff: '81.2.69.160' })).toBe('81.2.69.160');
    expect(read({ peer: '::ffff:7f00:1', trusted: '127.0.0.0/8', xff: '81.2.69.160' })).toBe('81.2.69.160');
  });

  it('X-Forwarded-For from a trusted peer never gives an address that stands left of the first untrusted or unreadable entry', () => {
    const left = fc.array(fc.constantFrom('6.6.6.6', '192.0.2.5', 'x', '', '"', '7.7.7.7:1'), { maxLength: 5 });
    const right = fc.array(fc.constantFrom('192.0.2.1', '192.0.2.2:80', '192.0.2.14'), { maxLength: 4 });
    fc.assert(
      fc.property(left, fc.constantFrom('81.2.69.160', 'y', ''), right, (invented, written, hops) => {
        const expected = written === '81.2.69.160' ? '81.2.69.160' : 'malformed!';
        expect(read({ xff: [...invented, written, ...hops].join(', ') })).toBe(expected);
      }),
    );
  });
});

describe('a number of hops', () => {
  it('A number of hops takes the entry that the outermost of exactly so many proxies wrote', () => {
    expect(read({ trusted: 'hops:1', peer: '10.0.0.1', xff: '6.6.6.6, 81.2.69.160' })).toBe('81.2.69.160');
    expect(read({ trusted: 'hops:2', peer: '10.0.0.1', xff: '6.6.6.6, 81.2.69.160, 10.0.0.9' })).toBe('81.2.69.160');
    expect(read({ trusted: 'hops:1', peer: 'unix:', xff: '81.2.69.160' })).toBe('81.2.69.160');
  });

  it('A number of hops leaves the client unknown when the chain is shorter: the request went round a proxy', () => {
    expect(read({ trusted: 'hops:2', peer: '10.0.0.1', xff: '81.2.69.160' })).toBe('no_trusted_hop');
    expect(read({ trusted: 'hops:1', peer: '10.0.0.1' })).toBe('absent');
  });

  it('A number of hops is unknown where the entry is the address of the proxy itself', () => {
    expect(read({ trusted: 'hops:1', peer: '10.0.0.1', xff: '81.2.69.160, 10.0.0.1' })).toBe('no_trusted_hop');
    expect(read({ trusted: 'hops:1', peer: '::ffff:10.0.0.1', xff: '10.0.0.1:4711' })).toBe('no_trusted_hop');
  });

  it('A number of hops ends at an unreadable entry on the way', () => {
    expect(read({ trusted: 'hops:2', peer: '10.0.0.1', xff: '81.2.69.160, rubbish' })).toBe('malformed!');
  });
});

describe('Forwarded from a trusted peer', () => {
  it('Forwarded from a trusted peer is read from the right with quotes, brackets, ports and any case', () => {
    expect(read({ forwarded: 'for=6.6.6.6, for=81.2.69.160;proto=https;by=10.0.0.1' })).toBe('81.2.69.160');
    expect(read({ forwarded: 'For="[2a00:1450::1]:4711"' })).toBe('2a00:1450::1');
    expect(read({ forwarded: 'proto=http; FOR="81.2.69.160:80"' })).toBe('81.2.69.160');
    expect(read({ forwarded: 'for=6.6.6.6, for=81.2.69.160, for=192.0.2.3;host="a, b;c"' })).toBe('81.2.69.160');
    expect(read({ forwarded: 'for="81.2.69.160:_port"' })).toBe('81.2.69.160');
  });

  it('Forwarded from a trusted peer is unknown where the hop withholds the address', () => {
    expect(read({ forwarded: 'for=6.6.6.6, for=unknown' })).toBe('absent');
    expect(read({ forwarded: 'for=6.6.6.6, for=_hidden' })).toBe('absent');
    expect(read({ forwarded: 'for=6.6.6.6, for="_hidden:_p"' })).toBe('absent');
    expect(read({ forwarded: 'for=6.6.6.6, proto=https' })).toBe('absent');
  });

  it('Forwarded from a trusted peer is unknown where the last element is no element', () => {
    for (const forwarded of [
      '',
      ',',
      'for=6.6.6.6,',
      'for',
      'for=',
      'for="1.1.1.1',
      'for=1.1.1.1;for=2.2.2.2',
      'for=[2a00::1]',
      'for = 1.1.1.1',
    ]) {
      expect(read({ forwarded }), forwarded).toBe('malformed!');
    }
  });

  /** @see https://github.com/sozu-proxy/sozu/issues/1254 */
  it('Forwarded from a trusted peer is malformed where IPv6 stands without brackets, with a port or without: nobody can tell where the address ends', () => {
    for (const node of [
      '2001:db8::1:8080',
      '2a00:1450:4001::1:443',
      '2a00:1450:4001::1',
      '::1',
      '::ffff:81.2.69.160',
      '::ffff:81.2.69.160:443',
      '1:2:3:4:5:6:7:8:443',
      '2a00:1450:4001::1%eth0',
      '2a00:1450:4001::1]:443',
    ]) {
      expect(read({ forwarded: `proto=https;for="${node}";by="2001:db8::2"` }), node).toBe('malformed!');
      expect(read({ forwarded: `for=81.2.69.160, for="${node}", for=192.0.2.3` }), node).toBe('malformed!');
    }
  });

  it('Forwarded from a trusted peer reads an IPv6 address in brackets, and never one whose text depends on the port', () => {
    const group = fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16));
    const address = fc
      .tuple(fc.array(group, { minLength: 1, maxLength: 2 }), fc.array(group, { maxLength: 4 }))
      .map(([left, right]) => `2a00:${left.join(':')}::${right.join(':')}`);
    fc.assert(
      fc.property(address, fc.integer({ min: 1, max: 65_535 }), (text, port) => {
        const alone = read({ forwarded: `for="[${text}]"` });
        expect(alone).not.toBe('malformed!');
        expect(read({ forwarded: `for="[${text}]:${port}"` })).toBe(alone);
        expect(read({ forwarded: `for="${text}:${port}"` })).toBe('malformed!');
      }),
    );
  });

  it('Forwarded from a trusted peer keeps the element of the trusted proxy whatever a client wrote before it', () => {
    const invented = fc.string({ unit: fc.constantFrom(...'for=61.";,\\ '), maxLength: 20 });
    fc.assert(
      fc.property(invented, (text) => {
        expect(read({ forwarded: `${text}, for=81.2.69.160;host="x\\",for=6.6.6.6;y=\\""` })).toBe('81.2.69.160');
      }),
      { numRuns: 500 },
    );
  });

  it('Forwarded from a trusted peer has to say the same as X-Forwarded-For when both are there', () => {
    expect(read({ xff: '81.2.69.160', forwarded: 'for=81.2.69.160' })).toBe('81.2.69.160');
    expect(read({ xff: '81.2.69.160', forwarded: 'for=6.6.6.6' })).toBe('malformed!');
    expect(read({ xff: '81.2.69.160', forwarded: 'for=_x' })).toBe('malformed!');
    expect(read({ xff: '81.2.69.160', forwarded: 'for=6.6.6.6', declared: 'x-forwarded-for' })).toBe('81.2.69.160');
    expect(read({ xff: '6.6.6.6', forwarded: 'for=81.2.69.160', declared: 'forwarded' })).toBe('81.2.69.160');
  });
});

describe('a declared header', () => {
  const declared = 'cf-connecting-ip';

  it('A declared header is the only one read', () => {
    expect(read({ declared, headers: { [declared]: '81.2.69.160' }, xff: '6.6.6.6' })).toBe('81.2.69.160');
    expect(read({ declared, xff: '6.6.6.6' })).toBe('absent');
    expect(read({ headers: { [declared]: '6.6.6.6' }, xff: '81.2.69.160' })).toBe('81.2.69.160');
  });

  it('A declared header that holds the address of a trusted proxy names no client', () => {
    expect(read({ declared, headers: { [declared]: '192.0.2.3' } })).toBe('no_trusted_hop');
    expect(read({ declared, headers: { [declared]: '192.0.2.10:443' } })).toBe('no_trusted_hop');
    expect(read({ declared, trusted: 'hops:1', headers: { [declared]: '192.0.2.10' } })).toBe('no_trusted_hop');
    expect(read({ declared, trusted: 'hops:1', headers: { [declared]: '192.0.2.3' } })).toBe('192.0.2.3');
  });

  it('A declared header holds exactly one address', () => {
    expect(read({ declared, headers: { [declared]: '81.2.69.160, 6.6.6.6' } })).toBe('malformed!');
    expect(read({ declared, headers: { [declared]: '' } })).toBe('malformed!');
  });
});

describe('TRUSTED_PROXIES', () => {
  it('TRUSTED_PROXIES takes blocks, addresses, unix: and a number of hops', () => {
    expect(parseTrustedProxies(' ')).toEqual({ kind: 'none' });
    expect(parseTrustedProxies('hops:3')).toEqual({ kind: 'hops', hops: 3 });
    expect(parseTrustedProxies('10.0.0.0/8 ::1,unix:')).toMatchObject({ kind: 'cidrs', unix: true });
  });

  it('TRUSTED_PROXIES is refused with the part that is wrong', () => {
    for (const [text, part] of [
      ['10.0.0.0/8, proxy.local', 'proxy.local'],
      ['10.0.0.0/33', '10.0.0.0/33'],
      ['hops:0', 'hops:0'],
      ['hops:33', 'hops:33'],
      ['hops:1, 10.0.0.0/8', 'hops:1'],
      ['0.0.0.0/0', 'trusts every address'],
      ['::/0', 'trusts every address'],
      ['::ffff:0:0/96', 'trusts every address'],
    ] as const) {
      expect(() => parseTrustedProxies(text), text).toThrow(TrustedProxiesError);
      expect(() => parseTrustedProxies(text), text).toThrow(part);
    }
  });
});
