import type { Proof, ProofError } from '../model/proof.ts';
import { normaliseSubject } from '../model/subject.ts';
import type { Pseudonymize } from '../store/keys.ts';
import { type Store, StoreError } from '../store/store.ts';

/** Where proofs are spent. */
export interface Spending {
  readonly store: Pick<Store, 'spendProof'>;
  readonly pseudonym: Pseudonymize;
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
  const id = place.pseudonym('proof', eventOf(proof));
  const spent = together.get(id) ?? spendAlone(place, id, proof, nowMs, waitedMs);
  together.set(id, spent);
  return spent;
}

/**
 * What is spent: the act of proving. Every token that the provider makes of one log-in shows the same one, and proves nothing
 * new. A provider that does not state it leaves only the token.
 */
function eventOf({ issuer, subject, authTime, authTimeStated, session, id }: Proof): string {
  if (!authTimeStated) return `${issuer} ${id}`;
  return JSON.stringify([issuer, normaliseSubject(subject) ?? subject, Math.floor(authTime), session]);
}

/** A proof that its own subject shows again within this time was sent twice, by a double click or a second try. */
const SENT_TWICE_MS = 60_000;

/** Whether a proof that was spent before is no attack. Rejects with {@link StoreError} when that cannot be read. */
export async function wasSentTwice(
  { store, pseudonym }: { readonly store: Pick<Store, 'spentAt'>; readonly pseudonym: Pseudonymize },
  proof: Proof,
  nowMs: number,
): Promise<boolean> {
  const spentMs = await store.spentAt(pseudonym('proof', eventOf(proof)));
  return spentMs !== null && nowMs - spentMs <= SENT_TWICE_MS;
}

async function spendAlone(
  { store }: Spending,
  id: string,
  proof: Proof,
  nowMs: number,
  waitedMs: number,
): Promise<ProofError | null> {
  try {
    if (await store.spendProof(id, ttlSeconds(proof, nowMs), waitedMs, nowMs)) return null;
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
