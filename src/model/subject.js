/** Longest subject id that is taken, in UTF-16 code units after normalisation. */
export const MAX_SUBJECT_LENGTH = 256;
/**
 * One spelling for one subject, so that no counter, baseline or trust can be dodged by respelling an id: Unicode control
 * and format characters are removed, NFKC is applied, outer space is trimmed, and an id that holds an `@` is
 * lower-cased. Ids without `@` stay case-sensitive, because opaque ids are. Letters that merely look alike stay
 * different. Idempotent. Null when nothing is left or the result is longer than {@link MAX_SUBJECT_LENGTH}.
 */
export function normaliseSubject(text) {
  const clean = cleaned(text);
  const subject = clean.includes('@') ? clean.toLowerCase().normalize('NFKC') : clean;
  return subject === '' || subject.length > MAX_SUBJECT_LENGTH ? null : subject;
}
/**
 * Whether the id is written as itself, letter case of an `@` id apart. One spelling is for counting and remembering; it must
 * not make one person of two whom an issuer keeps apart: `ａdmin` in full-width letters may be somebody's account, and is not
 * `admin`.
 */
export function isPlainSubject(text) {
  return cleaned(text) === text && normaliseSubject(text) !== null;
}
function cleaned(text) {
  // Most ids are: none of what follows changes them.
  if (VISIBLE_ASCII.test(text)) return text;
  return text.replaceAll(INVISIBLE, '').normalize('NFKC').trim();
}
const VISIBLE_ASCII = /^[!-~]*$/;
/** Unicode 16, general categories Cc (control) and Cf (format: zero-width and direction marks, BOM, tags). */
const INVISIBLE = /[\p{Cc}\p{Cf}]/gu;
/** The space of subjects where no issuer names another. */
export const DEFAULT_SPACE = 'default';
/** The type of a person: what a token of an issuer names, and what a caller means who says nothing else. */
export const USER_TYPE = 'user';
/**
 * One text for each subject, and no text for two. A user of the default space is its bare id; whatever else, its three parts,
 * set apart by a character that none of them can hold.
 */
export function subjectText({ space, type, id }) {
  return space === DEFAULT_SPACE && type === USER_TYPE ? id : `${space}\0${type}\0${id}`;
}
/** Whether a proof is of this subject. Issuers vouch for users of their own space, so it never is of anything else. */
export function isProofOf(proof, { subject, subjectSpace, subjectType }) {
  if (subject === null || subjectType !== USER_TYPE || proof.space !== subjectSpace) return false;
  return normaliseSubject(proof.subject) === subject;
}
/** The space that a caller means who names none; null where several are configured and none is the default. */
export function impliedSpace(spaces) {
  const [first = DEFAULT_SPACE, ...others] = spaces;
  if (others.length === 0) return first;
  return spaces.includes(DEFAULT_SPACE) ? DEFAULT_SPACE : null;
}
