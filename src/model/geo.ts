import type { Address } from './address.ts';

/** Where an address is, or where a caller asserts that it is. */
export interface Place {
  /** Degrees, -90..90; null together with `lon` when only the country is known. */
  readonly lat: number | null;
  /** Degrees, -180..180. */
  readonly lon: number | null;
  /** Radius in km within which the true place lies. Country-level answers carry {@link COARSE_ACCURACY_KM} or more. */
  readonly accuracyKm: number;
  /** ISO 3166-1 alpha-2, upper case. */
  readonly country: string | null;
  readonly region: string | null;
  readonly city: string | null;
  /** Source of the place. */
  readonly source: 'asserted' | 'cf' | 'geoip-lite' | 'shards';
}

/** Why there is no place: the `why` of the `geo` signal. `source_unavailable`: the data did not arrive in time. */
export type NoPlace =
  | 'no_address'
  | 'private_address'
  | 'tunnel_address'
  | 'special_address'
  | 'not_found'
  | 'source_off'
  | 'bad_database'
  | 'source_unavailable';

/** The place of an address, or why it is unknown. */
export type Located =
  | { readonly known: true; readonly place: Place }
  | { readonly known: false; readonly why: NoPlace };

/** A source of places by address. Drivers: geoip-lite on Node, shards on the edge, `noGeo` without data. */
export interface GeoSource {
  /** Synchronous if the data is in memory, otherwise a promise. Never throws or rejects; the wait is bounded. */
  locate(address: Address): Located | Promise<Located>;
  /**
   * Name and age of the data, for health and metrics. `ageDays` is null if unknown; `problem` begins with a code
   * (`bad_database`, `data_old`) and says what to do.
   */
  status(nowMs: number): { readonly name: string; readonly ageDays: number | null; readonly problem: string | null };
}

/** A source whose data is all in memory. */
export interface LocalGeoSource extends GeoSource {
  locate(address: Address): Located;
}

/** Half the circumference of the Earth in km: no radius is larger. */
export const MAX_ACCURACY_KM = 20_038;

/** From this radius on, a place gives the country at best and is not used for travel. */
export const COARSE_ACCURACY_KM = 200;

/** Why an address of this kind has no place anywhere; null for a public one. */
export function whyUnlocatable({ kind }: Address): NoPlace | null {
  if (kind === 'public') return null;
  if (kind === 'tunnel') return 'tunnel_address';
  return kind === 'special' ? 'special_address' : 'private_address';
}

/** The country as ISO 3166-1 alpha-2 in upper case; null for the codes that sources use for unknown. */
export function countryCode(text: string | null | undefined): string | null {
  const code = text?.trim().toUpperCase() ?? '';
  return /^[A-Z]{2}$/.test(code) && !NO_COUNTRY.has(code) ? code : null;
}

/** Unknown (`XX`, `ZZ`), anonymous (`A1`, `A2`, `T1` fail the pattern) and continents that old databases hold. */
const NO_COUNTRY: ReadonlySet<string> = new Set(['XX', 'ZZ', 'AP', 'EU']);

/** A pair of degrees; null when a part is missing, out of range, or both are 0, which is how sources spell nothing. */
export function coordinates(lat: unknown, lon: unknown): { readonly lat: number; readonly lon: number } | null {
  if (typeof lat !== 'number' || typeof lon !== 'number') return null;
  if (!(Math.abs(lat) <= 90) || !(Math.abs(lon) <= 180)) return null;
  return lat === 0 && lon === 0 ? null : { lat, lon };
}

/** Default radius in km of a place with a city. */
export const CITY_ACCURACY_KM = 50;

/** Default radius in km of a place without a city. */
export const COUNTRY_ACCURACY_KM = 1000;

/** The country of a place and nothing finer. */
export function countryOf<T extends Place | Omit<Place, 'source'>>(place: T): T {
  return { ...place, lat: null, lon: null, accuracyKm: COUNTRY_ACCURACY_KM, region: null, city: null };
}
