import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Reader, type Response } from 'mmdb-lib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readBytes } from '../../../../src/data/directory.ts';
import { buildGeo, readBuiltGeo } from '../../../../src/data/geo/build-geo.ts';
import { placeOfRecord } from '../../../../src/data/geo/mmdb-table.ts';
import { placesInMemory, readPlaces } from '../../../../src/data/geo/places.ts';
import { MANIFEST_FILE } from '../../../../src/data/manifest.ts';
import type { Address } from '../../../../src/model/address.ts';
import type { LocalGeoSource } from '../../../../src/model/geo.ts';
import { formatV4, formatV6 } from '../../../../src/net/ip.ts';
import {
  addressOf,
  bundledShards,
  BUNDLED_DATA as DATA,
  randomAddresses,
  saidOf,
  seeded,
} from '../../../support/geo/built.ts';
import { libraryGeo } from '../../../support/geo/library.ts';

const MMDB = join(import.meta.dirname, '../../../../../shared/data/mmdb');

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'stepgate-build-geo-'));
});
afterAll(() => rm(scratch, { recursive: true }));

async function shardsIn(dir: string): Promise<LocalGeoSource> {
  const read = await readPlaces((name) => readBytes(join(dir, name)));
  expect(read.problem).toBeNull();
  return placesInMemory(read);
}

function expectSame(shards: LocalGeoSource, source: LocalGeoSource, addresses: readonly Address[]): void {
  const different: unknown[] = [];
  let known = 0;
  for (const address of addresses) {
    const said = source.locate(address);
    const found = shards.locate(address);
    if (said.known) known++;
    if (JSON.stringify(sorted(saidOf(found))) !== JSON.stringify(sorted(saidOf(said)))) {
      different.push({ address: address.text, found, said });
    }
  }
  expect(different.slice(0, 3)).toEqual([]);
  expect(known).toBeGreaterThan(addresses.length / 2);
}

const sorted = (said: unknown): unknown =>
  typeof said === 'object' && said !== null ? Object.entries(said).sort(([a], [b]) => (a < b ? -1 : 1)) : said;

describe('the bundled geoip-lite data', () => {
  let dir: string;
  // Where nothing is built yet this compiles 110 MB.
  beforeAll(async () => {
    dir = await bundledShards();
  }, 300_000);

  test('The bundled geoip-lite data answers for 100,000 random addresses of each family as geoip-lite does, and on every border nearby', async () => {
    expectSame(await shardsIn(dir), libraryGeo(), randomAddresses(200_000, 4));
  });

  test('The bundled geoip-lite data becomes small files that one manifest lists, within what Workers take as assets', async () => {
    const built = await readBuiltGeo(dir);
    expect(built?.manifest.about.source).toMatchObject({ name: 'geoip-lite', data_at: '2026-07-08T00:00:00.000Z' });
    expect(built?.manifest.about.counts.v4).toBeGreaterThan(2_000_000);
    expect(built?.files).toBeLessThan(20_000);
    expect(built?.largestBytes).toBeLessThan(256 * 1024);
    expect((await stat(join(dir, MANIFEST_FILE))).size).toBeLessThan(64 * 1024);
    expect(readdirSync(dir).filter((name) => name.endsWith('.sgip'))).toHaveLength(built?.files ?? 0);
  });
});

