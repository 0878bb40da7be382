import { type Checked, check } from '../src/check.ts';
import type { Engine } from '../src/engine.ts';
import { type EventType, recordEvent } from '../src/event.ts';
import { noGeo } from '../src/geo/no-geo.ts';
import { checkRequestOf, subjectEventOf } from '../src/http/wire.ts';
import { NO_REPUTATION } from '../src/reputation/standing.ts';
import type { CheckRequest } from '../src/request.ts';
import { compileRules } from '../src/rules/compile.ts';
import { deviceTokens } from '../src/signals/device-token-jose.ts';
import { FACT_CATALOG } from '../src/signals/index.ts';
import { type LocalIssuer, localIssuer } from '../src/simulate/issuer.ts';
import { joseVerifier } from '../src/step-up/jose.ts';
import { stepUpIssuers } from '../src/step-up/presets.ts';
import { memoryStore } from '../src/store/memory.ts';
import { pseudonymizer } from '../src/store/pseudonym.ts';
import { type Store, StoreError, type StoreFailure } from '../src/store/store.ts';

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
  tell(type: EventType, body: object): ReturnType<typeof recordEvent>;
  /** A su token of `subject` who authenticated `secondsAgo`. */
  proof(subject: string, secondsAgo?: number): Promise<string>;
}

/** A stage with these rules; the clock starts at 2026-11-25T02:00:00Z. */
export async function stage(rules: object, more: Partial<Engine> = {}): Promise<Stage> {
  const clock = { ms: Date.UTC(2026, 10, 25, 2) };
  const now = (): number => clock.ms;
  const ruleSet = compileRules([{ name: 'stage.json', text: JSON.stringify(rules) }], FACT_CATALOG);
  const issuer: LocalIssuer = await localIssuer();
  let broken: StoreFailure | null = null;
  let ids = 0;
  const store = breakable(memoryStore({ now }), () => broken);
  const engine: Engine = {
    rules: () => ruleSet,
    store,
    geo: noGeo(),
    reputation: () => NO_REPUTATION,
    deviceTokens: deviceTokens({ secrets: [new Uint8Array(32).fill(7)] }),
    verifier: joseVerifier({
      issuers: stepUpIssuers.parse([
        { issuer: issuer.issuer, audience: issuer.audience, jwks: issuer.jwks, algorithms: ['ES256'] },
      ]),
      fetch: globalThis.fetch,
    }),
    pseudonym: pseudonymizer('a-privacy-key-of-thirty-two-bytes!'),
    now,
    newId: () => `id-${++ids}`,
    newDeviceId: () => `d-${++ids}`,
    ...more,
  };
  const context = () => ({ nowMs: now(), trust: { trusted: { kind: 'none' } as const, declared: null } });
  return {
    clock,
    engine,
    breakStore: (why) => {
      broken = why;
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
    proof: (subject, secondsAgo = 0) => issuer.sign(subject, `jti-${++ids}`, now() - secondsAgo * 1000),
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
        subject: attempt.subject && failed,
        address: attempt.address && failed,
        device: attempt.device && failed,
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
