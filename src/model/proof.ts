/** Evidence of a genuine, unexpired token. Whether it is enough is judged against a requirement. */
export interface Proof {
  readonly issuer: string;
  readonly subject: string;
  /** The space that the subject's id belongs to: `subjects` of the issuer's entry. */
  readonly space: string;
  /** Who acts for the subject (`act`, RFC 8693, section 4.1); null where the token is the subject's own. */
  readonly actor: string | null;
  /** True when the issuer's `step_up` condition (`su: true`, acr, amr) holds and the token has no `flaw`. */
  readonly steppedUp: boolean;
  /** What is missing when the condition does not hold, with found and expected values. */
  readonly stepUpFlaw?: string | undefined;
  /** Why the token proves nothing to anybody, although it says who its subject is. */
  readonly flaw?: ProofError | undefined;
  readonly acr: string | null;
  /** Set when the token has an `acr` that is no plain string, so that `acr` is null. */
  readonly acrFlaw?: string | undefined;
  /** The issuer's acr values from weakest to strongest, where they are ranked. */
  readonly acrOrder?: readonly string[] | undefined;
  /** Methods by name; null where the token has no `amr`, or one that cannot be read. */
  readonly amr: readonly string[] | null;
  /** When each method was used, in epoch seconds, as far as `amr` tells. */
  readonly amrTimes?: ReadonlyMap<string, number> | undefined;
  /**
   * Epoch seconds of the last active authentication: the moment in `amr` of what makes the step-up, else `auth_time`, else
   * `iat` where it may stand in; 0 where `flaw` is that nothing tells.
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
  /** Session id claim (`sid`), where the token has one. */
  readonly session: string | null;
  readonly toleranceSeconds: number;
}

/** A refused token: stable code, sentence with found and expected values, never the token. */
export interface ProofError {
  readonly code: string;
  readonly message: string;
  /** True when the token was forged, altered or meant for somebody else, so that it counts as a failure. */
  readonly suspicious: boolean;
  /** Set when nobody can judge the token now: seconds until the issuer may be asked for its keys again. */
  readonly retryAfterSeconds?: number;
  /** Whose token it is, where it is genuine and has merely run out. */
  readonly holder?: Pick<Proof, 'issuer' | 'subject'>;
}

/** Whether the refusal says nothing about the token: the keys to judge it by cannot be had now. */
export function isHeldUp({ code }: Pick<ProofError, 'code'>): boolean {
  return code === 'keys_unavailable' || code === 'keys_cooling';
}

/** What a genuine token shows, or why it is not taken. */
export type ProofVerdict =
  | { readonly valid: true; readonly proof: Proof }
  | { readonly valid: false; readonly error: ProofError };

/** What an issuer's setting demands of every proof, beside what a rule asks. */
export interface ProofTerms {
  /** The `acr` values that are a step-up; null where the issuer shows it by something else. */
  readonly acrValues: readonly string[] | null;
  /** The issuer's acr values from weakest to strongest; null where they are compared for equality only. */
  readonly acrOrder: readonly string[] | null;
  readonly maxAgeSeconds: number;
}

/** Checks su tokens of the configured issuers. Never rejects: a fault of any kind is a {@link ProofError}. */
export interface ProofVerifier {
  /** `nowMs` is the real clock: freshness and expiry never use `occurred_at`. */
  verify(token: string, nowMs: number): Promise<ProofVerdict>;
  /** The terms of the named issuer ({@link Proof.issuer}), of all configured ones where it is null. */
  terms(issuer: string | null): readonly ProofTerms[];
  /** The subject spaces of the configured issuers, each once, in the order of their entries. */
  readonly spaces: readonly string[];
  /** Issuers whose keys have never been had; for `/readyz`. */
  missingKeys(): readonly string[];
  /** Fetches keys that have never been had, ahead of the first token. Never rejects; pauses between tries by itself. */
  warm(nowMs: number): Promise<void>;
}
