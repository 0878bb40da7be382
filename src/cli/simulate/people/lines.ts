import type { Chance } from '../chance.ts';
import { hostIn } from '../geography.ts';
import type { Kind } from './base.ts';
import type { PersonKind } from './kinds.ts';
import type { Crowd } from './person.ts';
import { carrierOf, isDay, line6Of, lineIn, stretch, vpnOf } from './places.ts';

/** Kinds that differ in how they are connected. */
export const LINES = {
  one_line: ({ computer, places }) => ({
    browsersAt: () => [computer],
    addressAt: (_, atMs) => places.atHome(atMs),
  }),

  one_city: () => ({}),

  commuter: ({ phone, places, country, home, chance }) => {
    const carrier = carrierOf(country, home, chance.fork('carrier'));
    const out = chance.fork('out');
    return {
      browsersAt: () => [phone],
      addressAt: (_, atMs) =>
        isDay(home, atMs) && stretch(out, 'out', atMs, 2).happens(0.6) ? carrier(atMs) : places.atHome(atMs),
    };
  },

  mobile_carrier: ({ phone, country, home, chance }) => {
    const carrier = carrierOf(country, home, chance.fork('carrier'));
    return { browsersAt: () => [phone], addressAt: (_, atMs) => carrier(atMs) };
  },

  big_office: ({ world, browser, computerPlatform, id }) => {
    // Everybody works in the same office, so that its address is busy.
    const country = world.countries[0];
    const city = country?.homes[0];
    const network = city?.networks[0];
    if (country === undefined || city === undefined || network === undefined) {
      throw new RangeError(`no office for ${id}: the world has no country with a home; sample more addresses`);
    }
    const own = browser('office', computerPlatform);
    return { country, home: city, browsersAt: () => [own], addressAt: () => `${network.prefix}7` };
  },

  campus: ({ home, chance, places, computer }) => {
    const [network] = home.networks;
    const gates = network === undefined ? [] : [3, 4, 5, 6].map((host) => `${network.prefix}${host}`);
    const crowd = chance.fork('crowd');
    const isThere = (atMs: number): boolean => isDay(home, atMs);
    return {
      browsersAt: () => [computer],
      addressAt: (_, atMs) => (isThere(atMs) ? stretch(crowd, 'gate', atMs, 4).pick(gates) : places.atHome(atMs)),
      crowdAt: (atMs) => (isThere(atMs) ? crowdOf(stretch(crowd, 'crowd', atMs, 0.1), 0.15) : null),
    };
  },

  cloud_proxy: ({ country, chance, computer }) => {
    const exits = chance.fork('exits');
    return {
      browsersAt: () => [computer],
      addressAt: (_, atMs) => {
        const now = stretch(exits, 'exit', atMs, 4);
        return hostIn(now.pick(country.proxies), now);
      },
      crowdAt: (atMs) => crowdOf(stretch(exits, 'crowd', atMs, 0.1), 0.15),
    };
  },

  cgnat: ({ home, chance }) => {
    const pool = chance.sample(home.networks, 6);
    const line = lineIn(pool, 24, chance.fork('line'));
    const crowd = chance.fork('crowd');
    return {
      addressAt: (_, atMs) => line(atMs),
      crowdAt: (atMs) => crowdOf(stretch(crowd, 'crowd', atMs, 0.1), 0.1),
    };
  },

  ipv6_rotates: ({ country, places, chance }) => {
    const networks = chance.fork('line6').sample(country.networks6, 8);
    const line = networks.length === 0 ? null : lineIn(networks, 24, chance.fork('prefix'));
    return { addressAt: (_, atMs) => (line === null ? places.atHome(atMs) : line(atMs)) };
  },

  family_flips: ({ country, places, chance }) => {
    const flips = chance.fork('flips');
    const line6 = line6Of(country.networks6, chance.fork('line6'));
    return {
      addressAt: (_, atMs) =>
        line6 !== null && stretch(flips, 'family', atMs, 0.05).happens(0.5) ? line6 : places.atHome(atMs),
    };
  },

  satellite: ({ country, chance }) => {
    const stations = chance.fork('stations');
    return {
      addressAt: (_, atMs) => {
        const now = stretch(stations, 'station', atMs, 24);
        return hostIn(now.pick(country.satellites), now);
      },
    };
  },

  wrong_place: ({ country, home, places, chance }) => {
    // The provider's networks are registered in another city, and some of them in another country's table.
    const elsewhere = chance.pick(country.cities.filter((city) => city.name !== home.name));
    const wrong = lineIn(elsewhere.networks.slice(0, 2), 7 * 24, chance.fork('wrong'));
    const which = chance.fork('which');
    return {
      addressAt: (_, atMs) => (stretch(which, 'which', atMs, 7 * 24).happens(0.5) ? wrong(atMs) : places.atHome(atMs)),
    };
  },

  vpn_always: ({ world, chance }) => {
    const vpn = vpnOf(world, chance.fork('vpn'));
    return { addressAt: (_, atMs) => vpn(atMs) };
  },

  vpn_sometimes: ({ world, chance, places }) => {
    const vpn = vpnOf(world, chance.fork('vpn'));
    const on = chance.fork('on');
    return { addressAt: (_, atMs) => (stretch(on, 'on', atMs, 3).happens(0.3) ? vpn(atMs) : places.inTown(atMs)) };
  },

  relay: ({ browser, country, chance }) => {
    const exit = chance.fork('relay');
    const safari = browser('safari', chance.happens(0.6) ? 'safari/ios' : 'safari/macos');
    return {
      browsersAt: () => [safari],
      addressAt: (_, atMs) => {
        const now = stretch(exit, 'exit', atMs, 1);
        return hostIn(now.pick(country.relays), now);
      },
    };
  },
} as const satisfies { readonly [kind in PersonKind]?: Kind };

/** A busy hour has two dozen log-ins before one's own; in one of twenty some of them are a list of stolen passwords. */
function crowdOf(now: Chance, busy: number): Crowd {
  return {
    strangers: now.happens(busy) ? 24 : now.whole(0, 3),
    failures: now.happens(0.05) ? now.whole(5, 15) : now.whole(0, 1),
  };
}
