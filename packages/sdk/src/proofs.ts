import { verifyAnswerOf } from '../../../src/contract/answer.ts';
import type { Proof, ProofError } from '../../../src/model/proof.ts';
import { impliedSpace, normaliseSubject, USER_TYPE } from '../../../src/model/subject.ts';
import { type IssuerEntry, stepUpIssuers } from '../../../src/step-up/issuers.ts';
import { joseVerifier, type ProofVerifierOptions } from '../../../src/step-up/jose.ts';
import { present, type ShownToken } from '../../../src/step-up/present.ts';
import { spend } from '../../../src/step-up/spend.ts';
import { StepgateError } from './error.ts';
import type { ProofJudge } from './proof-judge.ts';

/** How this process judges proofs. */
export interface LocalProofsOptions {
  /** Entries as in the setting STEP_UP_ISSUERS. */
  readonly issuers: readonly IssuerEntry[];
  /**
   * Records an id as spent for at least `ttlSeconds`, visible to every process of the application; true only the first time. A token
   * without a session is recorded under four ids at once, any other under one. `id` is a hash that identifies nobody. Without `spend`,
   * `singleUse` is not available.
   */
  readonly spend?: (id: string, ttlSeconds: number) => Promise<boolean>;
  /** For fetching keys. Default: the runtime's `fetch`. */
  readonly fetch?: ProofVerifierOptions['fetch'];
  /** Whether requests share a fetch of keys; false on Workers. Default true. */
  readonly shareFetches?: boolean;
  /** Epoch milliseconds. Default: the clock. */
  readonly now?: () => number;
}

/**
 * Judges proofs in this process, with the code of Stepgate itself; fetches and caches the keys of the issuers.
 *
 * @throws {StepgateError} `invalid_options` if the issuers are invalid
 */
export function proofsByIssuers(options: LocalProofsOptions): ProofJudge {
  const parsed = stepUpIssuers.safeParse(options.issuers);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message }));
    const [first] = faults;
    throw new StepgateError('invalid_options', `issuers ${first?.path}: ${first?.message}`, { faults });
  }
  const verifier = joseVerifier({
    issuers: parsed.data,
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    ...(options.shareFetches !== undefined && { shareFetches: options.shareFetches }),
  });
  const implied = impliedSpace(verifier.spaces);
  const now = options.now ?? (() => Date.now());
  return {
    canSpend: options.spend !== undefined,
    async judge({ token, subject, subjectSpace, session, requirement }) {
      const nowMs = now();
      const shown: ShownToken = {
        token,
        requirement,
        subject: subject === null ? null : normaliseSubject(subject),
        subjectSpace: spaceOf(subjectSpace ?? implied, verifier.spaces),
        subjectType: USER_TYPE,
        session,
        nowMs,
      };
      const presented = await present(verifier, shown, (proof) => spendBy(options.spend, proof, nowMs));
      return { ...verifyAnswerOf(presented), failed: false };
    },
  };
}

/** @throws {StepgateError} `invalid_options` if the guard names no space of the issuers */
function spaceOf(space: string | null, spaces: readonly string[]): string {
  if (space !== null && spaces.includes(space)) return space;
  const found = space === null ? 'is missing' : `is ${JSON.stringify(space)}`;
  throw new StepgateError('invalid_options', `subjectSpace ${found}; the issuers have ${spaces.join(', ')}`);
}

async function spendBy(record: LocalProofsOptions['spend'], proof: Proof, nowMs: number): Promise<ProofError | null> {
  if (record === undefined) {
    return { code: 'spend_unrecorded', message: 'nothing is set up to record spent proofs', suspicious: false };
  }
  const spendProof = async (id: string, ttlSeconds: number): Promise<boolean> => record(await hashOf(id), ttlSeconds);
  return spend({ store: { spendProof }, pseudonym: (_kind, id) => id }, proof, nowMs);
}

/** SHA-256 in hexadecimal digits. What is spent contains the person's id, which must not become a key of a store. */
async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
