import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LANGUAGES, wordsFor } from '../../../src/pages/language.ts';

describe('the language of a page', () => {
  test.each([
    [null, 'en'],
    ['', 'en'],
    ['de', 'de'],
    ['de-AT,de;q=0.9,en;q=0.8', 'de'],
    ['it, fr;q=0.7, en;q=0.3', 'fr'],
    ['en;q=0.2, es;q=0.9', 'es'],
    ['ES-mx', 'es'],
    ['ja', 'en'],
    ['de;q=0', 'en'],
    ['*', 'en'],
    ['de;q=2, fr', 'fr'],
    ['<script>, de', 'de'],
  ])('The language of a page for Accept-Language %j is %s', (header, tag) => {
    expect(wordsFor(header).tag).toBe(tag);
  });

  test('The language of a page is one of those there are, whatever a browser asks for', () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        expect(LANGUAGES).toContain(wordsFor(header));
      }),
    );
  });

  test('Every language says something of its own on every page', () => {
    const [english, ...others] = LANGUAGES;
    for (const { pages, links, reference, tag } of others) {
      for (const [kind, { title, text }] of Object.entries(pages)) {
        const same = english?.pages[kind as keyof typeof pages];
        expect(title, `${tag} ${kind}`).not.toBe(same?.title);
        expect(text, `${tag} ${kind}`).not.toBe(same?.text);
      }
      expect(Object.values(links).every((link) => link !== '')).toBe(true);
      expect(reference).not.toBe('');
    }
  });
});
