import * as z from 'zod';
import { type Assessment, assess } from '../engine/assess.ts';
import { judgeStrictest } from '../engine/judge.ts';
import { type OneRequest, oneRequest, settle } from '../engine/settle.ts';
import { afterAnswer } from '../http/aftermath.ts';
import { answerOf, type ProofFault, retryAfterOf } from '../http/answer.ts';
import type { AppContext, Route } from '../http/api-route.ts';
import { jsonBody } from '../http/body.ts';
import type { AppDeps } from '../http/deps.ts';
import { type Fault, ProblemError } from '../http/problem.ts';
import { jsonReply, type Reply } from '../http/reply.ts';
import { checkRequestOf, subjectSpaces, validated } from '../http/wire.ts';
import type { CheckResult } from '../model/decision.ts';
import type { Json, JsonObject } from '../model/facts.ts';
import { ANY_STEP_UP } from '../step-up/requirement.ts';
import { requestsOfRoute } from './route-profile.ts';

/** How a batch goes on after each decision (OpenID AuthZEN Authorization API 1.0, section 7.1.2.1). */
const SEMANTICS = ['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'] as const;

/** Most evaluations of one batch. */
const MAX_EVALUATIONS = 100;
/**
 * Largest batch in characters of JSON, where what an item takes from beside `evaluations` counts with each item: what is written
 * once and judged a hundred times costs a hundred times as much.
 */
const MAX_BATCH_LENGTH = 512 * 1024;

const name = z.string().min(1);
const properties = z.record(z.string(), z.unknown()).nullish();

/** Unknown keys are left alone everywhere: the standard asks for it, so that later versions can add some. */
const entity = z.looseObject({ type: name, id: name, properties });

/**
 * Body of `POST /access/v1/evaluation`. What `/v1/risk-check` calls `ip`, `peer_ip`, `headers`, `session`, `user_agent`, `device`,
 * `geo`, `step_up_token`, `occurred_at` and `dry_run` stands in `context` under the same names; all else in `context` is free.
 */
const evaluationBody = z.looseObject({
  subject: entity,
  action: z.looseObject({ name, properties }),
  resource: entity,
  context: z.record(z.string(), z.unknown()).nullish(),
});

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
      handle: async (c) => replyTo(await evaluate(deps, c, await authzenBody(deps, c))),
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
        if (evaluations == null || evaluations.length === 0) return replyTo(await evaluate(deps, c, body));
        const semantic = options?.evaluations_semantic ?? 'execute_all';
        // The body came from JSON.parse, so its items are JSON.
        const items = evaluations as readonly Json[];
        refuseTooMuch(body, items);
        const evaluated = await evaluateAll(deps, c, body, items, semantic);
        return jsonReply(
          { evaluations: evaluated.map(({ answer }) => answer) },
          200,
          retryAfterOf(longestHeldUp(evaluated)),
        );
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

interface Evaluated {
  readonly answer: DecisionAnswer;
  /** Why the proof that came along was not taken. */
  readonly proofError: ProofFault | null;
}

function replyTo({ answer, proofError }: Evaluated): Reply {
  return jsonReply(answer, 200, retryAfterOf(proofError));
}

/** Of several proofs that nobody can judge now, the one that has to wait longest. */
function longestHeldUp(evaluated: readonly Evaluated[]): ProofFault | null {
  const seconds = ({ proofError }: Evaluated): number => proofError?.retryAfterSeconds ?? -1;
  return evaluated.toSorted((a, b) => seconds(b) - seconds(a))[0]?.proofError ?? null;
}

/** The host in it is what a client has sent: `1.1.1.999` is none. */
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
  const message = `come to ${length} characters with what they leave out, of ${MAX_BATCH_LENGTH} allowed; send fewer at once`;
  throw new ProblemError('invalid_request', `evaluations: ${message}`, { faults: [{ path: 'evaluations', message }] });
}

function lengthOf(value: Json | undefined): number {
  return value === undefined ? 0 : JSON.stringify(value).length;
}

async function evaluateAll(
  deps: AppDeps,
  c: AppContext,
  defaults: JsonObject,
  items: readonly Json[],
  semantic: (typeof SEMANTICS)[number],
): Promise<Evaluated[]> {
  const batch: Batch = { assessments: new Map(), together: oneRequest() };
  if (semantic === 'execute_all') {
    return Promise.all(items.map((item) => evaluateItem(deps, c, resolved(defaults, item), batch)));
  }
  const last = semantic === 'permit_on_first_permit';
  const evaluated: Evaluated[] = [];
  for (const item of items) {
    const one = await evaluateItem(deps, c, resolved(defaults, item), batch);
    evaluated.push(one);
    if (one.answer.decision === last) break;
  }
  return evaluated;
}

/** What the items of one request share: a page that asks about fifty buttons is one attempt of its subject, with one proof. */
interface Batch {
  /** What was measured, by all of an item that measuring depends on: each distinct entity is one attempt. */
  readonly assessments: Map<string, Promise<Assessment>>;
  readonly together: OneRequest;
}

