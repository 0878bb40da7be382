import * as z from 'zod';
import type { ProofFault } from '../contract/answer.ts';
import { dryRun, free, line, nestingOf, origin, stepUpToken, whichSubject } from '../contract/body.ts';
import { MAX_ACTION_LENGTH, MAX_FREE_NESTING, MAX_SUBJECT_TYPE_LENGTH } from '../contract/limits.ts';
import { type Assessment, assess } from '../engine/assess.ts';
import type { Engine } from '../engine/engine.ts';
import { judgeStrictest } from '../engine/judge.ts';
import { settlement } from '../engine/settle.ts';
import { afterAnswer } from '../http/after-answer.ts';
import { answerOf, retryAfterOf } from '../http/answer.ts';
import type { AppContext, Route } from '../http/api-route.ts';
import { jsonBody } from '../http/body.ts';
import type { AppDeps } from '../http/deps.ts';
import { ProblemError } from '../http/problem.ts';
import { jsonReply, type Reply } from '../http/reply.ts';
import {
  freeOf,
  invalid,
  originOf,
  proofOf,
  type Read,
  read,
  subjectOf,
  subjectSpaces,
  validated,
  type WireContext,
} from '../http/wire.ts';
import type { CheckResult } from '../model/decision.ts';
import { isObject, type Json, type JsonObject } from '../model/facts.ts';
import type { CheckRequest } from '../model/request.ts';
import { MAX_SUBJECT_LENGTH, normaliseSubject } from '../model/subject.ts';
import { verifiedOnce } from '../step-up/apply-proof.ts';
import { ANY_STEP_UP } from '../step-up/requirement.ts';
import { requestsOfRoute } from './route-profile.ts';

/** When a batch stops (OpenID AuthZEN Authorization API 1.0, section 7.1.2.1). */
const SEMANTICS = ['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'] as const;

/** Most evaluations of one batch. */
const MAX_EVALUATIONS = 100;
/**
 * Largest batch in characters of JSON, with defaults counted for each item: what is written once and judged a hundred
 * times costs a hundred times as much.
 */
const MAX_BATCH_LENGTH = 512 * 1024;

const properties = free.nullish();
/** One level less: they are facts under `context.action`. */
const actionProperties = free
  .refine((value) => nestingOf(value) < MAX_FREE_NESTING, `must not be nested deeper than ${MAX_FREE_NESTING - 1}`)
  .nullish();

/** Client data in `context`, under the names of `/v1/risk-check`; everything else in it is free. */
const clientContext = {
  subject_space: whichSubject.subject_space,
  ...origin,
  step_up_token: stepUpToken,
  dry_run: dryRun,
};

const subjectId = z
  .string()
  .refine((value) => normaliseSubject(value) !== null, `must have 1 to ${MAX_SUBJECT_LENGTH} visible characters`);

/**
 * Body of `POST /access/v1/evaluation`. Unknown keys are ignored everywhere, as the standard requires for later
 * versions.
 */
const entitiesBody = z.looseObject({
  subject: z.looseObject({ type: line(MAX_SUBJECT_TYPE_LENGTH), id: subjectId, properties }),
  action: z.looseObject({ name: line(MAX_ACTION_LENGTH), properties: actionProperties }),
  resource: z.looseObject({ type: line(256), id: line(1024), properties }),
});
const contextBody = z.looseObject({
  context: z
    .looseObject(clientContext)
    .refine((value) => nestingOf(value) <= MAX_FREE_NESTING, `must not be nested deeper than ${MAX_FREE_NESTING}`)
    .nullish(),
});
const evaluationBody = entitiesBody.extend(contextBody.shape);
type Entities = z.output<typeof entitiesBody>;
type Context = z.output<typeof contextBody>['context'];

const evaluationsBody = z.looseObject({
  evaluations: z
    .array(z.unknown())
    .max(MAX_EVALUATIONS)
    .nullish()
    .meta({ description: 'What an item leaves out is taken from the same key beside `evaluations`.' }),
  options: z.looseObject({ evaluations_semantic: z.enum(SEMANTICS).nullish() }).nullish(),
});

const decisionAnswer = z.object({
  decision: z.boolean(),
  context: z.record(z.string(), z.unknown()).optional(),
});
type DecisionAnswer = z.infer<typeof decisionAnswer>;

const metadata = z.object({
  policy_decision_point: z.string(),
  access_evaluation_endpoint: z.string(),
  access_evaluations_endpoint: z.string(),
  supported_obligations: z.array(z.string()),
});

const EVALUATION = '/access/v1/evaluation';
const EVALUATIONS = '/access/v1/evaluations';

