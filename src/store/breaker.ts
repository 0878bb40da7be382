import { StoreError, type StoreFailure } from '../model/store-error.ts';

/**
 * A circuit breaker: leaves a store alone that was not there several times in a row. Stores that lead to one server share one.
 */
export interface StoreBreaker {
  /**
   * Whether an operation may go to the store. Null: the circuit is open. Otherwise a function that must be called once
   * with whether the store was reachable.
   */
  enter(): ((wasThere: boolean) => void) | null;
}

/** When to open, and for how long. */
export interface StoreBreakerOptions {
  /** A monotonic clock, in ms. */
  readonly elapsedMs: () => number;
  /** This many operations in a row that found no store open the circuit; default 5. */
  readonly failuresToOpen?: number;
  /** How long an open circuit waits before one operation tries the store again, in ms; default 1000. */
  readonly retryAfterMs?: number;
}

/** A closed circuit. */
export function storeBreaker({
  elapsedMs,
  failuresToOpen = 5,
  retryAfterMs = 1000,
}: StoreBreakerOptions): StoreBreaker {
  let failures = 0;
  /** Null: closed. */
  let opened: { readonly retryAtMs: number; isTried: boolean } | null = null;

  const open = (): void => {
    opened = { retryAtMs: elapsedMs() + retryAfterMs, isTried: false };
  };
  const leave = (wasThere: boolean): void => {
    failures = wasThere ? 0 : failures + 1;
    if (opened === null && failures >= failuresToOpen) open();
  };
  const leaveTry = (wasThere: boolean): void => {
    failures = 0;
    if (wasThere) opened = null;
    else open();
  };
  return {
    enter() {
      if (opened === null) return leave;
      if (opened.isTried || elapsedMs() < opened.retryAtMs) return null;
      opened.isTried = true;
      return leaveTry;
    },
  };
}

const OUTAGES: ReadonlySet<StoreFailure> = new Set(['timeout', 'unreachable', 'circuit_open']);

/** Whether a failure means that the store is unreachable. One that refuses (`rejected`) is reachable. */
export function isOutage(error: unknown): boolean {
  return error instanceof StoreError && OUTAGES.has(error.code);
}
