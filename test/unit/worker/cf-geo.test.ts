import { expect, test } from 'vitest';
import { noGeo } from '../../../src/data/geo/no-geo.ts';
import type { Located } from '../../../src/model/geo.ts';
import { parseAddress } from '../../../src/net/ip.ts';
import { cfGeo, type EdgeConnection } from '../../../src/worker/cf-geo.ts';

const LONDON = { latitude: '51.50740', longitude: '-0.12780', country: 'GB', region: 'England', city: 'London' };

function located(connection: Partial<EdgeConnection>, ip = '81.2.69.160'): Located | Promise<Located> {
  const address = parseAddress(ip);
  if (address === null) throw new Error(`${ip} is no address`);
  return cfGeo({ cf: LONDON, connectingIp: '81.2.69.160', byWorker: false, ...connection }, noGeo()).locate(address);
}

const OFF = { known: false, why: 'source_off' };

test('The place of the connection is that of the client, within the radius of a city', () => {
  expect(located({})).toEqual({
    known: true,
    place: {
      lat: 51.5074,
      lon: -0.1278,
      accuracyKm: 50,
      country: 'GB',
      region: 'England',
      city: 'London',
      source: 'cf',
    },
  });
});

/** @see https://github.com/boywithkeyboard-archive/cheetah1/pull/160 */
test.each([
  ['not there', undefined],
  ['empty', {}],
  ['with empty coordinates', { latitude: '', longitude: '' }],
  ['of another shape', 'London'],
  ['with numbers where texts belong', { latitude: 51.5, longitude: -0.1 }],
  ['for Tor', { country: 'T1' }],
])('A cf object %s is no place', (_what, cf) => {
  expect(located({ cf })).toEqual(OFF);
});

test('A country alone is a place too coarse for travel', () => {
  expect(located({ cf: { country: 'DE', latitude: '', longitude: '' } })).toMatchObject({
    known: true,
    place: { lat: null, lon: null, accuracyKm: 1000, country: 'DE' },
  });
});

/** @see https://github.com/cloudflare/cloudflare-docs/pull/10293 */
test('What describes a calling Worker is not taken for the user', () => {
  expect(located({ byWorker: true, cf: { country: 'XX' } })).toEqual(OFF);
  expect(located({ byWorker: true })).toEqual(OFF);
});

test('An address that is not the connection’s own is left to the other source', () => {
  expect(located({}, '8.8.8.8')).toEqual(OFF);
  expect(located({ connectingIp: 'no address' })).toEqual(OFF);
  expect(located({ connectingIp: null }, '8.8.8.8')).toMatchObject({ known: true });
});

test('A private address has no place, whatever cf says', () => {
  expect(located({ connectingIp: '10.0.0.1' }, '10.0.0.1')).toEqual({ known: false, why: 'private_address' });
});

/** @see https://github.com/honojs/hono/issues/4432 */
test('A city beyond Latin-1 is kept as it is', () => {
  expect(located({ cf: { ...LONDON, city: 'Srīperumbūdūr' } })).toMatchObject({ place: { city: 'Srīperumbūdūr' } });
});
