/** A point on the Earth in degrees. */
export interface Point {
  readonly lat: number;
  readonly lon: number;
}

/** Mean radius of the Earth in km (IUGG). */
const EARTH_RADIUS_KM = 6371.0088;

const RADIANS = Math.PI / 180;

/**
 * Great-circle distance in km, 0..20,016, symmetric and never NaN for finite coordinates.
 *
 * Haversine after Sinnott, "Virtues of the Haversine" (1984); the half-chord is clamped, since rounding lifts it above 1
 * for exactly opposite points.
 */
export function greatCircleKm(a: Point, b: Point): number {
  const sinLat = Math.sin(((b.lat - a.lat) * RADIANS) / 2);
  const sinLon = Math.sin(((b.lon - a.lon) * RADIANS) / 2);
  const h = sinLat * sinLat + Math.cos(a.lat * RADIANS) * Math.cos(b.lat * RADIANS) * sinLon * sinLon;
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.sqrt(Math.min(1, Math.max(0, h))));
}

/** Minimum distance travelled in km: great-circle less both accuracy radii, never below 0. */
export function travelDistanceKm(
  a: Point & { readonly accuracyKm: number },
  b: Point & { readonly accuracyKm: number },
): number {
  return Math.max(0, greatCircleKm(a, b) - a.accuracyKm - b.accuracyKm);
}
