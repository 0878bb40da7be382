import * as z from 'zod';
import { DECISIONS } from '../model/decision.ts';
import type { FactCatalog, FactSpec } from '../model/facts.ts';
import { OPERATORS } from './operators.ts';
import { ROUTE_SHAPE, routeProblem } from './route.ts';

/** Roots below which callers may send any JSON. Rules read it by dotted path; types are known at run time only. */
export const FREE_ROOTS = ['context', 'resource.properties', 'subject.properties'] as const;

/** A path below a free root: plain keys, no filters or indexes. */
export const FREE_FACT = /^(context|resource\.properties|subject\.properties)((?:\.[\p{L}\p{N}_:-]+)+)$/u;

/** The only fact that comes from the rules themselves. */
export const SCORE_FACT: FactSpec = {
  type: 'number',
  unit: 'points',
  meaning: 'Sum of the points of all matching scoring rules, clamped to 0..100. For decision rules only.',
};

const decision = z.enum(DECISIONS);
const code = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,63}$/, 'Expected lower-case letters, digits and _, starting with a letter');
const id = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'Expected 1 to 128 letters, digits, dots, dashes or _');
const prose = z.union([z.string(), z.array(z.string())]);
// RFC 6750 section 3: the characters allowed in a list inside a quoted challenge parameter.
const word = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'Expected printable ASCII without spaces, quotes or \\');
const dryRun = z.literal('dry_run').describe('Evaluated and reported, never binding.');
const reason = code.describe('Stable code in the answer. Default: the id with underscores.');
const over = z.array(id).min(1).describe('Ids of the decision rules that this rule overrules when it matches.');

/** `then` of a scoring rule. */
export const pointsSchema = z.strictObject({
  points: z.int().min(-100).max(100).describe('Added to the score when the rule matches; below 0 for trust.'),
  reason: reason.optional(),
});

/** `then` of a decision rule. */
export const decisionSchema = z.discriminatedUnion('decision', [
  z.strictObject({ decision: z.literal('allow'), over: over.optional(), reason: reason.optional() }),
  z.strictObject({ decision: z.literal('deny'), over: over.optional(), reason: reason.optional() }),
  z.strictObject({
    decision: z.literal('step-up'),
    acr_values: z.array(word).optional().describe('Any one of these satisfies. Default: any step-up.'),
    amr_values: z.array(word).optional().describe('All of these methods (RFC 8176) are required. Default: none.'),
    max_age: z.int().min(1).max(31_536_000).optional().describe('Greatest age of the proof in seconds. Default: 600.'),
    single_use: z.boolean().optional().describe('Each proof counts for one request only. Default: false.'),
    over: over.optional(),
    reason: reason.optional(),
  }),
]);

/** A rule, with its `when` and `then`. */
export function ruleSchema<When extends z.ZodType, Then extends z.ZodType>(when: When, then: Then) {
  return z.strictObject({
    id: id.describe('Unique across all files.'),
    description: z
      .string()
      .optional()
      .describe('Sentence in the answer; {travel.speed_kmh} is replaced by its value. Default: the compared values.'),
    version: z.int().min(1).optional(),
    owner: z.string().optional(),
    mode: dryRun.optional(),
    when,
    then,
    known_gaps: prose.optional().describe('What the rule is known to miss.'),
    false_positives: prose.optional().describe('Honest users that the rule is known to hit.'),
    references: z.array(z.string()).optional(),
  });
}

const trust = z.strictObject({
  days: z
    .int()
    .min(1)
    .max(1825)
    .optional()
    .describe('Greatest life of trust in days from its proof, and life of a device token. Default: 30.'),
  idle_days: z
    .int()
    .min(1)
    .max(365)
    .optional()
    .describe(
      'Life of trust in days without use; each use on a known network renews it, up to `days`. Default: use renews nothing.',
    ),
  on_step_up: z.boolean().optional().describe('Whether a satisfied step-up makes the device trusted. Default: true.'),
  acr_values: z
    .array(word)
    .optional()
    .describe(
      'Of these, any one makes the device trusted; other step-ups let in and earn no trust. Default: any step-up.',
    ),
  amr_values: z
    .array(word)
    .optional()
    .describe('All of these methods (RFC 8176) are needed to make the device trusted. Default: none.'),
});

