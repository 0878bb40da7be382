import { beforeAll, describe, expect, it } from 'vitest';
import { DAY_MS, EPOCH_MS, HOUR_MS } from '../../../../src/cli/simulate/browser.ts';
import { chanceOf } from '../../../../src/cli/simulate/chance.ts';
import { buildWorld, type World } from '../../../../src/cli/simulate/geography.ts';
import { KINDS, type PersonKind } from '../../../../src/cli/simulate/people/kinds.ts';
import { personOf } from '../../../../src/cli/simulate/people/life.ts';
import { actsOf } from '../../../../src/cli/simulate/visits.ts';
import { geoipLiteSource } from '../../../../src/data/geo/local-geo.ts';
import { similarityOf } from '../../../../src/engine/device-match.ts';
import { greatCircleKm } from '../../../../src/model/distance.ts';
import { parseAddress } from '../../../../src/net/ip.ts';

const geo = geoipLiteSource();
let world: World;
beforeAll(() => {
  world = buildWorld(geo, chanceOf('people'), { samples: 50_000, countries: 40 });
}, 60_000);

function placeOf(text: string) {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  const located = geo.locate(address);
  return located.known ? located.place : null;
}

function lifeOf(kind: PersonKind, days = 56, household = `${kind}-1`, id = household) {
  const person = personOf({ id, kind, household, spanDays: days }, world, chanceOf(household));
  const acts = actsOf(
    person,
    { frequency: 'often', pays: 0.25 },
    EPOCH_MS,
    EPOCH_MS + days * DAY_MS,
    chanceOf(`${id}/acts`),
  );
  return { person, acts, logins: acts.filter(({ action }) => action === 'login') };
}

const distinct = <T>(values: readonly T[]): number => new Set(values).size;

describe('the world', () => {
  it('The world has people on every inhabited continent', () => {
    const lands = new Set(world.countries.map(({ code }) => code));
    for (const some of [
      ['US', 'CA', 'MX'],
      ['AR', 'BR', 'CL', 'CO', 'EC'],
      ['DE', 'ES', 'GB', 'IT', 'NL'],
      ['CN', 'IN', 'ID', 'KR', 'JP'],
    ]) {
      expect(
        some.some((code) => lands.has(code)),
        some.join(' or '),
      ).toBe(true);
    }
  });

  it('The world places the addresses of a city in that city', () => {
    for (const { homes } of world.countries) {
      for (const { name, country, networks } of homes.slice(0, 2)) {
        for (const { prefix } of networks.slice(0, 5)) {
          expect(placeOf(`${prefix}1`)).toMatchObject({ country, city: name });
        }
      }
    }
  });

  it('The world has no homes in relays, VPNs, company proxies, ground stations or data centres', () => {
    const rented = new Set([
      ...world.hosting,
      ...world.vpns,
      ...world.countries.flatMap(({ relays, proxies, satellites }) => [...relays, ...proxies, ...satellites]),
    ]);
    const homes = world.countries.flatMap(({ homes }) => homes.flatMap(({ networks }) => networks));
    expect(homes.filter((network) => rented.has(network))).toEqual([]);
  });
});

describe.each(KINDS)('%s', (kind) => {
  it('A person acts in order of time from public addresses', () => {
    const { acts } = lifeOf(kind);
    expect(acts.map(({ atMs }) => atMs)).toEqual(acts.map(({ atMs }) => atMs).sort((a, b) => a - b));
    expect(acts.every(({ address }) => parseAddress(address)?.kind === 'public')).toBe(true);
  });

  it('A person has the same life for the same chance', () => {
    const told = () => JSON.stringify(lifeOf(kind, 7).acts);
    expect(told()).toBe(told());
  });
});

describe('one computer on one line', () => {
  it('One computer on one line has one browser and a few addresses', () => {
    const { logins } = lifeOf('one_line', 84);
    expect(distinct(logins.map(({ browser }) => browser))).toBe(1);
    expect(distinct(logins.map(({ address }) => address))).toBeLessThanOrEqual(5);
  });
});

describe('travellers', () => {
  it('Travellers never move faster than an aeroplane with its airports', () => {
    const { acts } = lifeOf('traveller', 112);
    let farthest = 0;
    for (const [index, act] of acts.entries()) {
      const before = acts[index - 1];
      const here = placeOf(act.address);
      const there = before === undefined ? null : placeOf(before.address);
      if (before === undefined || here?.lat == null || here.lon === null || there?.lat == null || there.lon === null)
        continue;
      const km = greatCircleKm({ lat: here.lat, lon: here.lon }, { lat: there.lat, lon: there.lon });
      farthest = Math.max(farthest, km);
      // Within one city the source moves by some kilometres from block to block, which is no travel.
      if (km > 300) expect(km / ((act.atMs - before.atMs) / HOUR_MS)).toBeLessThan(900);
    }
    expect(farthest).toBeGreaterThan(1000);
  });
});

