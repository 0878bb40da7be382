import {
  type Browser,
  browserIn,
  DAY_MS,
  HOUR_MS,
  PLATFORMS,
  type Platform,
  type Traits,
  withFingerprint,
} from './browser.ts';
import type { Chance } from './chance.ts';
import { hostIn, type Network, type World } from './geography.ts';
import type { Person } from './people/person.ts';

/**
 * What a class of thieves is measured by:
 * `password`, no token of the victim's; `beside`, behind the victim's own address; `token_abroad`, a copied token used elsewhere;
 * `token_bare`, a copied token without the traits or with few; `token_city`, a copied token in the victim's city; `session`, a
 * stolen session; `poison`, a stolen session after an action that no rule names; `open`, no bar, since the thief can answer a
 * step-up, sits at the victim's own machine, or is patient.
 */
export type Measure =
  | 'password'
  | 'beside'
  | 'token_abroad'
  | 'token_bare'
  | 'token_city'
  | 'session'
  | 'poison'
  | 'open';

interface ThiefKind {
  readonly meaning: string;
  readonly measure: Measure;
  /** One of the classes that the policy promises to stop in 99 of 100. */
  readonly regular?: true;
}

/** Classes of thieves. Each has what the words say and nothing more. */
export const THIEVES = {
  stuffing_listed: kind('right password among many, from an address on an attack list', 'password', true),
  stuffing_datacenter: kind('right password among many, from a rented machine', 'password', true),
  stuffing_vpn: kind('right password among many, through VPN exits', 'password'),
  stuffing_residential: kind('right password among many, through homes of the country', 'password'),
  bot_farm: kind('right password, on a phone that a farm uses for many accounts', 'password'),
  foreign_new_device: kind('password, own machine, another country', 'password', true),
  domestic_new_device: kind('password, own machine, the same country', 'password', true),
  same_city_new_device: kind("password, own machine, the victim's city and provider", 'password'),
  copied_in_country: kind("password, the victim's fingerprint, the same country", 'password'),
  copied_fingerprint: kind("password, the victim's fingerprint and user agent, the same city", 'password', true),
  copied_same_network: kind("password, the victim's fingerprint, another address of the victim's network", 'password'),
  phishing_proxy: kind("password relayed from the phisher's machine, the victim's browser before it", 'password', true),
  sim_swap_without_code: kind("password, own machine, the victim's city; the code goes to the victim", 'password'),
  family_own_phone: kind("password, own phone, behind the victim's own address", 'beside'),
  copied_same_address: kind("password, the victim's fingerprint, behind the victim's own address", 'beside'),
  colleague_same_image: kind("password, a machine of the same company image, at the office's address", 'beside'),
  token_abroad_10h: kind('password, token and fingerprint, abroad within ten hours', 'token_abroad'),
  token_abroad_30h: kind('password, token and fingerprint, abroad after thirty hours', 'token_abroad'),
  token_vpn: kind('password, token and fingerprint, through a listed VPN exit', 'token_abroad'),
  token_rented: kind('password, token and fingerprint, from a rented machine', 'token_abroad'),
  token_attack_list: kind('password, token and fingerprint, from an address on an attack list', 'token_abroad'),
  token_tor: kind('password, token and fingerprint, through Tor', 'token_abroad'),
  token_no_traits: kind('password and token without any fingerprint, own browser, abroad', 'token_bare'),
  token_few_traits: kind("password and token with three groups of the victim's traits, abroad", 'token_bare'),
  token_same_city: kind("password, token and fingerprint, the victim's city", 'token_city'),
  session_other_machine: kind('session cookie, own machine or a script, another network', 'session', true),
  session_copied_fingerprint: kind("session cookie, the victim's fingerprint, another network", 'session', true),
  session_and_token_other_machine: kind('session cookie and token, own machine, another network', 'session', true),
  session_and_token_copied: kind('session cookie, token and fingerprint, another network', 'session', true),
  session_after_unnamed: kind('the same, after a request of an action that no rule names', 'poison'),
  warms_up: kind('token and fingerprint, three log-ins in the city; forty days later without the token', 'open'),
  sim_swap_with_code: kind("password, own machine, the victim's city, and the code from the text message", 'open'),
  relayed_factor: kind('password and one second factor, both relayed by a phishing page', 'open'),
  relayed_then_abroad: kind('the same; two days later from abroad, with the token it earned', 'open'),
  family_same_device: kind("password, on the victim's own device and line", 'open'),
  malware_on_machine: kind("session and token on the victim's own machine and line", 'open'),
} as const satisfies { readonly [thief: string]: ThiefKind };
/** One class of thieves. */
export type ThiefClass = keyof typeof THIEVES;
export const THIEF_CLASSES = Object.keys(THIEVES) as readonly ThiefClass[];

