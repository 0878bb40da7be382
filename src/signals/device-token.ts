/** What a presented device token proves. Trust itself is kept in the baseline; a token only names a device. */
export type DeviceTokenVerdict =
  | { readonly state: 'absent' }
  /** Bad signature, wrong `typ`, expired beyond its trust, or no token of ours at all. */
  | { readonly state: 'invalid'; readonly why: string }
  | {
      readonly state: 'genuine';
      /** `d-…` */
      readonly device: string;
      /** Pseudonym of the subject that it was issued to. */
      readonly subject: string;
      /** Epoch seconds. */
      readonly issuedAt: number;
      readonly expiresAt: number;
    };

/** Signs and checks device tokens. */
export interface DeviceTokens {
  /** Never rejects. `nowMs` is the real clock. */
  verify(token: string, nowMs: number): Promise<DeviceTokenVerdict>;
  issue(claims: { device: string; subject: string; issuedAt: number; expiresAt: number }): Promise<string>;
}
