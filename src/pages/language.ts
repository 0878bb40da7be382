import { german } from './languages/de.ts';
import { english } from './languages/en.ts';
import { spanish } from './languages/es.ts';
import { french } from './languages/fr.ts';
import type { PageWords } from './words.ts';

/** Every language of the pages; the first is used where the browser asks for none of them. */
export const LANGUAGES: readonly PageWords[] = [english, german, spanish, french];

/** The words for a value of `Accept-Language` (RFC 9110, section 12.5.4); regions are ignored. */
export function wordsFor(acceptLanguage: string | null): PageWords {
  let best = LANGUAGES[0] ?? english;
  let weight = 0;
  for (const range of (acceptLanguage ?? '').slice(0, MAX_HEADER_LENGTH).split(',')) {
    const [, tag = '', quality = '1'] = RANGE.exec(range) ?? [];
    const words = LANGUAGES.find((language) => language.tag === tag.toLowerCase());
    if (words === undefined || Number(quality) <= weight) continue;
    best = words;
    weight = Number(quality);
  }
  return best;
}

/** Browsers send a few dozen characters. */
const MAX_HEADER_LENGTH = 512;

const RANGE = /^\s*([a-z]{2,3})(?:-[a-z0-9]+)*\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*$/i;
