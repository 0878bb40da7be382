import {
  CITY_ACCURACY_KM,
  COARSE_ACCURACY_KM,
  COUNTRY_ACCURACY_KM,
  coordinates,
  countryCode,
  type Place,
} from './geo.ts';

/**
 * A place asserted by a caller. Numbers may be strings, as in Cloudflare's `request.cf`; an empty string is not a
 * number.
 */
export interface AssertedGeo {
  readonly lat?: number | string | null | undefined;
  readonly lon?: number | string | null | undefined;
  readonly accuracyKm?: number | string | null | undefined;
  readonly country?: string | null | undefined;
  readonly region?: string | null | undefined;
  readonly city?: string | null | undefined;
}

/**
 * The asserted place; null if it has nothing usable. Coordinates out of range or at (0, 0) are dropped; a single zero
 * is the equator or the prime meridian. The default accuracy is {@link CITY_ACCURACY_KM} with a city, else {@link
 * COUNTRY_ACCURACY_KM}, which is too coarse for travel.
 */
export function assertedPlace(geo: AssertedGeo | null | undefined): Place | null {
  if (geo == null) return null;
  const point = coordinates(numberFrom(geo.lat), numberFrom(geo.lon));
  const country = countryCode(geo.country);
  if (point === null && country === null) return null;
  const city = textFrom(geo.city);
  const stated = numberFrom(geo.accuracyKm);
  const accuracyKm = stated !== null && stated >= 0 ? stated : city === null ? COUNTRY_ACCURACY_KM : CITY_ACCURACY_KM;
  return {
    lat: point?.lat ?? null,
    lon: point?.lon ?? null,
    accuracyKm: point === null ? Math.max(accuracyKm, COARSE_ACCURACY_KM) : accuracyKm,
    country,
    region: textFrom(geo.region),
    city,
    source: 'asserted',
  };
}

function numberFrom(value: number | string | null | undefined): number | null {
  if (typeof value === 'string') return /^[+-]?\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : null;
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function textFrom(value: string | null | undefined): string | null {
  const text = value?.trim() ?? '';
  return text === '' ? null : text;
}
