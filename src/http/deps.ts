import type { StepUpPageSettings } from '../contract/step-up-page.ts';
import type { PageSettings } from '../pages/page.ts';
import type { Log } from '../records/log.ts';
import type { Metrics } from '../records/metrics.ts';
import type { RecordSink } from '../records/sinks.ts';
import type { AppContext, RequestScope } from './api-route.ts';
import type { ReadBody } from './body.ts';
import type { FindCaller } from './caller.ts';
import type { AddressTrust } from './wire.ts';

/** Everything that the HTTP side needs; an entry builds it once. */
export interface AppDeps {
  /** The same for all requests on Node. On Workers a connection to the store belongs to the request that opened it. */
  readonly scopeOf: (c: AppContext) => RequestScope;
  readonly findCaller: FindCaller;
  readonly readBody: ReadBody;
  readonly trust: AddressTrust;
  readonly gateway: GatewaySettings;
  /** How pages for people look. */
  readonly pages: PageSettings;
  /** Content of `/client.js` and `/client.mjs`; null if the client was not built. */
  readonly clientScripts: ClientScripts | null;
  readonly metrics: Metrics;
  /** Takes the decision records. */
  readonly records: RecordSink;
  readonly log: Log;
  /** Monotonic clock in milliseconds, for latencies only. */
  readonly elapsedMs: () => number;
  /** True after a stop signal. */
  readonly isStopping: () => boolean;
  /** Warning about a store that works but should not be used in production; null if none. */
  readonly storeWarning: string | null;
  /** Why the last reload of the rules was refused; null while the live rules are the newest. */
  readonly rulesProblem: () => string | null;
}

export interface GatewaySettings extends StepUpPageSettings {
  /** Cookie that may hold the session token; null looks at the bearer token only. */
  readonly sessionCookie: string | null;
  /** Address of this service as callers know it, without a trailing slash; null takes it from the request. */
  readonly publicUrl: string | null;
}

/** Both forms of the browser client, built by `scripts/build-client.ts`. */
export interface ClientScripts {
  /** Sets the global `Stepgate`. */
  readonly plain: string;
  /** An ES module. */
  readonly module: string;
}
