/** One subject's part in a device token. */
export interface TokenHolder {
  /** Pseudonym of the subject. */
  readonly subject: string;
  /** Epoch seconds in which this subject's trust was granted and ends. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** Generation of this subject's part; 0 in a token of an earlier version. */
  readonly generation: number;
}

/** Maximum number of other holders that a token keeps besides its subject. */
export const MAX_OTHER_HOLDERS = 4;

/** What a presented device token proves. Trust itself is kept in the baseline; a token only names a device. */
export type DeviceTokenVerdict =
  | { readonly state: 'absent' }
  /** Bad signature, wrong `typ`, expired beyond its trust, or no token of ours at all. */
  | { readonly state: 'invalid'; readonly why: string }
  | GenuineToken;

/** A genuine token. As a holder: the subject it was issued to. */
export interface GenuineToken extends TokenHolder {
  readonly state: 'genuine';
  /** `d-…` */
  readonly device: string;
  /** Thumbprint of the page's key that the device is bound to (`cnf.jkt`, RFC 9449, section 6.1); null if none. */
  readonly jkt: string | null;
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
 * The subject's part in a token; null if it has none or its part has expired. A token that only names a device says
 * nothing about another subject's trust: its holder may have brought the token there, or taken it away.
 */
export function holderOf(token: GenuineToken, subject: string | null, nowSeconds: number): TokenHolder | null {
  const holder = [token, ...token.others].find((each) => each.subject === subject);
  return holder !== undefined && holder.expiresAt > nowSeconds ? holder : null;
}

/** The live holders of the previous token, which its replacement must keep. */
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
    .slice(0, MAX_OTHER_HOLDERS)
    .map(({ subject: other, issuedAt, expiresAt, generation }) => ({
      subject: other,
      issuedAt,
      expiresAt,
      generation,
    }));
}
