import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  impliedSpace,
  isPlainSubject,
  MAX_SUBJECT_LENGTH,
  normaliseSubject,
  subjectText,
} from '../../../src/model/subject.ts';

describe('normaliseSubject', () => {
  /** @see https://github.com/rack/rack-attack/issues/493 */
  test('normaliseSubject gives one spelling to every respelling of one mail address', () => {
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

  test('normaliseSubject keeps the case of opaque ids', () => {
    expect(normaliseSubject('auth0|aB3')).toBe('auth0|aB3');
    expect(normaliseSubject('auth0|Ab3')).not.toBe(normaliseSubject('auth0|aB3'));
  });

  test('normaliseSubject keeps letters of another script that only look alike apart', () => {
    expect(normaliseSubject('p\u0430ul@example.com')).not.toBe(normaliseSubject('paul@example.com'));
  });

  test('normaliseSubject is null where nothing visible is left, or too much', () => {
    expect(normaliseSubject('')).toBeNull();
    expect(normaliseSubject(' \t\u200b\ufeff\u00a0')).toBeNull();
    expect(normaliseSubject('x'.repeat(MAX_SUBJECT_LENGTH))).toHaveLength(MAX_SUBJECT_LENGTH);
    expect(normaliseSubject('x'.repeat(MAX_SUBJECT_LENGTH + 1))).toBeNull();
  });

  test('normaliseSubject changes nothing when applied again', () => {
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

describe('isPlainSubject', () => {
  test.each(['user-1', 'auth0|aB3', 'Ann@Example.com', 'José', 'Ünal@Exämple.com', '李雷', 'İ@x.org'])(
    'isPlainSubject takes %s',
    (text) => {
      expect(isPlainSubject(text)).toBe(true);
    },
  );

  /** @see https://engineering.atspotify.com/2013/06/creative-usernames/ */
  test.each([
    ['full-width letters', '\uff41dmin'],
    ['raised letters', '\u1d2e\u1d35\u1d33\u1d2e\u1d35\u1d3f\u1d30'],
    ['the Kelvin sign', 'mar\u212a@example.com'],
    ['a zero-width space', 'ad\u200bmin'],
    ['outer space', 'admin '],
    ['a separate accent', 'Jose\u0301'],
    ['nothing visible', '\u200b'],
    ['too much', 'x'.repeat(MAX_SUBJECT_LENGTH + 1)],
  ])('isPlainSubject takes no %s', (_what, text) => {
    expect(isPlainSubject(text)).toBe(false);
  });
});

describe('the text that a subject goes by', () => {
  const normalised = fc
    .oneof(
      fc.string({ minLength: 1 }),
      fc.string({ unit: 'binary', minLength: 1 }),
      fc.constantFrom('user', 'bank', 'a'),
    )
    .map((text) => normaliseSubject(text))
    .filter((id) => id !== null);
  const space = fc.constantFrom('default', 'bank', 'shop', 'user', 'a');
  const type = fc.oneof(
    fc.constantFrom('user', 'service', 'default', 'bank', 'a', 'User'),
    fc.string({ minLength: 1 }).filter((text) => /^\P{Cc}*$/u.test(text)),
  );
  const names = fc.record({ space, type, id: normalised });

  test('The text that a subject goes by is the bare id for a user of the default space, as before there were spaces', () => {
    expect(subjectText({ space: 'default', type: 'user', id: 'ann@example.com' })).toBe('ann@example.com');
  });

  test('The text that a subject goes by is no other subject’s', () => {
    fc.assert(
      fc.property(names, names, (one, other) => {
        const isSame = one.space === other.space && one.type === other.type && one.id === other.id;
        expect(subjectText(one) === subjectText(other)).toBe(isSame);
      }),
    );
  });

  test('The text that a subject goes by is not made by an id that spells out space and type: no id holds what sets the parts apart', () => {
    expect(normaliseSubject('bank\0user\x001001')).toBe('bankuser1001');
  });
});

describe('the space that goes without saying', () => {
  test.each([
    ['without issuers', [], 'default'],
    ['with one', ['bank'], 'bank'],
    ['with several, of which one is the default', ['bank', 'default'], 'default'],
    ['with several others', ['bank', 'shop'], null],
  ])('%s', (_what, spaces, implied) => {
    expect(impliedSpace(spaces)).toBe(implied);
  });
});
