import type { Context, MiddlewareHandler } from 'hono';
import type { ShopEnv } from './session.ts';

/** What the shop itself reports about a request, besides who asks and from where. */
export interface About {
  /** Rules read it as `context.amount`. In whole units of money, not cents. */
  readonly amount?: number;
}

/** Protects handlers. The shop does not know which of the two kinds is used. */
export interface Protection {
  /** Asks about a request that continues in any case: pages, so that movements between them are seen. */
  watch(action: string): MiddlewareHandler<ShopEnv>;
  /** Continues only with an allowed request. */
  require(action: string, about?: (c: Context<ShopEnv>) => About): MiddlewareHandler<ShopEnv>;
}
