import { DAY_MS, HOUR_MS } from './browser.ts';
import type { Chance } from './chance.ts';

/** How often a person logs in. Between two visits lies a log-normal time of this mean. */
export const FREQUENCIES = {
  often: { meaning: 'twice a day', meanDays: 0.6, playedDays: 70 },
  daily: { meaning: 'daily', meanDays: 1, playedDays: 120 },
  days: { meaning: 'every 2-3 days', meanDays: 2.5, playedDays: 250 },
  weekly: { meaning: 'weekly', meanDays: 7, playedDays: 640 },
  fortnightly: { meaning: 'every 2-3 weeks', meanDays: 17.5, playedDays: 960 },
  six_weekly: { meaning: 'every six weeks', meanDays: 42, playedDays: 1260 },
} as const satisfies {
  readonly [name: string]: {
    readonly meaning: string;
    readonly meanDays: number;
    /** Days that are played of each person at full size: long enough for log-ins after the tenth. */
    readonly playedDays: number;
  };
};
export type Frequency = keyof typeof FREQUENCIES;
export const FREQUENCY_NAMES = Object.keys(FREQUENCIES) as readonly Frequency[];

/**
 * Spread of the logarithm of the time between two visits. At 1 the median is 0.6 of the mean, and one time in forty is
 * more than four times the mean: people come in bursts and stay away for long.
 */
const SPREAD = 1;

/** Visits closer than this are one. */
const LEAST_GAP_MS = 20 * 60_000;

/** One time between two visits, in milliseconds. Its mean is that of the frequency. */
export function gapOf(frequency: Frequency, chance: Chance): number {
  const meanMs = FREQUENCIES[frequency].meanDays * DAY_MS;
  return Math.max(LEAST_GAP_MS, meanMs * Math.exp(SPREAD * chance.bell() - SPREAD ** 2 / 2));
}

/** Moments of all visits from `fromMs` until `toMs`, in order, none at night by the local time at longitude `lon`. */
export function visitTimes(frequency: Frequency, lon: number, fromMs: number, toMs: number, chance: Chance): number[] {
  const times: number[] = [];
  // Everybody joins at a moment of their own.
  for (let atMs = fromMs + gapOf(frequency, chance) * chance.next(); atMs < toMs; atMs += gapOf(frequency, chance)) {
    times.push(awakeAt(atMs, lon, chance));
  }
  times.sort((a, b) => a - b);
  return times.filter(
    (atMs, index) => atMs < toMs && atMs - (times[index - 1] ?? fromMs - LEAST_GAP_MS) >= LEAST_GAP_MS,
  );
}

const WAKES = 7;
const SLEEPS = 23;

/** The moment itself by day; for one at night, any of the day after. */
function awakeAt(atMs: number, lon: number, chance: Chance): number {
  const hour = localHour(atMs, lon);
  if (hour >= WAKES && hour < SLEEPS) return atMs;
  const untilMorning = (WAKES - hour + 24) % 24;
  return atMs + (untilMorning + chance.between(0, SLEEPS - WAKES)) * HOUR_MS;
}

/** Hour of the day by the sun at a longitude, 0 to below 24. */
export function localHour(atMs: number, lon: number): number {
  return (((atMs / HOUR_MS + lon / 15) % 24) + 24) % 24;
}