/** One item of a batch: what cannot be resolved is refused in its place and spoils none of the others. */
async function evaluateItem(deps: AppDeps, c: AppContext, item: JsonObject, batch: Batch): Promise<Evaluated> {
  try {
    return await evaluate(deps, c, item, batch);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const context = { error: { status: 400, message: error.message, errors: error.faults } };
    return { answer: { decision: false, context }, proofError: null };
  }
}

/**
 * An item with what it leaves out. An entity of the item replaces the default as a whole; only a required name that it
 * leaves out (`type`, `id`, `name`) is taken from the default.
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

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function evaluate(
  deps: AppDeps,
  c: AppContext,
  body: JsonObject,
  { assessments, together }: Batch = { assessments: new Map(), together: oneRequest() },
): Promise<Evaluated> {
  const startedMs = deps.elapsedMs();
  const scope = deps.scopeOf(c);
  validated(evaluationBody, body);
  const { engine } = scope;
  const context = { nowMs: engine.now(), trust: deps.trust, spaces: subjectSpaces(engine.verifier) };
  const native = nativeBody(body);
  const request = inWords(() => checkRequestOf(native, context));
  const rules = engine.rules();
  const routed = requestsOfRoute(rules, request);
  const candidates = routed ?? ([request] as const);
  const entity = entityOf(native);
  const assessing = assessments.get(entity) ?? assess(engine, candidates[0]);
  assessments.set(entity, assessing);
  const assessment = await assessing;
  const judgement = judgeStrictest(rules, assessment, candidates);
  const checked = await settle(engine, assessment, judgement, together);
  const requestId = c.get('requestId');
  const caller = c.get('caller');
  const latencyMs = deps.elapsedMs() - startedMs;
  afterAnswer(deps, scope, { ...checked, requestId, caller, latencyMs });
  return {
    answer: decisionOf(checked.result, routed === null ? null : checked.request.action),
    proofError: checked.result.stepUp?.error ?? null,
  };
}

/** All of a risk check but what it is judged by alone. */
function entityOf(native: JsonObject): string {
  const {
    action: _action,
    resource: _resource,
    context: _context,
    subject_properties: _properties,
    ...entity
  } = native;
  return JSON.stringify(entity);
}

/** Keys of a risk check that AuthZEN callers send in `context`. */
const IN_CONTEXT: ReadonlySet<string> = new Set([
  'subject_space',
  'ip',
  'peer_ip',
  'headers',
  'session',
  'user_agent',
  'device',
  'geo',
  'step_up_token',
  'occurred_at',
  'dry_run',
]);

/**
 * The tuple as the body of a risk check. Type and id of the subject stand under `subject.properties` too, where no property of
 * these names replaces them; the properties of the action stand under `context.action`.
 */
function nativeBody(body: JsonObject): JsonObject {
  const part = (key: string): JsonObject => (isObject(body[key]) ? body[key] : {});
  const { subject, action, resource, context } = {
    subject: part('subject'),
    action: part('action'),
    resource: part('resource'),
    context: Object.entries(part('context')),
  };
  return {
    ...pick(subject, 'subject', 'id'),
    ...pick(subject, 'subject_type', 'type'),
    ...pick(action, 'action', 'name'),
    resource: {
      ...pick(resource, 'type', 'type'),
      ...pick(resource, 'id', 'id'),
      ...pick(resource, 'properties', 'properties'),
    },
    subject_properties: {
      ...objectOf(subject.properties),
      ...pick(subject, 'type', 'type'),
      ...pick(subject, 'id', 'id'),
    },
    context: {
      ...Object.fromEntries(context.filter(([key]) => !IN_CONTEXT.has(key))),
      ...(isObject(action.properties) && { action: action.properties }),
    },
    ...Object.fromEntries(context.filter(([key]) => IN_CONTEXT.has(key))),
  };
}

function pick(from: JsonObject, as: string, key: string): JsonObject {
  const value = from[key];
  return value === undefined ? {} : { [as]: value };
}

function objectOf(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}

/** Names faults by where the caller wrote what is wrong. */
function inWords<T>(translate: () => T): T {
  try {
    return translate();
  } catch (error) {
    if (!(error instanceof ProblemError) || error.code !== 'invalid_request') throw error;
    const faults = error.faults.map(({ path, message }): Fault => ({ path: authzenPath(path), message }));
    const [first] = faults;
    throw new ProblemError('invalid_request', first === undefined ? error.message : `${first.path}: ${first.message}`, {
      faults,
    });
  }
}

function authzenPath(path: string): string {
  const [, head = '', rest = ''] = /^([^.[]*)(.*)$/s.exec(path) ?? [];
  if (IN_CONTEXT.has(head)) return `context.${path}`;
  if (head === 'subject') return `subject.id${rest}`;
  if (head === 'subject_type') return `subject.type${rest}`;
  if (head === 'action') return `action.name${rest}`;
  if (head === 'subject_properties') return `subject.properties${rest}`;
  return path;
}

/**
 * A result in AuthZEN's form. A step-up is false, told in both shapes that exist: `acr_values`, `amr_values` and `max_age` as in
 * the example of the standard, and the obligation of the obligations profile. `stepgate` is the native answer without what
 * differs between two equal calls (id, latency, measured facts), since callers compare and keep answers; of a question that went
 * through the routes it tells the action that decided.
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

/** `reason_admin` says what the rules found; `reason_user` says what to do and nothing about the rules. */
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
