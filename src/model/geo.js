/** From this radius on a place says the country at best and takes no part in travel. */
export const COARSE_ACCURACY_KM = 200;
/** Why an address of this kind has no place anywhere; null for a public one. */
export function whyUnlocatable({ kind }) {
  if (kind === 'public') return null;
  if (kind === 'tunnel') return 'tunnel_address';
  return kind === 'special' ? 'special_address' : 'private_address';
}
/** The country as ISO 3166-1 alpha-2 in upper case; null for the codes by which sources say that they know none. */
export function countryCode(text) {
  const code = text?.trim().toUpperCase() ?? '';
  return /^[A-Z]{2}$/.test(code) && !NO_COUNTRY.has(code) ? code : null;
}
/** Unknown (`XX`, `ZZ`), anonymous (`A1`, `A2`, `T1` fail the pattern) and continents that old databases hold. */
const NO_COUNTRY = new Set(['XX', 'ZZ', 'AP', 'EU']);
/** A pair of degrees; null when a part is missing, out of range, or both are 0, which is how sources spell nothing. */
export function coordinates(lat, lon) {
  if (typeof lat !== 'number' || typeof lon !== 'number') return null;
  if (!(Math.abs(lat) <= 90) || !(Math.abs(lon) <= 180)) return null;
  return lat === 0 && lon === 0 ? null : { lat, lon };
}
/** Radius in km that is assumed where a source names a city but no accuracy. */
export const CITY_ACCURACY_KM = 50;
/** Radius in km that is assumed where a source names no city. */
export const COUNTRY_ACCURACY_KM = 1000;
/** The country of a place and nothing finer. */
export function countryOf(place) {
  return { ...place, lat: null, lon: null, accuracyKm: COUNTRY_ACCURACY_KM, region: null, city: null };
}