describe('carriers', () => {
  it('Carriers hand out addresses of many cities of one country', () => {
    const { person, acts } = lifeOf('mobile_carrier');
    const places = acts.map(({ address }) => placeOf(address));
    expect(distinct(places.map((place) => place?.city))).toBeGreaterThan(5);
    expect(new Set(places.map((place) => place?.country))).toEqual(new Set([person.country.code]));
  });
});

describe('browsers', () => {
  it('Browsers change their fingerprint with an update and stay alike', () => {
    const { logins } = lifeOf('browser_updates');
    const before = logins[0]?.browser.traitsAt(EPOCH_MS);
    const after = logins[0]?.browser.traitsAt(EPOCH_MS + 60 * DAY_MS);
    if (before === undefined || after === undefined) throw new Error('no log-in');
    expect(after.fingerprint).not.toBe(before.fingerprint);
    expect(after.userAgent).not.toBe(before.userAgent);
    const groups = Object.keys(before.components).length;
    expect(similarityOf(before.components, after.components)).toBeCloseTo((groups - 1) / groups);
  });

  it('Firefox and Safari show no canvas', () => {
    expect(Object.keys(traitsOver('firefox_resist')[0]?.components ?? {})).not.toContain('canvas');
    expect(Object.keys(traitsOver('safari_resist')[0]?.components ?? {})).not.toContain('canvas');
  });
});

function traitsOver(kind: PersonKind, days = 28) {
  return lifeOf(kind, days).logins.map(({ browser, atMs }) => browser.traitsAt(atMs));
}

describe('cookie jars', () => {
  it('Most people keep one cookie jar', () => {
    expect(distinct(lifeOf('one_city').logins.map(({ jar }) => jar))).toBe(1);
  });

  it('Private windows have a new cookie jar in each session', () => {
    const { logins } = lifeOf('private_windows');
    expect(distinct(logins.map(({ jar }) => jar))).toBe(logins.length);
  });

  it('Cookie jars are emptied every two weeks, or every month', () => {
    expect(distinct(lifeOf('cleared_cookies', 84).logins.map(({ jar }) => jar))).toBe(6);
    expect(distinct(lifeOf('cleared_monthly', 90).logins.map(({ jar }) => jar))).toBe(3);
  });

  it('Brave keeps its cookie jar while most of its traits change from day to day', () => {
    const { logins } = lifeOf('brave');
    expect(distinct(logins.map(({ jar }) => jar))).toBe(1);
    const [first, ...later] = traitsOver('brave');
    const next = later.at(-1);
    expect(similarityOf(first?.components ?? {}, next?.components ?? {})).toBeLessThan(0.5);
    expect(distinct(traitsOver('brave').map(({ fingerprint }) => fingerprint))).toBeGreaterThan(10);
  });

  it('People of a household share a tablet and its cookie jar', () => {
    const [ann, bob] = ['ann', 'bob'].map((id) => lifeOf('shared_tablet', 28, 'family', id));
    expect(ann?.logins[0]?.jar).toBe(bob?.logins[0]?.jar);
    expect(ann?.person.id).not.toBe(bob?.person.id);
    const traits = (acts: typeof ann) => acts?.logins[0]?.browser.traitsAt(EPOCH_MS);
    expect(traits(ann)).toEqual(traits(bob));
  });
});

describe('clients that show little', () => {
  it('A plain application shows no device', () => {
    expect(traitsOver('native_app_plain')[0]).toMatchObject({ fingerprint: null, components: {} });
  });

  it('An application with a token shows the id of its installation and nothing else', () => {
    const shown = traitsOver('native_app');
    expect(distinct(shown.map(({ fingerprint }) => fingerprint))).toBe(1);
    expect(shown[0]).toMatchObject({ fingerprint: expect.stringMatching(/^installation-/), components: {} });
  });

  it('A page without the collector shows no device and the user agent of a browser', () => {
    expect(traitsOver('no_collector')[0]).toMatchObject({
      fingerprint: null,
      userAgent: expect.stringContaining('Mozilla'),
    });
  });

  it('Firefox with resistance looks like every other in language and screen', () => {
    const [one] = traitsOver('firefox_resist');
    expect(one?.components).toMatchObject({ locale: 'en-US, Atlantic/Reykjavik', screen: 'rounded' });
  });

  it('Safari with resistance has noise in some groups and keeps the others', () => {
    const [first, ...later] = traitsOver('safari_resist');
    const similarity = similarityOf(first?.components ?? {}, later.at(-1)?.components ?? {}) ?? 0;
    expect(similarity).toBeGreaterThan(0.5);
    expect(similarity).toBeLessThan(1);
  });
});

