import { greatCircleKm } from '../../model/distance.ts';
import type { LocalGeoSource, Place } from '../../model/geo.ts';
import { formatV4, parseAddress } from '../../net/ip.ts';
import type { Chance } from './chance.ts';

/** A block of addresses in one place: a /24, or a /48 of IPv6. */
export interface Network {
  readonly version: 4 | 6;
  /** Text before the host: `81.2.69.` or `2a02:8108:1:`. */
  readonly prefix: string;
  readonly city: City;
}

/** A city as the geo source knows it, with the networks found there. */
export interface City {
  readonly country: string;
  readonly name: string;
  readonly lat: number;
  readonly lon: number;
  readonly accuracyKm: number;
  /** At least one; IPv4. */
  readonly networks: readonly Network[];
}

/** Lines of an address list by category. Entries are addresses or CIDR blocks. */
export interface AddressLists {
  readonly tor: readonly string[];
  readonly vpn: readonly string[];
  readonly relay: readonly string[];
  readonly datacenter: readonly string[];
  readonly attack: readonly string[];
  /** Networks of a satellite operator. */
  readonly satellite: readonly string[];
}

/** A country with enough cities to live, wander and be robbed in. */
export interface Country {
  readonly code: string;
  /** Cities with several networks, for a home, an office and a neighbour. */
  readonly homes: readonly City[];
  readonly cities: readonly City[];
  /** Networks of its mobile carrier, spread over the country's cities. */
  readonly carrier: readonly Network[];
  /** IPv6 networks, whose place may be no better than the country; may be empty. */
  readonly networks6: readonly Network[];
  /** Exits of a relay service for people of this country; no one lives there. */
  readonly relays: readonly Network[];
  /** Exits of VPN providers in this country; no one lives there. */
  readonly vpns: readonly Network[];
  /** Exits of a company's cloud proxy in this country, each of which hosts thousands; nobody lives there. */
  readonly proxies: readonly Network[];
  /** Ground stations of a satellite operator; nobody lives there. */
  readonly satellites: readonly Network[];
}

/** Real geography: cities and addresses of the geo source, with roles given to some of them by chance. */
export interface World {
  readonly countries: readonly Country[];
  /** Hosting networks: rented by thieves, phishers and VPN providers. */
  readonly hosting: readonly Network[];
  /** Exits of VPN providers. */
  readonly vpns: readonly Network[];
  readonly torExits: readonly string[];
  /** Addresses of infected machines that are on attack lists. */
  readonly botnet: readonly string[];
  readonly lists: AddressLists;
}

/** How much of the world is looked at. */
export interface WorldSize {
  /** Random addresses that are looked up; below 20,000 they do not make a world. */
  readonly samples: number;
  /** Most countries in which people live, at least 16: not each turns out to have large enough cities. */
  readonly countries: number;
}

/** How well published lists cover the networks that they are about. */
export interface ListQuality {
  /** Share of VPN networks that the VPN list names. */
  readonly vpn: number;
  /** Share of hosting networks that the data-centre list names. */
  readonly datacenter: number;
  /** Share of the exits of company proxies that the data-centre list names. */
  readonly proxy: number;
  /** Share of honest home and carrier networks of which one address in ten is wrongly on an attack list. */
  readonly wrongAttack: number;
}

/** Lists as they are in life: incomplete, and wrong about some honest people. */
const USUAL_LIST_QUALITY: ListQuality = { vpn: 0.85, datacenter: 0.9, proxy: 0.7, wrongAttack: 0.03 };

/**
 * Samples `samples` random public IPv4 addresses, keeps those that the source places in a city, looks at their
 * neighbours, and gives roles to some networks. Throws when the source places too few of them.
 */
