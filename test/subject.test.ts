import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_SUBJECT_LENGTH, normaliseSubject } from '../src/subject.ts';

describe('normaliseSubject', () => {
  /** @see https://github.com/rack/rack-attack/issues/493 */
  test('gives one spelling to every respelling of one mail address', () => {
    const spellings = [
      'User@Example.com',
      ' user@example.com',
      'user@example.com\t',
      'USER@EXAMPLE.COM',
      'u\u017fer@example.com',
      'user@example.com\u200b',
      '\u202euser@example.com',
      'user\uff20example.com',
    ];
    expect(new Set(spellings.map(normaliseSubject))).toEqual(new Set(['user@example.com']));
  });

  test('keeps the case of opaque ids', () => {
    expect(normaliseSubject('auth0|aB3')).toBe('auth0|aB3');
    expect(normaliseSubject('auth0|Ab3')).not.toBe(normaliseSubject('auth0|aB3'));
  });

  test('keeps letters of another script that only look alike apart', () => {
    expect(normaliseSubject('p\u0430ul@example.com')).not.toBe(normaliseSubject('paul@example.com'));
  });

  test('is null where nothing visible is left, or too much', () => {
    expect(normaliseSubject('')).toBeNull();
    expect(normaliseSubject(' \t\u200b\ufeff\u00a0')).toBeNull();
    expect(normaliseSubject('x'.repeat(MAX_SUBJECT_LENGTH))).toHaveLength(MAX_SUBJECT_LENGTH);
    expect(normaliseSubject('x'.repeat(MAX_SUBJECT_LENGTH + 1))).toBeNull();
  });

  test('changes nothing when applied again', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const once = normaliseSubject(text);
        fc.pre(once !== null);
        expect(normaliseSubject(once)).toBe(once);
      }),
      { numRuns: 2000 },
    );
  });
});
