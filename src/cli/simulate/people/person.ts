import type { Browser } from '../browser.ts';
import type { City, Country } from '../geography.ts';
import type { PersonKind } from './kinds.ts';

/** The life of one honest person: pure functions of the moment. */
export interface Person {
  readonly id: string;
  readonly kind: PersonKind;
  readonly country: Country;
  readonly home: City;
  /** The browsers in use at a moment; at least one. */
  browsersAt(atMs: number): readonly Browser[];
  /** The address from which a browser is connected at a moment. */
  addressAt(browser: Browser, atMs: number): string;
  /** True while nobody logs in: in an aeroplane, on the motorway, away for months. */
  isOffline(atMs: number): boolean;
  /** Name of the cookie jar that a browser uses in a session at a moment; an emptied jar has another name. */
  jarAt(browser: Browser, atMs: number, session: string): string;
  /** Whether the browsers of this person have a key that proves them; it is emptied with the jar. */
  readonly hasKeys: boolean;
  /** Others at the same address in the ten minutes before a log-in; null where the address is the person's own. */
  crowdAt(atMs: number): Crowd | null;
  /** Share of log-ins with a wrong password first. */
  readonly mistypes: number;
  /** Share of step-ups that are not gone through with. */
  readonly dropsOut: number;
}

/** Log-ins of strangers through a shared address. */
export interface Crowd {
  /** People who log in. */
  readonly strangers: number;
  /** Log-ins with a wrong password. */
  readonly failures: number;
}
