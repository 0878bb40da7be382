import { sha256 } from '@noble/hashes/sha2.js';
import type { ApiKey, Right } from '../model/api-keys.ts';
import { ProblemError } from './problem.ts';

/** A recognised caller. */
export interface Caller {
  readonly name: string;
  readonly rights: ReadonlySet<Right>;
}

/** The caller that a credential belongs to, or null. */
export type FindCaller = (credential: string) => Caller | null;

/** Longest accepted credential, in characters. */
const MAX_CREDENTIAL_LENGTH = 512;

/**
 * Recognises callers by API key. Keys are hashed once; a presented credential is hashed and compared with every byte of
 * every key, so that timing reveals nothing. `digestOf`: SHA-256 of a text, if the runtime has a faster one.
 */
export function callers(keys: readonly ApiKey[], digestOf: (text: string) => Uint8Array = sha256Of): FindCaller {
  const known = keys.map((key) => ({
    caller: { name: key.name, rights: new Set(key.rights) },
    hash: key.kind === 'sha256' ? bytesOfHex(key.hex) : digestOf(key.secret),
  }));
  return (credential) => {
    if (credential === '' || credential.length > MAX_CREDENTIAL_LENGTH) return null;
    const presented = digestOf(credential);
    let caller: Caller | null = null;
    for (const key of known) {
      if (sameBytes(presented, key.hash)) caller = key.caller;
    }
    return caller;
  };
}

/** The caller behind an `Authorization: Bearer` header (RFC 6750, section 2.1). Throws the 401 problem. */
export function authenticate(find: FindCaller, authorization: string | undefined): Caller {
  if (authorization === undefined) {
    throw unauthorized('there is no Authorization header; send "Authorization: Bearer <api key>"');
  }
  const credential = /^Bearer +([!-~]+) *$/i.exec(authorization)?.[1];
  if (credential === undefined) {
    throw unauthorized('the Authorization header is not of the form "Bearer <api key>"');
  }
  const caller = find(credential);
  if (caller === null) {
    throw unauthorized('the API key is not in API_KEYS or API_KEYS_FILE', 'error="invalid_token"');
  }
  return caller;
}

/** Whether a caller may do this. */
export function hasRight({ rights }: Caller, right: Right): boolean {
  return rights.has(right) || rights.has('admin');
}

/** The 403 problem for a caller that may not (RFC 6750, section 3.1). */
export function rightMissing({ name }: Caller, right: Right): ProblemError {
  return new ProblemError(
    'right_missing',
    `the API key of ${name} lacks the right ${right}; give it one in a keys file: stepgate keys add`,
    { headers: { 'WWW-Authenticate': `Bearer realm="stepgate", error="insufficient_scope", scope="${right}"` } },
  );
}

function unauthorized(detail: string, error?: string): ProblemError {
  const challenge = `Bearer realm="stepgate"${error === undefined ? '' : `, ${error}`}`;
  return new ProblemError('unauthorized', detail, { headers: { 'WWW-Authenticate': challenge } });
}

function sha256Of(text: string): Uint8Array {
  return sha256(new TextEncoder().encode(text));
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

function bytesOfHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
