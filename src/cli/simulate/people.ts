import {
  type Browser,
  browserIn,
  DAY_MS,
  EPOCH_MS,
  HOUR_MS,
  hidingFonts,
  PLATFORMS,
  type Platform,
  type UpdateHabit,
} from './browser.ts';
import type { Chance } from './chance.ts';
import { type City, type Country, distanceKm, hostIn, type World } from './geography.ts';

/** Kinds of honest people. */
export const PEOPLE = {
  one_city: 'home, office and cafés of one city',
  commuter: 'a phone: Wi-Fi at home, the carrier on the way',
  mobile_carrier: 'only a carrier whose address wanders over the country',
  vpn_always: 'every connection through one of three VPN exits',
  vpn_sometimes: 'three connections in ten through a VPN',
  relay: 'a browser that relays through exits of the country',
  two_homes: 'weekends in a second city',
  traveller: 'flies somewhere every other week',
  browser_updates: 'a browser that changes its fingerprint with each update, every two weeks',
  cleared_cookies: 'clears all cookies every two weeks',
  hidden_traits: 'a browser that hides its fonts in one visit of five, and is unconfirmed then',
  several_devices: 'phone and laptop, IPv4 and IPv6 in turn',
  big_office: 'hundreds behind one office address',
} as const;
/** One kind of honest people. */
export type PersonKind = keyof typeof PEOPLE;

/** The life of one honest person: pure functions of the moment. */
export interface Person {
  readonly id: string;
  readonly kind: PersonKind;
  readonly country: Country;
  readonly home: City;
  readonly browsers: readonly Browser[];
  /** The address from which a browser is connected at a moment. */
  addressAt(browser: Browser, atMs: number): string;
  /** True while the person cannot log in: in an aeroplane, on the motorway. */
  isOffline(atMs: number): boolean;
  /** Days between two clearings of all cookies; null for never. */
  readonly clearsCookiesEveryDays: number | null;
}

/** One request of a person. */
export interface Act {
  readonly atMs: number;
  readonly action: string;
  readonly browser: Browser;
  readonly address: string;
  readonly session: string;
  readonly context: { readonly amount?: number; readonly new_payee?: boolean };
  /** A log-in whose password is wrong. */
  readonly mistyped: boolean;
}