describe('a build of countries alone', () => {
  const countries = async (out: string, source: string | null = null) => buildGeo({ source, out, level: 'country' });
  const contents = async (dir: string): Promise<Record<string, string>> =>
    Object.fromEntries(
      await Promise.all(
        (await readdir(dir)).sort().map(async (name) => [name, await readFile(join(dir, name), 'base64')]),
      ),
    );

  test('A build of countries alone answers as geoip-lite does with its country tables', async () => {
    const out = join(scratch, 'countries');
    const { built, bytes } = await countries(out);
    expect(built).toBe(true);
    expect(bytes).toBeLessThan(4e6);
    expectSame(await shardsIn(out), libraryGeo({ city: false }), randomAddresses(50_000, 5));
  });

  test('A build of countries alone gives the same files again, and finds that nothing is to be done', async () => {
    const [one, two] = [join(scratch, 'one'), join(scratch, 'two')];
    await countries(one);
    await countries(two);
    const before = await contents(one);
    expect(await contents(two)).toEqual(before);
    const { mtimeMs } = await stat(join(one, MANIFEST_FILE));
    expect(await countries(one)).toMatchObject({ built: false });
    expect((await stat(join(one, MANIFEST_FILE))).mtimeMs).toBe(mtimeMs);
    expect(await contents(one)).toEqual(before);
  });

  test('A build of countries alone is made anew where files are missing, of another level or broken, and leaves none of the old ones', async () => {
    const out = join(scratch, 'again');
    await countries(out);
    const whole = await contents(out);
    const [first = ''] = (await readdir(out)).filter((name) => name.endsWith('.sgip'));
    await rm(join(out, first));
    await writeFile(join(out, 'v4-9999-00000000.bin'), 'of an older build');
    await writeFile(join(out, 'v4-0000-00000000.bin.0123456789ab.tmp'), 'of a build that was cut off');
    await utimes(join(out, 'v4-0000-00000000.bin.0123456789ab.tmp'), 1, 1);
    await writeFile(join(out, 'notes.txt'), 'somebody else’s');
    expect(await countries(out)).toMatchObject({ built: true });
    expect(await contents(out)).toEqual({ ...whole, 'notes.txt': expect.any(String) });
    await truncate(join(out, MANIFEST_FILE), 100);
    expect(await countries(out)).toMatchObject({ built: true });
  });

  /** @see https://github.com/GitSquared/node-geolite2-redist/issues/5 */
  test('A build of countries alone that fails leaves what was built before in use', async () => {
    const out = join(scratch, 'kept');
    await countries(out);
    const before = await contents(out);
    const cut = join(scratch, 'cut');
    await mkdir(cut);
    for (const name of ['geoip-country.dat', 'geoip-country6.dat']) await copyFile(join(DATA, name), join(cut, name));
    await truncate(join(cut, 'geoip-country.dat'), 10 * 100_000);
    await expect(countries(out, cut)).rejects.toMatchObject({ code: 'geo_source_damaged' });
    await expect(countries(out, join(scratch, 'nowhere.mmdb'))).rejects.toMatchObject({ code: 'geo_source_missing' });
    await writeFile(join(scratch, 'page.mmdb'), '<html>Please log in</html>'.repeat(100));
    await expect(countries(out, join(scratch, 'page.mmdb'))).rejects.toMatchObject({ code: 'geo_source_damaged' });
    expect(await contents(out)).toEqual(before);
    expect((await shardsIn(out)).locate(addressOf('81.2.69.160'))).toMatchObject({ known: true });
  });
});

describe('a record of a MaxMind-format file', () => {
  const berlin = {
    country: { iso_code: 'DE' },
    subdivisions: [{ iso_code: 'BE', names: { en: 'State of Berlin' } }],
    city: { names: { en: 'Berlin' } },
    location: { latitude: 52.52, longitude: 13.405, accuracy_radius: 20 },
  };

  test('A record of a MaxMind-format file is the place that it names, with the radius that it states', () => {
    expect(placeOfRecord(berlin)).toEqual({
      country: 'DE',
      region: 'BE',
      city: 'Berlin',
      lat: 52.52,
      lon: 13.405,
      accuracyKm: 20,
    });
  });

  /** @see https://github.com/geoip-lite/node-geoip/issues/173 */
  test('A record of a MaxMind-format file never gives the middle of a country, nor (0, 0)', () => {
    expect(placeOfRecord({ ...berlin, city: undefined })).toMatchObject({ lat: null, lon: null, accuracyKm: 1000 });
    const zero = { latitude: 0, longitude: 0, accuracy_radius: 5 };
    expect(placeOfRecord({ ...berlin, location: zero })).toMatchObject({ city: 'Berlin', lat: null, accuracyKm: 1000 });
  });

  test('A record of a MaxMind-format file assumes the radius of a city where none is stated, and no more than half the Earth', () => {
    const radius = (accuracy_radius?: number) =>
      placeOfRecord({ ...berlin, location: { ...berlin.location, accuracy_radius } })?.accuracyKm;
    expect([radius(), radius(0), radius(65_535)]).toEqual([50, 50, 20_038]);
  });

  test('A record of a MaxMind-format file is no place without a country', () => {
    for (const record of [null, {}, { country: {} }, { ...berlin, country: { iso_code: 'A1' } }]) {
      expect(placeOfRecord(record)).toBeNull();
    }
  });

  test('A record of a MaxMind-format file that has another shape or a broken number means a damaged file', () => {
    const location = { latitude: 5.6e-62, longitude: 1e-71 };
    for (const record of ['text', { ...berlin, location }, { ...berlin, city: 'Berlin' }]) {
      expect(() => placeOfRecord(record)).toThrow(expect.objectContaining({ code: 'geo_source_damaged' }));
    }
  });
});

