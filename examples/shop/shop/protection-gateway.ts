import type { MiddlewareHandler } from 'hono';
import type { Protection } from './protection.ts';
import type { ShopEnv } from './session.ts';

/**
 * The gateway called Stepgate before, and passes the result in headers that clients cannot set. The shop must be reachable through
 * the gateway only.
 */
export function gatewayProtection(): Protection {
  const decided: MiddlewareHandler<ShopEnv> = async (c, next) => {
    if (c.req.header('x-stepgate-decision') !== 'allow') {
      return c.json({ error: 'no_gateway', message: 'This request did not come through the gateway.' }, 403);
    }
    // Stepgate must have judged the shop's customer. Otherwise the token of the log-in has expired, or belongs to someone else.
    const { user } = c.var.session;
    const judged = decodeURIComponent(c.req.header('x-stepgate-subject') ?? '');
    if (user !== null && user.subject !== judged) {
      c.var.session.user = null;
      c.var.session.notice = { kind: 'bad', text: 'You have been logged out. Log in again.' };
      return c.redirect('/basket', 303);
    }
    return next();
  };
  return { watch: () => decided, require: () => decided };
}
