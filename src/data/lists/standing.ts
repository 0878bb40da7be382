import type { Address, AddressKind } from '../../model/address.ts';
import type { Category, ListStatus, LocalReputation, Standing } from '../../model/reputation.ts';
import type { DataProblem } from '../data-error.ts';
import { findRange } from '../ranges.ts';
import type { CompiledList } from './lists.ts';

/** A list whose file cannot be used. */
export interface BrokenList {
  readonly name: string;
  /** Where the file is. */
  readonly source: string;
  readonly problem: DataProblem;
}

const DAY_MS = 86_400_000;

const UNLISTED: Standing = { categories: [], lists: [], asn: null };
const UNJUDGED: Standing = { categories: null, lists: [], asn: null };
const INNER_NETWORK: Standing = { categories: ['private'], lists: [], asn: null };
const INNER_KINDS: readonly AddressKind[] = ['private', 'loopback', 'link_local', 'cgnat'];

const ageInDays = (updatedAtMs: number, nowMs: number): number => Math.max(0, (nowMs - updatedAtMs) / DAY_MS);

interface StaleFound {
  readonly lists: string[];
  readonly categories: Category[];
  holds: boolean;
}

/**
 * Puts compiled lists together. Every look-up reads memory only; no answer is kept, so lists that replace others are in force
 * with the next call.
 *
 * An address of an inner network (private, shared, loopback, link-local) is `private` and looked up nowhere; tunnel and special
 * addresses have no standing.
 */
export function createReputation(lists: readonly CompiledList[], broken: readonly BrokenList[]): LocalReputation {
  const sorted = [...lists].sort((a, b) => (a.meta.name < b.meta.name ? -1 : 1));
  return {
    configured: lists.length > 0,
    standing(address: Address, nowMs: number): Standing {
      if (address.kind !== 'public') return INNER_KINDS.includes(address.kind) ? INNER_NETWORK : UNLISTED;
      const categories: Category[] = [];
      const names: string[] = [];
      let asn: number | null = null;
      let isJudged = false;
      let stale: StaleFound | null = null;
      for (const { meta, set } of sorted) {
        const isStale = ageInDays(meta.updatedAtMs, nowMs) > meta.maxAgeDays;
        if (isStale) {
          stale ??= { lists: [], categories: [], holds: false };
          stale.lists.push(meta.name);
          if (meta.category === 'asn') continue;
          if (!stale.categories.includes(meta.category)) stale.categories.push(meta.category);
        } else if (meta.category !== 'asn' && meta.category !== 'allow') {
          // An `allow` list says nothing about other addresses.
          isJudged = true;
        }
        const ranges = address.version === 4 ? set.v4 : set.v6;
        const position = findRange(ranges, address.words);
        if (position < 0) continue;
        if (stale !== null && isStale) stale.holds = true;
        else if (meta.category === 'asn') asn = ranges.values?.[position] ?? null;
        else {
          names.push(meta.name);
          if (!categories.includes(meta.category)) categories.push(meta.category);
        }
      }
      const isFriend = categories.includes('allow');
      const known = isFriend ? (['allow'] as const) : categories.sort();
      if (stale !== null) {
        const open = isFriend ? [] : stale.categories.filter((each) => !categories.includes(each)).sort();
        return {
          categories: isJudged || names.length > 0 ? known : null,
          lists: names,
          asn,
          stale: { lists: stale.lists, categories: open, holds: stale.holds && !isFriend },
        };
      }
      if (names.length === 0 && asn === null) return isJudged ? UNLISTED : UNJUDGED;
      if (!isJudged && names.length === 0) return { ...UNJUDGED, asn };
      return { categories: known, lists: names, asn };
    },
    status(nowMs: number): readonly ListStatus[] {
      const statuses = sorted.map(({ meta, set }): ListStatus => {
        const ageDays = ageInDays(meta.updatedAtMs, nowMs);
        return {
          name: meta.name,
          category: meta.category,
          source: meta.source,
          updatedAtMs: meta.updatedAtMs,
          ageDays,
          maxAgeDays: meta.maxAgeDays,
          ranges: set.v4.bounds.length / 2 + set.v6.bounds.length / 8,
          judged: ageDays <= meta.maxAgeDays,
          problem: broken.find((list) => list.name === meta.name)?.problem.message ?? null,
        };
      });
      for (const list of broken) {
        if (sorted.some(({ meta }) => meta.name === list.name)) continue;
        statuses.push({
          name: list.name,
          category: 'unreadable',
          source: list.source,
          updatedAtMs: 0,
          ageDays: 0,
          maxAgeDays: 0,
          ranges: 0,
          judged: false,
          problem: list.problem.message,
        });
      }
      return statuses;
    },
  };
}

/** Announces each outdated list once, until it is current again. `announced` keeps the names. */
export function announceStale(
  announced: Set<string>,
  lists: readonly ListStatus[],
  onStale: (list: ListStatus) => void,
): void {
  for (const list of lists) {
    if (list.judged || list.category === 'unreadable') announced.delete(list.name);
    else if (!announced.has(list.name)) {
      announced.add(list.name);
      onStale(list);
    }
  }
}

/** The reputation of a service without lists: nothing is configured, nothing is known. */
export const NO_REPUTATION: LocalReputation = createReputation([], []);
