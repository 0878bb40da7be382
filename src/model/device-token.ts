/** One subject's part in a device token. */
export interface TokenHolder {
  /** Pseudonym of the subject. */
  readonly subject: string;
  /** Epoch seconds in which this subject's trust was granted and ends. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** Most holders that a token carries on beside the subject that it is issued to. */
export const MOST_OTHER_HOLDERS = 4;

/** What a presented device token proves. Trust itself is kept in the baseline; a token only names a device. */
export type DeviceTokenVerdict =
  | { readonly state: 'absent' }
  /** Bad signature, wrong `typ`, expired beyond its trust, or no token of ours at all. */
  | { readonly state: 'invalid'; readonly why: string }
  | GenuineToken;

/** A token of ours. As a holder, the subject that it was issued to. */
export interface GenuineToken extends TokenHolder {
  readonly state: 'genuine';
  /** `d-…` */
  readonly device: string;
  /**
   * Who held a token of this device in the same browser when this one took its place: a browser keeps one, and its people
   * share it. Each keeps the moments of his own grant.
   */
  readonly others: readonly TokenHolder[];
}

/** Signs and checks device tokens. */
export interface DeviceTokens {
  /** Never rejects. `nowMs` is the real clock. */
  verify(token: string, nowMs: number): Promise<DeviceTokenVerdict>;
  issue(claims: Omit<GenuineToken, 'state'>): Promise<string>;
}

/**
 * The part that a subject has in a token; null when it has none, or none any more. A token that merely names a device says
 * nothing of anybody else's trust in it: its holder may have brought it there, or have carried it away.
 */
export function holderOf(token: GenuineToken, subject: string | null, nowSeconds: number): TokenHolder | null {
  const holder = [token, ...token.others].find((each) => each.subject === subject);
  return holder !== undefined && holder.expiresAt > nowSeconds ? holder : null;
}

/** Whom a token that is issued now has to carry on: the live holders of the one that it takes the place of. */
export function othersOn(
  presented: DeviceTokenVerdict,
  device: string,
  subject: string,
  nowSeconds: number,
): readonly TokenHolder[] {
  if (presented.state !== 'genuine' || presented.device !== device) return [];
  const { others, ...first } = presented;
  return [first, ...others]
    .filter((each) => each.subject !== subject && each.expiresAt > nowSeconds)
    .slice(0, MOST_OTHER_HOLDERS)
    .map(({ subject: other, issuedAt, expiresAt }) => ({ subject: other, issuedAt, expiresAt }));
}