/** OpenID AuthZEN Authorization API 1.0: evaluation, evaluations and the metadata that name them. */
export function authzenRoutes(deps: AppDeps): Route[] {
  return [
    {
      method: 'POST',
      path: EVALUATION,
      access: 'check',
      summary: 'AuthZEN 1.0 access evaluation',
      body: evaluationBody,
      answers: { 200: { description: 'The decision; a step-up is false with its obligation', schema: decisionAnswer } },
      handle: async (c) => evaluateOne(deps, c, await authzenBody(deps, c)),
    },
    {
      method: 'POST',
      path: EVALUATIONS,
      access: 'check',
      summary: 'AuthZEN 1.0 access evaluations (batch)',
      body: evaluationsBody,
      answers: {
        200: {
          description: 'One decision for each item; a single one where `evaluations` is absent or empty',
          schema: z.union([z.object({ evaluations: z.array(decisionAnswer) }), decisionAnswer]),
        },
      },
      handle: async (c) => {
        const body = await authzenBody(deps, c);
        const { evaluations, options } = validated(evaluationsBody, body);
        if (evaluations == null || evaluations.length === 0) return evaluateOne(deps, c, body);
        const semantic = options?.evaluations_semantic ?? 'execute_all';
        // The body is from JSON.parse, so its items are JSON.
        const items = evaluations as readonly Json[];
        refuseTooMuch(body, items);
        const evaluated = await evaluateAll(deps, c, body, items, semantic);
        const answers = { evaluations: evaluated.map(({ answer }) => answer) };
        return jsonReply(answers, 200, retryAfterOf(longestHeldUp(evaluated)));
      },
    },
    {
      method: 'GET',
      path: '/.well-known/authzen-configuration',
      access: 'public',
      summary: 'AuthZEN 1.0 metadata of this policy decision point',
      answers: { 200: { description: 'The metadata', schema: metadata } },
      handle: (c) => jsonReply(metadataOf(deps.gateway.publicUrl ?? originIn(c.req.url))),
    },
  ];
}

/** The host is client input and may be invalid, such as `1.1.1.999`. */
function originIn(url: string): string {
  if (URL.canParse(url)) return new URL(url).origin;
  throw new ProblemError('invalid_request', 'the Host header names no host; set PUBLIC_URL, or send another');
}

function metadataOf(base: string): z.infer<typeof metadata> {
  return {
    policy_decision_point: base,
    access_evaluation_endpoint: `${base}${EVALUATION}`,
    access_evaluations_endpoint: `${base}${EVALUATIONS}`,
    supported_obligations: ['step-up'],
  };
}

/** The standard knows 400 for every fault of a request, a wrong media type among them. */
async function authzenBody(deps: AppDeps, c: AppContext): Promise<JsonObject> {
  try {
    return await jsonBody(c, deps.readBody);
  } catch (error) {
    if (!(error instanceof ProblemError) || error.code !== 'unsupported_media_type') throw error;
    throw new ProblemError('invalid_request', error.message, { headers: error.headers });
  }
}

function refuseTooMuch(defaults: JsonObject, items: readonly Json[]): void {
  const shared = new Map(Object.keys(REQUIRED).map((key) => [key, lengthOf(defaults[key])]));
  let length = 0;
  for (const item of items) {
    const own = isObject(item) ? item : {};
    for (const [key, inherited] of shared) length += own[key] === undefined ? inherited : lengthOf(own[key]);
  }
  if (length <= MAX_BATCH_LENGTH) return;
  const message = `come to ${length} characters with their defaults, of ${MAX_BATCH_LENGTH} allowed; send fewer at once`;
  throw new ProblemError('invalid_request', `evaluations: ${message}`, { faults: [{ path: 'evaluations', message }] });
}

function lengthOf(value: Json | undefined): number {
  return value === undefined ? 0 : JSON.stringify(value).length;
}

/** One evaluation: what cannot be read is refused as a whole. */
async function evaluateOne(deps: AppDeps, c: AppContext, body: JsonObject): Promise<Reply> {
  const { answer, proofError } = await evaluator(deps, c)(evaluationOf(deps, c, body, readContext(body.context)));
  return jsonReply(answer, 200, retryAfterOf(proofError));
}

