import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PSEUDONYM_LENGTH, type PseudonymKind } from '../../../src/store/keys.ts';
import { pseudonymizer } from '../../../src/store/pseudonym.ts';

const kinds = fc.constantFrom(...(Object.keys(PSEUDONYM_LENGTH) as PseudonymKind[]));
// Any UTF-16, with surrogates that have no partner, on both sides of the block of 64 bytes.
const texts = fc.string({ unit: 'binary', maxLength: 200 });

test('A pseudonym is the HMAC-SHA-256 of kind, NUL and value, cut to the length of its kind', () => {
  fc.assert(
    fc.property(texts, fc.array(fc.tuple(kinds, texts), { minLength: 1 }), (key, asked) => {
      const pseudonym = pseudonymizer(key);
      // Twice, so that what is remembered is compared too.
      for (const [kind, value] of [...asked, ...asked]) {
        const hmac = createHmac('sha256', key).update(`${kind}\0${value}`).digest('base64url');
        expect(pseudonym(kind, value)).toBe(hmac.slice(0, PSEUDONYM_LENGTH[kind]));
      }
    }),
  );
});

test('Lone surrogates and keys around the size of a block make no difference', () => {
  for (const length of [0, 1, 63, 64, 65, 128]) {
    const key = 'k'.repeat(length);
    const hmac = createHmac('sha256', key).update('subject\0a\ud800b\udc00').digest('base64url');
    expect(pseudonymizer(key)('subject', 'a\ud800b\udc00')).toBe(hmac.slice(0, PSEUDONYM_LENGTH.subject));
  }
});
