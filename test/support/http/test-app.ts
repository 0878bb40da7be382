import { createApp } from '../../../src/app/app.ts';
import type { Engine } from '../../../src/engine/engine.ts';
import type { RequestScope } from '../../../src/http/api-route.ts';
import { readStream } from '../../../src/http/body.ts';
import { callers } from '../../../src/http/caller.ts';
import type { AppDeps } from '../../../src/http/deps.ts';
import { noLog } from '../../../src/records/log.ts';
import { noMetrics } from '../../../src/records/metrics.ts';
import type { DecisionRecord } from '../../../src/records/record.ts';
import { engineWith, NOW_MS } from '../engine.ts';

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

export interface TestApp {
  readonly app: ReturnType<typeof createApp>;
  readonly deps: AppDeps;
  readonly engine: Engine;
  readonly records: readonly DecisionRecord[];
  /** Resolves when all that follows the answers so far is done. */
  settled(): Promise<void>;
  /** Sends an authorised JSON request. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
}

/** The whole app over real parts and an embedded store; only time, ids and the work after an answer are the test's. */
export function testApp(
  more: { rules?: object; engine?: Partial<Engine>; later?: RequestScope['later']; deps?: Partial<AppDeps> } = {},
): TestApp {
  const records: DecisionRecord[] = [];
  const pending: Promise<void>[] = [];
  const engine: Engine = { ...engineWith(more.rules ?? RULES, () => NOW_MS), ...more.engine };
  const scope: RequestScope = { engine, later: more.later ?? ((work) => pending.push(work())) };
  const deps: AppDeps = {
    scopeOf: () => scope,
    findCaller: callers([{ name: 'tester', rights: ['admin'], kind: 'secret', secret: API_KEY }]),
    readBody: readStream,
    trust: { trusted: { kind: 'none' }, declared: null },
    gateway: { sessionCookie: null, stepUpUrl: null, returnHosts: [], publicUrl: null },
    clientScripts: null,
    metrics: noMetrics,
    records: (record) => records.push(record),
    log: noLog,
    elapsedMs: () => 0,
    isStopping: () => false,
    storeWarning: null,
    rulesProblem: () => null,
    ...more.deps,
  };
  const app = createApp(deps);
  return {
    app,
    deps,
    engine,
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