/** One person of a kind, drawn by chance. */
export function personOf(kind: PersonKind, id: string, world: World, chance: Chance): Person {
  const country = chance.pick(world.countries);
  const home = chance.pick(country.homes);
  const computer = chance.pick(COMPUTERS);
  const phone = chance.pick(PHONES);
  const browser = (platform: Platform, updates?: UpdateHabit): Browser =>
    browserIn(country.code, `${id}-${platform}`, platform, chance.fork(platform), updates);
  const places = placesOf(home, chance.fork('places'));
  const any = chance.happens(0.4) ? phone : computer;
  const base = { id, kind, country, home, isOffline: () => false, clearsCookiesEveryDays: null };
  switch (kind) {
    case 'one_city':
      return { ...base, browsers: [browser(any)], addressAt: (_, atMs) => places.inTown(atMs) };
    case 'commuter': {
      const carrier = carrierOf(country, home, chance.fork('carrier'));
      const out = chance.fork('out');
      return {
        ...base,
        browsers: [browser(phone)],
        addressAt: (_, atMs) =>
          isDay(home, atMs) && slot(out, 'out', atMs, 2).happens(0.6) ? carrier(atMs) : places.atHome(atMs),
      };
    }
    case 'mobile_carrier': {
      const carrier = carrierOf(country, home, chance.fork('carrier'));
      return { ...base, browsers: [browser(phone)], addressAt: (_, atMs) => carrier(atMs) };
    }
    case 'vpn_always': {
      const vpn = vpnOf(world, chance.fork('vpn'));
      return { ...base, browsers: [browser(any)], addressAt: (_, atMs) => vpn(atMs) };
    }
    case 'vpn_sometimes': {
      const vpn = vpnOf(world, chance.fork('vpn'));
      const on = chance.fork('on');
      return {
        ...base,
        browsers: [browser(any)],
        addressAt: (_, atMs) => (slot(on, 'on', atMs, 3).happens(0.3) ? vpn(atMs) : places.inTown(atMs)),
      };
    }
    case 'relay': {
      const exit = chance.fork('relay');
      return {
        ...base,
        browsers: [browser(chance.happens(0.6) ? 'safari/ios' : 'safari/macos')],
        addressAt: (_, atMs) => {
          const now = slot(exit, 'exit', atMs, 1);
          return hostIn(now.pick(country.relays), now);
        },
      };
    }
    case 'two_homes':
      return twoHomes(base, browser(any), places, chance.fork('second'));
    case 'traveller':
      return traveller(base, browser(any), places, world, chance.fork('trips'));
    case 'browser_updates':
      return {
        ...base,
        browsers: [browser(any, { everyDays: 14, canvasChanges: 0.9 })],
        addressAt: (_, atMs) => places.inTown(atMs),
      };
    case 'cleared_cookies':
      return {
        ...base,
        browsers: [browser(any)],
        addressAt: (_, atMs) => places.inTown(atMs),
        clearsCookiesEveryDays: 14,
      };
    case 'hidden_traits': {
      const hides = chance.fork('hides');
      return {
        ...base,
        browsers: [hidingFonts(browser(any), (atMs) => slot(hides, 'page', atMs, 3).happens(0.2))],
        addressAt: (_, atMs) => places.inTown(atMs),
      };
    }
    case 'several_devices': {
      const carrier = carrierOf(country, home, chance.fork('carrier'));
      const line6 = country.networks6.length === 0 ? null : chance.fork('line6').pick(country.networks6);
      const family = chance.fork('family');
      const laptop = browser(computer);
      const atHome = (atMs: number): string => {
        const now = slot(family, 'family', atMs, 0.1);
        return line6 !== null && now.happens(0.5) ? hostIn(line6, family.fork('line6')) : places.atHome(atMs);
      };
      return {
        ...base,
        browsers: [browser(phone), laptop],
        addressAt: (used, atMs) =>
          used !== laptop && isDay(home, atMs) && slot(family, 'out', atMs, 2).happens(0.5)
            ? carrier(atMs)
            : atHome(atMs),
      };
    }
    case 'big_office': {
      const office = officeOf(world, id);
      return {
        ...base,
        country: office.country,
        home: office.city,
        browsers: [browserIn(office.country.code, `${id}-office`, computer, chance.fork('office'))],
        addressAt: () => office.address,
      };
    }
  }
}

/** All requests of a person from `fromMs` until `toMs`, in order of time. */
export function actsOf(person: Person, fromMs: number, toMs: number, chance: Chance): Act[] {
  const acts: Act[] = [];
  for (let dayMs = fromMs; dayMs < toMs; dayMs += DAY_MS) {
    const day = chance.fork(`day-${(dayMs - EPOCH_MS) / DAY_MS}`);
    const visits = 1 + Number(day.happens(0.5)) + Number(day.happens(0.2));
    for (let visit = 0; visit < visits; visit++) {
      const hour = day.happens(0.5) ? day.between(8, 12) : day.between(12, 23);
      const atMs = dayMs + (hour - person.home.lon / 15) * HOUR_MS;
      const browser = day.pick(person.browsers);
      if (atMs < fromMs || atMs >= toMs || person.isOffline(atMs)) continue;
      acts.push(...visitOf(person, browser, atMs, `${person.id}-s${acts.length}`, day.fork(`visit-${visit}`)));
    }
  }
  return acts.filter(({ atMs }) => atMs < toMs && !person.isOffline(atMs)).sort((a, b) => a.atMs - b.atMs);
}