export function buildWorld(
  geo: LocalGeoSource,
  chance: Chance,
  { samples, countries: most }: WorldSize,
  quality = USUAL_LIST_QUALITY,
): World {
  const cities = sampleCities(geo, chance.fork('cities'), samples, most);
  const networks6 = sampleNetworks6(geo, chance.fork('networks6'), Math.ceil(samples / 8));
  const rented = cities.filter(isHostingCity).flatMap(({ networks }) => networks);
  const countries = countriesOf(
    cities.filter((city) => !isHostingCity(city)),
    networks6,
    chance.fork('countries'),
  );
  const roles = chance.fork('roles');
  const hostedVpns = new Set(roles.sample(rented, Math.floor(rented.length / 4)));
  const hosting = rented.filter((network) => !hostedVpns.has(network));
  if (countries.length < MIN_COUNTRIES || hosting.length < MIN_HOSTING) {
    throw new RangeError(
      `the geo source places ${countries.length} usable countries and ${hosting.length} hosting networks out of ` +
        `${samples} addresses, needed are ${MIN_COUNTRIES} and ${MIN_HOSTING}; raise samples or check the geo data`,
    );
  }
  const vpns = [...hostedVpns, ...countries.flatMap((country) => country.vpns)];
  const anyHome = (): Network => roles.pick(roles.pick(roles.pick(countries).homes).networks);
  const torExits = Array.from({ length: 300 }, () =>
    hostIn(roles.happens(0.8) ? roles.pick(hosting) : anyHome(), roles),
  );
  const botnet = Array.from({ length: 1000 }, () =>
    hostIn(roles.happens(0.4) ? roles.pick(hosting) : anyHome(), roles),
  );
  const honest = countries.flatMap(({ homes, carrier }) => [...homes.flatMap(({ networks }) => networks), ...carrier]);
  const wrong = honest
    .filter(() => roles.happens(quality.wrongAttack))
    .flatMap(({ prefix }) => HOSTS.filter(() => roles.happens(0.1)).map((host) => `${prefix}${host}`));
  return {
    countries,
    hosting,
    vpns,
    torExits,
    botnet,
    lists: {
      tor: [...new Set(torExits)],
      vpn: vpns.filter(() => roles.happens(quality.vpn)).map(blockOf),
      relay: countries.flatMap(({ relays }) => relays).map(blockOf),
      datacenter: [
        ...rented.filter(() => roles.happens(quality.datacenter)),
        ...countries.flatMap(({ proxies }) => proxies).filter(() => roles.happens(quality.proxy)),
      ].map(blockOf),
      satellite: countries.flatMap(({ satellites }) => satellites).map(blockOf),
      attack: [...new Set([...botnet, ...wrong])],
    },
  };
}

/** An address of the network. */
export function hostIn(network: Pick<Network, 'version' | 'prefix'>, chance: Chance): string {
  return network.version === 4 ? `${network.prefix}${chance.whole(1, 254)}` : `${network.prefix}${chance.hex(4)}::1`;
}

/** Kilometres between two cities, centre to centre. */
export function distanceKm(a: City, b: City): number {
  return greatCircleKm(a, b);
}

const HOSTS = Array.from({ length: 254 }, (_, index) => index + 1);
const MIN_COUNTRIES = 8;
const MIN_HOSTING = 40;

/** Cities whose addresses are mostly rented machines; no simulated person lives there. */
const HOSTING_CITIES = new Set([
  'US/Ashburn',
  'US/Boardman',
  'US/Columbus',
  'US/Council Bluffs',
  'US/The Dalles',
  'US/San Jose',
  'US/Santa Clara',
  'US/Des Moines',
  'US/Dallas',
  'IE/Dublin',
  'DE/Frankfurt am Main',
  'DE/Falkenstein',
  'NL/Amsterdam',
  'FR/Roubaix',
  'FR/Strasbourg',
  'SG/Singapore',
  'SE/Stockholm',
  'FI/Helsinki',
]);

/** `81.2.69.` as the number of its /24. */
function blockNumber(prefix: string): number {
  return prefix
    .split('.')
    .slice(0, 3)
    .reduce((sum, part) => sum * 256 + Number(part), 0);
}

function isHostingCity({ country, name }: City): boolean {
  return HOSTING_CITIES.has(`${country}/${name}`);
}

function blockOf({ version, prefix }: Network): string {
  return version === 4 ? `${prefix}0/24` : `${prefix}:/48`;
}

interface GrowingCity extends City {
  readonly networks: Network[];
}

function sampleCities(geo: LocalGeoSource, chance: Chance, samples: number, mostCountries: number): City[] {
  const cities = new Map<string, GrowingCity>();
  const seen = new Set<number>();
  const look = (block: number): void => {
    if (seen.has(block)) return;
    seen.add(block);
    const first = cityAt(geo, formatV4(block * 256 + 1));
    if (first === null) return;
    // The source moves a city by some kilometres from block to block: the name is what keeps it together.
    const key = `${first.country}/${first.region}/${first.city}`;
    let city = cities.get(key);
    if (city === undefined) {
      const { country, city: name, lat, lon, accuracyKm } = first;
      city = { country, name, lat, lon, accuracyKm, networks: [] };
      cities.set(key, city);
    }
    city.networks.push({ version: 4, prefix: formatV4(block * 256).slice(0, -1), city });
  };
  for (let sample = 0; sample < samples; sample++) look(chance.whole(0x010000, 0xdfffff));
  // If three networks of a town with a thousand were drawn, everyone would seem to share three. Adding the neighbours
  // of drawn networks gives residential cities their real size.
  const byCountry = Map.groupBy(
    [...cities.values()].filter((city) => city.networks.length >= MIN_DRAWN && !isHostingCity(city)),
    ({ country }) => country,
  );
  const lived = chance.sample(
    [...byCountry.values()].filter((some) => some.length >= MIN_HOMES),
    mostCountries,
  );
  for (const city of lived.flatMap((some) => chance.sample(some, HOME_CITIES))) {
    const drawn = city.networks.map(({ prefix }) => blockNumber(prefix));
    for (let step = 1; step <= WIDEST_STEP && city.networks.length < CITY_NETWORKS; step++) {
      for (const block of drawn) {
        if (city.networks.length >= CITY_NETWORKS) break;
        look(block + step);
        look(block - step);
      }
    }
  }
  return [...cities.values()];
}