/** The items of a batch: one that cannot be read is refused in its place and spoils none of the others. */
async function evaluateAll(
  deps: AppDeps,
  c: AppContext,
  defaults: JsonObject,
  items: readonly Json[],
  semantic: (typeof SEMANTICS)[number],
): Promise<Evaluated[]> {
  const shared = readContext(defaults.context);
  const contextOf = (item: Json): ReadContext => {
    if (!isObject(item)) return readContext(undefined);
    return item.context === undefined ? shared : readContext(item.context);
  };
  const evaluations = items.map((item): Evaluation | Evaluated => {
    try {
      return evaluationOf(deps, c, resolved(defaults, item), contextOf(item));
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      const context = { error: { status: 400, message: error.message, errors: error.faults } };
      return { answer: { decision: false, context }, proofError: null };
    }
  });
  const evaluate = evaluator(deps, c);
  const answer = (each: Evaluation | Evaluated) => ('candidates' in each ? evaluate(each) : each);
  if (semantic === 'execute_all') return Promise.all(evaluations.map(answer));
  const last = semantic === 'permit_on_first_permit';
  const answered: Evaluated[] = [];
  for (const each of evaluations) {
    const one = await answer(each);
    answered.push(one);
    if (one.answer.decision === last) break;
  }
  return answered;
}

/** A question, answered. */
interface Evaluated {
  readonly answer: DecisionAnswer;
  /** Why the proof of the question was not taken. */
  readonly proofError: ProofFault | null;
}

/** Of several proofs that cannot be judged yet, the one that takes longest. */
function longestHeldUp(evaluated: readonly Evaluated[]): ProofFault | null {
  const seconds = ({ proofError }: Evaluated): number => proofError?.retryAfterSeconds ?? -1;
  return evaluated.toSorted((a, b) => seconds(b) - seconds(a))[0]?.proofError ?? null;
}

/**
 * An item with its defaults. An entity of the item replaces the default as a whole; only a required name that it omits
 * (`type`, `id`, `name`) is taken from the default.
 */
function resolved(defaults: JsonObject, item: Json): JsonObject {
  if (!isObject(item)) return {};
  const tuple: { [key: string]: Json } = {};
  for (const [key, required] of Object.entries(REQUIRED)) {
    const own = item[key];
    const fallback = defaults[key];
    if (own === undefined) {
      if (fallback !== undefined) tuple[key] = fallback;
    } else if (!isObject(own) || !isObject(fallback)) {
      tuple[key] = own;
    } else {
      const inherited = required.flatMap((part) => {
        const value = fallback[part];
        return own[part] === undefined && value !== undefined ? [[part, value] as const] : [];
      });
      tuple[key] = { ...own, ...Object.fromEntries(inherited) };
    }
  }
  return tuple;
}

const REQUIRED: { readonly [key: string]: readonly string[] } = {
  subject: ['type', 'id'],
  action: ['name'],
  resource: ['type', 'id'],
  context: [],
};

/** One question, read. */
interface Evaluation {
  /** Who asks, from where, with what: requests with the same key are measured once. */
  readonly entity: string;
  /** The actions that the request may be; the strictest decision wins. */
  readonly candidates: readonly [CheckRequest, ...CheckRequest[]];
  /** Whether the candidates are from the route table. */
  readonly isRouted: boolean;
}

/** The context of a question. A batch reads the one that its items share once. */
interface ReadContext {
  readonly read: Read<{ readonly context?: Context }>;
  /** Everything in it that is not of the client. */
  readonly free: JsonObject;
  /** The same for the same client data. */
  readonly key: string;
}

function readContext(context: Json | undefined): ReadContext {
  const client = isObject(context) ? Object.entries(context).filter(([key]) => isOfClient(key)) : [];
  const result = read(contextBody, { context });
  return { read: result, free: freePart(result.value?.context), key: JSON.stringify(client) };
}

/** Throws the 400 problem that names every fault by its path. */
function evaluationOf(deps: AppDeps, c: AppContext, body: JsonObject, context: ReadContext): Evaluation {
  const { engine } = deps.scopeOf(c);
  const entities = read(entitiesBody, body);
  if (entities.faults !== null || context.read.faults !== null) {
    throw invalid([...(entities.faults ?? []), ...(context.read.faults ?? [])]);
  }
  const request = requestOf(entities.value, context.read.value.context, context.free, deps, engine);
  const routed = requestsOfRoute(engine.rules(), request);
  return { entity: entityOf(body, context), candidates: routed ?? [request], isRouted: routed !== null };
}

/**
 * Answers the evaluations of one request. Each distinct entity is measured once, for its first evaluation: a page with
 * fifty buttons is one attempt of its subject, with one proof.
 */
