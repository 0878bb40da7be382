import { LRUCache } from 'lru-cache';
import type { Cells } from './cells.ts';
import { storeOver } from './slots.ts';
import { type Store, StoreError } from './store.ts';
import { changeTally, type Tally } from './windows.ts';

/** The clock and the bounds of an embedded store. */
export interface MemoryStoreOptions {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Most tallies, most baselines and most spent proofs kept, each; default 100,000. */
  readonly maxKeys?: number;
}

/**
 * The embedded store: one process, nothing on disk. Bounded and expiring without timers. Tallies and baselines give way
 * to newer ones, each among themselves, so that a flood of addresses forgets nobody's baseline. A spent proof never
 * gives way before it expires: when no more can be kept, spending is rejected.
 */
export function memoryStore({ now, maxKeys = 100_000 }: MemoryStoreOptions): Store {
  // `ttlResolution` 0: the cache would otherwise start a timer to remember the time.
  const bounds = { max: maxKeys, ttl: 1, ttlResolution: 0, perf: { now } };
  const tallies = new LRUCache<string, Tally>(bounds);
  const values = new LRUCache<string, string>(bounds);
  const claims = new Map<string, number>();

  function dropExpiredClaims(at: number): void {
    for (const [key, until] of claims) if (until <= at) claims.delete(key);
  }

  const cells: Cells = {
    async touch({ at, write, tallies: cellsAsked, values: keys }) {
      return {
        tallies: cellsAsked.map(({ key, ttlMs, changes }) => {
          let tally = tallies.get(key) ?? {};
          for (const change of changes) tally = changeTally(tally, change, at);
          if (write && changes.length > 0) tallies.set(key, tally, { ttl: ttlMs });
          return tally;
        }),
        values: keys.map((key) => values.get(key) ?? null),
      };
    },
    async get(key) {
      return values.get(key) ?? null;
    },
    async replace(key, expected, next, ttlMs) {
      const found = values.get(key) ?? null;
      if (found !== expected) return { written: false, found };
      values.set(key, next, { ttl: ttlMs });
      return { written: true };
    },
    async claim(key, ttlSeconds) {
      const at = now();
      const until = claims.get(key);
      if (until !== undefined && until > at) return false;
      if (claims.size >= maxKeys) dropExpiredClaims(at);
      if (claims.size >= maxKeys) {
        throw new StoreError('rejected', `${maxKeys} spent proofs are kept already; no more can be until some expire`);
      }
      claims.set(key, at + ttlSeconds * 1000);
      return true;
    },
    async remove(keys) {
      for (const key of keys) {
        tallies.delete(key);
        values.delete(key);
      }
    },
    async ping() {
      now();
    },
    async close() {
      tallies.clear();
      values.clear();
      claims.clear();
    },
  };
  return storeOver('memory', cells);
}
