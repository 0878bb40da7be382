/**
 * Kinds of honest people. `regular` kinds are those for which the policy promises at most 1 % of log-ins asked;
 * `keeps` says whether the browser keeps its cookies and shows the same traits each time.
 */
export const PEOPLE = {
  one_line: { meaning: 'one computer on one line', regular: false, keeps: true },
  one_city: { meaning: 'home, office and cafés of one city', regular: true, keeps: true },
  commuter: { meaning: 'a phone: Wi-Fi at home, the carrier on the way', regular: true, keeps: true },
  mobile_carrier: {
    meaning: 'only a carrier whose address wanders over the country',
    regular: true,
    keeps: true,
  },
  several_devices: { meaning: 'phone and laptop, IPv4 and IPv6 in turn', regular: true, keeps: true },
  many_devices: { meaning: 'five devices in turn', regular: false, keeps: true },
  two_homes: { meaning: 'weekends in a second city', regular: true, keeps: true },
  traveller: { meaning: 'flies somewhere every other week', regular: true, keeps: true },
  big_office: { meaning: 'hundreds behind one office address', regular: true, keeps: true },
  campus: { meaning: 'thousands behind a few addresses of a university', regular: false, keeps: true },
  cloud_proxy: { meaning: "a company's proxy in the cloud: other exits in each session", regular: false, keeps: true },
  cgnat: { meaning: 'a line that shares its address with hundreds', regular: false, keeps: true },
  ipv6_rotates: { meaning: 'an IPv6 line with another prefix every day', regular: false, keeps: true },
  family_flips: { meaning: 'a line with IPv4 and IPv6, either with each request', regular: false, keeps: true },
  satellite: { meaning: 'a satellite line with its ground stations', regular: false, keeps: true },
  wrong_place: {
    meaning: 'a line that the place data puts in another city half of the time',
    regular: false,
    keeps: true,
  },
  vpn_always: { meaning: 'every connection through one of three VPN exits', regular: true, keeps: true },
  vpn_sometimes: { meaning: 'three connections in ten through a VPN', regular: true, keeps: true },
  relay: { meaning: 'a browser that relays through exits of the country', regular: true, keeps: true },
  browser_updates: {
    meaning: 'a browser that changes its fingerprint with each update, every two weeks',
    regular: true,
    keeps: true,
  },
  moving_house: { meaning: 'moves to another city once', regular: false, keeps: true },
  new_phone: { meaning: 'replaces the phone once', regular: false, keeps: true },
  dormant: { meaning: 'stays away for five months of every ten', regular: false, keeps: true },
  mistypes: { meaning: 'a wrong password, once to four times, before every third log-in', regular: false, keeps: true },
  drops_out: { meaning: 'gives up at every second step-up', regular: false, keeps: true },
  shared_tablet: { meaning: 'three people on one tablet', regular: false, keeps: true },
  native_app: {
    meaning: 'an application with an id of its installation and room for a token',
    regular: false,
    keeps: true,
  },
  hidden_traits: {
    meaning: 'a browser that hides its fonts in one visit of five, and is unconfirmed then',
    regular: true,
    keeps: false,
  },
  cleared_cookies: { meaning: 'clears all cookies every two weeks', regular: true, keeps: false },
  cleared_monthly: { meaning: 'clears all cookies every month', regular: false, keeps: false },
  private_windows: { meaning: 'logs in through private windows', regular: false, keeps: false },
  brave: { meaning: 'keeps cookies; five groups of traits change with each session', regular: false, keeps: false },
  firefox_resist: {
    meaning: 'Firefox that resists: no language, time zone or screen of its own',
    regular: false,
    keeps: true,
  },
  safari_resist: { meaning: 'Safari that puts noise into audio, screen and WebGL', regular: false, keeps: false },
  native_app_plain: { meaning: 'an application that shows no device and keeps no token', regular: false, keeps: false },
  no_collector: {
    meaning: 'a log-in page without the collector, or a blocked one; keeps cookies',
    regular: false,
    keeps: false,
  },
} as const satisfies {
  readonly [kind: string]: { readonly meaning: string; readonly regular: boolean; readonly keeps: boolean };
};
/** One kind of honest people. */
export type PersonKind = keyof typeof PEOPLE;
export const KINDS = Object.keys(PEOPLE) as readonly PersonKind[];
