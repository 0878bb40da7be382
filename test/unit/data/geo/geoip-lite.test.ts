import { execFile } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { geoipLiteSource } from '../../../../src/data/geo/local-geo.ts';
import { noGeo } from '../../../../src/data/geo/no-geo.ts';
import type { LocalGeoSource, Place } from '../../../../src/model/geo.ts';
import { parseAddress } from '../../../../src/net/ip.ts';

const NOW = Date.UTC(2026, 10, 25);
const BUNDLED = join(dirname(createRequire(import.meta.url).resolve('geoip-lite/package.json')), 'data');

let source: LocalGeoSource;
let scratch: string;
beforeAll(() => {
  source = geoipLiteSource();
  scratch = mkdtempSync(join(tmpdir(), 'stepgate-test-geo-'));
});
afterAll(() => rmSync(scratch, { recursive: true }));

function locate(text: string, from = source) {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return from.locate(address);
}

function placeOf(text: string, from = source): Place {
  const located = locate(text, from);
  if (!located.known) throw new Error(`${text} has no place: ${located.why}`);
  return located.place;
}

describe('places from the bundled geoip-lite data', () => {
  it('The bundled geoip-lite data names the city of an address with its coordinates and radius', () => {
    const place = placeOf('81.2.69.160');
    expect(place).toMatchObject({ country: 'GB', city: 'Newmarket', source: 'geoip-lite' });
    expect(place.lat).toBeCloseTo(52.2, 0);
    expect(place.accuracyKm).toBeGreaterThan(0);
  });

  it('The bundled geoip-lite data reads an IPv4 address inside IPv6 as the IPv4 address', () => {
    expect(placeOf('::ffff:81.2.69.160')).toEqual(placeOf('81.2.69.160'));
  });

  /** @see https://github.com/geoip-lite/node-geoip/issues/256 */
  it('The bundled geoip-lite data gives an IPv6 address without a city its country and no coordinates, whatever radius the record claims', () => {
    expect(placeOf('2001:4860:4860::8888')).toMatchObject({
      country: 'US',
      city: null,
      lat: null,
      lon: null,
      accuracyKm: 1000,
    });
  });

  /** @see https://github.com/geoip-lite/node-geoip/issues/173 */
  it('The bundled geoip-lite data never answers with the middle of a country', () => {
    expect(placeOf('8.8.8.8')).toMatchObject({ country: 'US', lat: null, lon: null, accuracyKm: 1000 });
  });

  /** @see https://github.com/maxmind/GeoIP2-node/issues/441 */
  it.each(['127.0.0.1', '::1', '10.1.2.3', '169.254.10.10', '100.64.0.9', 'fd00::1'])(
    'The bundled geoip-lite data calls %s a private address instead of looking it up',
    (text) => {
      expect(locate(text)).toEqual({ known: false, why: 'private_address' });
    },
  );

  /** @see https://github.com/maxmind/MaxMind-DB/issues/27 */
  it('The bundled geoip-lite data places a Teredo user nowhere rather than at the relay', () => {
    expect(locate('2001:0:4136:e378:8000:63bf:3fff:fdd2')).toEqual({ known: false, why: 'tunnel_address' });
  });

  /** @see https://github.com/jtdowney/private_address_check/issues/11 */
  it.each([
    ['64:ff9b::10.0.0.1', 'private_address'],
    ['2002:0a00:0001::1', 'private_address'],
    ['::10.0.0.1', 'special_address'],
    ['64:ff9b:1::1', 'special_address'],
    ['5f00::1', 'special_address'],
    ['::', 'special_address'],
  ])('The bundled geoip-lite data does not look up %s', (text, why) => {
    expect(locate(text)).toEqual({ known: false, why });
  });

  it('The bundled geoip-lite data says so when a public address is not in the data', () => {
    expect(locate('2a0f:ffff:ffff:ffff::1')).toEqual({ known: false, why: 'not_found' });
  });

  /** @see https://github.com/PaddeK/node-maxmind-db/issues/26 */
  it.each(['203.0.113.7, 198.51.100.1', 'undefined', '', ' 203.0.113.7'])(
    'The bundled geoip-lite data is never asked for %j, which is not an address',
    (text) => {
      expect(parseAddress(text)).toBeNull();
    },
  );

  /** @see https://github.com/geoip-lite/node-geoip/issues/209 */
  it('The bundled geoip-lite data is as old as the release of its data, not as young as its installation', () => {
    expect(source.status(NOW)).toEqual({ name: 'geoip-lite', ageDays: 140, problem: null });
  });

  /** @see https://github.com/geoip-lite/node-geoip/issues/209 */
  it('The bundled geoip-lite data is called old from the day after its limit, and still answers', () => {
    const aging = geoipLiteSource({ maxAgeDays: 140, city: false });
    expect(aging.status(NOW).problem).toBeNull();
    const later = aging.status(NOW + 659.5 * 86_400_000);
    expect(later).toMatchObject({ ageDays: 799.5, problem: expect.stringMatching(/^data_old: .*799 days.*than 140/) });
    expect(placeOf('81.2.69.160', aging).country).toBe('GB');
  });
});

