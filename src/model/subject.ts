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
 * Whether the id is in its normal form, apart from the case of an `@` id. The normal form is for counting and history;
 * it must not merge two people whom an issuer keeps apart: `ａdmin` in full-width letters may be an account of its own,
 * and is not `admin`.
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

/** The subject space unless an issuer names another. */
export const DEFAULT_SPACE = 'default';

/** The type of people: what issuers' tokens name, and the default for callers. */
export const USER_TYPE = 'user';

/**
 * Full name of a subject. An id means nothing without its space and type: two issuers may each have a number 1001, and
 * a service may be named like a person.
 */
export interface SubjectName {
  readonly space: string;
  readonly type: string;
  /** Normalised. */
  readonly id: string;
}

/**
 * Unique text of a subject. A user of the default space is its bare id; any other is space, type and id, separated by a
 * character that none may contain.
 */
export function subjectText({ space, type, id }: SubjectName): string {
  return space === DEFAULT_SPACE && type === USER_TYPE ? id : `${space}\0${type}\0${id}`;
}

/** A subject as a request names it; the id is null for an anonymous request. */
export interface NamedSubject {
  readonly subject: string | null;
  readonly subjectSpace: string;
  readonly subjectType: string;
}

/** Whether a proof is of this subject. Issuers vouch for users of their own space, so it never is of anything else. */
export function isProofOf(
  proof: { readonly subject: string; readonly space: string },
  { subject, subjectSpace, subjectType }: NamedSubject,
): boolean {
  if (subject === null || subjectType !== USER_TYPE || proof.space !== subjectSpace) return false;
  return normaliseSubject(proof.subject) === subject;
}

/** The space of a call that names none; null if several are configured and none is the default. */
export function impliedSpace(spaces: readonly string[]): string | null {
  const [first = DEFAULT_SPACE, ...others] = spaces;
  if (others.length === 0) return first;
  return spaces.includes(DEFAULT_SPACE) ? DEFAULT_SPACE : null;
}
