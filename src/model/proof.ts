/** Longest step-up or session token that is read, in characters; a longer one is refused as `too_large`, never cut. */
export const MAX_TOKEN_LENGTH = 16_384;

/** Evidence of a genuine, unexpired token. Whether it is enough is judged against a requirement. */
export interface Proof {
  readonly issuer: string;
  readonly subject: string;
  /** The space that the subject's id belongs to: `subjects` of the issuer's entry. */
  readonly space: string;
  /** Who acts for the subject (`act`, RFC 8693, section 4.1); null if the token is the subject's own. */
  readonly actor: string | null;
  /** True when the issuer's `step_up` condition (`su: true`, acr, amr) holds and the token has no `flaw`. */
  readonly steppedUp: boolean;
  /** What is missing when the condition does not hold, with found and expected values. */
  readonly stepUpFlaw?: string | undefined;
  /** Why the token proves nothing, although it identifies its subject. */
  readonly flaw?: ProofError | undefined;
  readonly acr: string | null;
  /** Set if `acr` is not a plain string, so that `acr` is null. */
  readonly acrFlaw?: string | undefined;
  /** The issuer's acr values from weakest to strongest, if ranked. */
  readonly acrOrder?: readonly string[] | undefined;
  /** Methods by name; null if `amr` is missing or unreadable. */
  readonly amr: readonly string[] | null;
  /** When each method was used, in epoch seconds, if `amr` says so. */
  readonly amrTimes?: ReadonlyMap<string, number> | undefined;
  /**
   * Epoch seconds of the last active authentication: the time in `amr` of the method that makes the step-up, else
   * `auth_time`, else `iat` if allowed; 0 if there is none, which is then the `flaw`.
   */
  readonly authTime: number;
  /** Whether `authTime` is of the authentication, so that every token of one log-in has it, or that of the token. */
  readonly authTimeStated: boolean;
  /** Greatest age in seconds that the issuer's setting permits. */
  readonly maxAgeSeconds: number;
  /** `exp` in epoch seconds. */
  readonly expiresAt: number;
  /**
   * `jti`, else a SHA-256 of the token's signed part in base64url: names the token within its issuer. The signature is left
   * out, because a valid one can be rewritten into another valid one without the key.
   */
  readonly id: string;
  /** Thumbprint of the key that the token is bound to; absent if to none. */
  readonly jkt?: string;
  /** Session id claim (`sid`), if present. */
  readonly session: string | null;
  readonly toleranceSeconds: number;
}

/** A refused token: stable code, sentence with found and expected values, never the token. */
export interface ProofError {
  readonly code: string;
  readonly message: string;
  /** True if the token was forged, altered or issued for someone else, so that it counts as a failure. */
  readonly suspicious: boolean;
  /** Set if the token cannot be judged now: seconds until the issuer's keys may be fetched again. */
  readonly retryAfterSeconds?: number;
  /** The token's owner, if it is genuine and has only expired. */
  readonly holder?: Pick<Proof, 'issuer' | 'subject'>;
}

/** Whether the token could not be judged because its keys are unavailable. */
export function awaitsKeys({ code }: Pick<ProofError, 'code'>): boolean {
  return code === 'keys_unavailable' || code === 'keys_cooling';
}

/** What a genuine token shows, or why it is not taken. */
export type ProofVerdict =
  | { readonly valid: true; readonly proof: Proof }
  | { readonly valid: false; readonly error: ProofError };

/** What an issuer's entry requires of every proof, in addition to the rules. */
export interface ProofTerms {
  /** The `acr` values that are a step-up; null if the issuer uses another mark. */
  readonly acrValues: readonly string[] | null;
  /** The issuer's acr values from weakest to strongest; null if they are compared for equality only. */
  readonly acrOrder: readonly string[] | null;
  readonly maxAgeSeconds: number;
}

/** Checks su tokens of the configured issuers. Never rejects: a fault of any kind is a {@link ProofError}. */
export interface ProofVerifier {
  /**
   * `nowMs` is the real clock: freshness and expiry never use `occurred_at`. `thumbprint` is that of the key whose possession was proven
   * with the token; without it, a token that is bound to a key is refused.
   */
  verify(token: string, nowMs: number, thumbprint?: string): Promise<ProofVerdict>;
  /** The terms of the named issuer ({@link Proof.issuer}); of all configured ones if null. */
  terms(issuer: string | null): readonly ProofTerms[];
  /** The subject spaces of the configured issuers, each once, in the order of their entries. */
  readonly spaces: readonly string[];
  /** Issuers whose keys have never been had; for `/readyz`. */
  missingKeys(): readonly string[];
  /** Fetches missing keys ahead of the first token. Never rejects; pauses between attempts by itself. */
  warm(nowMs: number): Promise<void>;
}
