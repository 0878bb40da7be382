/** Longest subject id that is taken, in UTF-16 code units after normalisation. */
export const MAX_SUBJECT_LENGTH = 256;

/**
 * One spelling for one subject, so that no counter, baseline or trust can be dodged by respelling an id: Unicode control
 * and format characters are removed, NFKC is applied, outer space is trimmed, and an id that holds an `@` is
 * lower-cased. Ids without `@` stay case-sensitive, because opaque ids are. Letters that merely look alike stay
 * different. Idempotent. Null when nothing is left or the result is longer than {@link MAX_SUBJECT_LENGTH}.
 */
export function normaliseSubject(text: string): string | null {
  const clean = cleaned(text);
  const subject = clean.includes('@') ? clean.toLowerCase().normalize('NFKC') : clean;
  return subject === '' || subject.length > MAX_SUBJECT_LENGTH ? null : subject;
}

/**
 * Whether the id is written as itself, letter case of an `@` id apart. One spelling is for counting and remembering; it must
 * not make one person of two whom an issuer keeps apart: `ａdmin` in full-width letters may be somebody's account, and is not
 * `admin`.
 */
export function isPlainSubject(text: string): boolean {
  return cleaned(text) === text && normaliseSubject(text) !== null;
}

function cleaned(text: string): string {
  // Most ids are: none of what follows changes them.
  if (VISIBLE_ASCII.test(text)) return text;
  return text.replaceAll(INVISIBLE, '').normalize('NFKC').trim();
}

const VISIBLE_ASCII = /^[!-~]*$/;

/** Unicode 16, general categories Cc (control) and Cf (format: zero-width and direction marks, BOM, tags). */
const INVISIBLE = /[\p{Cc}\p{Cf}]/gu;
