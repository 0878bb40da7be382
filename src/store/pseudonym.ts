import { createHash, hash } from 'node:crypto';
import { PSEUDONYM_LENGTH, type Pseudonymize } from './keys.ts';
import type { Pseudonym } from './store.ts';

/** Names of components recur in every check, and are few and short. Other texts seldom recur in time. */
const REMEMBERED = 512;
const LONGEST_REMEMBERED = 16;

/** Pseudonyms under this `PRIVACY_KEY`: HMAC-SHA-256 (RFC 2104) over the kind, a NUL and the value. */
export function pseudonymizer(privacyKey: string): Pseudonymize {
  const hmac = hmacUnder(privacyKey);
  const remembered = new Map<string, Pseudonym>();
  return (kind, value) => {
    const isShort = kind === 'component' && value.length <= LONGEST_REMEMBERED;
    const before = isShort ? remembered.get(value) : undefined;
    if (before !== undefined) return before;
    const pseudonym = hmac(`${kind}\0${value}`).slice(0, PSEUDONYM_LENGTH[kind]);
    if (isShort) {
      // Many names only cause rehashing, never growth.
      if (remembered.size >= REMEMBERED) remembered.clear();
      remembered.set(value, pseudonym);
    }
    return pseudonym;
  };
}

/** Block and digest of SHA-256 in bytes. */
const BLOCK = 64;
const DIGEST = 32;

/**
 * HMAC-SHA-256 in base64url. A dozen are made for each check, and the two hashes that RFC 2104 defines it by take half the
 * time of `createHmac`, which makes an object for each.
 */
function hmacUnder(secret: string): (text: string) => string {
  const bytes = Buffer.from(secret);
  const key = bytes.length > BLOCK ? createHash('sha256').update(bytes).digest() : bytes;
  const outer = Buffer.alloc(BLOCK + DIGEST, 0x5c);
  const innerPad = Buffer.alloc(BLOCK, 0x36);
  for (const [i, byte] of key.entries()) {
    outer[i] = byte ^ 0x5c;
    innerPad[i] = byte ^ 0x36;
  }
  return (text) => {
    const inner = Buffer.allocUnsafe(BLOCK + Buffer.byteLength(text));
    innerPad.copy(inner);
    inner.write(text, BLOCK);
    outer.write(hash('sha256', inner, 'binary'), BLOCK, 'binary');
    return hash('sha256', outer, 'base64url');
  };
}
