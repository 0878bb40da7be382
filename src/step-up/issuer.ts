/**
 * Signature algorithms that an issuer may be allowed. Asymmetric ones only: whoever can check a symmetric signature can
 * also make one, and a public key mistaken for an HMAC secret is the classic forgery (RFC 8725, section 2.1).
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

/** Where the step-up is seen in a token. */
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
 * `iss` values that are taken: one, or every form in which a provider names a project, which are the bare id and any https address whose
 * last part or last but one is the id.
 */
export type IssuerName =
  | { readonly kind: 'exact'; readonly value: string }
  | { readonly kind: 'project'; readonly id: string };

/** A JSON Web Key Set (RFC 7517) of public keys. */
export interface Jwks {
  readonly keys: readonly { readonly kty: string; readonly [member: string]: unknown }[];
}

/** One entry of `STEP_UP_ISSUERS`, its preset filled in. */
export interface IssuerSettings {
  /** Stands for the entry in messages and in `/readyz`: the issuer, or the Descope project. */
  readonly name: string;
  /** Name of the preset that filled it in; null without one. */
  readonly preset: string | null;
  readonly issuer: IssuerName;
  /** `aud` has to hold one of these. */
  readonly audience: readonly string[];
  /** False only where the provider sets no `aud` by default and the project is pinned instead. */
  readonly audienceRequired: boolean;
  readonly keys: KeyLocation;
  readonly algorithms: readonly Algorithm[];
  /** Permitted header `typ`, lower case, without `application/`; null when it is not checked. */
  readonly types: readonly string[] | null;
  /** Payload claim that tells what kind of token it is. */
  readonly tokenType: {
    readonly claim: string;
    readonly allowed: readonly string[] | null;
    readonly refused: readonly string[];
  } | null;
  readonly subjectClaim: string;
  /** The space that its subjects' ids belong to; issuers of one space name the same people by the same ids. */
  readonly subjects: string;
  /** Null when tokens are not tied to a session. */
  readonly sessionClaim: string | null;
  readonly stepUp: StepUpMark;
  /**
   * `required`: `iat` never stands in for a missing `auth_time`, since a refresh renews it. `or_iat`: it does, and what single
   * use can spend is then the token and not the log-in, for which another token may be had without asking anybody.
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
  /** Shortest time between two fetches for keys that the fetched ones lack. */
  readonly keysCooldownSeconds: number;
  /** How much longer they are used while the endpoint is down. */
  readonly staleKeysSeconds: number;
}

/** Whether a token with this `iss` is one of the entry's. */
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

/** A header `typ` as it is compared: RFC 7515, section 4.1.9 lets `application/` be left out, and case does not count. */
export function mediaType(typ: string): string {
  return typ.toLowerCase().replace(/^application\//, '');
}