/** MaxMind's own test databases, where they are at hand. */
describe.runIf(existsSync(MMDB))('MaxMind-format files', () => {
  test.each(['GeoIP2-City-Test', 'GeoLite2-City-Test'])(
    '%s answers as the file does, on each border and at random',
    async (name) => {
      const path = join(MMDB, `${name}.mmdb`);
      const out = join(scratch, name);
      await buildGeo({ source: path, out, level: 'city' });
      const reader = new Reader<Response>(readFileSync(path));
      const shards = await shardsIn(out);
      const random = seeded(6);
      const word = (): number => Math.floor(random() * 2 ** 32);
      const networks: string[] = JSON.parse(readFileSync(join(MMDB, 'GeoIP2-City-Test.json'), 'utf8')).flatMap(
        Object.keys,
      );
      const texts = networks.map((network) => network.replace(/\/.*$/, '').replace(/^::(?:ffff:)?(?=\d+\.)/, ''));
      for (let i = 0; i < 100_000; i++) {
        texts.push(i % 2 ? formatV4(word()) : formatV6([0x2a020000 + (word() >>> 16), word(), word(), word()]));
      }
      let known = 0;
      for (const text of texts) {
        const address = addressOf(text);
        if (address.kind !== 'public') continue;
        const stored = placeOfRecord(reader.get(address.text));
        if (stored !== null) known++;
        expect(saidOf(shards.locate(address)), text).toEqual(
          stored === null ? 'not_found' : { ...stored, source: 'any' },
        );
      }
      expect(known).toBeGreaterThan(50);
    },
  );

  test('MaxMind-format files say what they are and when they were made', async () => {
    const out = join(scratch, 'dated');
    const { manifest } = await buildGeo({ source: join(MMDB, 'GeoIP2-City-Test.mmdb'), out, level: 'country' });
    expect(manifest.about).toMatchObject({
      level: 'country',
      source: { name: 'GeoIP2-City', data_at: expect.stringMatching(/^2026-/) },
    });
    expect(saidOf((await shardsIn(out)).locate(addressOf('81.2.69.160')))).toMatchObject({
      country: 'GB',
      city: null,
      lat: null,
    });
  });

  test.each([
    ['GeoIP2-City-Test-Broken-Double-Format', 'geo_source_damaged'],
    ['GeoIP2-City-Test-Invalid-Node-Count', 'geo_source_damaged'],
    ['GeoIP2-Anonymous-IP-Test', 'geo_source_foreign'],
    ['GeoLite2-ASN-Test', 'geo_source_foreign'],
  ])('%s is refused as %s', async (name, code) => {
    const out = join(scratch, name);
    await expect(buildGeo({ source: join(MMDB, `${name}.mmdb`), out, level: 'city' })).rejects.toMatchObject({ code });
    expect(existsSync(out)).toBe(false);
  });

  /** @see https://github.com/geoip-lite/node-geoip/issues/197 */
  test('MaxMind-format files that are cut anywhere are refused, or say nothing that the whole file does not', async () => {
    const whole = readFileSync(join(MMDB, 'GeoLite2-City-Test.mmdb'));
    for (let share = 1; share < 20; share++) {
      const path = join(scratch, 'cut.mmdb');
      await writeFile(path, whole.subarray(0, (whole.length * share) / 20));
      await expect(buildGeo({ source: path, out: join(scratch, 'cut-out'), level: 'city' })).rejects.toMatchObject({
        code: 'geo_source_damaged',
      });
    }
  });
});
