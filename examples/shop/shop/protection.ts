import type { Context, MiddlewareHandler } from 'hono';
import type { ShopEnv } from './session.ts';

/** What the shop reports about a request besides user and address. */
export interface About {
  /** Rules read it as `context.amount`. In whole units of money, not cents. */
  readonly amount?: number;
}

/** Protects handlers. The shop does not know which of the two kinds is used. */
export interface Protection {
  /** Checks a request that continues in any case, so that Stepgate sees page visits. */
  watch(action: string): MiddlewareHandler<ShopEnv>;
  /** Continues only if the request is allowed. */
  require(action: string, about?: (c: Context<ShopEnv>) => About): MiddlewareHandler<ShopEnv>;
}
