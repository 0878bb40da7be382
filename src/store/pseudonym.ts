import { createHmac, createSecretKey } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { PSEUDONYM_LENGTH, type Pseudonymize } from './keys.ts';
import type { Pseudonym } from './store.ts';

/** Names of components come with every check, and they are few and short. Other texts seldom come again in time. */
const REMEMBERED = 512;
const LONGEST_REMEMBERED = 16;

/** Pseudonyms under this `PRIVACY_KEY`: HMAC-SHA-256 (RFC 2104) over the kind, a NUL and the value. */
export function pseudonymizer(privacyKey: string): Pseudonymize {
  const key = createSecretKey(privacyKey, 'utf8');
  const remembered = new LRUCache<string, Pseudonym>({ max: REMEMBERED });
  return (kind, value) => {
    const isShort = kind === 'component' && value.length <= LONGEST_REMEMBERED;
    const before = isShort ? remembered.get(value) : undefined;
    if (before !== undefined) return before;
    const hash = createHmac('sha256', key).update(`${kind}\0${value}`).digest('base64url');
    const pseudonym = hash.slice(0, PSEUDONYM_LENGTH[kind]);
    if (isShort) remembered.set(value, pseudonym);
    return pseudonym;
  };
}
