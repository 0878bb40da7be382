/**
 * A text as the most tolerant origin compares it: compatibility forms (NFKC) and letter case beyond ASCII fold away, so that `ſ`,
 * `ｓ` and `S` are `s`, the Kelvin sign is `k`, `ı` and `İ` are `i`, `ß` is `ss`; invisible characters are gone. A text in ASCII is
 * only put in lower case.
 */
export function folded(text: string): string {
  if (isAscii(text)) return text.toLowerCase();
  const compatible = text.normalize('NFKC').replace(INVISIBLE, '');
  // Lower case knows some pairs of letters, upper case others: ẞ, ß and ss meet after all three.
  return compatible.toLowerCase().toUpperCase().toLowerCase().normalize('NFKC').replaceAll('i\u0307', 'i');
}

/** Whether a text is in ASCII, so that no two origins differ about its letters. */
export function isAscii(text: string): boolean {
  return ASCII.test(text);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the whole of ASCII is meant
const ASCII = /^[\x00-\x7f]*$/;
const INVISIBLE = /\p{Default_Ignorable_Code_Point}+/gu;