describe('shared addresses', () => {
  it.each(['campus', 'cloud_proxy', 'cgnat'] as const)('The addresses of %s have crowds', (kind) => {
    const { person, logins } = lifeOf(kind);
    const crowds = logins.map(({ atMs }) => person.crowdAt(atMs)).filter((crowd) => crowd !== null);
    expect(crowds.some(({ strangers }) => strangers >= 20)).toBe(true);
  });

  it('The addresses of one city have no crowds', () => {
    expect(lifeOf('one_city').person.crowdAt(EPOCH_MS)).toBeNull();
  });

  it('Satellite lines are connected through ground stations, which a list names', () => {
    const exits = new Set(lifeOf('satellite').person.country.satellites.map(({ prefix }) => `${prefix}0/24`));
    expect(world.lists.satellite.filter((block) => exits.has(block)).length).toBe(exits.size);
    const networkOf = (address: string): string => `${address.slice(0, address.lastIndexOf('.'))}.0/24`;
    for (const { address } of lifeOf('satellite').logins) expect(exits.has(networkOf(address))).toBe(true);
  });
});

describe('lines', () => {
  it('A line with both families uses either', () => {
    const { person, acts } = lifeOf('family_flips');
    const versions = new Set(acts.map(({ address }) => (address.includes(':') ? 6 : 4)));
    expect(versions.size).toBe(person.country.networks6.length === 0 ? 1 : 2);
  });

  it('A line with rotating prefixes has several /48s', () => {
    const { person, logins } = lifeOf('ipv6_rotates');
    if (person.country.networks6.length < 3) return;
    expect(distinct(logins.map(({ address }) => address.split(':').slice(0, 3).join(':')))).toBeGreaterThan(2);
  });

  it('A line that is placed wrongly is in two cities without a journey', () => {
    const cities = lifeOf('wrong_place').logins.map(({ address }) => placeOf(address)?.city);
    expect(distinct(cities)).toBeGreaterThan(1);
  });
});

describe('changes of a life', () => {
  it('A person who moves house is in two cities, one after the other', () => {
    const cities = lifeOf('moving_house', 200).logins.map(({ address }) => placeOf(address)?.city);
    const moves = cities.filter((city, index) => index > 0 && city !== cities[index - 1]).length;
    expect(distinct(cities)).toBe(2);
    expect(moves).toBe(1);
  });

  it('A phone is replaced once', () => {
    const devices = lifeOf('new_phone', 100).logins.map(({ browser }) => browser.id);
    expect(distinct(devices)).toBe(2);
    expect(devices.filter((device, index) => index > 0 && device !== devices[index - 1]).length).toBe(1);
  });

  it('A dormant person stays away for months', () => {
    const { logins } = lifeOf('dormant', 600);
    const longest = Math.max(...logins.map(({ atMs }, index) => atMs - (logins[index - 1]?.atMs ?? atMs)));
    expect(longest / DAY_MS).toBeGreaterThan(149);
  });

  it('A person with many devices uses five', () => {
    expect(distinct(lifeOf('many_devices').logins.map(({ browser }) => browser.id))).toBe(5);
  });
});

describe('habits', () => {
  const shareOf = (kind: PersonKind, is: (act: { failures: number; answers: boolean }) => boolean): number => {
    const { logins } = lifeOf(kind, 400);
    return logins.filter(is).length / logins.length;
  };

  it('Most people mistype now and then, some at every third log-in', () => {
    expect(shareOf('one_city', ({ failures }) => failures > 0)).toBeLessThan(0.1);
    expect(shareOf('mistypes', ({ failures }) => failures > 0)).toBeCloseTo(0.33, 1);
  });

  it('Most people give up at some step-ups, some at every second', () => {
    expect(shareOf('one_city', ({ answers }) => !answers)).toBeCloseTo(0.1, 1);
    expect(shareOf('drops_out', ({ answers }) => !answers)).toBeCloseTo(0.5, 1);
  });
});