/** How many times all cookies have been cleared until a moment. */
export function clearingsUntil(person: Person, atMs: number): number {
  const days = person.clearsCookiesEveryDays;
  return days === null ? 0 : Math.floor((atMs - EPOCH_MS) / (days * DAY_MS));
}

/** A log-in and what follows in its session: mostly minutes, at times until the next day. */
function visitOf(person: Person, browser: Browser, atMs: number, session: string, chance: Chance): Act[] {
  const act = (at: number, action: string, context: Act['context'] = {}, mistyped = false): Act => ({
    atMs: at,
    action,
    browser,
    address: person.addressAt(browser, at),
    session,
    context,
    mistyped,
  });
  const transfer = (at: number): Act =>
    act(at, 'payment.transfer', {
      // Log-normal around 40 with a long tail: one in a hundred or so is above a thousand.
      amount: Math.round(Math.exp(3.7 + 1.4 * bell(chance))),
      new_payee: chance.happens(0.05),
    });
  const minute = 60_000;
  const acts = chance.happens(0.04) ? [act(atMs - 0.5 * minute, 'login', {}, true)] : [];
  acts.push(act(atMs, 'login'), act(atMs + chance.between(0.1, 1) * minute, 'profile.view'));
  if (chance.happens(0.25)) acts.push(transfer(atMs + chance.between(1, 6) * minute));
  if (chance.happens(0.02)) acts.push(act(atMs + chance.between(2, 8) * minute, 'payment.payee.add'));
  if (chance.happens(0.004)) acts.push(act(atMs + chance.between(2, 8) * minute, 'password.change'));
  if (chance.happens(0.3)) {
    const laterMs = atMs + chance.between(0.5, 18) * HOUR_MS;
    acts.push(act(laterMs, 'profile.view'));
    if (chance.happens(0.4)) acts.push(transfer(laterMs + chance.between(0.5, 3) * minute));
  }
  return acts;
}

/** Roughly a standard normal: the sum of twelve uniforms. */
function bell(chance: Chance): number {
  let sum = -6;
  for (let term = 0; term < 12; term++) sum += chance.next();
  return sum;
}

const PHONES: readonly Platform[] = ['chrome/android', 'safari/ios'];
const COMPUTERS: readonly Platform[] = PLATFORMS.filter((platform) => !PHONES.includes(platform));

/** Chance of one stretch of time: pure by moment, so that lives need not be played in order. */
function slot(chance: Chance, name: string, atMs: number, hours: number): Chance {
  return chance.fork(`${name}-${Math.floor(atMs / (hours * HOUR_MS))}`);
}

function localHour(city: City, atMs: number): number {
  return (((atMs / HOUR_MS + city.lon / 15) % 24) + 24) % 24;
}

function isDay(city: City, atMs: number): boolean {
  const hour = localHour(city, atMs);
  return hour >= 8 && hour < 20;
}

function isWeekend(atMs: number): boolean {
  return Math.floor((atMs - EPOCH_MS) / DAY_MS) % 7 >= 5;
}

interface Places {
  atHome(atMs: number): string;
  inTown(atMs: number): string;
}

/** Home (the provider hands out another address every three weeks), office by day, one café in twenty-five visits. */
function placesOf(city: City, chance: Chance): Places {
  const line = chance.sample(city.networks, 2);
  const office = chance.happens(0.5) ? hostIn(chance.pick(city.networks), chance) : null;
  const atHome = (atMs: number): string => {
    const lease = slot(chance, 'lease', atMs, 21 * 24);
    return hostIn(lease.pick(line), lease);
  };
  return {
    atHome,
    inTown: (atMs) => {
      const now = slot(chance, 'cafe', atMs, 3);
      if (now.happens(0.04)) return hostIn(now.pick(city.networks), now);
      return office !== null && !isWeekend(atMs) && localHour(city, atMs) >= 9 && localHour(city, atMs) < 18
        ? office
        : atHome(atMs);
    },
  };
}

