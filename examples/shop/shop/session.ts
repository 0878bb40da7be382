import { createHash, randomBytes } from 'node:crypto';
import type { RiskCheckEnv } from '@stepgate/sdk/hono';
import type { Context, MiddlewareHandler } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import type { LogIn, Transaction } from './openid-client.ts';

/** Pieces of each product by its id. */
export type Basket = Map<string, number>;

/** Copy of a basket at checkout. This is ordered, even if the basket changes meanwhile. */
export interface Draft {
  readonly id: string;
  readonly lines: readonly { readonly product: string; readonly pieces: number; readonly price: number }[];
  /** In cents. */
  readonly total: number;
  /** Number of the order, once it is placed. */
  order: string | null;
}

/** A round trip to the provider and its purpose. */
export interface Errand {
  readonly transaction: Transaction;
  readonly purpose: 'log-in' | 'step-up';
  /** Path of the shop to return to. */
  readonly returnTo: string;
}

/** One browser's session, on the server; the browser has its id only. */
export interface Session {
  readonly createdMs: number;
  user: Pick<LogIn, 'subject' | 'name' | 'isAdministrator'> | null;
  readonly basket: Basket;
  readonly drafts: Map<string, Draft>;
  /** By `state`, as two tabs may be at the provider at once. */
  readonly errands: Map<string, Errand>;
  /** Path whose form is submitted automatically, because its owner sent it and then stepped up. */
  resume: string | null;
  /** Shown once, on the next page. */
  notice: { readonly kind: 'good' | 'bad'; readonly text: string } | null;
}

/** `stepgate` is the decision, behind `riskCheck()`. */
export type ShopEnv = { Variables: { session: Session; sessionId: string } & RiskCheckEnv['Variables'] };

/** `__Host-`: only this host can set it, over a secure connection, which includes loopback. */
export const SESSION_COOKIE = '__Host-shop-session';
/** Access token of the log-in, for a gateway to identify the user; only with a gateway. */
export const TOKEN_COOKIE = '__Host-shop-token';

const SESSION_LIFE_MS = 12 * 3_600_000;
const MAX_SESSIONS = 10_000;
/** Limit for drafts and abandoned round trips; the oldest are dropped first. */
const MAX_KEPT = 20;

/** Sessions in memory. With several processes, use a shared store. */
export interface Sessions {
  /** Gives each request the session of its cookie, or a new one. */
  readonly attach: MiddlewareHandler<ShopEnv>;
  /** Gives the session a new id, against session fixation. */
  renew(c: Context<ShopEnv>): void;
  end(c: Context<ShopEnv>): void;
  /** Ends every session. */
  reset(): void;
}

export function openSessions(now: () => number): Sessions {
  const sessions = new Map<string, Session>();

  function start(c: Context<ShopEnv>, session: Session): void {
    const id = randomBytes(32).toString('base64url');
    sessions.set(id, session);
    c.set('session', session);
    c.set('sessionId', publicId(id));
    setCookie(c, SESSION_COOKIE, id, {
      path: '/',
      secure: true,
      httpOnly: true,
      // Lax, not Strict: the browser must send it on return from the provider.
      sameSite: 'Lax',
      maxAge: SESSION_LIFE_MS / 1000,
    });
  }

  function forgetOld(): void {
    for (const [id, { createdMs }] of sessions) {
      if (createdMs > now() - SESSION_LIFE_MS && sessions.size < MAX_SESSIONS) break;
      sessions.delete(id);
    }
  }

  return {
    attach: async (c, next) => {
      forgetOld();
      const id = getCookie(c, SESSION_COOKIE);
      const session = id === undefined ? undefined : sessions.get(id);
      if (id === undefined || session === undefined) {
        start(c, newSession(now()));
      } else {
        c.set('session', session);
        c.set('sessionId', publicId(id));
      }
      await next();
    },
    renew(c) {
      const old = getCookie(c, SESSION_COOKIE);
      if (old !== undefined) sessions.delete(old);
      start(c, { ...c.var.session, createdMs: now() });
    },
    end(c) {
      const old = getCookie(c, SESSION_COOKIE);
      if (old !== undefined) sessions.delete(old);
      start(c, newSession(now()));
    },
    reset: () => sessions.clear(),
  };
}

/** Keeps only the newest entries of a map that a browser can grow. */
export function keepNewest<V>(map: Map<string, V>): void {
  for (const key of map.keys()) {
    if (map.size <= MAX_KEPT) return;
    map.delete(key);
  }
}

/** The session's id for Stepgate. The cookie itself would give the session to anyone who reads a log. */
function publicId(id: string): string {
  return createHash('sha256').update(id).digest('base64url').slice(0, 22);
}

function newSession(createdMs: number): Session {
  return {
    createdMs,
    user: null,
    basket: new Map(),
    drafts: new Map(),
    errands: new Map(),
    resume: null,
    notice: null,
  };
}
