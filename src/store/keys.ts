import type { Pseudonym } from './store.ts';

/** What a pseudonym stands for. The kind goes into the hash, so that equal texts of two kinds differ. */
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
 * Characters of base64url (6 bits each) that a pseudonym of each kind has. Those that name a whole key of the store
 * are long; those that are only told apart inside one baseline are short, for they make up most of its size.
 */
export const PSEUDONYM_LENGTH: { readonly [kind in PseudonymKind]: number } = {
  subject: 22,
  address: 22,
  network: 12,
  device: 22,
  fingerprint: 12,
  component: 4,
  session: 12,
  proof: 22,
};
