import type { Frequency } from './frequencies.ts';
import type { PersonKind } from './people/kinds.ts';

/** A population: how often its people come, which kinds they are of, and what they do once they are in. */
export interface Mix {
  readonly meaning: string;
  /** Share of the people by how often they come; the shares sum to 1. */
  readonly frequencies: { readonly [frequency in Frequency]: number };
  /** Share of the people by kind; the shares sum to 1. */
  readonly kinds: { readonly [kind in PersonKind]: number };
  /** Share of visits with a payment. */
  readonly pays: number;
}

/**
 * Two populations. Shares without a source are estimates; they weigh rows and change none.
 *
 * Frequencies of the bank: three in five of those who bank by phone do so more than three times a month
 * (American Bankers Association, 2015); today it is more. Those of single sign-on: four log-ins for a user and year, the median
 * user two (Wiefling et al., 2022), so that most people come as rarely as can be played.
 *
 * Kinds: cookies deleted within a month by 40 % and private windows used monthly by 46 % of those asked (GWI), for far from
 * every log-in; Brave has about one user in a hundred; hundreds to thousands of people share an address of a carrier
 * (Cloudflare, 2025).
 *
 * @see https://thepaypers.com/fintech/news/two-in-five-us-consumers-use-mobile-banking-monthly-report
 * @see https://doi.org/10.1145/3546069
 * @see https://blog.cloudflare.com/detecting-cgn-to-reduce-collateral-damage/
 */
export const MIXES = {
  bank: {
    meaning: 'a bank: frequent visits, one in four with a payment',
    frequencies: { often: 0.03, daily: 0.15, days: 0.28, weekly: 0.28, fortnightly: 0.16, six_weekly: 0.1 },
    kinds: {
      one_line: 0.1,
      one_city: 0.13,
      commuter: 0.17,
      mobile_carrier: 0.05,
      several_devices: 0.084,
      many_devices: 0.02,
      two_homes: 0.01,
      traveller: 0.015,
      big_office: 0.02,
      campus: 0.01,
      cloud_proxy: 0.01,
      cgnat: 0.04,
      ipv6_rotates: 0.02,
      family_flips: 0.03,
      satellite: 0.003,
      wrong_place: 0.015,
      vpn_always: 0.01,
      vpn_sometimes: 0.015,
      relay: 0.015,
      browser_updates: 0.01,
      moving_house: 0.015,
      new_phone: 0.03,
      dormant: 0.01,
      mistypes: 0.01,
      drops_out: 0.005,
      shared_tablet: 0.01,
      native_app: 0.06,
      hidden_traits: 0.005,
      cleared_cookies: 0.015,
      cleared_monthly: 0.025,
      private_windows: 0.008,
      brave: 0.006,
      firefox_resist: 0.002,
      safari_resist: 0.006,
      native_app_plain: 0.008,
      no_collector: 0.008,
    },
    pays: 0.25,
  },
  sso: {
    meaning: 'single sign-on or a shop: rare visits, no payments',
    frequencies: { often: 0.005, daily: 0.015, days: 0.05, weekly: 0.13, fortnightly: 0.25, six_weekly: 0.55 },
    kinds: {
      one_line: 0.11,
      one_city: 0.14,
      commuter: 0.18,
      mobile_carrier: 0.05,
      several_devices: 0.09,
      many_devices: 0.02,
      two_homes: 0.01,
      traveller: 0.015,
      big_office: 0.03,
      campus: 0.02,
      cloud_proxy: 0.02,
      cgnat: 0.04,
      ipv6_rotates: 0.02,
      family_flips: 0.03,
      satellite: 0.003,
      wrong_place: 0.015,
      vpn_always: 0.01,
      vpn_sometimes: 0.015,
      relay: 0.015,
      browser_updates: 0.01,
      moving_house: 0.012,
      new_phone: 0.02,
      dormant: 0.01,
      mistypes: 0.01,
      drops_out: 0.005,
      shared_tablet: 0.01,
      native_app: 0.01,
      hidden_traits: 0.005,
      cleared_cookies: 0.015,
      cleared_monthly: 0.025,
      private_windows: 0.008,
      brave: 0.006,
      firefox_resist: 0.002,
      safari_resist: 0.006,
      native_app_plain: 0.005,
      no_collector: 0.008,
    },
    pays: 0,
  },
} as const satisfies { readonly [name: string]: Mix };
export type MixName = keyof typeof MIXES;
export const MIX_NAMES = Object.keys(MIXES) as readonly MixName[];
