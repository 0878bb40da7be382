import type { Proof, ProofError } from '../model/proof.ts';
import { StoreError } from '../model/store-error.ts';
import { normaliseSubject } from '../model/subject.ts';

/** Turns a mark into the name under which it is stored. */
type NameMark = (kind: 'proof', mark: string) => string;

/** Where proofs are spent. */
export interface Spending {
  readonly store: {
    /** True exactly once per id within `ttlSeconds`. Rejects with {@link StoreError} when that could not be recorded. */
    spendProof(id: string, ttlSeconds: number, waitedMs?: number, atMs?: number): Promise<boolean>;
  };
  readonly pseudonym: NameMark;
}

/** What one request has spent, and the outcome. All of its parts that need the same proof share the outcome. */
export type SpentTogether = Map<string, Promise<ProofError | null>>;

/**
 * Spends a single-use proof. Null the first time; afterwards `replayed`, or `spend_unrecorded` when the store failed.
 * `waitedMs` is the time for which the check has already waited for the store.
 */
export function spend(
  place: Spending,
  proof: Proof,
  nowMs: number,
  waitedMs = 0,
  together: SpentTogether = new Map(),
): Promise<ProofError | null> {
  const marks = marksOf(proof);
  const key = marks.join('\n');
  const spent = together.get(key) ?? spendAlone(place, marks, proof, nowMs, waitedMs);
  together.set(key, spent);
  return spent;
}

/** Marks of one log-in. With more of them, fewer log-ins in the same second collide, but a token without a session costs more. */
const EVENT_MARKS = 4;

/**
 * What is spent is the act of proving, which all tokens of one log-in share; where the provider does not state it, the
 * token. A token with a session spends one mark of its log-in, a token without one spends all of them. So two tokens of
 * one log-in never both count, and two log-ins in the same second both count unless their sessions share a mark.
 */
function marksOf({ issuer, subject, authTime, authTimeStated, session, id }: Proof): readonly string[] {
  if (!authTimeStated) return [`${issuer} ${id}`];
  const event = [issuer, normaliseSubject(subject) ?? subject, Math.floor(authTime)];
  const numbers = session === null ? Array.from({ length: EVENT_MARKS }, (_, n) => n) : [markOf(session)];
  return numbers.map((number) => JSON.stringify([...event, number]));
}

function markOf(session: string): number {
  let sum = 0;
  for (let i = 0; i < session.length; i++) sum += session.charCodeAt(i);
  return sum % EVENT_MARKS;
}

/** The same subject sending a proof twice within this time is a double click or a retry. */
const SENT_TWICE_MS = 60_000;

/** Whether a spent proof was sent again by accident. Rejects with {@link StoreError} when the store cannot be read. */
export async function wasSentTwice(
  {
    store,
    pseudonym,
  }: { readonly store: { spentAt(id: string): Promise<number | null> }; readonly pseudonym: NameMark },
  proof: Proof,
  nowMs: number,
): Promise<boolean> {
  const spentMs = await Promise.all(marksOf(proof).map((mark) => store.spentAt(pseudonym('proof', mark))));
  // The mark that was spent first is the one that caused the rejection.
  const firstMs = Math.min(...spentMs.map((ms) => ms ?? Number.POSITIVE_INFINITY));
  return nowMs - firstMs <= SENT_TWICE_MS && Number.isFinite(firstMs);
}

async function spendAlone(
  { store, pseudonym }: Spending,
  marks: readonly string[],
  proof: Proof,
  nowMs: number,
  waitedMs: number,
): Promise<ProofError | null> {
  try {
    const ttl = ttlSeconds(proof, nowMs);
    const claims = marks.map((mark) => store.spendProof(pseudonym('proof', mark), ttl, waitedMs, nowMs));
    if ((await Promise.all(claims)).every(Boolean)) return null;
    return { code: 'replayed', message: 'this single-use proof has been used before', suspicious: true };
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return {
      code: 'spend_unrecorded',
      message: `the store could not record that this single-use proof is spent (${error.code}); ask again shortly`,
      suspicious: false,
    };
  }
}

/** As long as the proof could be accepted: a token until it expires, a log-in until it is too old for any token. */
function ttlSeconds(
  { authTime, authTimeStated, maxAgeSeconds, expiresAt, toleranceSeconds }: Proof,
  nowMs: number,
): number {
  const until = authTimeStated ? authTime + maxAgeSeconds : expiresAt;
  return Math.max(1, Math.ceil(until + toleranceSeconds - nowMs / 1000));
}
