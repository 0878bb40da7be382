import type { Lesson } from '../model/baseline.ts';
import { COARSE_ACCURACY_KM } from '../model/geo.ts';
import { clientFamily } from '../signals/client.ts';
import { familiarValues } from '../signals/familiarity.ts';
import type { Observation } from '../signals/signal.ts';

/**
 * What an allowed request or a reported success may teach the baseline. A placeless address teaches no place, country
 * or network; a place of country precision teaches country and network, but is not a sighting.
 *
 * `device` is the id under which the device is remembered (from `matchDevice`, else a new one) and whether a genuine
 * token names it; null without a device. `hidesTraits` keeps the recorded traits, since fewer were shown.
 */
export function lessonOf(
  observation: Observation,
  device: { readonly id: string; readonly proven: boolean; readonly hidesTraits?: boolean } | null,
): Lesson {
  const { request, located, placeless, keys, client } = observation;
  const meant = placeless === null;
  const place = meant && located.known ? located.place : null;
  return {
    at: Math.floor(request.occurredAtMs / 1000),
    place:
      place === null || place.lat === null || place.lon === null || place.accuracyKm >= COARSE_ACCURACY_KM
        ? null
        : {
            lat: place.lat,
            lon: place.lon,
            accuracyKm: place.accuracyKm,
            country: place.country,
            city: place.city,
          },
    country: place?.country ?? null,
    network: meant ? keys.network : null,
    address: meant ? keys.address : null,
    familiar: familiarValues(observation),
    session:
      keys.session === null ? null : { key: keys.session, network: keys.network, country: place?.country ?? null },
    device:
      device === null
        ? null
        : {
            id: device.id,
            proven: device.proven,
            fingerprint: device.hidesTraits === true ? null : keys.fingerprint,
            components: device.hidesTraits === true ? {} : keys.components,
            client: client === null ? null : clientFamily(client),
          },
  };
}