/** Registries' blocks in which IPv6 is in use; each sample takes a provider by chance and addresses inside it. */
const V6_TOPS = [
  '2001',
  '2400',
  '2402',
  '2600',
  '2601',
  '2607',
  '2800',
  '2804',
  '2a00',
  '2a01',
  '2a02',
  '2a04',
  '2c0f',
];

/** IPv6 is often placed no better than by country, which is how it is taken here. */
function sampleNetworks6(geo: LocalGeoSource, chance: Chance, samples: number): Network[] {
  const found: Network[] = [];
  for (let sample = 0; sample < samples; sample++) {
    const provider = `${chance.pick(V6_TOPS)}:${chance.hex(4)}`;
    if (placeAt(geo, `${provider}:0:1::1`)?.country == null) continue;
    for (let part = 0; part < 4; part++) {
      const prefix = `${provider}:${chance.hex(4)}:`;
      const place = placeAt(geo, `${prefix}:1`);
      if (place === null || place.country === null) continue;
      const { country, city: name, lat, lon, accuracyKm } = place;
      const city = { country, name: name ?? '', lat: lat ?? 0, lon: lon ?? 0, accuracyKm, networks: [] };
      found.push({ version: 6, prefix, city });
    }
  }
  return found;
}

function countriesOf(cities: readonly City[], networks6: readonly Network[], chance: Chance): Country[] {
  const byCode = Map.groupBy(cities, ({ country }) => country);
  const six = Map.groupBy(networks6, ({ city }) => city.country);
  return [...byCode]
    .map(([code, found]): Country => {
      const own = chance.fork(code);
      const exits = own.sample(
        found.flatMap((city) => city.networks),
        RELAY_NETWORKS + VPN_NETWORKS + PROXY_NETWORKS + SATELLITE_NETWORKS,
      );
      const taken = new Set(exits);
      const take = (count: number): Network[] => exits.splice(0, count);
      const all = found
        .map((city) => ({ ...city, networks: city.networks.filter((network) => !taken.has(network)) }))
        .filter(({ networks }) => networks.length > 0);
      return {
        code,
        cities: all,
        homes: all.filter((city) => city.networks.length >= MIN_HOME_NETWORKS),
        carrier: own.sample(
          all.flatMap((city) => city.networks),
          CARRIER_NETWORKS,
        ),
        networks6: six.get(code) ?? [],
        relays: take(RELAY_NETWORKS),
        vpns: take(VPN_NETWORKS),
        proxies: take(PROXY_NETWORKS),
        satellites: take(SATELLITE_NETWORKS),
      };
    })
    .filter(({ homes, carrier }) => homes.length >= MIN_HOMES && carrier.length === CARRIER_NETWORKS)
    .toSorted((a, b) => (a.code < b.code ? -1 : 1));
}

/** Networks of a city that must be drawn by chance before its neighbours are added. */
const MIN_DRAWN = 2;
const MIN_HOMES = 2;
/** Cities of a country in which people live, at most. */
const HOME_CITIES = 6;
const CITY_NETWORKS = 1500;
const WIDEST_STEP = 512;
const MIN_HOME_NETWORKS = 500;
const CARRIER_NETWORKS = 80;
const RELAY_NETWORKS = 6;
const VPN_NETWORKS = 2;
const PROXY_NETWORKS = 4;
const SATELLITE_NETWORKS = 2;

type FullPlace = { readonly [key in 'lat' | 'lon' | 'accuracyKm']: number } & {
  readonly [key in 'country' | 'city']: string;
} & Pick<Place, 'region'>;

function cityAt(geo: LocalGeoSource, text: string): FullPlace | null {
  const place = placeAt(geo, text);
  if (place === null) return null;
  const { lat, lon, accuracyKm, country, region, city } = place;
  return lat === null || lon === null || country === null || city === null
    ? null
    : { lat, lon, accuracyKm, country, region, city };
}

function placeAt(geo: LocalGeoSource, text: string): Place | null {
  const address = parseAddress(text);
  if (address === null || address.kind !== 'public') return null;
  const located = geo.locate(address);
  return located.known ? located.place : null;
}