const route = z
  .string()
  .superRefine((value, context) => {
    const message = routeProblem(value);
    if (message !== null) context.addIssue({ code: 'custom', message });
  })
  .meta({ pattern: ROUTE_SHAPE.source });

const action = z.strictObject({
  routes: z.array(route).optional().describe('Methods and paths of the requests that are this action.'),
  learn: z
    .enum(['decision', 'event'])
    .optional()
    .describe('What the baseline learns from: allowed requests, or only reported successes. Default: decision.'),
  floor: decision.optional().describe("Mildest decision for this action in a degraded check. Default: the file's."),
  guarded: z
    .boolean()
    .optional()
    .describe(
      'Whether a session that is unread, ambiguous or refused never passes. Default: true if the floor is above allow.',
    ),
  trust: trust.optional(),
});

const actionName = z.string().min(1).max(128);

/** The action of each reported success, which sets how long its device is trusted. */
const events = z.strictObject({
  'login.succeeded': actionName.optional().describe('Action of a reported log-in. Default: login.'),
  'step_up.succeeded': actionName.optional().describe('Action of a reported step-up. Default: step_up.'),
});

/** A rule file, with its rules. */
export function ruleFileSchema<Rule extends z.ZodType>(rule: Rule) {
  return z.strictObject({
    $schema: z.string().optional(),
    extends: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Path of the rule file that this one builds on, from its own directory. What both have, this one replaces.',
      ),
    version: z.literal(1).optional().describe('Version of the rule language.'),
    description: z.string().optional(),
    owner: z.string().optional(),
    mode: dryRun.optional(),
    actions: z.record(actionName, action).optional(),
    events: events.optional().describe('Actions of reported successes.'),
    levels: z
      .strictObject({ medium: z.int().min(1).max(100), high: z.int().min(1).max(100) })
      .refine(({ medium, high }) => medium < high, 'medium must be below high')
      .optional()
      .describe('Least scores of the levels. Default: 30 and 70.'),
    floor: decision.optional().describe('Mildest decision while something is missing. Default: step-up.'),
    default: decision.optional().describe('Decision if no decision rule matches. Default: allow.'),
    undeclared: decision
      .optional()
      .describe('Mildest decision for an action that neither `actions` nor any rule names. Default: step-up.'),
    trust: trust.optional(),
    rules: z.array(rule).optional(),
  });
}

const instant = z.iso.datetime({ offset: true });
const body = z.record(z.string(), z.json());

const expectation = z.strictObject({
  decision,
  score: z.number().min(0).max(100).optional(),
  level: z.enum(['low', 'medium', 'high']).optional(),
  reasons: z.array(code).optional().describe('All reason codes of the answer, in any order.'),
});

/** A case that states the facts. */
function factsCaseSchema<Measured extends z.ZodType>(measured: Measured) {
  return z.strictObject({
    name: z.string().min(1),
    facts: measured.describe('Measured facts by full name; any other fact is unknown.'),
    context: body.optional(),
    resource_properties: body.optional(),
    subject_properties: body.optional(),
    expect: expectation,
  });
}

/** A case that plays requests through the whole engine. */
const requestCaseSchema = z.strictObject({
  name: z.string().min(1),
  history: z
    .array(
      z.union([z.strictObject({ at: instant, check: body }), z.strictObject({ at: instant, event: body })], {
        error: 'Expected {"at", "check"} or {"at", "event"}',
      }),
    )
    .optional()
    .describe('What happened before: bodies of POST /v1/risk-check and POST /v1/events with their times.'),
  standings: z
    .record(z.string(), z.array(z.string()))
    .optional()
    .describe('Categories of addresses, as if from the lists.'),
  request: body.describe('Body of POST /v1/risk-check.'),
  at: instant.optional().describe("Time of the request. Default: the file's now."),
  expect: expectation,
});

/** A test file, with its cases. */
export function ruleTestFileSchema<Case extends z.ZodType>(each: Case) {
  return z.strictObject({
    $schema: z.string().optional(),
    description: z.string().optional(),
    now: instant.describe('The clock of every case.'),
    cases: z.array(each),
  });
}

