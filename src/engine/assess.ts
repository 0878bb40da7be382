import type { Baseline } from '../model/baseline.ts';
import type { Degradation } from '../model/decision.ts';
import type { ProofTerms, ProofVerdict } from '../model/proof.ts';
import type { CheckRequest } from '../model/request.ts';
import { StoreError } from '../model/store-error.ts';
import { type Measurements, measureAll } from '../signals/index.ts';
import type { DeviceMatch, Observation } from '../signals/signal.ts';
import { termsFor, verifyProof } from '../step-up/apply-proof.ts';
import type { Attempt, History, Stored } from '../store/store.ts';
import { matchDevice } from './device-match.ts';
import type { Engine } from './engine.ts';
import { observe } from './observe.ts';
import { type TokenUse, tokenUse } from './token-use.ts';

/** What was measured of a request. Nothing in it depends on the action or the resource, but the facts that name them. */
export interface Assessment {
  readonly observation: Observation;
  /** What the question to the store took of its budget for one check. */
  readonly waitedMs: number;
  /** Null on a cold start, without a subject, and if the store could not be read. */
  readonly baseline: Stored<Baseline> | null;
  /** What the device is to the subject. */
  readonly device: DeviceMatch;
  /** The use of a live device token; null without one. */
  readonly use: TokenUse | null;
  /** Null if no proof was sent. */
  readonly proof: ProofVerdict | null;
  /** The terms of the proof's issuer; of all issuers without a valid proof. */
  readonly terms: readonly ProofTerms[];
  readonly measurements: Measurements;
  /** What could not be measured. */
  readonly degraded: readonly Degradation[];
}

/**
 * Measures a request: address, session and proof are processed once, and the store is asked in one script, the only
 * network wait. Counts the attempt. A failing store never makes it reject.
 */
export async function assess(engine: Engine, request: CheckRequest): Promise<Assessment> {
  const nowMs = engine.now();
  const seen = await observe(engine, request, nowMs);
  // In one tick, so that the store is waited for once.
  const [{ history: found, waitedMs }, verdict, dpopFault] = await Promise.all([
    askStore(engine, seen),
    verdictOn(engine, request, nowMs),
    dpopFaultOf(engine, request, nowMs),
  ]);
  const isAccepted = dpopFault === null;
  const observation = isAccepted ? seen : await observe(engine, withoutSession(request, dpopFault), nowMs);
  const history = isAccepted ? found : { ...found, subject: null };
  const proof = isAccepted ? verdict : null;
  const baseline = history.subject?.state === 'read' ? history.subject.value.baseline : null;
  const use = tokenUse(observation, baseline?.value ?? null);
  const device = matchDevice(observation, baseline?.value ?? null, use);
  const measurements = measureAll(observation, history, proof, device);
  return {
    observation,
    waitedMs,
    baseline,
    device,
    use,
    proof,
    terms: termsFor(engine.verifier, proof),
    measurements,
    degraded: [
      ...degradations(measurements),
      ...(dpopFault === UNRECORDED ? [{ part: 'session', why: dpopFault }] : []),
    ],
  };
}

const UNRECORDED = 'dpop_unrecorded';

/** Spends the proof of possession that the session came with. Null if there is none, or if it was not used before. */
async function dpopFaultOf(
  { store, pseudonym }: Engine,
  { credential, dryRun }: CheckRequest,
  nowMs: number,
): Promise<string | null> {
  const dpop = credential?.dpop;
  if (dpop === undefined || dryRun) return null;
  try {
    const ttlSeconds = Math.max(1, Math.ceil(dpop.until - nowMs / 1000));
    return (await store.spendProof(pseudonym('proof', dpop.id), ttlSeconds)) ? null : 'dpop_replayed';
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return UNRECORDED;
  }
}

/** The request of a session that is refused after all, which is nobody's. */
export function withoutSession(request: CheckRequest, code: string): CheckRequest {
  return { ...request, subject: null, session: null, actor: null, proof: null, credential: { state: 'refused', code } };
}

/** Counts the attempt and reads what is stored; `waitedMs` is what that took of the store's budget for one check. */
async function askStore(
  engine: Engine,
  observation: Observation,
): Promise<{ readonly history: History; readonly waitedMs: number }> {
  const askedMs = engine.now();
  const history = await engine.store.recordAttempt(attemptOf(observation));
  return { history, waitedMs: engine.now() - askedMs };
}

function attemptOf(observation: Observation): Attempt {
  const { request, located, placeless, keys } = observation;
  // The place of someone who acts for the subject says nothing about the subject.
  const isInPerson = request.actor === null;
  const isPlaced = isInPerson && located.known && placeless === null;
  return {
    atMs: request.occurredAtMs,
    write: !request.dryRun,
    keys,
    seen: {
      subject: keys.subject,
      address: isInPerson ? keys.address : null,
      network: isInPerson ? keys.network : null,
      device: keys.device,
      country: isPlaced ? located.place.country : null,
    },
  };
}

async function verdictOn(engine: Engine, { proof: sent }: CheckRequest, nowMs: number): Promise<ProofVerdict | null> {
  if (sent === null) return null;
  return 'verdict' in sent ? sent.verdict : verifyProof(engine.verifier, sent.token, nowMs);
}

function degradations({ signals }: Measurements): Degradation[] {
  return Object.entries(signals).flatMap(([part, { state, why }]) =>
    state === 'failed' ? [{ part, why: why ?? 'failed' }] : [],
  );
}
