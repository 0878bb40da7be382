import {
  bearerOf,
  clientHintsOf,
  DEVICE_PROOF_HEADER,
  deviceTokenOf,
  type ReadHeader,
  STEP_UP_HEADER,
  sessionClaimOf,
} from '../../../src/contract/client-headers.ts';
import { cookieSegments, cookieValue, STEP_UP_COOKIE } from '../../../src/contract/cookies.ts';
import { DEVICE_HEADER } from '../../../src/contract/device-header.ts';
import { SKIPPED_HEADER } from '../../../src/contract/device-session.ts';
import { MAX_POSSESSION_LENGTH, MAX_USER_AGENT_LENGTH } from '../../../src/contract/limits.ts';
import { MAX_TOKEN_LENGTH } from '../../../src/model/proof.ts';
import {
  CLIENT_ADDRESS_HEADERS,
  type ClientAddressHeader,
  clientAddress,
  parseTrustedProxies,
  type TrustedProxies,
} from '../../../src/net/client-ip.ts';
import type { RiskCheck } from './client.ts';

/** A request to the application, independent of its framework. */
export interface IncomingRequest {
  readonly method: string;
  /** Path as sent, with the query. */
  readonly target: string;
  /** Lower-case name to value; several lines of one header are joined with `, `. */
  readonly headers: { readonly [name: string]: string };
  /** Address of the connection's peer; null if the runtime does not provide it. */
  readonly peer: string | null;
}

/** Which forwarding headers are trusted. */
export interface ClientAddressOptions {
  /**
   * CIDRs of trusted proxies, `unix:` or `hops:N`, as in the setting TRUSTED_PROXIES. Default: none; the connection's peer is the
   * client.
   */
  readonly trustedProxies?: string;
  /** The one header that those proxies always set. Default: `X-Forwarded-For` and `Forwarded` are read. */
  readonly header?: ClientAddressHeader;
}

/** Where a step-up token may be: `X-Step-Up-Token`, the cookie `__Host-stepgate-su`, `Authorization: Bearer`. */
export type TokenSource = 'header' | 'cookie' | 'bearer';

/** Without `bearer`: it is the session's token, and a step-up only if the provider makes it one. */
export const TOKEN_SOURCES: readonly TokenSource[] = ['header', 'cookie'];

/** Finds the client's address; null if it is unknown. */
export type FindAddress = (request: IncomingRequest) => string | null;

/** @throws {TrustedProxiesError} when `trustedProxies` is invalid */
export function addressFinder(options: ClientAddressOptions): FindAddress {
  const trusted: TrustedProxies = parseTrustedProxies(options.trustedProxies ?? '');
  const { header } = options;
  if (header !== undefined && !CLIENT_ADDRESS_HEADERS.includes(header)) {
    throw new TypeError(`header must be one of ${CLIENT_ADDRESS_HEADERS.join(', ')}, found ${header}`);
  }
  return ({ peer, headers }) => {
    const found = clientAddress({ peer, headers, trusted, ...(header !== undefined && { declared: header }) });
    return found.address?.text ?? null;
  };
}

/** Reads one header; null when it is absent or empty. */
export function headerReader({ headers }: IncomingRequest): ReadHeader {
  return (name) => headers[name] || null;
}

/** The token of the first source that has one. What is too long is cut, but not to a length that is read. */
export function stepUpToken(header: ReadHeader, sources: readonly TokenSource[]): string | null {
  const found = {
    header: () => header(STEP_UP_HEADER),
    cookie: () => cookieValue(cookieSegments(header('cookie')), STEP_UP_COOKIE),
    bearer: () => bearerOf(header('authorization')),
  } satisfies { readonly [source in TokenSource]: () => string | null };
  for (const source of sources) {
    const token = found[source]();
    if (token !== null) return token.slice(0, MAX_TOKEN_LENGTH + 1);
  }
  return null;
}

/** The parts of a risk check that come from the request itself. Parts that Stepgate would not accept are left out or cut. */
export function requestParts(request: IncomingRequest, findAddress: FindAddress, sources: readonly TokenSource[]) {
  const header = headerReader(request);
  const cookies = cookieSegments(header('cookie'));
  const token = deviceTokenOf(cookies);
  const session = sessionClaimOf(cookies, header(SKIPPED_HEADER));
  const claim = header(DEVICE_HEADER);
  const keyProof = keyProofOf(request, header);
  return {
    ip: findAddress(request),
    user_agent: header('user-agent')?.slice(0, MAX_USER_AGENT_LENGTH) ?? null,
    client_hints: clientHintsOf(header),
    device:
      token === null && keyProof === null
        ? null
        : { token, key_proof: keyProof, bound_cookie: session.cookie, session_skipped: session.skipped },
    headers: claim === null ? null : { [DEVICE_HEADER]: claim },
    step_up_token: stepUpToken(header, sources),
  } satisfies Partial<RiskCheck>;
}

/** The proof of possession of the page's key with the request that it is for; cut where it is too long to be one. */
function keyProofOf({ method, target }: IncomingRequest, header: ReadHeader) {
  const jws = header(DEVICE_PROOF_HEADER)?.slice(0, MAX_POSSESSION_LENGTH);
  return jws === undefined ? null : { jws, method, path: target.split('?', 1)[0] || '/' };
}
