/** Device cookie. The prefix makes browsers refuse one set by another host or without `Secure` (RFC 6265bis). */
export const DEVICE_COOKIE = '__Host-stepgate-device';
/** Cookie in which a step-up page may leave the su token. */
export const STEP_UP_COOKIE = '__Host-stepgate-su';

/** The parts of a `Cookie` header between its semicolons, as they were sent; none without a header. */
export function cookieSegments(header: string | null): readonly string[] {
  return header === null ? [] : header.split(';');
}

/**
 * Value of a cookie among the segments of the header, or null. Also null if the name appears more than once with different values: another host of the
 * domain may have set one of them.
 */
export function cookieValue(segments: readonly string[], name: string): string | null {
  const values = cookieValues(segments, name);
  const [value = ''] = values;
  return values.length === 1 && value !== '' ? value : null;
}

/** The distinct values of a cookie in the order sent; origins differ in which one they use. */
function cookieValues(segments: readonly string[], name: string): readonly string[] {
  const values = new Set<string>();
  for (const pair of segments) {
    const equals = pair.indexOf('=');
    if (equals > 0 && pair.slice(0, equals).trim() === name) {
      values.add(
        pair
          .slice(equals + 1)
          .trim()
          .replace(/^"(.*)"$/, '$1'),
      );
    }
  }
  return [...values];
}

/** `Set-Cookie` for a fresh device token that lives until `expiresAtMs`. */
export function deviceCookie(token: string, expiresAtMs: number, nowMs: number): string {
  const maxAge = Math.max(0, Math.floor((expiresAtMs - nowMs) / 1000));
  return `${DEVICE_COOKIE}=${token}; Max-Age=${maxAge}; Path=/; Secure; HttpOnly; SameSite=Lax`;
}
