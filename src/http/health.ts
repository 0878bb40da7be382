import * as z from 'zod';
import type { Engine } from '../engine/engine.ts';
import { StoreError } from '../model/store-error.ts';
import type { RequestScope, Route } from './api-route.ts';
import type { AppDeps } from './deps.ts';
import { ProblemError } from './problem.ts';
import { jsonReply } from './reply.ts';

const readiness = z.object({
  ready: z.boolean(),
  stopping: z.boolean(),
  store: z.object({
    driver: z.string(),
    reachable: z.boolean(),
    problem: z.string().nullable().meta({ description: 'Why it is out of reach, or what is wrong with its choice.' }),
  }),
  rules: z.object({
    revision: z.string(),
    files: z.array(z.string()),
    rules: z.number(),
    problem: z
      .string()
      .nullable()
      .meta({ description: 'Why the last reload was refused; the old revision stays active.' }),
  }),
  issuers: z.object({ missing_keys: z.array(z.string()) }),
  geo: z.object({ name: z.string(), age_days: z.number().nullable(), problem: z.string().nullable() }),
  lists: z.array(
    z.object({
      name: z.string(),
      category: z.string().nullable(),
      ranges: z.number(),
      age_days: z.number(),
      judged: z.boolean().meta({ description: 'False once the list is past its age.' }),
      problem: z.string().nullable(),
    }),
  ),
});

/**
 * `GET /healthz`, `/readyz` and `/metrics`, public: they name no subject and no secret. Ready means that the store
 * answers and the process is not stopping; outdated lists, a refused reload, missing keys and geo problems are reported
 * but do not matter, as checks continue without them.
 */
export function healthRoutes(deps: AppDeps): Route[] {
  return [
    {
      method: 'GET',
      path: '/healthz',
      access: 'public',
      summary: 'Is the process alive?',
      answers: { 200: { description: 'It is', schema: z.object({ status: z.literal('ok') }) } },
      handle: () => jsonReply({ status: 'ok' }),
    },
    {
      method: 'GET',
      path: '/readyz',
      access: 'public',
      summary: 'Can checks be answered in full?',
      answers: {
        200: { description: 'Yes', schema: readiness },
        503: { description: 'The store is unreachable, or the process is stopping', schema: readiness },
      },
      handle: async (c) => {
        const state = await readinessOf(deps, deps.scopeOf(c));
        return jsonReply(state, state.ready ? 200 : 503);
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      access: 'public',
      summary: 'Counters in the Prometheus text format',
      answers: {
        200: { description: 'Text exposition' },
        501: { description: 'On Workers: an isolate sees a part of the traffic only' },
      },
      handle: async () => {
        const exposition = await deps.metrics.render();
        if (exposition === null) throw noCounters();
        return { status: 200, headers: { 'Content-Type': exposition.contentType }, body: exposition.text };
      },
    },
  ];
}

/** Not an empty 200, so that a scraper shows that there are no metrics here. */
function noCounters(): ProblemError {
  return new ProblemError(
    'no_metrics',
    'an isolate of a Worker sees a part of the traffic only, so it counts nothing; bind an Analytics Engine dataset as DECISIONS and query that',
  );
}

async function readinessOf(deps: AppDeps, scope: RequestScope): Promise<z.infer<typeof readiness>> {
  const { engine } = scope;
  const nowMs = engine.now();
  const storeProblem = await problemOfStore(engine);
  const rules = engine.rules();
  const geo = engine.geo.status(nowMs);
  const stopping = deps.isStopping();
  return {
    ready: storeProblem === null && !stopping,
    stopping,
    store: {
      driver: engine.store.driver,
      reachable: storeProblem === null,
      problem: storeProblem ?? deps.storeWarning,
    },
    rules: {
      revision: rules.revision,
      files: [...rules.files],
      rules: rules.ruleCount,
      problem: deps.rulesProblem(),
    },
    issuers: { missing_keys: missingKeys(scope) },
    geo: { name: geo.name, age_days: geo.ageDays, problem: geo.problem },
    lists: engine
      .reputation()
      .status(nowMs)
      .map(({ name, category, ranges, ageDays, judged, problem }) => ({
        name,
        category,
        ranges,
        age_days: ageDays,
        judged,
        problem,
      })),
  };
}

/** Asking for readiness also tries again, so that keys are there before the first token that needs them. */
function missingKeys({ engine, later }: RequestScope): string[] {
  const { verifier } = engine;
  const missing = [...(verifier?.missingKeys() ?? [])];
  if (verifier !== null && missing.length > 0) later(() => verifier.warm(engine.now()));
  return missing;
}

async function problemOfStore({ store }: Engine): Promise<string | null> {
  try {
    await store.ping();
    return null;
  } catch (error) {
    if (error instanceof StoreError) return error.code;
    throw error;
  }
}
