import { createHmac } from 'node:crypto';
import { PSEUDONYM_LENGTH, type Pseudonymize } from './keys.ts';

/** Pseudonyms under this `PRIVACY_KEY`: HMAC-SHA-256 (RFC 2104) over the kind, a NUL and the value. */
export function pseudonymizer(privacyKey: string): Pseudonymize {
  return (kind, value) =>
    createHmac('sha256', privacyKey).update(`${kind}\0${value}`).digest('base64url').slice(0, PSEUDONYM_LENGTH[kind]);
}
