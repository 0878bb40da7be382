import type { Chance } from './chance.ts';

/** What a browser shows of itself at one moment. */
export interface Traits {
  readonly userAgent: string;
  /** Hash over the components, as collectors make it: any changed component changes it. */
  readonly fingerprint: string;
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
  /** Probability that an update changes the picture that a canvas draws, and with it the fingerprint. */
  readonly canvasChanges: number;
}

/** A new version every four weeks; one update in five changes the canvas. */
const USUAL_UPDATES: UpdateHabit = { everyDays: 28, canvasChanges: 0.2 };

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
  const fixed = {
    audio: `${platform.split('/')[0]}-audio-${phone ? model % 3 : chance.whole(1, 4)}`,
    cpu: part('cpu', 4),
    fonts: part('fonts', phone ? 1 : 12),
    languages: chance.happens(0.85) ? `${country}-language` : 'en-US',
    screen: part('screen', 9),
    timezone: `${country}-zone`,
    webgl: part('webgl', models),
  };
  const canvas = part('canvas', models * 2);
  const firstUpdateMs = chance.between(0, updates.everyDays) * DAY_MS;
  return {
    id,
    platform,
    traitsAt: (atMs) => {
      const version = Math.max(0, Math.floor((atMs - EPOCH_MS - firstUpdateMs) / (updates.everyDays * DAY_MS)) + 1);
      let drawn = 0;
      for (let update = 1; update <= version; update++) {
        if (chance.fork(`${id}/update-${update}`).happens(updates.canvasChanges)) drawn = update;
      }
      return traitsOf(platform, version, { ...fixed, canvas: drawn === 0 ? canvas : `${canvas}-v${drawn}` });
    },
  };
}

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

function traitsOf(platform: Platform, version: number, components: Traits['components']): Traits {
  return { userAgent: userAgentOf(platform, version), fingerprint: fingerprintOf(components), components };
}

/** The browser with its fonts hidden at times, as in sandboxed frames. */
export function hidingFonts(browser: Browser, isHiddenAt: (atMs: number) => boolean): Browser {
  return {
    ...browser,
    traitsAt: (atMs) => {
      const traits = browser.traitsAt(atMs);
      if (!isHiddenAt(atMs)) return traits;
      const { fonts: _fonts, ...components } = traits.components;
      return { ...traits, fingerprint: fingerprintOf(components), components };
    },
  };
}

function fingerprintOf(components: Traits['components']): string {
  const text = Object.entries(components)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('|');
  return `fp-${fnv(text)}${fnv(`${text}#`)}`;
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

/** FNV-1a, 32 bits, in hexadecimal: enough to distinguish the machines of a simulation. */
function fnv(text: string): string {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return (value >>> 0).toString(16).padStart(8, '0');
}
