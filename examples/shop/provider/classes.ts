/** Log-in with a password. */
export const PASSWORD = 'urn:kettle:password';
/** An additional second factor: a one-time code or a passkey. */
export const TWO_FACTORS = 'urn:kettle:2fa';
/** A passkey: a key bound to this site, which a phishing page cannot ask for (NIST SP 800-63B, phishing resistance). */
export const PASSKEY = 'urn:kettle:passkey';

/** Assurance classes (`acr`) of the provider, weakest first. Stepgate has the same order in `acr_order`. */
export const CLASSES: readonly string[] = [PASSWORD, TWO_FACTORS, PASSKEY];

/** Position in {@link CLASSES}; -1 for any other text. */
export function rankOf(acr: string | undefined): number {
  return acr === undefined ? -1 : CLASSES.indexOf(acr);
}

/** The class that a request asks for: the first it names that is known (OpenID Connect Core, section 3.1.2.1). */
export function classAsked(acrValues: string | undefined): string {
  return acrValues?.split(' ').find((acr) => rankOf(acr) >= 0) ?? PASSWORD;
}

/** The class that these methods (RFC 8176) reach together; null when not even a password was given. */
export function classReached(methods: ReadonlySet<string>): string | null {
  // A passkey is made of two factors by itself: the device that holds it, and what unlocks it.
  if ((methods.has('hwk') || methods.has('swk')) && methods.has('user')) return PASSKEY;
  if (!methods.has('pwd')) return null;
  return methods.has('otp') ? TWO_FACTORS : PASSWORD;
}