function evaluator(deps: AppDeps, c: AppContext): (evaluation: Evaluation) => Promise<Evaluated> {
  const startedMs = deps.elapsedMs();
  const scope = deps.scopeOf(c);
  const { verifier, now } = scope.engine;
  // The questions of one request may be about several subjects and share a token.
  const engine = {
    ...scope.engine,
    verifier: verifier === null ? null : { ...verifier, verify: verifiedOnce(verifier, now()) },
  };
  const rules = engine.rules();
  const assessments = new Map<string, Promise<Assessment>>();
  const settle = settlement(engine);
  return async ({ entity, candidates: [first, ...others], isRouted }) => {
    const assessing = assessments.get(entity) ?? assess(engine, first);
    assessments.set(entity, assessing);
    const checked = await settle(judgeStrictest(rules, await assessing, first, others));
    const requestId = c.get('requestId');
    const caller = c.get('caller');
    const latencyMs = deps.elapsedMs() - startedMs;
    afterAnswer(deps, scope, { ...checked, requestId, caller, latencyMs });
    const answer = decisionOf(checked.result, isRouted ? checked.request.action : null);
    return { answer, proofError: checked.result.stepUp?.error ?? null };
  };
}

/**
 * Type and id of the subject are under `subject.properties` too, and no property replaces them; the properties of the action are
 * under `context.action`.
 */
function requestOf(
  { subject, action, resource }: Entities,
  context: Context,
  free: JsonObject,
  { trust }: AppDeps,
  { now, verifier }: Engine,
): CheckRequest {
  const { subject_space, step_up_token, dry_run, ...client } = context ?? {};
  const wire: WireContext = { nowMs: now(), trust, spaces: subjectSpaces(verifier), at: 'context.' };
  return {
    ...subjectOf({ subject: normaliseSubject(subject.id), subject_space, subject_type: subject.type }, wire),
    action: action.name,
    ...originOf(client, wire),
    credential: null,
    actor: null,
    proof: proofOf(step_up_token),
    resource: { type: resource.type, id: resource.id, properties: freeOf(resource.properties) },
    subjectProperties: { ...freeOf(subject.properties), type: subject.type, id: subject.id },
    context: { ...free, ...(action.properties != null && { action: freeOf(action.properties) }) },
    dryRun: dry_run ?? false,
  };
}

function isOfClient(key: string): boolean {
  return Object.hasOwn(clientContext, key);
}

function freePart(context: Context): JsonObject {
  return freeOf(Object.fromEntries(Object.entries(context ?? {}).filter(([key]) => !isOfClient(key))));
}

/** All of a question but what it is judged by alone. */
function entityOf({ subject }: JsonObject, { key }: ReadContext): string {
  const { type, id } = isObject(subject) ? subject : {};
  return JSON.stringify([type, id, key]);
}

/**
 * A result in AuthZEN's form. A step-up is false, in both forms in use: `acr_values`, `amr_values` and `max_age` as in
 * the standard's example, and the obligation of the obligations profile. `stepgate` is the native answer without what
 * differs between equal calls (id, latency, measured facts), since callers compare and cache answers; for a request
 * that used the routes it names the deciding action.
 */
function decisionOf(result: CheckResult, routedAs: string | null): DecisionAnswer {
  const { id: _id, latency_ms: _latency, signals, device, ...native } = answerOf(result, 0);
  const stepgate = {
    ...native,
    ...(routedAs !== null && { action: routedAs }),
    signals: Object.fromEntries(
      Object.entries(signals).map(([signal, { state, why }]) => [signal, { state, ...(why !== undefined && { why }) }]),
    ),
    ...(device?.token !== undefined && { device }),
  };
  if (result.decision === 'allow') return { decision: true, context: { stepgate } };
  return { decision: false, context: { ...reasonsOf(result), ...stepUpOf(result), stepgate } };
}

/** `reason_admin` has what the rules found; `reason_user` says what to do and nothing about the rules. */
function reasonsOf({ decision, reasons, rule }: CheckResult): JsonObject {
  const found = reasons.map(({ code, message }) => `${code}: ${message}`).join('; ');
  const admin = found === '' ? `${decision} by default` : found;
  return {
    reason_admin: { en: rule === null ? admin : `${rule.file} ${rule.id}: ${admin}` },
    reason_user: {
      en: decision === 'step-up' ? 'Please confirm that it is you.' : 'This request was refused.',
    },
  };
}

function stepUpOf({ decision, stepUp }: CheckResult): JsonObject {
  if (decision !== 'step-up' || stepUp === null) return {};
  const { acrValues, amrValues, maxAgeSeconds } = stepUp.requirement;
  const [first = ANY_STEP_UP] = acrValues;
  return {
    acr_values: acrValues.length === 0 ? ANY_STEP_UP : acrValues.join(' '),
    ...(amrValues.length > 0 && { amr_values: amrValues.join(' ') }),
    max_age: maxAgeSeconds,
    obligations: [
      {
        id: 'step-up',
        type: 'step-up',
        properties: {
          acr_value: first,
          ...(amrValues.length > 0 && { amr_values: amrValues }),
          max_age: maxAgeSeconds,
        },
      },
    ],
  };
}
