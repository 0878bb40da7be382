import type { Address } from './address.ts';

/** What a list can say about an address. `allow` wins over every other; `private` never comes from a list. */
export const CATEGORIES = ['tor', 'vpn', 'relay', 'proxy', 'datacenter', 'attack', 'allow', 'private'] as const;
export type Category = (typeof CATEGORIES)[number];

/** Categories behind which the place of an address is not the place of the person. */
export const PLACELESS_CATEGORIES: readonly Category[] = ['tor', 'vpn', 'relay', 'proxy', 'datacenter', 'private'];

/** What the lists say about one address. */
export interface Standing {
  /**
   * Sorted, without doubles. When a list of category `allow` names the address, exactly `['allow']`. Null when no list but
   * of friends (`allow`) is in force: none is built, or all are past their age. Nothing is then known, good or bad. Where some
   * are past their age, `stale` says which categories are not known to be absent.
   */
  readonly categories: readonly Category[] | null;
  /** Names of the lists that hold the address, sorted. */
  readonly lists: readonly string[];
  /** Autonomous system number, where an ASN table is built. */
  readonly asn: number | null;
  /** Lists past their age, where there are any: what they say of the address is not known any more. */
  readonly stale?: StaleLists;
  /** Lists are built, but could not be read in time: nothing is known, and that is a failure. Absent otherwise. */
  readonly why?: 'lists_unavailable';
}

/** What lists past their age leave open. */
export interface StaleLists {
  /** Their names, sorted. */
  readonly lists: readonly string[];
  /** Their categories, sorted, without those in which a younger list holds the address; none where it is on a list of friends. */
  readonly categories: readonly Category[];
  /** One of them holds the address, and no younger list of friends does. */
  readonly holds: boolean;
}

/** One list as it is loaded now. */
export interface ListStatus {
  readonly name: string;
  /** `unreadable` when its file cannot be used and no older version goes on, see `problem`. */
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
  /** What is wrong with the file on disk; an older version may go on beside it. Null when nothing is. */
  readonly problem: string | null;
}

/** The compiled address lists. */
export interface Reputation {
  /** False when no list is built: the `ip` signal then says so instead of calling every address clean. */
  readonly configured: boolean;
  /**
   * At once where the lists are in memory, a promise while they are still read. Never throws or rejects; the wait is bounded.
   * `nowMs` is the real clock: it decides which lists are past their age.
   */
  standing(address: Address, nowMs: number): Standing | Promise<Standing>;
  status(nowMs: number): readonly ListStatus[];
}

/** Lists that are all in memory. */
export interface LocalReputation extends Reputation {
  standing(address: Address, nowMs: number): Standing;
}
