import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addressCountersKey,
  baselineKey,
  deviceCountersKey,
  networkCountersKey,
  PSEUDONYM_LENGTH,
  type PseudonymKind,
  spentProofKey,
  subjectCountersKey,
} from '../../../src/store/keys.ts';
import { pseudonymizer } from '../../../src/store/pseudonym.ts';

/** Pieces of which a key, a hash tag or another spelling of a text could be forged. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ':',
        '{',
        '}',
        '}:tally',
        'sg:{s:',
        '%003a',
        '%',
        '\0',
        '\n',
        ' ',
        'a',
        'A',
        '\u00e9',
        'e\u0301',
        '\uff21',
        '\ud800',
        '*',
        '?',
        '[a]',
      ),
      fc.string({ unit: 'binary', maxLength: 4 }),
    ),
    { maxLength: 6 },
  )
  .map((pieces) => pieces.join(''));

const keysOf = (a: string, b: string): string[] => [
  subjectCountersKey(a),
  baselineKey(a),
  networkCountersKey(a),
  addressCountersKey(a, b),
  deviceCountersKey(a),
  spentProofKey(a),
];

test('No text closes a hash tag, imitates a separator, or leaves the shape of a key', () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      for (const key of keysOf(a, b)) expect(key).toMatch(/^sg:\{[sndp]:[\w%-]*\}:(?:tally|baseline|spent|a:[\w%-]*)$/);
      expect(new Set(keysOf(a, b)).size).toBe(6);
    }),
    { numRuns: 2000 },
  );
});

test('Two pairs of texts share a key only where they are equal, whatever separators and spellings they hold', () => {
  fc.assert(
    fc.property(text, text, text, text, (a, b, c, d) => {
      const shared = keysOf(a, b).filter((key, i) => key === keysOf(c, d)[i]);
      if (a !== c) expect(shared).toEqual([]);
      else expect(shared.length).toBe(b === d ? 6 : 5);
    }),
    { numRuns: 2000 },
  );
});

test('Pseudonyms of different kinds or texts differ, and hold nothing that a key would have to escape', () => {
  const pseudonym = pseudonymizer('a-privacy-key-of-thirty-two-bytes!');
  const long = fc.constantFrom<PseudonymKind>('subject', 'device', 'proof');
  fc.assert(
    fc.property(long, text, long, text, (kind, a, other, b) => {
      const [one, two] = [pseudonym(kind, a.toWellFormed()), pseudonym(other, b.toWellFormed())];
      expect(one).toMatch(/^[\w-]+$/);
      expect(one).toHaveLength(PSEUDONYM_LENGTH[kind]);
      expect(one === two).toBe(kind === other && a.toWellFormed() === b.toWellFormed());
    }),
    { numRuns: 2000 },
  );
});
