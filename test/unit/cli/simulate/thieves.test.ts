import { describe, expect, it } from 'vitest';
import { EPOCH_MS, HOUR_MS } from '../../../../src/cli/simulate/browser.ts';
import { chanceOf } from '../../../../src/cli/simulate/chance.ts';
import { buildWorld } from '../../../../src/cli/simulate/geography.ts';
import { personOf } from '../../../../src/cli/simulate/people/life.ts';
import {
  type Attempt,
  attemptsOf,
  canRob,
  type Loot,
  THIEF_CLASSES,
  type ThiefClass,
} from '../../../../src/cli/simulate/thieves.ts';
import { geoipLiteSource } from '../../../../src/data/geo/local-geo.ts';
import { parseAddress } from '../../../../src/net/ip.ts';

const geo = geoipLiteSource();
const world = buildWorld(geo, chanceOf('thieves'), { samples: 20_000, countries: 16 });
const victim = personOf(
  { id: 'victim', kind: 'one_city', household: 'victim', spanDays: 100 },
  world,
  chanceOf('victim'),
);
const [browser] = victim.browsersAt(EPOCH_MS);
if (browser === undefined) throw new Error('the victim has no browser');
const loot: Loot = {
  victim,
  browser,
  session: 'stolen',
  address: victim.addressAt(browser, EPOCH_MS),
  token: 'the-token',
  key: 'the-key',
};
const copied = browser.traitsAt(EPOCH_MS);

const attemptsBy = (thief: ThiefClass): Attempt[] => attemptsOf(thief, loot, EPOCH_MS, world, chanceOf(thief));
const triesBy = (thief: ThiefClass): Attempt[] => attemptsBy(thief).filter(({ counts }) => counts);

function countriesOf(attempts: readonly Attempt[]): (string | null)[] {
  return attempts.map(({ address }) => {
    const parsed = parseAddress(address);
    const located = parsed === null ? null : geo.locate(parsed);
    return located?.known === true ? located.place.country : null;
  });
}

describe.each(THIEF_CLASSES)('%s', (thief) => {
  it('A thief tries five times, in order of time', () => {
    expect(triesBy(thief)).toHaveLength(5);
    const times = attemptsBy(thief).map(({ atMs }) => atMs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it('A thief with a token of the victim robs only those who have one', () => {
    const usesToken = attemptsBy(thief).some(({ token }) => token === 'stolen');
    const without = canRob(thief, { ...loot, token: null });
    const isAtHome =
      thief === 'family_same_device' || thief === 'malware_on_machine' || thief === 'colleague_same_image';
    if (!isAtHome) expect(without).toBe(!usesToken);
  });
});

describe('thieves without a token', () => {
  it('Stuffing comes from addresses of its list', () => {
    const listed = new Set(world.lists.attack);
    expect(triesBy('stuffing_listed').every(({ address }) => listed.has(address))).toBe(true);
  });

  it('A thief who copied a fingerprint shows it from another network of the city', () => {
    for (const { traits, address, token } of triesBy('copied_fingerprint')) {
      expect(traits).toEqual(copied);
      expect(token).toBeNull();
      expect(address.slice(0, address.lastIndexOf('.'))).not.toBe(loot.address.slice(0, loot.address.lastIndexOf('.')));
    }
  });

  it('A thief in the same network has another address of it', () => {
    for (const { address } of triesBy('copied_same_network')) {
      expect(address).not.toBe(loot.address);
      expect(address.slice(0, address.lastIndexOf('.'))).toBe(loot.address.slice(0, loot.address.lastIndexOf('.')));
    }
  });

  it("A thief behind the victim's address has that very address", () => {
    for (const thief of ['copied_same_address', 'colleague_same_image', 'family_own_phone'] as const) {
      expect(new Set(triesBy(thief).map(({ address }) => address))).toEqual(new Set([loot.address]));
    }
  });

  it('A bot farm has used its phone for many accounts before', () => {
    expect(triesBy('bot_farm').every(({ before }) => before.onDevice > 3)).toBe(true);
  });

  it('A colleague robs only people of a big office', () => {
    expect(canRob('colleague_same_image', loot)).toBe(false);
    expect(canRob('colleague_same_image', { ...loot, victim: { ...victim, kind: 'big_office' } })).toBe(true);
  });

  it('Only thieves who hold the code or relay it can answer', () => {
    const answering = THIEF_CLASSES.filter((thief) => attemptsBy(thief).some(({ answers }) => answers !== null));
    expect(answering).toEqual(['sim_swap_with_code', 'relayed_factor', 'relayed_then_abroad']);
  });
});

describe('thieves with a token', () => {
  it('A thief abroad is in another country, and after thirty hours comes later', () => {
    for (const thief of ['token_abroad_10h', 'token_abroad_30h', 'token_no_traits', 'token_few_traits'] as const) {
      expect(countriesOf(triesBy(thief))).not.toContain(victim.country.code);
    }
    expect(triesBy('token_abroad_10h')[0]?.atMs).toBe(EPOCH_MS);
    expect(triesBy('token_abroad_30h')[0]?.atMs).toBeGreaterThanOrEqual(EPOCH_MS + 30 * HOUR_MS);
  });

  it('A token without traits comes with no fingerprint, and one with few traits with three groups', () => {
    expect(triesBy('token_no_traits')[0]?.traits).toMatchObject({ fingerprint: null, components: {} });
    expect(Object.keys(triesBy('token_few_traits')[0]?.traits?.components ?? {})).toHaveLength(3);
  });

  it('Thieves through Tor, rented machines and listed VPNs come from there', () => {
    const networkOf = (address: string): string => address.slice(0, address.lastIndexOf('.') + 1);
    const exits = new Set(world.torExits);
    const rented = new Set(world.hosting.map(({ prefix }) => prefix));
    const listed = new Set(world.lists.vpn);
    expect(triesBy('token_tor').every(({ address }) => exits.has(address))).toBe(true);
    expect(triesBy('token_rented').every(({ address }) => rented.has(networkOf(address)))).toBe(true);
    expect(triesBy('token_vpn').every(({ address }) => listed.has(`${networkOf(address)}0/24`))).toBe(true);
  });

  it('A patient thief warms up with the token and comes forty days later without it', () => {
    const [warming, tries] = [attemptsBy('warms_up').slice(0, 3), triesBy('warms_up')];
    expect(warming.every(({ token, counts }) => token === 'stolen' && !counts)).toBe(true);
    expect(tries.every(({ token, atMs }) => token === null && atMs >= EPOCH_MS + 40 * 24 * HOUR_MS)).toBe(true);
  });

  it('A thief who relayed a factor comes back with the token it earned', () => {
    expect(triesBy('relayed_then_abroad').every(({ token }) => token === 'earned')).toBe(true);
  });
});

describe('thieves of sessions', () => {
  it('A stolen session looks around first and then tries payments', () => {
    expect(attemptsBy('session_and_token_copied').map(({ action }) => action)).toEqual([
      'profile.view',
      'profile.view',
      ...Array.from({ length: 5 }, () => 'payment.transfer'),
    ]);
  });

  it('A poisoning begins with an action that no rule names', () => {
    expect(attemptsBy('session_after_unnamed')[0]).toMatchObject({ action: 'terms.accept', session: 'stolen' });
  });
});