/** The carrier's exits: three times in four one of the four nearest to home, else any of the country. */
function carrierOf(country: Country, home: City, chance: Chance): (atMs: number) => string {
  const near = country.carrier.toSorted((a, b) => distanceKm(a.city, home) - distanceKm(b.city, home)).slice(0, 4);
  return (atMs) => {
    const now = slot(chance, 'exit', atMs, 2);
    return hostIn(now.pick(now.happens(0.75) ? near : country.carrier), now);
  };
}

function vpnOf(world: World, chance: Chance): (atMs: number) => string {
  const exits = chance.sample(world.vpns, 3);
  return (atMs) => {
    const now = slot(chance, 'exit', atMs, 12);
    return hostIn(now.pick(exits), now);
  };
}

type Base = Omit<Person, 'browsers' | 'addressAt'>;

/** Saturday and Sunday in a second city of the country; the way there takes its time on the road. */
function twoHomes(base: Base, browser: Browser, first: Places, chance: Chance): Person {
  const others = base.country.homes.filter((city) => city !== base.home);
  const second = others.toSorted(
    (a, b) => Math.abs(distanceKm(a, base.home) - 250) - Math.abs(distanceKm(b, base.home) - 250),
  )[0];
  const there = placesOf(second ?? base.home, chance);
  const roadHours = Math.min(10, distanceKm(second ?? base.home, base.home) / 90);
  const weekHour = (atMs: number): number => ((atMs - EPOCH_MS) / HOUR_MS) % 168;
  return {
    ...base,
    browsers: [browser],
    isOffline: (atMs) => {
      const hour = weekHour(atMs);
      return (hour >= 120 - roadHours && hour < 120) || (hour < roadHours && atMs >= EPOCH_MS + 168 * HOUR_MS);
    },
    addressAt: (_, atMs) => (weekHour(atMs) >= 120 ? there.inTown(atMs) : first.inTown(atMs)),
  };
}

/** A flight every other week to any city, two to five days, at 850 km/h and three hours of airports each way. */
function traveller(base: Base, browser: Browser, first: Places, world: World, chance: Chance): Person {
  const tripAt = (atMs: number) => {
    const fortnight = Math.floor((atMs - EPOCH_MS) / (14 * DAY_MS));
    const trip = chance.fork(`trip-${fortnight}`);
    const city = trip.pick(trip.pick(world.countries).homes);
    const leavesMs = EPOCH_MS + fortnight * 14 * DAY_MS + trip.between(2, 6) * DAY_MS;
    const journeyMs = (distanceKm(city, base.home) / 850 + 3) * HOUR_MS;
    const arrivesMs = leavesMs + journeyMs;
    const returnsMs = arrivesMs + trip.between(2, 5) * DAY_MS;
    return { city, leavesMs, arrivesMs, returnsMs, homeMs: returnsMs + journeyMs, hotel: trip.fork('hotel') };
  };
  return {
    ...base,
    browsers: [browser],
    isOffline: (atMs) => {
      const { leavesMs, arrivesMs, returnsMs, homeMs } = tripAt(atMs);
      return (atMs >= leavesMs && atMs < arrivesMs) || (atMs >= returnsMs && atMs < homeMs);
    },
    addressAt: (_, atMs) => {
      const { city, leavesMs, homeMs, hotel } = tripAt(atMs);
      if (atMs < leavesMs || atMs >= homeMs) return first.inTown(atMs);
      const now = slot(hotel, 'stay', atMs, 12);
      return hostIn(now.pick(city.networks.slice(0, 3)), now);
    },
  };
}

/** Offices of two hundred: everybody whose id falls to one shares its address. */
function officeOf(
  world: World,
  id: string,
): { readonly country: Country; readonly city: City; readonly address: string } {
  const country = world.countries[0];
  const city = country?.homes[0];
  const network = city?.networks[0];
  if (country === undefined || city === undefined || network === undefined) {
    throw new RangeError(`no office for ${id}: the world has no country with a home`);
  }
  return { country, city, address: `${network.prefix}7` };
}