function kind(meaning: string, measure: Measure, regular?: true): ThiefKind {
  return regular === undefined ? { meaning, measure } : { meaning, measure, regular };
}

/** What a thief knows of the victim at the moment of the theft. */
export interface Loot {
  readonly victim: Person;
  /** The browser of the victim's last session, its address, and its token, if it holds a live one. */
  readonly browser: Browser;
  readonly session: string;
  readonly address: string;
  readonly token: string | null;
  /** The key of the victim's browser, which cannot be taken out of it; null without one. */
  readonly key: string | null;
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
  /** The victim's token, or the one that this thief has earned. */
  readonly token: 'stolen' | 'earned' | null;
  /** Whose key the browser proves: that of the victim's, for a thief who sits there, or one of the thief's own. */
  readonly key: 'victim' | 'own' | null;
  /** True for one of the five tries; all else prepares them. */
  readonly counts: boolean;
  /** How the thief can prove to be the victim when asked (`amr`); null for not at all. */
  readonly answers: readonly string[] | null;
  /** What others do before, from the same address: other people's log-ins, on the same device or with wrong passwords. */
  readonly before: { readonly onDevice: number; readonly failures: number };
}

/** Whether a class can rob this victim at all. */
export function canRob(thief: ThiefClass, { victim, token }: Loot): boolean {
  if (thief === 'colleague_same_image') return victim.kind === 'big_office';
  return token !== null || !TOKEN_NEEDED.has(thief);
}

const TOKEN_NEEDED: ReadonlySet<ThiefClass> = new Set<ThiefClass>([
  'token_abroad_10h',
  'token_abroad_30h',
  'token_vpn',
  'token_rented',
  'token_attack_list',
  'token_tor',
  'token_no_traits',
  'token_few_traits',
  'token_same_city',
  'session_and_token_other_machine',
  'session_and_token_copied',
  'session_after_unnamed',
  'warms_up',
]);

/** Five tries at a log-in: at once, two minutes later, an hour later, on the next day, and two days after that. */
const TRIES_MS: readonly number[] = [0, 120_000, HOUR_MS, DAY_MS + HOUR_MS, 3 * DAY_MS + 2 * HOUR_MS];

/** Five tries at a payment in a stolen session, which lives for hours. */
const SESSION_TRIES_MS: readonly number[] = [120_000, 20 * 60_000, HOUR_MS, 2 * HOUR_MS, 4 * HOUR_MS];

const SCRIPT = 'python-requests/2.32.3';
const NOTHING_BEFORE = { onDevice: 0, failures: 0 };

