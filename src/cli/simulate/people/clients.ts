import { altered, DAY_MS, EPOCH_MS, nativeApp, type Traits } from '../browser.ts';
import type { Kind } from './base.ts';
import type { PersonKind } from './kinds.ts';
import type { Person } from './person.ts';
import { carrierOf, isDay, line6Of, stretch } from './places.ts';

/** Kinds that differ in what they log in with and what it keeps. */
export const CLIENTS = {
  browser_updates: ({ browser, computerPlatform }) => {
    const own = browser('updated', computerPlatform, { everyDays: 14, drawingChanges: 0.9 });
    return { browsersAt: () => [own] };
  },

  several_devices: ({ phone, computer, country, home, places, chance }) => {
    const carrier = carrierOf(country, home, chance.fork('carrier'));
    const line6 = line6Of(country.networks6, chance.fork('line6'));
    const family = chance.fork('family');
    const atHome = (atMs: number): string =>
      line6 !== null && stretch(family, 'family', atMs, 0.1).happens(0.5) ? line6 : places.atHome(atMs);
    return {
      browsersAt: () => [phone, computer],
      addressAt: (used, atMs) =>
        used === phone && isDay(home, atMs) && stretch(family, 'out', atMs, 2).happens(0.5)
          ? carrier(atMs)
          : atHome(atMs),
    };
  },

  many_devices: ({ phone, computer, browser, phonePlatform, places }) => {
    const all = [
      phone,
      computer,
      browser('tablet', phonePlatform),
      browser('work', 'edge/windows'),
      browser('old', 'chrome/windows'),
    ];
    return { browsersAt: () => all, addressAt: (_, atMs) => places.inTown(atMs) };
  },

  new_phone: ({ phone, browser, phonePlatform, spanDays, chance }) => {
    const next = browser('next-phone', phonePlatform);
    const boughtMs = EPOCH_MS + spanDays * chance.between(0.4, 0.8) * DAY_MS;
    return { browsersAt: (atMs) => [atMs < boughtMs ? phone : next] };
  },

  mistypes: () => ({ mistypes: 0.33 }),

  drops_out: () => ({ dropsOut: 0.5 }),

  /** The tablet, its line and its cookies belong to the household. */
  shared_tablet: ({ browser, phonePlatform, places }) => {
    const tablet = browser('tablet', phonePlatform);
    return { browsersAt: () => [tablet], addressAt: (_, atMs) => places.atHome(atMs) };
  },

  hidden_traits: ({ any, chance }) => {
    const hides = chance.fork('hides');
    const own = altered(any, (components, atMs) => {
      if (!stretch(hides, 'page', atMs, 3).happens(0.2)) return components;
      const { fonts: _fonts, ...rest } = components;
      return rest;
    });
    return { browsersAt: () => [own] };
  },

  cleared_cookies: () => ({ jarAt: clearedEvery(14) }),

  cleared_monthly: () => ({ jarAt: clearedEvery(30) }),

  private_windows: () => ({ jarAt: ({ id }, _atMs, session) => `${id}/${session}` }),

  /** @see https://github.com/brave/brave-browser/wiki/Fingerprinting-Protections */
  brave: ({ browser, computerPlatform, chance }) => {
    const own = browser('brave', computerPlatform === 'firefox/windows' ? 'chrome/windows' : computerPlatform);
    const seed = chance.fork('farbling');
    const farbled = altered(own, (components, atMs) =>
      noisy(components, ['audio', 'browser', 'canvas', 'machine', 'webgl'], stretch(seed, 'session', atMs, 24).hex(8)),
    );
    return { browsersAt: () => [farbled] };
  },

  /** @see https://support.mozilla.org/en-US/kb/resist-fingerprinting */
  firefox_resist: ({ browser }) => {
    const own = browser('firefox', 'firefox/windows');
    const alike = { locale: 'en-US, Atlantic/Reykjavik', screen: 'rounded', webgl: 'masked', machine: 'two-cores' };
    const resisting = altered(own, (components) => ({ ...components, ...alike }));
    return { browsersAt: () => [resisting] };
  },

  /** @see https://webkit.org/blog/15697/private-browsing-2-0/ */
  safari_resist: ({ browser, chance }) => {
    const own = browser('safari', chance.happens(0.6) ? 'safari/ios' : 'safari/macos');
    const seed = chance.fork('noise');
    const blurred = altered(own, (components, atMs) =>
      noisy(components, ['audio', 'screen', 'webgl'], stretch(seed, 'page', atMs, 1).hex(8)),
    );
    return { browsersAt: () => [blurred] };
  },

  native_app: ({ id, phonePlatform, places, country, home, chance }) => {
    const carrier = carrierOf(country, home, chance.fork('carrier'));
    const out = chance.fork('out');
    const app = nativeApp(`${id}-app`, systemOf(phonePlatform), `installation-${chance.fork('installation').hex(16)}`);
    return {
      browsersAt: () => [app],
      hasKeys: false,
      addressAt: (_, atMs) =>
        isDay(home, atMs) && stretch(out, 'out', atMs, 2).happens(0.4) ? carrier(atMs) : places.atHome(atMs),
    };
  },

  native_app_plain: ({ id, phonePlatform }) => {
    const app = nativeApp(`${id}-app`, systemOf(phonePlatform), null);
    // It keeps no cookie either.
    return { browsersAt: () => [app], jarAt: ({ id: jar }, _atMs, session) => `${jar}/${session}`, hasKeys: false };
  },

  no_collector: ({ any }) => {
    const own = {
      ...any,
      traitsAt: (atMs: number): Traits => ({
        userAgent: any.traitsAt(atMs).userAgent,
        fingerprint: null,
        components: {},
      }),
    };
    return { browsersAt: () => [own], hasKeys: false };
  },
} as const satisfies { readonly [kind in PersonKind]?: Kind };

function clearedEvery(days: number): Person['jarAt'] {
  return ({ id }, atMs) => `${id}/${Math.floor((atMs - EPOCH_MS) / (days * DAY_MS))}`;
}

function noisy(components: Traits['components'], groups: readonly string[], noise: string): Traits['components'] {
  return Object.fromEntries(
    Object.entries(components).map(([name, value]) => [name, groups.includes(name) ? `${value}-${noise}` : value]),
  );
}

function systemOf(platform: string): 'android' | 'ios' {
  return platform.endsWith('ios') ? 'ios' : 'android';
}
