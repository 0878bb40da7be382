import { DAY_MS, EPOCH_MS, HOUR_MS } from '../browser.ts';
import type { Chance } from '../chance.ts';
import { localHour } from '../frequencies.ts';
import { type City, type Country, distanceKm, hostIn, type Network, type World } from '../geography.ts';

/** Chance of one stretch of time: pure by moment, so that lives need not be played in order. */
export function stretch(chance: Chance, name: string, atMs: number, hours: number): Chance {
  return chance.fork(`${name}-${Math.floor(atMs / (hours * HOUR_MS))}`);
}

/** Monday to Friday, 9 to 18. */
export function isOfficeTime(city: City, atMs: number): boolean {
  const hour = localHour(atMs, city.lon);
  return !isWeekend(atMs) && hour >= 9 && hour < 18;
}

/** From 8 to 20, when people are out. */
export function isDay(city: City, atMs: number): boolean {
  const hour = localHour(atMs, city.lon);
  return hour >= 8 && hour < 20;
}

/** Saturday or Sunday. */
export function isWeekend(atMs: number): boolean {
  return Math.floor((atMs - EPOCH_MS) / DAY_MS) % 7 >= 5;
}

/** Where somebody is connected in the city they live in. */
export interface Places {
  atHome(atMs: number): string;
  /** Home, the office by day, at times a café. */
  inTown(atMs: number): string;
}

/** Home (the provider hands out another address every three weeks), office by day, one café in twenty-five visits. */
export function placesOf(city: City, chance: Chance): Places {
  const atHome = lineIn(chance.sample(city.networks, 2), 21 * 24, chance);
  const office = chance.happens(0.5) ? hostIn(chance.pick(city.networks), chance) : null;
  return {
    atHome,
    inTown: (atMs) => {
      const now = stretch(chance, 'cafe', atMs, 3);
      if (now.happens(0.04)) return hostIn(now.pick(city.networks), now);
      return office !== null && isOfficeTime(city, atMs) ? office : atHome(atMs);
    },
  };
}

/** A line whose provider hands out another address of these networks every so many hours. */
export function lineIn(networks: readonly Network[], hours: number, chance: Chance): (atMs: number) => string {
  return (atMs) => {
    const lease = stretch(chance, 'lease', atMs, hours);
    return hostIn(lease.pick(networks), lease);
  };
}

/** The carrier's exits: three times in four one of the four nearest to home, else any of the country. */
export function carrierOf(country: Country, home: City, chance: Chance): (atMs: number) => string {
  const near = country.carrier.toSorted((a, b) => distanceKm(a.city, home) - distanceKm(b.city, home)).slice(0, 4);
  return (atMs) => {
    const now = stretch(chance, 'exit', atMs, 2);
    return hostIn(now.pick(now.happens(0.75) ? near : country.carrier), now);
  };
}

/** Three exits of VPN providers, one for half a day. */
export function vpnOf(world: World, chance: Chance): (atMs: number) => string {
  const exits = chance.sample(world.vpns, 3);
  return (atMs) => {
    const now = stretch(chance, 'exit', atMs, 12);
    return hostIn(now.pick(exits), now);
  };
}

/** One address of an IPv6 line; null in a country without any. */
export function line6Of(networks: readonly Network[], chance: Chance): string | null {
  return networks.length === 0 ? null : hostIn(chance.pick(networks), chance);
}
