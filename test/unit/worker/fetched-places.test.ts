import { afterEach, describe, expect, test, vi } from 'vitest';
import { GEO_MANIFEST } from '../../../src/data/geo/geo-manifest.ts';
import { placesInMemory, readPlaces } from '../../../src/data/geo/places.ts';
import { formatManifest, MANIFEST_FILE, parseManifest, type ReadFile } from '../../../src/data/manifest.ts';
import type { Located } from '../../../src/model/geo.ts';
import { type FetchedPlacesOptions, fetchedPlaces, placeMemory } from '../../../src/worker/fetched-places.ts';
import { addressOf, type SmallBuild, saidOf, smallBuild } from '../../support/geo/built.ts';

const NOW = Date.UTC(2026, 10, 25);
const build = smallBuild();

/** A fetch that counts, and a source that reads through it. */
function rig({ files } = build, options: Partial<FetchedPlacesOptions> = {}) {
  const fetched: string[] = [];
  const read: ReadFile = async (name) => {
    fetched.push(name);
    return files.get(name) ?? null;
  };
  const memory = placeMemory();
  return { fetched, memory, geo: fetchedPlaces({ memory, read, ...options }) };
}

const townOf = async (located: Located | Promise<Located>): Promise<unknown> => {
  const known = await located;
  return known.known ? known.place.city : known.why;
};

afterEach(() => vi.useRealTimers());

describe('places from shards', () => {
  test('Places from shards fetch the manifest and the one shard that holds the address, once', async () => {
    const { geo, fetched } = rig();
    expect(await geo.locate(addressOf('1.2.3.4'))).toEqual({
      known: true,
      place: { country: 'GB', region: 'R', city: 'Town 2', lat: -44.9, lon: 1, accuracyKm: 10, source: 'shards' },
    });
    expect(fetched).toEqual([MANIFEST_FILE, expect.stringMatching(/^v4-00000000-/)]);
    expect(geo.locate(addressOf('1.9.0.0'))).toMatchObject({ known: true });
    expect(await townOf(geo.locate(addressOf('18.0.0.0')))).toBe('Town 4352');
    expect(fetched).toHaveLength(3);
    expect(await townOf(geo.locate(addressOf('2a00:1::')))).toBe('Town 0');
    expect(await townOf(geo.locate(addressOf('2a01::1')))).toBe('not_found');
    expect(fetched).toHaveLength(4);
  });

  test('Places from shards answer at once what needs no data', () => {
    const { geo, fetched } = rig();
    expect(geo.locate(addressOf('10.1.2.3'))).toEqual({ known: false, why: 'private_address' });
    expect(geo.locate(addressOf('2001:0:4136:e378:8000:63bf:3fff:fdd2'))).toEqual({
      known: false,
      why: 'tunnel_address',
    });
    expect(fetched).toEqual([]);
  });

  test('Places from shards share one fetch among look-ups that come together', async () => {
    const { geo, fetched } = rig();
    const towns = await Promise.all(Array.from({ length: 50 }, (_, i) => townOf(geo.locate(addressOf(`1.${i}.0.1`)))));
    expect(towns).toEqual(Array.from({ length: 50 }, (_, i) => `Town ${i}`));
    expect(fetched).toHaveLength(2);
  });

  test('Places from shards give countries alone where nothing finer is wanted', async () => {
    const { geo } = rig(build, { level: 'country' });
    expect(saidOf(await geo.locate(addressOf('1.2.3.4')))).toMatchObject({
      country: 'GB',
      city: null,
      lat: null,
      accuracyKm: 1000,
    });
  });
});

