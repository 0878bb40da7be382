import { LRUCache } from 'lru-cache';
import type { Cells } from './cells.ts';
import { storeOver } from './slots.ts';
import { type SlotStore, StoreError } from './store.ts';
import { changeTally, type Tally } from './windows.ts';

/** The clock and the bounds of an embedded store. */
export interface MemoryStoreOptions {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Most tallies, most baselines and most spent proofs kept, each; default 100,000. */
  readonly maxKeys?: number;
  /**
   * Most bytes that tallies and baselines may take, each half of it, as estimated from what they hold; default 64 MiB. An
   * address that a thousand subjects share weighs as much as ten others.
   */
  readonly maxBytes?: number;
  /** Hears of each tally and baseline that had to give way before it expired. */
  readonly onEvict?: (kind: Evicted) => void;
}

/** What gave way for want of room. */
export type Evicted = 'tally' | 'baseline';

const MIB = 1024 * 1024;

/** Upper estimates for V8, in bytes: of what is kept at all, and of each entry of a tally. */
const BYTES_PER_KEY = 400;
const BYTES_PER_ENTRY = 110;

/**
 * The embedded store: one process, nothing on disk. Bounded in keys and bytes, and expiring without timers. Tallies and baselines give way
 * to newer ones, each among themselves, so that a flood of addresses forgets nobody's baseline. A spent proof never
 * gives way before it expires: when no more can be kept, spending is rejected.
 */
export function memoryStore({ now, maxKeys = 100_000, maxBytes = 64 * MIB, onEvict }: MemoryStoreOptions): SlotStore {
  const bounded = <T extends {}>(kind: Evicted, bytesOf: (value: T) => number) =>
    new LRUCache<string, T>({
      max: maxKeys,
      maxSize: Math.max(1, Math.floor(maxBytes / 2)),
      sizeCalculation: bytesOf,
      ttl: 1,
      // The cache would otherwise start a timer to remember the time.
      ttlResolution: 0,
      perf: { now },
      dispose: (_value, _key, reason) => {
        if (reason === 'evict') onEvict?.(kind);
      },
    });
  const tallies = bounded('tally', bytesOfTally);
  const values = bounded<string>('baseline', (text) => BYTES_PER_KEY + 2 * text.length);
  const claims = new Map<string, { readonly until: number; readonly note: string }>();

  function dropExpiredClaims(at: number): void {
    for (const [key, { until }] of claims) if (until <= at) claims.delete(key);
  }

  function claimOf(key: string, at: number) {
    const claim = claims.get(key);
    return claim !== undefined && claim.until > at ? claim : null;
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
      return values.get(key) ?? claimOf(key, now())?.note ?? null;
    },
    async swap({ key, expected, next, ttlMs }) {
      const found = values.get(key) ?? null;
      if (found !== expected) return { written: false, found };
      values.set(key, next, { ttl: ttlMs });
      return { written: true };
    },
    async claim(key, ttlSeconds, note) {
      const at = now();
      if (claimOf(key, at) !== null) return false;
      if (claims.size >= maxKeys) dropExpiredClaims(at);
      if (claims.size >= maxKeys) {
        throw new StoreError('rejected', `${maxKeys} spent proofs are kept already; no more can be until some expire`);
      }
      claims.set(key, { until: at + ttlSeconds * 1000, note });
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

function bytesOfTally(tally: Tally): number {
  let bytes = BYTES_PER_KEY;
  for (const name in tally) bytes += BYTES_PER_KEY + BYTES_PER_ENTRY * Object.keys(tally[name] ?? {}).length;
  return bytes;
}
