import { type SubjectName, subjectText } from '../model/subject.ts';
import type { Pseudonym } from './store.ts';

/** The kind of thing that a pseudonym names. It is part of the hash, so that equal texts of two kinds differ. */
export type PseudonymKind =
  | 'subject'
  | 'address'
  | 'network'
  | 'device'
  | 'fingerprint'
  | 'component'
  | 'session'
  | 'proof';

/** Turns a value into its pseudonym: HMAC-SHA-256 under `PRIVACY_KEY`, base64url, cut to {@link PSEUDONYM_LENGTH}. */
export type Pseudonymize = (kind: PseudonymKind, value: string) => Pseudonym;

/**
 * Length of a pseudonym of each kind, in base64url characters (6 bits each). Those that are a key of the store are
 * long; those that are only compared inside one baseline are short, as they make up most of its size.
 */
export const PSEUDONYM_LENGTH: { readonly [kind in PseudonymKind]: number } = {
  subject: 22,
  address: 16,
  network: 12,
  device: 22,
  fingerprint: 12,
  component: 4,
  session: 12,
  proof: 22,
};

/** The pseudonym of a subject, under which everything about it is stored, and by which its device tokens name it. */
export function subjectPseudonym(pseudonym: Pseudonymize, subject: SubjectName): Pseudonym {
  return pseudonym('subject', subjectText(subject));
}

export function subjectCountersKey(subject: Pseudonym): string {
  return `sg:{s:${part(subject)}}:tally`;
}

/** Key of the baseline of a subject; shares the hash tag of {@link subjectCountersKey}. */
export function baselineKey(subject: Pseudonym): string {
  return `sg:{s:${part(subject)}}:baseline`;
}

/** Key of the counters of a network (/24 or /48). */
export function networkCountersKey(network: Pseudonym): string {
  return `sg:{n:${part(network)}}:tally`;
}

/** Key of the counters of an address; shares the hash tag of its network, so that one script reads both. */
export function addressCountersKey(network: Pseudonym, address: Pseudonym): string {
  return `sg:{n:${part(network)}}:a:${part(address)}`;
}

export function deviceCountersKey(device: Pseudonym): string {
  return `sg:{d:${part(device)}}:tally`;
}

/** Key that exists while a proof counts as spent. */
export function spentProofKey(proof: Pseudonym): string {
  return `sg:{p:${part(proof)}}:spent`;
}

/**
 * Pseudonyms are base64url and pass unchanged. Anything else is escaped one to one, so that no text can close the hash
 * tag (`}`) or imitate the separator, and two different texts never share a key.
 */
function part(text: string): string {
  return text.replace(/[^\w-]/g, (unit) => `%${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
