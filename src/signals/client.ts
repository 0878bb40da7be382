import Bowser from 'bowser';
import { isbot } from 'isbot';
import { LRUCache } from 'lru-cache';
import type { Baseline } from '../model/baseline.ts';
import { failed, measured, unknown } from '../model/measurement.ts';
import { baselineOf, failureOf } from '../store/history.ts';
import type { ClientTraits, DeviceMatch, Observation, Signal } from './signal.ts';

/** User agents are hostile text: what lies beyond this many UTF-16 code units is not read. */
const MAX_READ_LENGTH = 512;

const BROWSERS = familiesByName(Bowser.BROWSER_MAP);
const SYSTEMS = familiesByName(Bowser.OS_MAP);
const FORMS: ReadonlySet<string> = new Set(['desktop', 'mobile', 'tablet', 'tv']);

/** Pure results by user agent. */
const parsed = new LRUCache<string, ClientTraits>({ max: 2_000 });

/** Browser and operating system families claimed by a user agent. Never throws. */
export function clientTraits(userAgent: string): ClientTraits {
  const text = userAgent.slice(0, MAX_READ_LENGTH);
  const before = parsed.get(text);
  if (before !== undefined) return before;
  const traits = parse(text);
  parsed.set(text, traits);
  return traits;
}

/** `chrome/windows`: what is remembered of a client. `-` is an unrecognised part. */
export function clientFamily({ browser, os }: ClientTraits): string {
  return `${browser ?? '-'}/${os ?? '-'}`;
}

function parse(text: string): ClientTraits {
  if (text.trim() === '') return { browser: null, os: null, major: null, form: null, bot: false };
  const { browser, os, platform } = Bowser.parse(text);
  return {
    browser: BROWSERS.get(browser.name ?? '') ?? null,
    os: SYSTEMS.get(os.name ?? '') ?? null,
    major: /^\d{1,4}/.exec(browser.version ?? '')?.[0] ?? null,
    form: FORMS.has(platform.type ?? '') ? (platform.type ?? null) : null,
    bot: isbot(text),
  };
}

function familiesByName(map: { readonly [family: string]: string }): ReadonlyMap<string, string> {
  return new Map(Object.entries(map).map(([family, name]) => [name, family.toLowerCase()]));
}

/** Browser and operating system as the user agent claims them. */
export const client: Signal = {
  name: 'client',
  facts: {
    'client.browser': {
      type: 'string',
      meaning: 'Browser family by user agent',
      values: [...new Set(BROWSERS.values())].sort(),
    },
    'client.os': {
      type: 'string',
      meaning: 'Operating system family by user agent',
      values: [...new Set(SYSTEMS.values())].sort(),
    },
    'client.bot': { type: 'boolean', meaning: 'Whether the user agent identifies itself as a bot or script' },
    'client.hints_contradict': {
      type: 'boolean',
      meaning:
        'Whether client hints (`Sec-CH-UA…`) name another engine, version, system or class of device than the user agent; unknown without any',
    },
    'client.changed': {
      type: 'boolean',
      meaning:
        'Whether the family of browser or system differs from what the device or session had; versions do not count',
    },
  },
  measure(observation, history, _proof, match) {
    const traits = observation.client;
    if (traits === null) return unknown('no_user_agent');
    const baseline = baselineOf(history);
    const before = baseline === null ? null : rememberedClient(observation, baseline, match);
    const facts = {
      'client.browser': traits.browser,
      'client.os': traits.os,
      'client.bot': traits.bot,
      'client.hints_contradict': observation.hints?.contradict,
      'client.changed': before === null ? null : before !== clientFamily(traits),
    };
    const why = failureOf(history.subject);
    return why === null ? measured(facts) : failed(why, facts);
  },
};

function rememberedClient(observation: Observation, baseline: Baseline, { device }: DeviceMatch): string | null {
  if (device !== null) return device.client;
  const session = baseline.sessions.find(({ key }) => key === observation.keys.session);
  return baseline.devices.find(({ id }) => id === session?.device)?.client ?? null;
}
