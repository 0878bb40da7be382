import type { Pseudonymize } from '../store/keys.ts';
import { type Store, StoreError } from '../store/store.ts';
import type { Proof, ProofError } from './verifier.ts';

/** Where proofs are spent. */
export interface Spending {
  readonly store: Pick<Store, 'spendProof'>;
  readonly pseudonym: Pseudonymize;
}

/**
 * Spends a single-use proof until it expires by itself. Null when it has now been spent for the first time; otherwise why
 * it does not count: `replayed`, or `spend_unrecorded` when the store could not say. `waitedMs` is what the check has waited
 * for the store before.
 */
export async function spend(
  { store, pseudonym }: Spending,
  proof: Proof,
  nowMs: number,
  waitedMs = 0,
): Promise<ProofError | null> {
  const id = pseudonym('proof', `${proof.issuer} ${proof.id}`);
  const ttlSeconds = Math.max(1, Math.ceil(proof.expiresAt + proof.toleranceSeconds - nowMs / 1000));
  try {
    if (await store.spendProof(id, ttlSeconds, waitedMs)) return null;
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
