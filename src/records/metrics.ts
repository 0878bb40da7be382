import type { Right } from '../model/api-keys.ts';
import type { CheckResult } from '../model/decision.ts';
import type { SessionFault } from '../model/device-session.ts';
import type { StoreFailure } from '../model/store-error.ts';
import type { StoreOperation } from '../store/budget.ts';

/** Counts what happens. Drivers: Prometheus on Node, Analytics Engine on Workers, {@link noMetrics}. Nothing here throws. */
export interface Metrics {
  checked(result: CheckResult, seconds: number): void;
  /** The answer went out, but what it teaches was not stored. */
  learnFailed(why: StoreFailure | 'fault'): void;
  storeFailed(operation: StoreOperation, why: StoreFailure): void;
  /** The embedded store had no room left and gave up what was used longest ago. */
  storeEvicted(kind: 'tally' | 'baseline'): void;
  recordFailed(): void;
  /** A caller asked for what its key has no right to. */
  rightRefused(caller: string, right: Right): void;
  /** An issuer was asked for its keys. `stale`: it could not give them, and those of before are used on. */
  keysAsked(issuer: string, outcome: 'fetched' | 'stale' | 'failed'): void;
  /** A browser registered or refreshed a device bound session. `outcome`: `live`, or why not. */
  deviceSession(step: 'register' | 'refresh', outcome: 'live' | SessionFault): void;
  /** The exposition of all metrics; null if every process sees only a part. */
  render(): Promise<{ readonly contentType: string; readonly text: string } | null>;
}

/** Counts nothing. */
export const noMetrics: Metrics = {
  checked: () => undefined,
  learnFailed: () => undefined,
  storeFailed: () => undefined,
  storeEvicted: () => undefined,
  recordFailed: () => undefined,
  rightRefused: () => undefined,
  keysAsked: () => undefined,
  deviceSession: () => undefined,
  render: async () => null,
};
