import { createApp } from '../../src/app.ts';
import { noLog } from '../../src/audit/log.ts';
import { noMetrics } from '../../src/audit/metrics.ts';
import type { DecisionRecord } from '../../src/audit/record.ts';
import type { Engine } from '../../src/engine.ts';
import { noGeo } from '../../src/geo/no-geo.ts';
import { readStream } from '../../src/http/body.ts';
import { callers } from '../../src/http/caller.ts';
import type { AppDeps } from '../../src/http/deps.ts';
import { NO_REPUTATION } from '../../src/reputation/standing.ts';
import { compileRules } from '../../src/rules/compile.ts';
import { deviceTokens } from '../../src/signals/device-token-jose.ts';
import { FACT_CATALOG } from '../../src/signals/index.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { pseudonymizer } from '../../src/store/pseudonym.ts';

export const API_KEY = 'test-key-0123456789';
export const AUTHORIZED = { Authorization: `Bearer ${API_KEY}` };
/** 2026-11-25T02:00:00Z */
export const NOW_MS = Date.UTC(2026, 10, 25, 2);

const RULES = {
  version: 1,
  actions: {},
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

export interface TestApp {
  readonly app: ReturnType<typeof createApp>;
  readonly deps: AppDeps;
  readonly records: readonly DecisionRecord[];
  /** Resolves when all that follows the answers so far is done. */
  settled(): Promise<void>;
  /** Sends an authorised JSON request. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
}

/** The whole app over real parts and an embedded store; only time, ids and the work after an answer are the test's. */
export function testApp(more: { engine?: Partial<Engine>; deps?: Partial<AppDeps> } = {}): TestApp {
  const records: DecisionRecord[] = [];
  const pending: Promise<void>[] = [];
  let ids = 0;
  const rules = compileRules([{ name: 'test.json', text: JSON.stringify(RULES) }], FACT_CATALOG);
  const engine: Engine = {
    rules: () => rules,
    store: memoryStore({ now: () => NOW_MS }),
    geo: noGeo(),
    reputation: () => NO_REPUTATION,
    deviceTokens: deviceTokens({ secrets: [new Uint8Array(32).fill(7)] }),
    verifier: null,
    pseudonym: pseudonymizer('a-privacy-key-of-thirty-two-bytes!'),
    now: () => NOW_MS,
    newId: () => `id-${++ids}`,
    newDeviceId: () => `d-${++ids}`,
    ...more.engine,
  };
  const deps: AppDeps = {
    engine,
    findCaller: callers([{ name: 'tester', kind: 'secret', secret: API_KEY }]),
    readBody: readStream,
    trust: { trusted: { kind: 'none' }, declared: null },
    gateway: { sessionCookie: null, stepUpUrl: null, returnHosts: [], publicUrl: null },
    metrics: noMetrics,
    records: (record) => records.push(record),
    log: noLog,
    later: (work) => pending.push(work()),
    elapsedMs: () => 0,
    isStopping: () => false,
    rulesProblem: () => null,
    ...more.deps,
  };
  const app = createApp(deps);
  return {
    app,
    deps,
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
  };
}