describe('the memory', () => {
  test('The memory holds no more than its bound, and forgets what was used least recently', async () => {
    const [first, second] = [...build.files]
      .filter(([name]) => name.startsWith('v4-'))
      .map(([, bytes]) => bytes.length);
    const memory = placeMemory((first ?? 0) + (second ?? 0));
    const fetched: string[] = [];
    const geo = fetchedPlaces({
      memory,
      read: async (name) => {
        fetched.push(name);
        return build.files.get(name) ?? null;
      },
    });
    for (const text of ['1.0.0.0', '17.0.0.0', '1.0.0.0', '33.0.0.0', '1.0.0.0', '17.0.0.0']) {
      await geo.locate(addressOf(text));
      expect(memory.shards.calculatedSize).toBeLessThanOrEqual((first ?? 0) + (second ?? 0));
    }
    expect(fetched.map((name) => name.split('-').slice(0, 2).join('-'))).toEqual([
      MANIFEST_FILE,
      'v4-00000000',
      'v4-10ff0000',
      'v4-20ff0000',
      'v4-10ff0000',
    ]);
  });

  test('The memory serves sources that fetch for themselves', async () => {
    const { geo, memory, fetched } = rig();
    await geo.locate(addressOf('1.2.3.4'));
    const other = fetchedPlaces({ memory, read: () => Promise.reject(new Error('never asked')) });
    expect(other.locate(addressOf('1.3.0.0'))).toMatchObject({ known: true });
    expect(fetched).toHaveLength(2);
  });
});

describe('files that cannot be used', () => {
  const changed = (pick: (name: string) => boolean, change: (bytes: Uint8Array) => Uint8Array | null): SmallBuild => {
    const files = new Map<string, Uint8Array<ArrayBuffer>>();
    for (const [name, bytes] of build.files) {
      const other = pick(name) ? change(bytes.slice()) : bytes;
      if (other !== null) files.set(name, new Uint8Array(other));
    }
    return { ...build, files };
  };
  const isFirst = (name: string): boolean => name.startsWith('v4-00000000');

  /** @see https://github.com/geoip-lite/node-geoip/issues/197 */
  test.each([
    ['is cut in half', changed(isFirst, (bytes) => bytes.subarray(0, bytes.length / 2)), /holds \d+ bytes, not/],
    [
      'has one byte changed',
      changed(isFirst, (bytes) => bytes.fill(1, 100, 101)),
      /v4-00000000.*checksum does not match/,
    ],
    ['is missing', changed(isFirst, () => null), /there is no v4-00000000/],
    [
      'belongs to another build',
      changed(isFirst, () => build.files.get(build.manifest.files[1]?.[0] ?? '') ?? null),
      /v4-00000000/,
    ],
    [
      'is a manifest cut in half',
      changed(
        (name) => name === MANIFEST_FILE,
        (bytes) => bytes.subarray(0, bytes.length / 2),
      ),
      /manifest.json is not JSON/,
    ],
    [
      'is a manifest that is missing',
      changed(
        (name) => name === MANIFEST_FILE,
        () => null,
      ),
      /there is no manifest.json/,
    ],
    [
      'is a manifest of another format',
      changed(
        (name) => name === MANIFEST_FILE,
        () => new TextEncoder().encode('{"format":99}'),
      ),
      /of format 99, this version reads 3/,
    ],
  ])('A file that %s answers bad_database and is named', async (_what, broken, problem) => {
    const { geo } = rig(broken);
    expect(await geo.locate(addressOf('1.2.3.4'))).toEqual({ known: false, why: 'bad_database' });
    expect(geo.status(NOW).problem).toMatch(/^bad_database: /);
    expect(geo.status(NOW).problem).toMatch(problem);
    expect(geo.status(NOW).problem).toMatch(/stepgate geo build/);
  });

  test('Files that cannot be used leave the others in use', async () => {
    const { geo } = rig(changed(isFirst, () => null));
    expect(await townOf(geo.locate(addressOf('1.2.3.4')))).toBe('bad_database');
    expect(await townOf(geo.locate(addressOf('18.0.0.0')))).toBe('Town 4352');
  });

  test('Files that cannot be used are read again by the next look-up, and no longer named once that went well', async () => {
    let failing = true;
    const memory = placeMemory();
    const geo = fetchedPlaces({
      memory,
      read: async (name) => {
        if (failing) throw new Error('network lost');
        return build.files.get(name) ?? null;
      },
    });
    expect(await townOf(geo.locate(addressOf('1.2.3.4')))).toBe('source_unavailable');
    expect(geo.status(NOW)).toEqual({
      name: 'shards',
      ageDays: null,
      problem: 'source_unavailable: manifest.json could not be read (network lost)',
    });
    failing = false;
    expect(await townOf(geo.locate(addressOf('1.2.3.4')))).toBe('Town 2');
    expect(geo.status(NOW)).toEqual({ name: 'shards of towns', ageDays: 24, problem: null });
  });

  test('Files of an older build make the reader look for the newer one', async () => {
    const files = new Map(build.files);
    const { geo } = rig({ ...build, files });
    expect(await townOf(geo.locate(addressOf('1.2.3.4')))).toBe('Town 2');
    files.clear();
    for (const [name, bytes] of smallBuild({ country: 'FR' }).files) files.set(name, bytes);
    expect(await townOf(geo.locate(addressOf('18.0.0.0')))).toBe('bad_database');
    expect(saidOf(await geo.locate(addressOf('18.0.0.0')))).toMatchObject({ country: 'FR' });
    expect(saidOf(await geo.locate(addressOf('1.2.3.4')))).toMatchObject({ country: 'FR' });
  });
});

