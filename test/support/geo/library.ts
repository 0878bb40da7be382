import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CITY_ACCURACY_KM,
  COUNTRY_ACCURACY_KM,
  coordinates,
  countryCode,
  type LocalGeoSource,
  type Located,
  whyUnlocatable,
} from '../../../src/model/geo.ts';
import { BUNDLED_DATA } from './built.ts';

interface GeoipRecord {
  readonly country?: string;
  readonly region?: string;
  readonly city?: string;
  readonly ll?: readonly [number | null, number | null];
  readonly area?: number;
}

interface GeoipLite {
  lookup(address: string): GeoipRecord | null;
}

/** What geoip-lite itself answers: the reference that compiled data is held to. */
export function libraryGeo({ city = true }: { readonly city?: boolean } = {}): LocalGeoSource {
  const library = city ? load(BUNDLED_DATA) : loadCountries();
  return {
    locate(address) {
      const why = whyUnlocatable(address);
      return why === null ? locatedFrom(library.lookup(address.text)) : { known: false, why };
    },
    status: () => ({ name: 'geoip-lite', ageDays: null, problem: null }),
  };
}

function locatedFrom(record: GeoipRecord | null): Located {
  const country = countryCode(record?.country);
  if (record === null || country === null) return { known: false, why: 'not_found' };
  const city = record.city || null;
  const point = city === null ? null : coordinates(record.ll?.[0], record.ll?.[1]);
  return {
    known: true,
    place: {
      lat: point?.lat ?? null,
      lon: point?.lon ?? null,
      accuracyKm: point === null ? COUNTRY_ACCURACY_KM : record.area || CITY_ACCURACY_KM,
      country,
      region: record.region || null,
      city,
      source: 'geoip-lite',
    },
  };
}

const require = createRequire(import.meta.url);

/** The library keeps its tables in its module and reads their directory from the environment once. */
function load(directory: string): GeoipLite {
  const file = require.resolve('geoip-lite');
  delete require.cache[file];
  process.env.GEODATADIR = directory;
  try {
    return require(file);
  } finally {
    delete process.env.GEODATADIR;
    delete require.cache[file];
  }
}

/** The library loads cities wherever it finds them, so it gets a directory that has none. */
function loadCountries(): GeoipLite {
  const bare = mkdtempSync(join(tmpdir(), 'stepgate-geo-'));
  try {
    for (const file of ['geoip-country.dat', 'geoip-country6.dat'])
      copyFileSync(join(BUNDLED_DATA, file), join(bare, file));
    return load(bare);
  } finally {
    rmSync(bare, { recursive: true });
  }
}
