import type { Chance } from './chance.ts';

/** What a client shows of itself at one moment. */
export interface Traits {
  readonly userAgent: string;
  /** Hash over most components, as the collector makes it; null where no collector ran. */
  readonly fingerprint: string | null;
  /** By the groups of the collector of `@stepgate/browser`; a group that the browser hides is left out. */
  readonly components: { readonly [name: string]: string };
}

/** One browser on one machine. */
export interface Browser {
  readonly id: string;
  readonly platform: Platform;
  /** Pure: the same moment always shows the same traits. */
  traitsAt(atMs: number): Traits;
}

/** Kinds of browser that are common enough to be shared by strangers. */
export const PLATFORMS = [
  'chrome/windows',
  'edge/windows',
  'firefox/windows',
  'chrome/macos',
  'safari/macos',
  'chrome/android',
  'safari/ios',
] as const;
export type Platform = (typeof PLATFORMS)[number];

/** How often a browser is updated and what that changes. */
export interface UpdateHabit {
  readonly everyDays: number;
  /** Probability that an update changes what the browser draws, and with it the fingerprint. */
  readonly drawingChanges: number;
}

/**
 * A new version every four weeks; one update in five changes what is drawn.
 *
 * @see https://inria.hal.science/hal-01652021 FP-Stalker: fingerprints can be linked for 54 days on average
 */
const USUAL_UPDATES: UpdateHabit = { everyDays: 28, drawingChanges: 0.2 };

/**
 * A browser bought in a country. Most components take few values, so that strangers' machines resemble one another the
 * way they do in life: two phones of one model and language differ in nothing.
 */
export function browserIn(
  country: string,
  id: string,
  platform: Platform,
  chance: Chance,
  updates: UpdateHabit = USUAL_UPDATES,
): Browser {
  const phone = platform === 'safari/ios' || platform === 'chrome/android';
  const models = MODELS[platform];
  const model = chance.whole(1, models);
  // A phone's model fixes all that its hardware shows; a computer is put together from parts.
  const part = (name: string, values: number): string =>
    `${platform.split('/')[1]}-${name}-${phone ? model : chance.whole(1, values)}`;
  const [product] = platform.split('/');
  const language = chance.happens(0.85) ? `${country}-language` : 'en-US';
  const fixed = {
    audio: `${product}-audio-${phone ? model % 3 : chance.whole(1, 4)}`,
    browser: `${product}-browser`,
    fonts: part('fonts', phone ? 1 : 12),
    locale: `${language}, ${country}-zone`,
    machine: part('machine', phone ? 1 : 24),
    screen: part('screen', 9),
  };
  const drawing = part('drawing', models * 2);
  const graphics = part('webgl', models);
  const firstUpdateMs = chance.between(0, updates.everyDays) * DAY_MS;
  const shown = new Map<number, Traits>();
  const traitsOfVersion = (version: number): Traits => {
    let drawn = 0;
    for (let update = 1; update <= version; update++) {
      if (chance.fork(`${id}/update-${update}`).happens(updates.drawingChanges)) drawn = update;
    }
    const webgl = `${graphics}${CANVAS_IS_HIDDEN.has(product ?? '') && drawn > 0 ? `-v${drawn}` : ''}`;
    const canvas = drawn === 0 ? drawing : `${drawing}-v${drawn}`;
    return {
      userAgent: userAgentOf(platform, version),
      ...withFingerprint(CANVAS_IS_HIDDEN.has(product ?? '') ? { ...fixed, webgl } : { ...fixed, canvas, webgl }),
    };
  };
  return {
    id,
    platform,
    traitsAt: (atMs) => {
      const version = Math.max(0, Math.floor((atMs - EPOCH_MS - firstUpdateMs) / (updates.everyDays * DAY_MS)) + 1);
      const traits = shown.get(version) ?? traitsOfVersion(version);
      shown.set(version, traits);
      return traits;
    },
  };
}

/** FingerprintJS takes no picture in these: they put noise or a constant in its place. */
const CANVAS_IS_HIDDEN: ReadonlySet<string> = new Set(['firefox', 'safari']);

/** First moment of every simulation: Monday, 5 January 2026, 00:00 UTC. */
export const EPOCH_MS = Date.UTC(2026, 0, 5);
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** Models of a platform that are common at once; of phones few, so that many share every trait. */
const MODELS: { readonly [platform in Platform]: number } = {
  'chrome/windows': 60,
  'edge/windows': 60,
  'firefox/windows': 60,
  'chrome/macos': 15,
  'safari/macos': 15,
  'chrome/android': 40,
  'safari/ios': 12,
};

/** The browser as it shows itself where some groups are changed or hidden at times. */
export function altered(
  browser: Browser,
  change: (components: Traits['components'], atMs: number) => Traits['components'],
): Browser {
  return {
    ...browser,
    traitsAt: (atMs) => {
      const traits = browser.traitsAt(atMs);
      const components = change(traits.components, atMs);
      return components === traits.components ? traits : { ...traits, ...withFingerprint(components) };
    },
  };
}

/** An application that shows an id of its installation in the place of a fingerprint, or nothing at all. */
export function nativeApp(id: string, platform: 'android' | 'ios', installId: string | null): Browser {
  return {
    id,
    platform: platform === 'android' ? 'chrome/android' : 'safari/ios',
    traitsAt: () => ({ userAgent: APP_AGENTS[platform], fingerprint: installId, components: {} }),
  };
}

/** As the HTTP libraries of the two systems name themselves. */
const APP_AGENTS = {
  android: 'okhttp/4.12.0',
  ios: 'Bank/5.1 CFNetwork/1490.0.4 Darwin/23.2.0',
} as const;

/** Groups that the fingerprint leaves out, since they change from hour to hour. */
const NOT_IN_FINGERPRINT: ReadonlySet<string> = new Set(['screen']);

/** The fingerprint goes with the components: any changed group but the screen changes it. */
export function withFingerprint(components: Traits['components']): Pick<Traits, 'fingerprint' | 'components'> {
  const text = Object.entries(components)
    .filter(([name]) => !NOT_IN_FINGERPRINT.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('|');
  return { fingerprint: `fp-${fnv(text)}${fnv(`${text}#`)}`, components };
}

function userAgentOf(platform: Platform, version: number): string {
  const chrome = `Chrome/${140 + version}.0.0.0`;
  switch (platform) {
    case 'chrome/windows':
      return `Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) ${chrome} Safari/537.36`;
    case 'edge/windows':
      return `Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) ${chrome} Safari/537.36 Edg/${140 + version}.0.0.0`;
    case 'firefox/windows':
      return `Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:${140 + version}.0) Gecko/20100101 Firefox/${140 + version}.0`;
    case 'chrome/macos':
      return `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) ${chrome} Safari/537.36`;
    case 'safari/macos':
      return `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.${version} Safari/605.1.15`;
    case 'chrome/android':
      return `Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) ${chrome} Mobile Safari/537.36`;
    case 'safari/ios':
      return `Mozilla/5.0 (iPhone; CPU iPhone OS 18_${version} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.${version} Mobile/15E148 Safari/604.1`;
  }
}

/** FNV-1a, 32 bits, in hexadecimal: enough to tell the machines of a simulation apart. */
function fnv(text: string): string {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return (value >>> 0).toString(16).padStart(8, '0');
}
