/** Whose device a session proves. */
export interface SessionOwner {
  /** `d-…` */
  readonly device: string;
  /** Pseudonym of the subject. */
  readonly subject: string;
}

/** A session as its identifier states it: whoever shows the identifier has been given it, no more. */
export interface DeviceSession extends SessionOwner {
  /** JWK thumbprint of its key (RFC 7638). */
  readonly thumbprint: string;
}

/** What a bound cookie shows. */
export interface BoundProof {
  readonly device: string;
  readonly thumbprint: string;
}

/** Algorithms that a browser may choose from, the preferred one first. */
export const SESSION_ALGORITHMS = ['ES256', 'RS256'] as const;

/** What a browser needs to register a key for a device. */
export interface SessionInvitation {
  /** To be signed by the key. */
  readonly challenge: string;
  /** Names device and subject; the browser repeats it in what it signs. */
  readonly authorization: string;
}

/** A challenge that was signed: spent once, and good until then. */
export interface SignedChallenge {
  readonly id: string;
  /** Epoch seconds. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** Why a browser left a session as it was (`Secure-Session-Skipped`). `other`: a word that the draft does not have. */
export const SKIP_REASONS = ['unreachable', 'server_error', 'quota_exceeded', 'other'] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

/** What a request shows of a device bound session, all of it the client's word until it is checked. */
export interface SessionClaim {
  /** The bound cookie. */
  readonly cookie: string | null;
  readonly skipped: SkipReason | null;
}

/** Why a session is not registered or refreshed. */
export const SESSION_FAULTS = {
  response_missing: 'there is no Secure-Session-Response',
  response_too_long: 'Secure-Session-Response is longer than any proof',
  response_malformed: 'Secure-Session-Response is no JWT in compact form',
  type_wrong: 'the proof is not of the type dbsc+jwt',
  algorithm_not_allowed: 'the proof is not signed by ES256 or RS256, or not by the algorithm of its key',
  key_missing: 'the header of the proof has no jwk',
  key_private: 'the jwk of the proof holds private parts: such a key is burnt',
  key_unusable: 'the jwk of the proof is no P-256 key and no sound RSA key of 2048 to 4096 bits',
  key_other: 'the jwk of the proof is not the key of the session',
  signature_wrong: 'the signature of the proof is not by its key',
  challenge_unknown: 'the jti of the proof is no challenge that was given for this',
  challenge_expired: 'the challenge has expired',
  challenge_spent: 'the challenge has been answered before',
  authorization_wrong: 'the authorization of the proof is not the one that came with the challenge',
  session_unknown: 'Sec-Secure-Session-Id is no session of this service',
  device_token_missing: 'there is no genuine device token in the cookie',
  device_mismatch: 'the device token in the cookie is not of the device and subject of the session',
  trust_ended: 'the device is not trusted, or is bound to another key',
} as const;

export type SessionFault = keyof typeof SESSION_FAULTS;

/** A verdict on something a browser sent. */
export type SessionVerdict<T> =
  | { readonly valid: true; readonly value: T }
  | { readonly valid: false; readonly fault: SessionFault };

/** A registration whose signature, challenge and authorization fit one another. */
export interface Registration extends SessionOwner {
  readonly challenge: SignedChallenge;
  readonly thumbprint: string;
  /** The identifier of the session that it begins. */
  readonly sessionId: string;
}

/**
 * Signs and checks what browsers carry of device bound sessions: challenges, identifiers and cookies name all that is needed to
 * check them, so that nothing about a session is stored but the thumbprint of its key. Nothing here rejects.
 */
export interface DeviceSessions {
  /** Whether browsers are invited to register. Sessions that exist are served in any case. */
  readonly offered: boolean;
  /** `id` is unique. */
  invite(owner: SessionOwner, id: string, nowMs: number): SessionInvitation;
  verifyRegistration(response: string, nowMs: number): Promise<SessionVerdict<Registration>>;
  /** The session of an identifier; null for a text of somebody else. */
  readSession(sessionId: string): DeviceSession | null;
  /** A challenge for a session, good for `lifeSeconds`. */
  challenge(sessionId: string, id: string, lifeSeconds: number, nowMs: number): string;
  /** Verifies a signed challenge of a session that {@link DeviceSessions.readSession} has read. */
  verifyRefresh(sessionId: string, response: string, nowMs: number): Promise<SessionVerdict<SignedChallenge>>;
  /** Value of the cookie that shows a proof given now, for `lifeSeconds`. */
  bind(proof: BoundProof, lifeSeconds: number, nowMs: number): string;
  /** What a cookie shows; null if it is not genuine or has expired. */
  readBound(cookie: string, nowMs: number): BoundProof | null;
}
