import type { Address } from './address.ts';

/** Categories of addresses. `allow` overrides every other; `private` never comes from a list. */
export const CATEGORIES = ['tor', 'vpn', 'relay', 'proxy', 'datacenter', 'attack', 'allow', 'private'] as const;
export type Category = (typeof CATEGORIES)[number];

/** Categories behind which the place of an address is not the place of the person. */
export const PLACELESS_CATEGORIES: readonly Category[] = ['tor', 'vpn', 'relay', 'proxy', 'datacenter', 'private'];

/** What the lists know about one address. */
export interface Standing {
  /**
   * Sorted and unique; exactly `['allow']` if a list of that category has the address. Null if no list other than
   * `allow` is in use (none built, or all outdated): nothing is known then. `stale` names the categories of outdated
   * lists.
   */
  readonly categories: readonly Category[] | null;
  /** Names of the lists that hold the address, sorted. */
  readonly lists: readonly string[];
  /** Autonomous system number, if an ASN table is built. */
  readonly asn: number | null;
  /** Outdated lists, if any: what they would say about the address is unknown. */
  readonly stale?: StaleLists;
  /** Lists are built, but could not be read in time: nothing is known, and that is a failure. Absent otherwise. */
  readonly why?: 'lists_unavailable';
}

/** What lists past their age leave open. */
export interface StaleLists {
  /** Their names, sorted. */
  readonly lists: readonly string[];
  /**
   * Their categories, sorted, without those in which a current list has the address; empty if it is on an `allow` list.
   */
  readonly categories: readonly Category[];
  /** One of them has the address, and no current `allow` list does. */
  readonly holds: boolean;
}

/** One list as it is loaded now. */
export interface ListStatus {
  readonly name: string;
  /** `unreadable` if the file is unusable and no older version is loaded; see `problem`. */
  readonly category: Category | 'asn' | 'unreadable';
  /** Where it came from: a URL or a file name. */
  readonly source: string;
  /** Epoch milliseconds of the data, not of the build. */
  readonly updatedAtMs: number;
  readonly ageDays: number;
  readonly maxAgeDays: number;
  readonly ranges: number;
  /** False once the list is past its age: it is reported and no longer judged by. */
  readonly judged: boolean;
  /** What is wrong with the file on disk, even if an older version is loaded; null if nothing is. */
  readonly problem: string | null;
}

/** The compiled address lists. */
export interface Reputation {
  /** False if no list is built: the `ip` signal reports that instead of treating every address as clean. */
  readonly configured: boolean;
  /**
   * Synchronous if the lists are in memory, a promise while they are being read. Never throws or rejects; the wait is
   * bounded. `nowMs` is the real clock and decides which lists are outdated.
   */
  standing(address: Address, nowMs: number): Standing | Promise<Standing>;
  status(nowMs: number): readonly ListStatus[];
}

/** Lists that are all in memory. */
export interface LocalReputation extends Reputation {
  standing(address: Address, nowMs: number): Standing;
}
