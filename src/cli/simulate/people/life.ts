import { type Browser, browserIn, PLATFORMS, type Platform, type UpdateHabit } from '../browser.ts';
import type { Chance } from '../chance.ts';
import type { World } from '../geography.ts';
import type { Base, Kind } from './base.ts';
import { CLIENTS } from './clients.ts';
import { JOURNEYS } from './journeys.ts';
import type { PersonKind } from './kinds.ts';
import { LINES } from './lines.ts';
import type { Person } from './person.ts';
import { placesOf } from './places.ts';

const KINDS: { readonly [kind in PersonKind]: Kind } = { ...LINES, ...JOURNEYS, ...CLIENTS };

/** Share of log-ins that most people begin with a wrong password. */
const MISTYPES = 0.04;
/** Share of people whose pages load the browser client, and whose browser keeps its key. */
const HAS_KEYS = 0.9;
/** Share of step-ups that most people do not go through with. */
const DROPS_OUT = 0.1;

const PHONES: readonly Platform[] = ['chrome/android', 'safari/ios'];
const COMPUTERS: readonly Platform[] = PLATFORMS.filter((platform) => !PHONES.includes(platform));

/** Who is drawn. People of one `household` share what a household shares, when they are drawn by the same chance. */
export interface Drawn {
  readonly id: string;
  readonly kind: PersonKind;
  readonly household: string;
  readonly spanDays: number;
}

/** One person of a kind, drawn by chance. */
export function personOf({ id, kind, household, spanDays }: Drawn, world: World, chance: Chance): Person {
  const country = chance.pick(world.countries);
  const home = chance.pick(country.homes);
  const computerPlatform = chance.pick(COMPUTERS);
  const phonePlatform = chance.pick(PHONES);
  const browser = (name: string, platform: Platform, updates?: UpdateHabit): Browser =>
    browserIn(country.code, `${household}-${name}`, platform, chance.fork(name), updates);
  const computer = browser('computer', computerPlatform);
  const phone = browser('phone', phonePlatform);
  const any = chance.happens(0.4) ? phone : computer;
  const places = placesOf(home, chance.fork('places'));
  const base: Base = {
    id,
    country,
    home,
    places,
    world,
    spanDays,
    computer,
    phone,
    any,
    browser,
    computerPlatform,
    phonePlatform,
    chance,
  };
  return {
    id,
    kind,
    country,
    home,
    browsersAt: () => [any],
    addressAt: (_, atMs) => places.inTown(atMs),
    isOffline: () => false,
    jarAt: ({ id: jar }) => jar,
    crowdAt: () => null,
    hasKeys: chance.fork('keys').happens(HAS_KEYS),
    mistypes: MISTYPES,
    dropsOut: DROPS_OUT,
    ...KINDS[kind](base),
  };
}