/** A case whose facts are checked against the catalog later. */
export const factsCase = factsCaseSchema(z.record(z.string(), z.unknown()));
export const requestCase = requestCaseSchema;
export type FactsCase = z.infer<typeof factsCase>;
export type RequestCase = z.infer<typeof requestCase>;

/** Every key of the language except facts and operators, for suggestions when a key is misspelt. */
export const LANGUAGE_KEYS: readonly string[] = [
  ...Object.keys(ruleFileSchema(z.unknown()).shape),
  ...Object.keys(ruleSchema(z.unknown(), z.unknown()).shape),
  ...['points', 'decision', 'acr_values', 'amr_values', 'max_age', 'single_use', 'over', 'reason'],
  ...Object.keys(events.shape),
  ...['routes', 'learn', 'guarded', ...Object.keys(trust.shape), 'medium', 'high'],
  ...['now', 'cases', 'name', 'facts', 'context', 'resource_properties', 'subject_properties', 'expect'],
  ...['history', 'standings', 'request', 'at', 'check', 'event', 'score', 'level', 'reasons'],
];

/** JSON Schema (draft 2020-12) of a rule file, for editors. Every fact of the catalog is a key with its meaning. */
export function rulesJsonSchema(catalog: FactCatalog): object {
  const condition: z.ZodType = z
    .strictObject({
      ...Object.fromEntries(
        Object.entries({ ...catalog, score: SCORE_FACT }).map(([name, spec]) => [
          name,
          comparison(spec).describe(describeFact(spec)).optional(),
        ]),
      ),
      get all() {
        return z.array(condition).min(1).optional().describe('All of these hold.');
      },
      get any() {
        return z.array(condition).min(1).optional().describe('At least one of these holds.');
      },
      get not() {
        return condition.optional().describe('This does not hold; unknown stays unknown.');
      },
    })
    .meta({ id: 'condition', description: 'All of these hold.' });
  const { $schema: _, ...free } = z.toJSONSchema(comparison(undefined));
  const file = ruleFileSchema(ruleSchema(condition, z.union([pointsSchema, decisionSchema])));
  return z.toJSONSchema(file, {
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => {
      if (!Object.is(zodSchema, condition)) return;
      jsonSchema.patternProperties = {
        '^(context|resource\\.properties|subject\\.properties)\\..': {
          ...free,
          description:
            'Free fact: any value the caller sends; its type is checked at run time, and a mismatch is unknown.',
        },
      };
    },
  });
}

/** JSON Schema (draft 2020-12) of a test file, for editors. */
export function ruleTestsJsonSchema(catalog: FactCatalog): object {
  const measured = z.strictObject(
    Object.fromEntries(
      Object.entries(catalog).map(([name, spec]) => [
        name,
        measuredValue(spec).describe(describeFact(spec)).optional(),
      ]),
    ),
  );
  return z.toJSONSchema(ruleTestFileSchema(z.union([factsCaseSchema(measured), requestCaseSchema])), { io: 'input' });
}

/** Schema for a measured value of a declared fact. */
export function measuredValue(spec: FactSpec): z.ZodType {
  if (spec.type === 'number') return z.number();
  if (spec.type === 'boolean') return z.boolean();
  const string = spec.values === undefined ? z.string() : z.enum(spec.values);
  return spec.type === 'list' ? z.array(string) : string;
}

/** A plain value or a map of operators. */
function comparison(spec: FactSpec | undefined): z.ZodType {
  const fact = z.strictObject({ fact: z.string().describe('Name of the fact to compare with.') });
  const operators = z.strictObject(
    Object.fromEntries(
      Object.entries(OPERATORS)
        .filter(([, operator]) => spec === undefined || operator.left.includes(spec.type))
        .map(([name, operator]) => {
          const literal = operator.operand(spec);
          const operand = operator.pair === undefined ? literal : z.union([literal, fact]);
          return [name, operand.describe(operator.meaning).optional()];
        }),
    ),
  );
  const equals = OPERATORS.eq;
  const bare = equals !== undefined && (spec === undefined || equals.left.includes(spec.type));
  return bare ? z.union([equals.operand(spec), operators]) : operators;
}

function describeFact(spec: FactSpec): string {
  return spec.unit === undefined ? spec.meaning : `${spec.meaning} Unit: ${spec.unit}.`;
}
