import type { Proof, ProofError } from '../model/proof.ts';
import { StoreError } from '../model/store-error.ts';
import { normaliseSubject } from '../model/subject.ts';

/** Gives a mark the name under which it is kept. */
type NameMark = (kind: 'proof', mark: string) => string;

/** Where proofs are spent, as the store does it. */
export interface Spending {
  readonly store: {
    /** True exactly once per id within `ttlSeconds`. Rejects with {@link StoreError} when it could not be recorded. */
    spendProof(id: string, ttlSeconds: number, waitedMs?: number, atMs?: number): Promise<boolean>;
  };
  readonly pseudonym: NameMark;
}

/** What one request has spent, and how that went: all of its parts that ask for the same proof share the outcome. */
export type SpentTogether = Map<string, Promise<ProofError | null>>;

/**
 * Spends a single-use proof. Null when it has now been spent for the first time; otherwise why it does not count: `replayed`,
 * or `spend_unrecorded` when the store could not say. `waitedMs` is what the check has waited for the store before.
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

/** Marks of one log-in. More would tell more log-ins of one second apart, and cost a token without a session more. */
const EVENT_MARKS = 4;

/**
 * What is spent: the act of proving. Every token that the provider makes of one log-in shows the same one, and proves nothing new; a
 * provider that does not state it leaves only the token. A token with a session spends one mark of its log-in, a token without
 * one all of them: two of one log-in never both count, whichever of them states its session, and two log-ins of one second count
 * apart unless their sessions fall to the same mark.
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

/** A proof that its own subject shows again within this time was sent twice, by a double click or a second try. */
const SENT_TWICE_MS = 60_000;

/** Whether a proof that was spent before is no attack. Rejects with {@link StoreError} when that cannot be read. */
export async function wasSentTwice(
  {
    store,
    pseudonym,
  }: { readonly store: { spentAt(id: string): Promise<number | null> }; readonly pseudonym: NameMark },
  proof: Proof,
  nowMs: number,
): Promise<boolean> {
  const spentMs = await Promise.all(marksOf(proof).map((mark) => store.spentAt(pseudonym('proof', mark))));
  // The mark that was spent first is the one that stood in the way.
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

/** As long as the proof could be taken: its token until that expires, its log-in while any token of it is young enough. */
function ttlSeconds(
  { authTime, authTimeStated, maxAgeSeconds, expiresAt, toleranceSeconds }: Proof,
  nowMs: number,
): number {
  const until = authTimeStated ? authTime + maxAgeSeconds : expiresAt;
  return Math.max(1, Math.ceil(until + toleranceSeconds - nowMs / 1000));
}