/** All that one thief tries, in order of time, from `atMs` on. */
export function attemptsOf(thief: ThiefClass, loot: Loot, atMs: number, world: World, chance: Chance): Attempt[] {
  const { victim, browser } = loot;
  const copied = browser.traitsAt(atMs);
  const own = ownTraits(victim, browser, atMs, chance.fork('own'));
  const foreign = chance.fork('foreign').pick(world.countries.filter(({ code }) => code !== victim.country.code));
  const host = (networks: readonly Network[]): string => hostIn(chance.pick(networks), chance);
  const abroad = (): string => host(chance.pick(foreign.homes).networks);
  const inCountry = (): string => host(chance.pick(victim.country.homes).networks);
  const inCity = (): string => differentNetwork(() => host(victim.home.networks), loot.address);
  const rented = (): string => host(world.hosting);
  // Residential proxies near the victim are sold by the city, so thieves of sessions often have one.
  const elsewhere = (): string => differentNetwork(chance.pick([inCity, inCountry, abroad, rented]), loot.address);

  interface LogIn extends Partial<Pick<Attempt, 'token' | 'key' | 'answers' | 'before' | 'counts'>> {
    readonly from: () => string;
    readonly traits: Traits | null;
    readonly userAgent?: string;
    readonly at?: readonly number[];
  }
  const login = ({ from, traits, at = TRIES_MS, ...rest }: LogIn): Attempt[] =>
    at.map((laterMs) => ({
      atMs: atMs + laterMs,
      action: 'login',
      address: from(),
      traits,
      userAgent: traits?.userAgent ?? SCRIPT,
      session: null,
      token: null,
      key: null,
      counts: true,
      answers: null,
      before: NOTHING_BEFORE,
      ...rest,
    }));
  const stuffing = (from: () => string): Attempt[] =>
    login({
      from,
      traits: chance.happens(0.5) ? own : null,
      // Half of all campaigns go slowly enough that one address never fails twice in ten minutes.
      before: { onDevice: 0, failures: chance.happens(0.5) ? 0 : chance.whole(3, 12) },
    });
  const withToken = (from: () => string, delayMs = 0): Attempt[] =>
    login({ from, traits: copied, token: 'stolen', at: TRIES_MS.map((laterMs) => laterMs + delayMs) });
  const inSession = (
    from: () => string,
    traits: Traits | null,
    token: 'stolen' | null,
    { unnamed = false, key = null }: { readonly unnamed?: boolean; readonly key?: Attempt['key'] } = {},
  ): Attempt[] => {
    const address = from();
    const step = (laterMs: number, action: string): Attempt => ({
      atMs: atMs + laterMs,
      action,
      address,
      traits,
      // Whoever replays a cookie with a script still wears the victim's user agent, which the malware took as well.
      userAgent: traits?.userAgent ?? copied.userAgent,
      session: 'stolen',
      token,
      key,
      counts: action === 'payment.transfer',
      answers: null,
      before: NOTHING_BEFORE,
    });
    return [
      // First a look around, which must not teach the engine where the thief sits.
      ...(unnamed ? [step(0, 'terms.accept')] : []),
      step(30_000, 'profile.view'),
      step(60_000, 'profile.view'),
      ...SESSION_TRIES_MS.map((laterMs) => step(laterMs, 'payment.transfer')),
    ];
  };

  switch (thief) {
    case 'stuffing_listed':
      return stuffing(() => chance.pick(world.botnet));
    case 'stuffing_datacenter':
      return stuffing(rented);
    case 'stuffing_vpn':
      return stuffing(() => host(world.vpns));
    case 'stuffing_residential':
      return stuffing(inCountry);
    case 'bot_farm':
      return login({ from: inCountry, traits: own, before: { onDevice: 12, failures: 0 } });
    case 'foreign_new_device':
      return login({ from: abroad, traits: own });
    case 'domestic_new_device':
      return login({ from: inCountry, traits: own });
    case 'same_city_new_device':
    case 'sim_swap_without_code':
      return login({ from: inCity, traits: own });
    case 'sim_swap_with_code':
      return login({ from: inCity, traits: own, key: 'own', answers: ['pwd', 'sms', 'mfa'] });
    case 'copied_in_country':
      return login({ from: () => differentNetwork(inCountry, loot.address), traits: copied });
    case 'copied_fingerprint':
      return login({ from: inCity, traits: copied });
    case 'copied_same_network':
      return login({ from: () => neighbourOf(loot.address, chance), traits: copied });
    case 'phishing_proxy':
      return login({ from: chance.happens(0.7) ? rented : inCountry, traits: copied });
    case 'family_own_phone':
      return login({ from: () => loot.address, traits: own });
    case 'copied_same_address':
    case 'colleague_same_image':
      return login({ from: () => loot.address, traits: copied });
    case 'token_abroad_10h':
      return withToken(abroad);
    case 'token_abroad_30h':
      return withToken(abroad, chance.between(30, 70) * HOUR_MS);
    case 'token_vpn': {
      const listed = new Set(world.lists.vpn);
      return withToken(() => host(world.vpns.filter(({ prefix }) => listed.has(`${prefix}0/24`))));
    }
    case 'token_rented':
      return withToken(rented);
    case 'token_attack_list':
      return withToken(() => chance.pick(world.botnet));
    case 'token_tor':
      return withToken(() => chance.pick(world.torExits));
    case 'token_no_traits':
      return login({
        from: abroad,
        traits: { userAgent: own.userAgent, fingerprint: null, components: {} },
        token: 'stolen',
      });
    case 'token_few_traits': {
      const three = Object.fromEntries(Object.entries(copied.components).slice(0, 3));
      return login({ from: abroad, traits: { ...own, ...withFingerprint(three) }, token: 'stolen' });
    }
    case 'token_same_city':
      return withToken(inCity);
    case 'session_other_machine':
      return inSession(elsewhere, chance.happens(0.5) ? own : null, null);
    case 'session_copied_fingerprint':
      return inSession(elsewhere, copied, null);
    case 'session_and_token_other_machine':
      return inSession(elsewhere, own, 'stolen');
    case 'session_and_token_copied':
      return inSession(elsewhere, copied, 'stolen');
    case 'session_after_unnamed':
      return inSession(elsewhere, copied, 'stolen', { unnamed: true });
    case 'warms_up': {
      const address = inCity();
      const from = (): string => address;
      return [
        ...login({ from, traits: copied, token: 'stolen', counts: false, at: [0, DAY_MS, 3 * DAY_MS] }),
        ...login({ from, traits: copied, at: TRIES_MS.map((laterMs) => laterMs + 40 * DAY_MS) }),
      ];
    }
    case 'relayed_factor':
      return login({ from: rented, traits: copied, answers: ['pwd', 'otp', 'mfa'] });
    case 'relayed_then_abroad':
      return [
        ...login({ from: rented, traits: own, key: 'own', answers: ['pwd', 'otp', 'mfa'], counts: false, at: [0] }),
        ...login({
          from: abroad,
          traits: own,
          token: 'earned',
          key: 'own',
          at: TRIES_MS.map((laterMs) => laterMs + 2 * DAY_MS),
        }),
      ];
    case 'family_same_device':
      return login({
        from: () => loot.address,
        traits: copied,
        token: loot.token === null ? null : 'stolen',
        key: 'victim',
      });
    case 'malware_on_machine':
      return inSession(() => loot.address, copied, loot.token === null ? null : 'stolen', { key: 'victim' });
  }
}

function ownTraits(victim: Person, stolen: Browser, atMs: number, chance: Chance): Traits {
  // Half take the trouble to use the victim's language, time zone and kind of browser.
  const alike = chance.happens(0.5);
  const platform: Platform = alike ? stolen.platform : chance.pick(PLATFORMS);
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

/** Another address of the same /24; of the same /48 for IPv6. */
function neighbourOf(address: string, chance: Chance): string {
  if (address.includes(':'))
    return hostIn({ version: 6, prefix: address.split(':').slice(0, 3).join(':').concat(':') }, chance);
  const prefix = address.slice(0, address.lastIndexOf('.') + 1);
  for (;;) {
    const drawn = `${prefix}${chance.whole(1, 254)}`;
    if (drawn !== address) return drawn;
  }
}
