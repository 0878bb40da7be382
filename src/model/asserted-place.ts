import {
  CITY_ACCURACY_KM,
  COARSE_ACCURACY_KM,
  COUNTRY_ACCURACY_KM,
  coordinates,
  countryCode,
  type Place,
} from './geo.ts';

/**
 * A place as a caller states it. Numbers may come as text, since Cloudflare's `request.cf` holds them so; an empty text
 * is no number.
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
 * The place that a caller asserts; null when it says nothing that can be used. Coordinates out of range and (0, 0) are
 * none; a single zero lies on the equator or the prime meridian. Without an accuracy the radius is
 * {@link CITY_ACCURACY_KM} when a city is named, else {@link COUNTRY_ACCURACY_KM}: too coarse for travel.
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
