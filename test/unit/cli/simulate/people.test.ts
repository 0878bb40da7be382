import { beforeAll, describe, expect, it } from 'vitest';
import { DAY_MS, EPOCH_MS, HOUR_MS } from '../../../../src/cli/simulate/browser.ts';
import { chanceOf } from '../../../../src/cli/simulate/chance.ts';
import { buildWorld, type World } from '../../../../src/cli/simulate/geography.ts';
import { actsOf, PEOPLE, type PersonKind, personOf } from '../../../../src/cli/simulate/people.ts';
import { geoipLiteSource } from '../../../../src/data/geo/local-geo.ts';
import { similarityOf } from '../../../../src/engine/device-match.ts';
import { greatCircleKm } from '../../../../src/model/distance.ts';
import { parseAddress } from '../../../../src/net/ip.ts';

const geo = geoipLiteSource();
let world: World;
beforeAll(() => {
  world = buildWorld(geo, chanceOf('people'), { samples: 60_000, countries: 60 });
});

function placeOf(text: string) {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  const located = geo.locate(address);
  return located.known ? located.place : null;
}

function lifeOf(kind: PersonKind, days = 56) {
  const person = personOf(kind, `${kind}-1`, world, chanceOf(kind));
  return { person, acts: actsOf(person, EPOCH_MS, EPOCH_MS + days * DAY_MS, chanceOf(`${kind}/acts`)) };
}

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

  it('Places the addresses of a city in that city', () => {
    for (const { homes } of world.countries) {
      for (const { name, country, networks } of homes.slice(0, 2)) {
        for (const { prefix } of networks.slice(0, 5)) {
          expect(placeOf(`${prefix}1`)).toMatchObject({ country, city: name });
        }
      }
    }
  });

  it('The world rents nobody a home in a relay, a VPN or a data centre', () => {
    const rented = new Set([...world.hosting, ...world.vpns, ...world.countries.flatMap(({ relays }) => relays)]);
    const homes = world.countries.flatMap(({ homes }) => homes.flatMap(({ networks }) => networks));
    expect(homes.filter((network) => rented.has(network))).toEqual([]);
  });
});

describe.each(Object.keys(PEOPLE) as PersonKind[])('%s', (kind) => {
  it('A person logs in about as often as people do, in order of time', () => {
    const { acts } = lifeOf(kind);
    const logins = acts.filter(({ action }) => action === 'login').length;
    expect(logins / 56).toBeGreaterThan(0.9);
    expect(logins / 56).toBeLessThan(2.5);
    expect(acts.map(({ atMs }) => atMs)).toEqual(acts.map(({ atMs }) => atMs).sort((a, b) => a - b));
    expect(acts.every(({ address }) => parseAddress(address)?.kind === 'public')).toBe(true);
  });

  it('A person lives the same life for the same chance', () => {
    const told = () => JSON.stringify(lifeOf(kind, 7).acts);
    expect(told()).toBe(told());
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
    expect(new Set(places.map((place) => place?.city)).size).toBeGreaterThan(5);
    expect(new Set(places.map((place) => place?.country))).toEqual(new Set([person.country.code]));
  });
});

describe('browsers', () => {
  it('Change their fingerprint with an update and stay alike', () => {
    const { person } = lifeOf('browser_updates');
    const [browser] = person.browsers;
    if (browser === undefined) throw new Error('no browser');
    const before = browser.traitsAt(EPOCH_MS);
    const after = browser.traitsAt(EPOCH_MS + 60 * DAY_MS);
    expect(after.fingerprint).not.toBe(before.fingerprint);
    expect(after.userAgent).not.toBe(before.userAgent);
    expect(similarityOf(before.components, after.components)).toBeCloseTo(7 / 8);
  });
});
