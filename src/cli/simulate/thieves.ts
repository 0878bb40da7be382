import { type Browser, browserIn, DAY_MS, HOUR_MS, PLATFORMS, type Platform, type Traits } from './browser.ts';
import type { Chance } from './chance.ts';
import { hostIn, type World } from './geography.ts';
import type { Person } from './people.ts';

/** Classes of thieves. Each has exactly what its name says; none can step up. */
export const THIEVES = {
  stuffing_listed: 'right password among many, from an address on an attack list',
  stuffing_datacenter: 'right password among many, from a rented machine',
  foreign_new_device: 'password, own machine, another country',
  domestic_new_device: 'password, own machine, the same country',
  copied_fingerprint: "password, the victim's fingerprint and user agent, the same city",
  session_other_machine: 'session cookie, own machine or a script, another network',
  session_copied_fingerprint: "session cookie, the victim's fingerprint and user agent, another network",
  session_and_token_other_machine: 'session cookie and device token, own machine, another network',
  session_and_token_copied: "session cookie, device token, the victim's fingerprint, another network",
  phishing_proxy: "password relayed from the phisher's machine with the victim's browser before it",
  malware_on_machine: "session cookie and device token on the victim's own machine and line",
} as const;
/** One class of thieves. */
export type ThiefClass = keyof typeof THIEVES;

/** Classes that no signal can tell from the victim: shown without a bar. */
export const BEYOND_REACH: readonly ThiefClass[] = ['malware_on_machine'];

/** What the thief knows of the victim at the moment of the theft. */
export interface Loot {
  readonly victim: Person;
  /** The browser of the victim's last session, and its address. */
  readonly browser: Browser;
  readonly session: string;
  readonly address: string;
}

/** One request of a thief. */
export interface Attempt {
  readonly atMs: number;
  readonly action: string;
  readonly address: string;
  /** Null for a script that shows no device. */
  readonly traits: Traits | null;
  readonly userAgent: string;
  readonly session: 'stolen' | null;
  readonly token: 'stolen' | null;
  readonly context: { readonly amount?: number; readonly new_payee?: boolean };
  /** True for the act that the theft is about: allowed once, the thief has won. */
  readonly matters: boolean;
  /** Log-ins of strangers that fail from the same address just before: the rest of the list of passwords. */
  readonly failuresBefore: number;
}

/** All that one thief tries, in order of time, from `atMs` on. */
export function attemptsOf(kind: ThiefClass, loot: Loot, atMs: number, world: World, chance: Chance): Attempt[] {
  const { victim, browser } = loot;
  const copied = browser.traitsAt(atMs);
  const own = ownTraits(victim, atMs, chance.fork('own'));
  const foreign = chance.fork('foreign').pick(world.countries.filter(({ code }) => code !== victim.country.code));
  const abroad = (): string => hostIn(chance.pick(chance.pick(foreign.homes).networks), chance);
  const inCountry = (): string => hostIn(chance.pick(chance.pick(victim.country.homes).networks), chance);
  const inCity = (): string => hostIn(chance.pick(victim.home.networks), chance);
  const rented = (): string => hostIn(chance.pick(world.hosting), chance);
  // Residential proxies near the victim are sold by the city, so thieves of sessions often have one.
  const anywhere = (): string => chance.pick([inCity, inCountry, abroad, rented])();
  const elsewhere = (): string => differentNetwork(anywhere, loot.address);

  const login = (from: () => string, traits: Traits | null, failures = 0): Attempt[] =>
    TRIES_MS.map((laterMs) => ({
      atMs: atMs + laterMs,
      action: 'login',
      address: from(),
      traits,
      userAgent: traits?.userAgent ?? SCRIPT,
      session: null,
      token: null,
      context: {},
      matters: true,
      failuresBefore: failures,
    }));
  const stolen = (from: () => string, traits: Traits | null, token: 'stolen' | null): Attempt[] => {
    const address = from();
    const step = (laterMs: number, action: string, matters: boolean): Attempt => ({
      atMs: atMs + laterMs,
      action,
      address,
      traits,
      // Whoever replays a cookie with a script still wears the victim's user agent, which the site logs and the malware took.
      userAgent: traits?.userAgent ?? copied.userAgent,
      session: 'stolen',
      token,
      context: matters ? { amount: chance.whole(50, 900), new_payee: false } : {},
      matters,
      failuresBefore: 0,
    });
    // A look around first, which must not teach the engine the thief's place.
    return [
      step(0, 'profile.view', false),
      step(60_000, 'profile.view', false),
      step(120_000, 'payment.transfer', true),
      step(20 * 60_000, 'payment.transfer', true),
    ];
  };

  switch (kind) {
    case 'stuffing_listed':
      return login(() => chance.pick(world.botnet), chance.happens(0.5) ? own : null, slowOrFast(chance));
    case 'stuffing_datacenter':
      return login(rented, chance.happens(0.5) ? own : null, slowOrFast(chance));
    case 'foreign_new_device':
      return login(abroad, own);
    case 'domestic_new_device':
      return login(inCountry, own);
    case 'copied_fingerprint':
      return login(() => differentNetwork(inCity, loot.address), copied);
    case 'session_other_machine':
      return stolen(elsewhere, chance.happens(0.5) ? own : null, null);
    case 'session_copied_fingerprint':
      return stolen(elsewhere, copied, null);
    case 'session_and_token_other_machine':
      return stolen(elsewhere, own, 'stolen');
    case 'session_and_token_copied':
      return stolen(elsewhere, copied, 'stolen');
    case 'phishing_proxy':
      return login(chance.happens(0.7) ? rented : inCountry, copied);
    case 'malware_on_machine':
      return stolen(() => loot.address, copied, 'stolen');
  }
}

/** Three tries: at once, two minutes later, and on the next day. */
const TRIES_MS = [0, 120_000, DAY_MS + HOUR_MS] as const;

const SCRIPT = 'python-requests/2.32.3';

/** Half of all campaigns go slowly enough that one address never fails twice in ten minutes. */
function slowOrFast(chance: Chance): number {
  return chance.happens(0.5) ? 0 : chance.whole(3, 12);
}

function ownTraits(victim: Person, atMs: number, chance: Chance): Traits {
  // Half take the trouble to use the victim's language, time zone and kind of browser.
  const alike = chance.happens(0.5);
  const platform: Platform = alike ? (victim.browsers[0]?.platform ?? 'chrome/windows') : chance.pick(PLATFORMS);
  return browserIn(alike ? victim.country.code : 'XX', 'thief', platform, chance).traitsAt(atMs);
}

function differentNetwork(draw: () => string, address: string): string {
  const networkOf = (text: string): string => text.slice(0, text.lastIndexOf('.'));
  for (let tries = 0; tries < 50; tries++) {
    const drawn = draw();
    if (networkOf(drawn) !== networkOf(address)) return drawn;
  }
  throw new RangeError('every address drawn for the thief lies in the network of the victim; sample a larger world');
}
