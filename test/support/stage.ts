import { type LocalIssuer, localIssuer } from '../../src/cli/simulate/issuer.ts';
import { check } from '../../src/engine/check.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { recordEvent } from '../../src/engine/event.ts';
import type { Checked } from '../../src/engine/settle.ts';
import { checkRequestOf, subjectEventOf } from '../../src/http/wire.ts';
import type { CheckRequest, EventType } from '../../src/model/request.ts';
import { stepUpIssuers } from '../../src/step-up/issuers.ts';
import { joseVerifier } from '../../src/step-up/jose.ts';
import { type Store, StoreError, type StoreFailure } from '../../src/store/store.ts';
import { engineWith, NOW_MS } from './engine.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** An engine of real parts on a clock that the test moves, with the embedded store and an issuer of its own. */
export interface Stage {
  readonly clock: { ms: number };
  readonly engine: Engine;
  /** Fails every operation of the store with this from now on; null lets it work again. */
  breakStore(why: StoreFailure | null): void;
  /** Checks a wire body and lets it teach. */
  check(body: object, changes?: Partial<CheckRequest>): Promise<Checked['result']>;
  /** Checks a wire body that may be each of these requests. */
  checkAs(body: object, candidates: readonly Partial<CheckRequest>[]): Promise<Checked>;
  tell(type: EventType, body: object): ReturnType<typeof recordEvent>;
  /** A su token of `subject` who authenticated `secondsAgo`. */
  proof(subject: string, secondsAgo?: number): Promise<string>;
}

/** A stage with these rules; the clock starts at 2026-11-25T02:00:00Z. */
export async function stage(rules: object, more: Partial<Engine> = {}): Promise<Stage> {
  const clock = { ms: NOW_MS };
  const now = (): number => clock.ms;
  const issuer: LocalIssuer = await localIssuer();
  let broken: StoreFailure | null = null;
  let proofs = 0;
  const parts = engineWith(rules, now);
  const engine: Engine = {
    ...parts,
    store: breakable(parts.store, () => broken),
    verifier: joseVerifier({
      issuers: stepUpIssuers.parse([
        { issuer: issuer.issuer, audience: issuer.audience, jwks: issuer.jwks, algorithms: ['ES256'] },
      ]),
      fetch: globalThis.fetch,
    }),
    ...more,
  };
  const context = () => ({
    nowMs: now(),
    trust: { trusted: { kind: 'none' } as const, declared: null },
    spaces: ['default'],
  });
  return {
    clock,
    engine,
    breakStore: (why) => {
      broken = why;
    },
    checkAs: async (body, candidates) => {
      const request = checkRequestOf({ action: '-', ...body }, context());
      const [first = request, ...others] = candidates.map((each): CheckRequest => ({ ...request, ...each }));
      const checked = await check(engine, first, others);
      await checked.learn();
      return checked;
    },
    check: async (body, changes = {}) => {
      const { result, learn } = await check(engine, { ...checkRequestOf({ ...body }, context()), ...changes });
      // What cannot be stored while the store is away is the caller's to count; here nobody counts.
      await learn().catch((error: unknown) => {
        if (!(error instanceof StoreError)) throw error;
      });
      return result;
    },
    tell: (type, body) => recordEvent(engine, subjectEventOf({ type, ...body }, context())),
    proof: (subject, secondsAgo = 0) => issuer.sign(subject, `jti-${++proofs}`, now() - secondsAgo * 1000),
  };
}

/** The store, failing as a slow or absent one does: slots of an attempt one by one, everything else as a whole. */
function breakable(store: Store, why: () => StoreFailure | null): Store {
  const orFail = <A extends readonly unknown[], R>(work: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      const code = why();
      if (code !== null) throw new StoreError(code, 'the test broke the store');
      return work(...args);
    };
  };
  return {
    ...store,
    recordAttempt: async (attempt) => {
      const code = why();
      if (code === null) return store.recordAttempt(attempt);
      const failed = { state: 'failed', why: code } as const;
      return {
        subject: attempt.keys.subject === null ? null : failed,
        address: attempt.keys.address === null ? null : failed,
        device: attempt.keys.device === null ? null : failed,
      };
    },
    recordOutcome: orFail(store.recordOutcome),
    readSubject: orFail(store.readSubject),
    updateBaseline: orFail(store.updateBaseline),
    forgetSubject: orFail(store.forgetSubject),
    spendProof: orFail(store.spendProof),
    ping: orFail(store.ping),
  };
}
