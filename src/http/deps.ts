import type { Log } from '../audit/log.ts';
import type { Metrics } from '../audit/metrics.ts';
import type { RecordSink } from '../audit/sinks.ts';
import type { Engine } from '../engine.ts';
import type { ReadBody } from './body.ts';
import type { FindCaller } from './caller.ts';
import type { AddressTrust } from './wire.ts';

/** Everything that the HTTP side needs; an entry builds it once. */
export interface AppDeps {
  readonly engine: Engine;
  readonly findCaller: FindCaller;
  readonly readBody: ReadBody;
  readonly trust: AddressTrust;
  readonly metrics: Metrics;
  /** Takes the decision records. */
  readonly records: RecordSink;
  readonly log: Log;
  /** Runs work after the answer without making the caller wait; the work never rejects. */
  readonly later: (work: () => Promise<void>) => void;
  /** Monotonic clock in milliseconds, for latencies only. */
  readonly elapsedMs: () => number;
  /** True from the moment on that the process was told to stop. */
  readonly isStopping: () => boolean;
  /** Why the last reload of the rules was refused; null while the live rules are the newest. */
  readonly rulesProblem: () => string | null;
}
