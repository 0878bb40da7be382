import { LRUCache } from 'lru-cache';
import { StoreError } from '../model/store-error.ts';
import type { Backend } from './backend.ts';
import { COUNTERS_TTL_MS, type CounterRecord, countEvent } from './counters.ts';
import { storeOver } from './over-backend.ts';
import type { PartwiseStore } from './store.ts';

/** The clock and the bounds of an embedded store. */
export interface MemoryStoreOptions {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Most records of counters, most baselines and most spent proofs kept, each; default 100,000. */
  readonly maxKeys?: number;
  /**
   * Most bytes that counters and baselines may take, each half of it, as estimated from what they hold; default 64 MiB. An
   * address that a thousand subjects share weighs as much as ten others.
   */
  readonly maxBytes?: number;
  /** Called for each record of counters and each baseline that is dropped for lack of room. */
  readonly onEvict?: (kind: Evicted) => void;
}

/** What is dropped: `tally` is a record of counters. */
export type Evicted = 'tally' | 'baseline';

const MIB = 1024 * 1024;

/** Upper estimates for V8, in bytes: of what is kept at all, and of each entry of a counter. */
const BYTES_PER_KEY = 400;
const BYTES_PER_ENTRY = 110;

/**
 * The embedded store: one process, in memory. Bounded in keys and bytes; entries expire without timers. Counters and
 * baselines are evicted separately, so that a flood of addresses evicts no baseline. A spent proof is never evicted
 * before it expires: if no more fit, spending is rejected.
 */
export function memoryStore({
  now,
  maxKeys = 100_000,
  maxBytes = 64 * MIB,
  onEvict,
}: MemoryStoreOptions): PartwiseStore {
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
  const records = bounded('tally', bytesOfRecord);
  const values = bounded<string>('baseline', (text) => BYTES_PER_KEY + 2 * text.length);
  const claims = new Map<string, { readonly until: number; readonly note: string }>();

  function dropExpiredClaims(at: number): void {
    for (const [key, { until }] of claims) if (until <= at) claims.delete(key);
  }

  function claimOf(key: string, at: number) {
    const claim = claims.get(key);
    return claim !== undefined && claim.until > at ? claim : null;
  }

  const backend: Backend = {
    async read({ at, write, event, seen, counters, values: keys }) {
      return {
        counts: counters.map(({ of, key }) => {
          const before = records.get(key);
          const { record, counts } = countEvent(of, before ?? NOTHING_COUNTED, event, seen, at);
          if (write && record !== (before ?? NOTHING_COUNTED)) records.set(key, record, { ttl: COUNTERS_TTL_MS[of] });
          return record === NOTHING_COUNTED ? null : counts;
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
        records.delete(key);
        values.delete(key);
      }
    },
    async ping() {
      now();
    },
    async close() {
      records.clear();
      values.clear();
      claims.clear();
    },
  };
  return storeOver('memory', backend);
}

const NOTHING_COUNTED: CounterRecord = {};

function bytesOfRecord(record: CounterRecord): number {
  let bytes = BYTES_PER_KEY;
  for (const name in record) {
    bytes += BYTES_PER_KEY;
    for (const _entry in record[name]) bytes += BYTES_PER_ENTRY;
  }
  return bytes;
}
