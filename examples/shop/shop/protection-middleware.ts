import type { StepgateClient } from '@stepgate/sdk';
import { riskCheck } from '@stepgate/sdk/hono';
import type { Context, MiddlewareHandler } from 'hono';
import type { About, Protection } from './protection.ts';
import type { ShopEnv } from './session.ts';

export interface MiddlewareProtectionOptions {
  /** For the three actions: a check without an answer is a step-up. */
  readonly client: StepgateClient;
  /** For pages: a check without an answer does not block. */
  readonly watchingClient: StepgateClient;
  /** Proxies in front of the shop whose `X-Forwarded-For` is trusted. */
  readonly trustedProxies: string;
}

/** The shop itself calls Stepgate, on guarded routes. */
export function middlewareProtection({
  client,
  watchingClient,
  trustedProxies,
}: MiddlewareProtectionOptions): Protection {
  const check = (
    asked: StepgateClient,
    action: string,
    about: (c: Context<ShopEnv>) => About,
  ): MiddlewareHandler<ShopEnv> => {
    return riskCheck<ShopEnv>({
      client: asked,
      action,
      subject: (c) => c.var.session.user?.subject ?? null,
      session: (c) => c.var.sessionId,
      context: (c) => ({ ...about(c) }),
      clientAddress: { trustedProxies },
    });
  };
  return {
    watch: (action) => check(watchingClient, action, () => ({})),
    require: (action, about = () => ({})) => check(client, action, about),
  };
}
