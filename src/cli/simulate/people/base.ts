import type { Browser, Platform, UpdateHabit } from '../browser.ts';
import type { Chance } from '../chance.ts';
import type { City, Country, World } from '../geography.ts';
import type { Person } from './person.ts';
import type { Places } from './places.ts';

/** What a person of any kind begins with. */
export interface Base {
  readonly id: string;
  readonly country: Country;
  readonly home: City;
  readonly places: Places;
  readonly world: World;
  /** Days that are played of this person: what happens once happens in the middle. */
  readonly spanDays: number;
  /** A computer, a phone, and either. */
  readonly computer: Browser;
  readonly phone: Browser;
  readonly any: Browser;
  /** A further browser of this person. */
  browser(name: string, platform: Platform, updates?: UpdateHabit): Browser;
  readonly computerPlatform: Platform;
  readonly phonePlatform: Platform;
  readonly chance: Chance;
}

/** How a kind differs from the common values. */
export type Kind = (base: Base) => Partial<Omit<Person, 'id' | 'kind'>>;
