import { createApp } from '../../src/app/app.ts';
import { assembleEngine } from '../../src/app/assemble-engine.ts';
import { chanceOf } from '../../src/cli/simulate/chance.ts';
import { noGeo } from '../../src/data/geo/no-geo.ts';
import { NO_REPUTATION } from '../../src/data/lists/standing.ts';
import { check } from '../../src/engine/check.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { recordEvent } from '../../src/engine/event.ts';
import type { Checked } from '../../src/engine/settle.ts';
import type { RequestScope } from '../../src/http/api-route.ts';
import { readStream } from '../../src/http/body.ts';
import { callers } from '../../src/http/caller.ts';
import type { AppDeps } from '../../src/http/deps.ts';
import { type AddressTrust, checkRequestOf, subjectEventOf } from '../../src/http/wire.ts';
import type { CheckRequest, EventType } from '../../src/model/request.ts';
import { StoreError, type StoreFailure } from '../../src/model/store-error.ts';
import { noLog } from '../../src/records/log.ts';
import { noMetrics } from '../../src/records/metrics.ts';
import type { DecisionRecord } from '../../src/records/record.ts';
import { compileRules } from '../../src/rules/compile.ts';
import type { RuleSet } from '../../src/rules/ruleset.ts';
import { FACT_CATALOG } from '../../src/signals/index.ts';
import { stepUpIssuers } from '../../src/step-up/issuers.ts';
import { memoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/store.ts';
import { type Issuer, issuer } from './issuer.ts';

/** 2026-11-25T02:00:00Z */
export const NOW_MS = Date.UTC(2026, 10, 25, 2);
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

export const API_KEY = 'test-key-0123456789';
export const AUTHORIZED = { Authorization: `Bearer ${API_KEY}` };

const RULES = {
  version: 1,
  actions: { login: {}, 'report.view': {}, 'profile.view': {}, a: {}, x: {} },
  levels: { medium: 30, high: 70 },
  floor: 'step-up',
  default: 'allow',
  rules: [
    {
      id: 'large-transfer',
      when: { action: 'payment.transfer', 'context.amount': { gte: 1000 } },
      then: { decision: 'step-up', acr_values: ['urn:stepgate:su'], max_age: 300, reason: 'large_transfer' },
    },
    {
      id: 'no-root',
      when: { 'subject.id': 'root' },
      then: { decision: 'deny', reason: 'root_refused' },
    },
  ],
};

/** The parts that a scene is made of. What is not given is real, empty and in memory. */
export interface SceneOptions extends Partial<Omit<Engine, 'rules'>> {
  /** One rule file, or what yields the live rules. Default: `root` is denied, large transfers ask for a step-up. */
  readonly rules?: object | (() => RuleSet);
  /** Entries of `STEP_UP_ISSUERS`. Default: the issuer of the scene. */
  readonly issuers?: readonly object[];
  /** Default: {@link Scene.clock}. */
  readonly now?: () => number;
  /** Takes the work that follows an answer. Default: it runs at once, and `settled` waits for it. */
  readonly later?: RequestScope['later'];
  readonly deps?: Partial<AppDeps>;
  /** Whether browsers are invited to bind trusted devices to keys. Default: false. */
  readonly offersDeviceSessions?: boolean;
}

/** The service in this process: real parts, an embedded store, ids that count up, and a clock that the test moves. */
export interface Scene {
  /** Starts at {@link NOW_MS}. */
  readonly clock: { ms: number };
  readonly engine: Engine;
  readonly app: ReturnType<typeof createApp>;
  readonly deps: AppDeps;
  readonly issuer: Issuer;
  readonly records: readonly DecisionRecord[];
  /** Resolves when all that follows the answers so far is done. */
  settled(): Promise<void>;
  /** Sends an authorised JSON request to the app. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  /** Checks a wire body at the engine and lets it teach. */
  check(body: object, changes?: Partial<CheckRequest>): Promise<Checked['result']>;
  /** Checks a wire body that may be each of these requests. */
  checkAs(body: object, candidates: readonly Partial<CheckRequest>[]): Promise<Checked>;
  tell(type: EventType, body: object): ReturnType<typeof recordEvent>;
  /** A su token of `subject` who authenticated `secondsAgo`. */
  proof(subject: string, secondsAgo?: number): Promise<string>;
  /** Fails every operation of the embedded store with this from now on; null lets it work again. */
  breakStore(why: StoreFailure | null): void;
}

/** Builds a scene. It opens no port and reads no clock. */
export function scene({
  rules = RULES,
  issuers,
  later,
  deps: changes,
  offersDeviceSessions = false,
  ...parts
}: SceneOptions = {}): Scene {
  const clock = { ms: NOW_MS };
  const now = parts.now ?? (() => clock.ms);
  const idp = issuer({ now });
  let broken: StoreFailure | null = null;
  let ids = 0;
  const engine: Engine = {
    ...assembleEngine({
      rules: liveRules(rules),
      store: breakable(memoryStore({ now, maxKeys: MAX_KEYS }), () => broken),
      geo: noGeo(),
      lists: () => NO_REPUTATION,
      issuers: stepUpIssuers.parse(issuers ?? [idp.entry()]),
      secrets: {
        deviceTokens: ['a-device-token-secret-of-thirty-two-bytes!'],
        privacyKey: 'a-privacy-key-of-thirty-two-bytes!',
      },
      now,
      random: chanceOf('scene').next,
      offersDeviceSessions,
      keys: { fetch: () => Promise.reject(new Error('no network in this test')) },
    }),
    newId: () => `id-${++ids}`,
    newDeviceId: () => `d-${++ids}`,
    ...parts,
  };
  const records: DecisionRecord[] = [];
  const pending: Promise<void>[] = [];
  const scope: RequestScope = { engine, later: later ?? ((work) => pending.push(work())) };
  const deps: AppDeps = {
    scopeOf: () => scope,
    findCaller: callers([{ name: 'tester', rights: ['admin'], kind: 'secret', secret: API_KEY }]),
    readBody: readStream,
    trust: NO_PROXY,
    gateway: { sessionCookie: null, stepUpUrl: null, returnHosts: [], publicUrl: null },
    clientScripts: null,
    metrics: noMetrics,
    records: (record) => records.push(record),
    log: noLog,
    elapsedMs: () => 0,
    isStopping: () => false,
    storeWarning: null,
    rulesProblem: () => null,
    ...changes,
  };
  const app = createApp(deps);
  const wire = () => ({ nowMs: now(), trust: NO_PROXY, spaces: ['default'] });
  return {
    clock,
    engine,
    app,
    deps,
    issuer: idp,
    records,
    settled: async () => {
      await Promise.all(pending);
    },
    post: async (path, body, headers = {}) =>
      app.request(path, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...AUTHORIZED, ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    check: async (body, changes = {}) => {
      const { result, learn } = await check(engine, { ...checkRequestOf({ ...body }, wire()), ...changes });
      // What cannot be stored while the store is away is the caller's to count; here nobody counts.
      await learn().catch((error: unknown) => {
        if (!(error instanceof StoreError)) throw error;
      });
      return result;
    },
    checkAs: async (body, candidates) => {
      const request = checkRequestOf({ action: '-', ...body }, wire());
      const [first = request, ...others] = candidates.map((each): CheckRequest => ({ ...request, ...each }));
      const checked = await check(engine, first, others);
      await checked.learn();
      return checked;
    },
    tell: (type, body) => recordEvent(engine, subjectEventOf({ type, ...body }, wire())),
    proof: idp.proof,
    breakStore: (why) => {
      broken = why;
    },
  };
}

function liveRules(rules: object | (() => RuleSet)): () => RuleSet {
  if (typeof rules === 'function') return rules as () => RuleSet;
  const compiled = compileRules([{ name: 'test.json', text: JSON.stringify(rules) }], FACT_CATALOG);
  return () => compiled;
}

/** The service's own default is set aside in memory at once, which would be most of a scene's cost. */
const MAX_KEYS = 2_000;

const NO_PROXY: AddressTrust = { trusted: { kind: 'none' }, declared: null };

/** The store, failing as a slow or absent one does: an attempt part by part, everything else as a whole. */
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
