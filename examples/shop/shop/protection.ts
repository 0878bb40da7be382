import type { Context, MiddlewareHandler } from 'hono';
import type { ShopEnv } from './session.ts';

/** What the shop itself says about a request, beside who asks and from where. */
export interface About {
  /** Rules read it as `context.amount`. In whole units of money, not cents. */
  readonly amount?: number;
}

/** What stands between a request and its handler. The shop does not know which of the two kinds it is. */
export interface Protection {
  /** Asks about a request that goes on in any case: pages, so that whoever moves through them is seen. */
  watch(action: string): MiddlewareHandler<ShopEnv>;
  /** Lets a request go on only when it is allowed. */
  require(action: string, about?: (c: Context<ShopEnv>) => About): MiddlewareHandler<ShopEnv>;
}
