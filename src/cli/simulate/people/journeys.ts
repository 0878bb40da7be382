import { DAY_MS, EPOCH_MS, HOUR_MS } from '../browser.ts';
import { distanceKm, hostIn } from '../geography.ts';
import type { Kind } from './base.ts';
import type { PersonKind } from './kinds.ts';
import { placesOf, stretch } from './places.ts';

/** Kinds that move. */
export const JOURNEYS = {
  /** Saturday and Sunday in a second city of the country; the way there takes its time on the road. */
  two_homes: ({ country, home, places, chance }) => {
    const others = country.homes.filter((city) => city !== home);
    const second = others.toSorted(
      (a, b) => Math.abs(distanceKm(a, home) - 250) - Math.abs(distanceKm(b, home) - 250),
    )[0];
    const there = placesOf(second ?? home, chance.fork('second'));
    const roadHours = Math.min(10, distanceKm(second ?? home, home) / 90);
    const weekHour = (atMs: number): number => ((atMs - EPOCH_MS) / HOUR_MS) % 168;
    return {
      isOffline: (atMs) => {
        const hour = weekHour(atMs);
        return (hour >= 120 - roadHours && hour < 120) || (hour < roadHours && atMs >= EPOCH_MS + 168 * HOUR_MS);
      },
      addressAt: (_, atMs) => (weekHour(atMs) >= 120 ? there.inTown(atMs) : places.inTown(atMs)),
    };
  },

  /** A flight every other week to any city, two to five days, at 850 km/h and three hours of airports each way. */
  traveller: ({ world, home, places, chance }) => {
    const trips = chance.fork('trips');
    const tripAt = (atMs: number) => {
      const fortnight = Math.floor((atMs - EPOCH_MS) / (14 * DAY_MS));
      const trip = trips.fork(`trip-${fortnight}`);
      const city = trip.pick(trip.pick(world.countries).homes);
      const leavesMs = EPOCH_MS + fortnight * 14 * DAY_MS + trip.between(2, 6) * DAY_MS;
      const journeyMs = (distanceKm(city, home) / 850 + 3) * HOUR_MS;
      const arrivesMs = leavesMs + journeyMs;
      const returnsMs = arrivesMs + trip.between(2, 5) * DAY_MS;
      return { city, leavesMs, arrivesMs, returnsMs, homeMs: returnsMs + journeyMs, hotel: trip.fork('hotel') };
    };
    return {
      isOffline: (atMs) => {
        const { leavesMs, arrivesMs, returnsMs, homeMs } = tripAt(atMs);
        return (atMs >= leavesMs && atMs < arrivesMs) || (atMs >= returnsMs && atMs < homeMs);
      },
      addressAt: (_, atMs) => {
        const { city, leavesMs, homeMs, hotel } = tripAt(atMs);
        if (atMs < leavesMs || atMs >= homeMs) return places.inTown(atMs);
        const now = stretch(hotel, 'stay', atMs, 12);
        return hostIn(now.pick(city.networks.slice(0, 3)), now);
      },
    };
  },

  moving_house: ({ country, home, places, spanDays, chance }) => {
    const next = chance.pick(country.homes.filter((city) => city !== home));
    const there = placesOf(next, chance.fork('next'));
    const movesMs = EPOCH_MS + spanDays * chance.between(0.4, 0.8) * DAY_MS;
    const roadMs = (distanceKm(next, home) / 60) * HOUR_MS;
    return {
      isOffline: (atMs) => atMs >= movesMs && atMs < movesMs + roadMs,
      addressAt: (_, atMs) => (atMs < movesMs ? places.inTown(atMs) : there.inTown(atMs)),
    };
  },

  dormant: ({ chance }) => {
    const shiftMs = chance.between(0, 300) * DAY_MS;
    return { isOffline: (atMs) => (atMs - EPOCH_MS + shiftMs) % (300 * DAY_MS) < 150 * DAY_MS };
  },
} as const satisfies { readonly [kind in PersonKind]?: Kind };
