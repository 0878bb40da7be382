import type { Context } from 'hono';
import { getCookie } from 'hono/cookie';

/** Null: the system's setting. */
export type Theme = 'light' | 'dark' | null;

export const THEME_COOKIE = 'theme';

/** The colours that this browser chose: a cookie, so that the first paint is right and no script is needed. */
export function themeOf(c: Context): Theme {
  const chosen = getCookie(c, THEME_COOKIE);
  return chosen === 'light' || chosen === 'dark' ? chosen : null;
}

/** A leaf, inlined so that browsers do not request a missing /favicon.ico. */
export const ICON =
  'data:image/svg+xml,%3Csvg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"%3E%3Cpath fill="%231f5c45" d="M27 4C10 4 4 14 7 27c15 0 21-9 20-23z"/%3E%3C/svg%3E';