describe('country-only data', () => {
  /** @see https://github.com/geoip-lite/node-geoip/pull/179 */
  it('Country-only data knows countries, no cities and no coordinates', () => {
    const countries = geoipLiteSource({ city: false });
    expect(countries.status(NOW)).toMatchObject({ ageDays: 140, problem: null });
    expect(placeOf('81.2.69.160', countries)).toMatchObject({ country: 'GB', city: null, lat: null, accuracyKm: 1000 });
    expect(placeOf('2a02:a210::1', countries)).toMatchObject({ country: 'NL', lat: null });
  });

  it('Country-only data does not disturb a source with cities that is already loaded', () => {
    geoipLiteSource({ city: false });
    expect(placeOf('81.2.69.160').city).toBe('Newmarket');
  });
});

describe('damaged data', () => {
  const copyOf = (...files: readonly string[]): string => {
    const directory = mkdtempSync(join(scratch, 'data-'));
    for (const file of files) copyFileSync(join(BUNDLED, file), join(directory, file));
    return directory;
  };
  const COUNTRY = ['geoip-country.dat', 'geoip-country6.dat'];

  const expectBad = (bad: LocalGeoSource, problem: RegExp): void => {
    for (const text of ['8.8.8.8', '81.2.69.160', '2001:4860:4860::8888']) {
      expect(locate(text, bad)).toEqual({ known: false, why: 'bad_database' });
    }
    expect(locate('10.1.2.3', bad)).toEqual({ known: false, why: 'private_address' });
    expect(bad.status(NOW)).toMatchObject({ ageDays: null, problem: expect.stringMatching(problem) });
  };

  /** @see https://github.com/geoip-lite/node-geoip/issues/197 */
  it('Damaged data is named once and answers unknown when a table is cut in half, on a record or within one', () => {
    for (const bytes of [0, 1]) {
      const directory = copyOf(...COUNTRY);
      const file = join(directory, 'geoip-country.dat');
      const half = Math.floor(statSync(file).size / 20) * 10;
      truncateSync(file, half + bytes);
      expectBad(geoipLiteSource({ directory, city: false }), /^bad_database: .*geoip-country\.dat (ends before|has)/);
    }
  });

  /** @see https://github.com/geoip-lite/node-geoip/issues/197 */
  it('Damaged data is named when the file is of another format', () => {
    const directory = copyOf(...COUNTRY);
    writeFileSync(join(directory, 'geoip-country6.dat'), 'format version 99, and then something else\n'.repeat(100));
    expectBad(geoipLiteSource({ directory, city: false }), /^bad_database: .*geoip-country6\.dat has/);
  });

  /** @see https://github.com/sapics/geoip-country/issues/22 */
  it('Damaged data is named when files are missing or empty', () => {
    expectBad(geoipLiteSource({ directory: join(scratch, 'nowhere') }), /^bad_database: .*ENOENT/);
    const directory = copyOf(...COUNTRY);
    writeFileSync(join(directory, 'geoip-country.dat'), '');
    expectBad(geoipLiteSource({ directory, city: false }), /is empty/);
  });

  /** @see https://github.com/sapics/geoip-country/issues/22 */
  it('Damaged data is named when the package itself is missing, as it is after bundling into one file', async () => {
    const bare = mkdtempSync(join(scratch, 'bundled-'));
    for (const folder of ['data', 'model', 'net']) cpSync(join('src', folder), join(bare, folder), { recursive: true });
    mkdirSync(join(bare, 'node_modules'));
    for (const name of ['zod', 'mmdb-lib'])
      symlinkSync(resolve('node_modules', name), join(bare, 'node_modules', name));
    const program = `
      import { geoipLiteSource } from './data/geo/local-geo.ts';
      const source = geoipLiteSource();
      console.log(JSON.stringify([source.locate({ kind: 'public', text: '8.8.8.8' }), source.status(0)]));`;
    const node = ['--input-type=module-typescript', '-e', program];
    const { stdout } = await promisify(execFile)(process.execPath, node, { cwd: bare });
    const problem = 'bad_database: geoip-lite is not installed; run npm ci';
    expect(JSON.parse(stdout)).toEqual([
      { known: false, why: 'bad_database' },
      { name: 'geoip-lite', ageDays: null, problem },
    ]);
  });

  it('Damaged data is named when the names belong to other tables', () => {
    const directory = copyOf('geoip-city.dat', 'geoip-city6.dat', 'geoip-city-names.dat');
    truncateSync(join(directory, 'geoip-city-names.dat'), 88 * 100);
    expectBad(geoipLiteSource({ directory }), /^bad_database: a record in .*refers to place \d+ of 100/);
  });
});

describe('data of one’s own', () => {
  it('Data of one’s own is as old as its oldest file', () => {
    const directory = mkdtempSync(join(scratch, 'own-'));
    for (const file of ['geoip-country.dat', 'geoip-country6.dat']) {
      writeFileSync(join(directory, file), readFileSync(join(BUNDLED, file)));
    }
    utimesSync(join(directory, 'geoip-country6.dat'), NOW / 1000, NOW / 1000 - 40 * 86_400);
    expect(geoipLiteSource({ directory, city: false }).status(NOW).ageDays).toBeCloseTo(40, 3);
  });
});

describe('no geo source', () => {
  it('No geo source answers that it is off, and still tells a private address from a public one', () => {
    expect(locate('8.8.8.8', noGeo())).toEqual({ known: false, why: 'source_off' });
    expect(locate('192.168.1.1', noGeo())).toEqual({ known: false, why: 'private_address' });
    expect(noGeo().status(NOW)).toEqual({ name: 'none', ageDays: null, problem: null });
  });
});
