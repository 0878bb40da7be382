import { createHash, hash } from 'node:crypto';
import { PSEUDONYM_LENGTH, type Pseudonymize, type PseudonymKind } from './keys.ts';
import type { Pseudonym } from './store.ts';

/** Names of components recur in every check, and are few and short. Other texts seldom recur in time. */
const REMEMBERED = 512;
const MAX_REMEMBERED_LENGTH = 16;

/** Pseudonyms under this `PRIVACY_KEY`: HMAC-SHA-256 (RFC 2104) over the kind, a NUL and the value. */
export function pseudonymizer(privacyKey: string): Pseudonymize {
  const hmac = hmacUnder(privacyKey);
  const remembered = new Map<string, Pseudonym>();
  return (kind, value) => {
    const isShort = kind === 'component' && value.length <= MAX_REMEMBERED_LENGTH;
    const before = isShort ? remembered.get(value) : undefined;
    if (before !== undefined) return before;
    const pseudonym = hmac(kind, value).slice(0, PSEUDONYM_LENGTH[kind]);
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

/** Bytes of a value that are hashed in a buffer that is there already. */
const USUAL = 256;

/**
 * HMAC-SHA-256 of kind, NUL and value in base64url. A dozen are made for each check, and the two hashes that RFC 2104 defines
 * it by take half the time of `createHmac`, which makes an object for each.
 */
function hmacUnder(secret: string): (kind: PseudonymKind, value: string) => string {
  const bytes = Buffer.from(secret);
  const key = bytes.length > BLOCK ? createHash('sha256').update(bytes).digest() : bytes;
  const outer = Buffer.alloc(BLOCK + DIGEST, 0x5c);
  const innerPad = Buffer.alloc(BLOCK, 0x36);
  for (const [i, byte] of key.entries()) {
    outer[i] = byte ^ 0x5c;
    innerPad[i] = byte ^ 0x36;
  }
  const begin = (kind: string, room: number): Buffer =>
    Buffer.concat([innerPad, Buffer.from(`${kind}\0`), Buffer.alloc(room)]);
  const usual = new Map(Object.keys(PSEUDONYM_LENGTH).map((kind) => [kind, begin(kind, USUAL)]));
  return (kind, value) => {
    const start = BLOCK + kind.length + 1;
    // A UTF-16 code unit takes three bytes at most.
    const room = value.length * 3;
    const inner = (room <= USUAL ? usual.get(kind) : undefined) ?? begin(kind, room);
    const end = start + inner.write(value, start);
    outer.write(hash('sha256', inner.subarray(0, end), 'binary'), BLOCK, 'binary');
    return hash('sha256', outer, 'base64url');
  };
}
