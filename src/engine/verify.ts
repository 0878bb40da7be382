import type { Proof } from '../model/proof.ts';
import { normaliseSubject, USER_TYPE } from '../model/subject.ts';
import { type Presented, present, type ShownToken } from '../step-up/present.ts';
import { spend } from '../step-up/spend.ts';
import { NOTHING_SEEN } from '../store/counters.ts';
import { subjectPseudonym } from '../store/keys.ts';
import type { Engine } from './engine.ts';

/** Verifies a step-up token; spends it if the requirement is single-use. */
export function verify(engine: Engine, shown: ShownToken): Promise<Presented> {
  return present(
    engine.verifier,
    shown,
    (proof) => spend(engine, proof, shown.nowMs),
    (proof) => proofsNotBefore(engine, proof, shown.nowMs),
  );
}

/** Read within the time that a check has for the store, and counted nowhere. Without the store nothing is known, as in a check. */
async function proofsNotBefore(
  { store, pseudonym }: Engine,
  { subject, space }: Proof,
  nowMs: number,
): Promise<number> {
  const id = normaliseSubject(subject) ?? subject;
  const key = subjectPseudonym(pseudonym, { space, type: USER_TYPE, id });
  const keys = { subject: key, address: null, network: null, device: null };
  const history = await store.recordAttempt({ atMs: nowMs, write: false, keys, seen: NOTHING_SEEN });
  return history.subject?.state === 'read' ? (history.subject.value.baseline?.value.proofsNotBefore ?? 0) : 0;
}
