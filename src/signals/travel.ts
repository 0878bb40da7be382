import { type Baseline, type KnownPlace, newestPlace, placeAt, type Sighting } from '../model/baseline.ts';
import { travelDistanceKm } from '../model/distance.ts';
import { COARSE_ACCURACY_KM } from '../model/geo.ts';
import { failed, measured, unknown } from '../model/measurement.ts';
import { baselineOf, failureOf } from '../store/history.ts';
import type { DeviceMatch, Observation, Signal } from './signal.ts';

/**
 * `measured`: the speed is known. `near`: under 100 km, no evidence. `excused`: a place that the subject keeps
 * returning to while also being seen at the other one. The others say why there is nothing to compare: no sighting yet,
 * no place, country precision, an address that hides the place, a satellite operator's address.
 */
const TRAVEL_STATES = [
  'measured',
  'near',
  'excused',
  'no_baseline',
  'no_place',
  'coarse',
  'placeless',
  'satellite',
] as const;
export type TravelState = (typeof TRAVEL_STATES)[number];

/** Travel below this distance is no evidence, in km. */
const NEAR_KM = 100;

/** Elapsed time counts as at least this, in seconds. */
const LEAST_ELAPSED_S = 60;

/** A place visited this often within {@link EXCUSED_WINDOW_S} while also being seen elsewhere is a second home. */
const EXCUSED_VISITS = 3;
const EXCUSED_WINDOW_S = 30 * 86_400;

/** Speed that the subject would have needed from the last confirmed sighting. */
export const travel: Signal = {
  name: 'travel',
  facts: {
    'travel.state': {
      type: 'string',
      meaning: '`measured` if a speed is known, otherwise why not',
      values: TRAVEL_STATES,
    },
    'travel.speed_kmh': { type: 'number', unit: 'km/h', meaning: 'Distance over time; known only when `measured`' },
    'travel.distance_km': {
      type: 'number',
      unit: 'km',
      meaning: 'Great-circle distance from the last sighting, less both accuracy radii',
    },
    'travel.elapsed_s': { type: 'number', unit: 's', meaning: 'Time between the two sightings, at least 60' },
    'travel.reference': {
      type: 'string',
      meaning:
        "Whose last sighting it is compared with: that of the very `device`, named by its token, or the subject's",
      values: ['device', 'subject'],
    },
  },
  measure(observation, history, _proof, match) {
    const here = placeNow(observation);
    if (typeof here === 'string') return unknown(here, { 'travel.state': here });
    if (observation.keys.subject === null) return unknown('no_subject');
    const why = failureOf(history.subject);
    if (why !== null) return failed(why);
    const baseline = baselineOf(history);
    const reference = baseline === null ? null : referenceOf(match, baseline);
    if (baseline === null || reference === null) return unknown('no_baseline', { 'travel.state': 'no_baseline' });

    const { sighting } = reference;
    const distanceKm = travelDistanceKm(sighting, here);
    const elapsedS = Math.max(LEAST_ELAPSED_S, Math.abs(here.at - sighting.at));
    const state: TravelState =
      distanceKm < NEAR_KM ? 'near' : isSecondHome(baseline, here, sighting) ? 'excused' : 'measured';
    return measured({
      'travel.state': state,
      'travel.speed_kmh': state === 'measured' ? Math.round(distanceKm / (elapsedS / 3600)) : null,
      'travel.distance_km': Math.round(distanceKm),
      'travel.elapsed_s': Math.round(elapsedS),
      'travel.reference': reference.of,
    });
  },
};

/** The current end of the journey, or why there is none. */
function placeNow({ located, placeless, request }: Observation): Sighting | TravelState {
  if (placeless !== null) return placeless;
  if (!located.known) return 'no_place';
  const { lat, lon, accuracyKm } = located.place;
  if (accuracyKm >= COARSE_ACCURACY_KM) return 'coarse';
  if (lat === null || lon === null || (lat === 0 && lon === 0)) return 'no_place';
  return { at: request.occurredAtMs / 1000, lat, lon, accuracyKm };
}

/**
 * Travel is measured per device; otherwise a phone that tunnels home while the laptop uses the local network would be
 * in two places at once. Only a token identifies a device: a copied fingerprint must not choose its own reference.
 */
function referenceOf(
  { state, proven, device }: DeviceMatch,
  baseline: Baseline,
): { readonly of: 'device' | 'subject'; readonly sighting: Sighting } | null {
  if (
    proven &&
    (state === 'trusted' || state === 'unconfirmed' || state === 'known') &&
    device !== null &&
    device.sighting !== null
  ) {
    return { of: 'device', sighting: device.sighting };
  }
  const newest = newestPlace(baseline);
  return newest === null ? null : { of: 'subject', sighting: newest };
}

function isSecondHome({ places }: Baseline, here: Sighting, there: Sighting): boolean {
  const home = placeAt(places, here);
  const elsewhere = placeAt(places, there);
  if (home === null || elsewhere === null || home === elsewhere) return false;
  const recent = home.visits.filter((visit) => Math.abs(here.at - visit) <= EXCUSED_WINDOW_S);
  return recent.length >= EXCUSED_VISITS && wentBackAndForth(home, elsewhere);
}

/** True when the stays at both places interleave: one trip away does not make the place that was left a second home. */
function wentBackAndForth(a: KnownPlace, b: KnownPlace): boolean {
  return (a.visits[0] ?? a.at) < b.at && (b.visits[0] ?? b.at) < a.at;
}