/** @see https://github.com/Laarryy/Anti-VPN/issues/47 */
test('A fetch that hangs is waited for no longer than the limit, and what it brings later is kept', async () => {
  vi.useFakeTimers();
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const late: Promise<unknown>[] = [];
  const memory = placeMemory();
  const geo = fetchedPlaces({
    memory,
    read: async (name) => {
      await gate;
      return build.files.get(name) ?? null;
    },
    timeoutMs: 80,
    keepAlive: (rest) => late.push(rest),
  });
  const waiting = geo.locate(addressOf('1.2.3.4'));
  await vi.advanceTimersByTimeAsync(79);
  expect(late).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(1);
  expect(await waiting).toEqual({ known: false, why: 'source_unavailable' });
  release();
  await Promise.all(late);
  expect(geo.locate(addressOf('1.2.3.4'))).toMatchObject({ known: true });
  expect(vi.getTimerCount()).toBe(0);
});

describe('the status', () => {
  /** @see https://github.com/geoip-lite/node-geoip/issues/209 */
  test('The status says how old the data is, not the build, and from when on that is too old', async () => {
    const { geo } = rig(build, { maxAgeDays: 30 });
    await geo.locate(addressOf('1.2.3.4'));
    expect(geo.status(NOW)).toEqual({ name: 'shards of towns', ageDays: 24, problem: null });
    expect(geo.status(NOW + 7 * 86_400_000).problem).toMatch(/^data_old: .*31 days old, more than 30,/);
  });

  test('The status says so when cities are wanted and countries alone were built', async () => {
    const { geo } = rig(smallBuild({ level: 'country' }));
    await geo.locate(addressOf('1.2.3.4'));
    expect(geo.status(NOW).problem).toMatch(/^countries_only: .*no travel/);
    const { geo: content } = rig(smallBuild({ level: 'country' }), { level: 'country' });
    await content.locate(addressOf('1.2.3.4'));
    expect(content.status(NOW).problem).toBeNull();
  });
});

describe('the manifest', () => {
  test('The manifest comes back as it was written', () => {
    expect(parseManifest(formatManifest(build.manifest), GEO_MANIFEST)).toEqual(build.manifest);
  });

  test('The manifest is refused when anything in it was changed', () => {
    const text = formatManifest(build.manifest);
    for (const [found, other] of [
      ['"towns"', '"terms"'],
      ['-10ff0000-', '-10ff0001-'],
      ['2026-11-01', '2026-12-01'],
      ['"city"', '"country"'],
    ] as const) {
      expect(text).toContain(found);
      expect(() => parseManifest(text.replace(found, other), GEO_MANIFEST), found).toThrow(/manifest.json/);
    }
  });
});

test('Shards that are all read ahead answer at once, as those that are fetched do', async () => {
  const { geo } = rig();
  const places = placesInMemory(await readPlaces(async (name) => build.files.get(name) ?? null));
  for (const text of ['1.2.3.4', '18.0.0.0', '33.1.1.1', '2a00::1', '200.0.0.1']) {
    expect(places.locate(addressOf(text))).toEqual(await geo.locate(addressOf(text)));
  }
});
