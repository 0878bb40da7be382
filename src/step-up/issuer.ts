/**
 * Signature algorithms that an issuer may be allowed. Asymmetric only: who can check a symmetric signature can also make
 * one, and using a public key as an HMAC secret is the classic forgery (RFC 8725, section 2.1).
 */
export const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** How a token marks a step-up. */
export type StepUpMark =
  | { readonly kind: 'equals'; readonly claim: string; readonly equals: string | number | boolean }
  | { readonly kind: 'includes'; readonly claim: string; readonly includes: string }
  | { readonly kind: 'acr'; readonly values: readonly string[] }
  | { readonly kind: 'amr'; readonly values: readonly string[] };

/** Where an issuer's public keys come from. */
export type KeyLocation =
  | { readonly kind: 'inline'; readonly jwks: Jwks }
  | { readonly kind: 'uri'; readonly uri: string }
  | { readonly kind: 'discovery'; readonly uri: string };

/**
 * Accepted `iss` values: one, or every form in which a provider names a project, which are the bare id and any https URL
 * whose last or second-to-last path segment is the id.
 */
export type IssuerName =
  | { readonly kind: 'exact'; readonly value: string }
  | { readonly kind: 'project'; readonly id: string };

/** This service as a client of an issuer (OpenID Connect Core): it then performs step-ups itself. */
export interface IssuerClient {
  readonly id: string;
  readonly authentication:
    | { readonly kind: 'none' }
    | { readonly kind: 'secret'; readonly secret: string }
    | { readonly kind: 'private_key'; readonly jwk: PrivateJwk };
  /** Where the issuer publishes its metadata. */
  readonly metadata: string;
  /** Scopes of the authorization request, separated by blanks; `openid` among them. */
  readonly scope: string;
  /** Further parameters of the authorization request; `acr_values` among them is a default where the rules ask for none. */
  readonly parameters: { readonly [name: string]: string };
  /** Whether metadata and tokens may come over plain HTTP. */
  readonly allowHttp: boolean;
}

/** A private key (RFC 7517) with its algorithm. */
export interface PrivateJwk {
  readonly kty: string;
  readonly alg: string;
  readonly kid?: string | undefined;
  readonly [member: string]: unknown;
}

/** A JSON Web Key Set (RFC 7517) of public keys. */
export interface Jwks {
  readonly keys: readonly { readonly kty: string; readonly [member: string]: unknown }[];
}

/** One entry of `STEP_UP_ISSUERS` with its preset filled in. */
export interface IssuerSettings {
  /** Name of the entry in messages and in `/readyz`: the issuer, or the Descope project. */
  readonly name: string;
  /** Null without a preset. */
  readonly preset: string | null;
  readonly issuer: IssuerName;
  /** `aud` must contain one of these. */
  readonly audience: readonly string[];
  /** False only where the provider sets no `aud` by default and the project is pinned instead. */
  readonly audienceRequired: boolean;
  readonly keys: KeyLocation;
  readonly algorithms: readonly Algorithm[];
  /** Permitted header `typ`, lower case, without `application/`; null when it is not checked. */
  readonly types: readonly string[] | null;
  /** Payload claim with the kind of token. */
  readonly tokenType: {
    readonly claim: string;
    readonly allowed: readonly string[] | null;
    readonly refused: readonly string[];
  } | null;
  readonly subjectClaim: string;
  /** Space of the subject ids. Issuers share a space only if they use the same ids for the same people. */
  readonly subjects: string;
  /** Null when tokens are not tied to a session. */
  readonly sessionClaim: string | null;
  readonly stepUp: StepUpMark;
  /**
   * `required`: `iat` is never used for a missing `auth_time`, because a refresh renews it. `or_iat`: it is; single use then
   * spends the token, not the log-in, and the provider may issue another token without asking the person.
   */
  readonly authTime: 'required' | 'or_iat';
  /** From weakest to strongest; null when acr values are compared for equality only. */
  readonly acrOrder: readonly string[] | null;
  /** Whether an integer `acr` is read as its decimal string. */
  readonly acrNumbers: boolean;
  readonly maxAgeSeconds: number;
  readonly toleranceSeconds: number;
  /** Longest plausible `exp − iat`. */
  readonly maxLifetimeSeconds: number;
  /** How long fetched keys are used without asking again. */
  readonly keysCacheSeconds: number;
  /** Shortest time between two fetches for an unknown `kid`. */
  readonly keysCooldownSeconds: number;
  /** How much longer they are used while the endpoint fails. */
  readonly staleKeysSeconds: number;
  /** Null where the application performs step-ups itself. */
  readonly client: IssuerClient | null;
}

/** Whether a token with this `iss` belongs to the entry. */
export function isIssuedBy({ issuer }: Pick<IssuerSettings, 'issuer'>, iss: string): boolean {
  return issuer.kind === 'exact' ? iss === issuer.value : namesProject(iss, issuer.id);
}

function namesProject(iss: string, id: string): boolean {
  if (iss === id) return true;
  if (!URL.canParse(iss)) return false;
  const { protocol, pathname, search, hash, username } = new URL(iss);
  if (protocol !== 'https:' || search !== '' || hash !== '' || username !== '') return false;
  const parts = pathname.split('/').filter((part) => part !== '');
  return parts.at(-1) === id || parts.at(-2) === id;
}

/** A header `typ` for comparison: without `application/`, lower case (RFC 7515, section 4.1.9). */
export function mediaType(typ: string): string {
  return typ.toLowerCase().replace(/^application\//, '');
}
