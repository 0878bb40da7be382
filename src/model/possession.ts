/** A proof of possession as it was sent, and the request that it has to be for. */
export interface SentPossession {
  readonly jws: string;
  /** Null if the caller did not state it: no proof is then for this request. */
  readonly method: string | null;
  /** Path as the origin sees it, with or without a query. Null: as for `method`. */
  readonly target: string | null;
}

/** What a proof of possession says, signed by the key in its header (RFC 9449, section 4.2). */
export interface PossessionClaims {
  /** JWK thumbprint of that key (RFC 7638). */
  readonly thumbprint: string;
  readonly htm: string;
  readonly htu: string;
  /** Epoch seconds. */
  readonly iat: number;
  readonly jti: string;
  /** Hash of the token that it goes with; null if it names none. */
  readonly ath: string | null;
}

/** Why a proof of possession is not accepted. */
export const POSSESSION_FAULTS = [
  /** Longer than any proof, more than one, or not a signed JWT. */
  'malformed',
  /** Another `typ`, or an extension that is not supported. */
  'type',
  'alg',
  /** The key in the header is missing, private, weak or not for the algorithm. */
  'key',
  'signature',
  'claims',
  /** Not for this method or this URL. */
  'method',
  'url',
  /** Issued too long ago, or in the future. */
  'time',
  /** For another token. */
  'token',
] as const;
export type PossessionFault = (typeof POSSESSION_FAULTS)[number];

/** What a proof says, or why it is not accepted. */
export type PossessionVerdict =
  | { readonly valid: true; readonly claims: PossessionClaims }
  | { readonly valid: false; readonly why: PossessionFault };

/** `device` is the page's proof, `dpop` the one beside a session token. */
export type PossessionKind = 'device' | 'dpop';

/**
 * Checks form and signature of proofs. Never rejects, waits for nothing and reads no clock: whether a proof is for this request and
 * for this moment is judged by {@link judgePossession}.
 */
export interface PossessionVerifier {
  verify(jws: string, kind: PossessionKind): Promise<PossessionVerdict>;
}

/** Algorithms of DPoP proofs. */
export const DPOP_ALGORITHMS = ['ES256', 'ES384', 'EdDSA', 'Ed25519', 'PS256', 'RS256'] as const;

/** How far `iat` may lie from the clock of the service, in seconds, either way: clocks of clients differ. */
export const POSSESSION_WINDOW_S = 300;

/** Whether a verified proof is for this request, at this moment. `isUrl` compares `htu`. Pure. */
export function judgePossession(
  verdict: PossessionVerdict,
  method: string | null,
  isUrl: (htu: URL) => boolean,
  nowMs: number,
): PossessionVerdict {
  if (!verdict.valid) return verdict;
  const { htm, htu, iat } = verdict.claims;
  if (method === null || htm !== method) return { valid: false, why: 'method' };
  if (!URL.canParse(htu) || !isUrl(new URL(htu))) return { valid: false, why: 'url' };
  return Math.abs(nowMs / 1000 - iat) > POSSESSION_WINDOW_S ? { valid: false, why: 'time' } : verdict;
}

/** The path of a target in the form in which a URL has it; null if it has none. */
export function pathOf(target: string): string | null {
  const url = `http://host${target.startsWith('/') ? '' : '/'}${target}`;
  return URL.canParse(url) ? new URL(url).pathname : null;
}

/**
 * Whether a path that a client asked for is `path` at its origin, which may have been given the end of it alone: proxies take
 * prefixes off.
 */
export function endsInPath(asked: string, path: string): boolean {
  return asked === path || asked.endsWith(path);
}

/** SHA-256 of a token in base64url, as `ath` has it (RFC 9449, section 4.2). */
export async function tokenHash(token: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token)));
  return btoa(String.fromCharCode(...digest))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}
