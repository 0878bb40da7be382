import * as z from 'zod';
import { type CheckResult, DECISIONS, type Requirement } from '../model/decision.ts';
import type { Proof } from '../model/proof.ts';
import { wwwAuthenticate } from '../step-up/challenge.ts';
import type { Presented } from '../step-up/present.ts';

const decision = z.enum(DECISIONS);
const factValue = z.union([z.number(), z.string(), z.boolean(), z.array(z.string()).readonly()]);
const facts = z.record(z.string(), factValue);
const moment = z.string().meta({ format: 'date-time' });

/** The device in an answer. `token` is set when the device has just become trusted. */
export const deviceAnswer = z.object({
  id: z.string(),
  token: z
    .string()
    .optional()
    .describe('Set when trust was given or renewed; the client keeps it and sends it as `device.token`.'),
  expires_at: moment.optional(),
  secure_session_registration: z
    .string()
    .optional()
    .describe(
      'Set when trust was earned by a proof and DEVICE_BOUND_SESSIONS is on: the value of `Secure-Session-Registration`, a header of ' +
        'your answer to the browser, which then binds the device to a key.',
    ),
});

/** What a client has to ask its provider for. */
const stepUpAnswer = z.object({
  acr_values: z.array(z.string()),
  amr_values: z.array(z.string()),
  max_age: z.number().meta({ description: 'Seconds.' }),
  single_use: z.boolean(),
  www_authenticate: z.string().meta({ description: 'RFC 9470 challenge for the client.' }),
});

export type StepUpAnswer = z.infer<typeof stepUpAnswer>;

/** Answer to `POST /v1/risk-check`. */
export const riskCheckAnswer = z.object({
  id: z.string().meta({ description: 'ULID of the check; the decision record has the same.' }),
  decision,
  score: z.number().min(0).max(100).describe('Sum of the points of all matching rules, clamped to 0..100.'),
  level: z.enum(['low', 'medium', 'high']),
  reasons: z.array(
    z.object({ code: z.string(), rule: z.string().nullable(), points: z.number(), message: z.string(), facts }),
  ),
  rule: z
    .object({ id: z.string(), file: z.string() })
    .nullable()
    .describe('The rule that decided; null if none matched and the default or the floor applies.'),
  step_up: stepUpAnswer
    .extend({
      required: z.literal(true),
      satisfied: z.boolean(),
      error: z
        .object({ code: z.string(), message: z.string() })
        .optional()
        .describe('Why the proof that was sent is not enough.'),
    })
    .optional()
    .describe('Set when a step-up is required, satisfied or not.'),
  signals: z.record(
    z.string(),
    z.object({
      state: z.enum(['measured', 'unknown', 'failed', 'off']),
      why: z.string().optional(),
      facts: facts.optional(),
    }),
  ),
  degraded: z
    .array(z.object({ part: z.string(), why: z.string() }))
    .describe('What was missing; the decision is then at least the floor of the action.'),
  dry_run: z
    .object({ decision, rules: z.array(z.string()) })
    .describe('What would be decided if the rules in `dry_run` mode were binding, and which of them matched.'),
  device: deviceAnswer.optional(),
  rules_revision: z.string().describe('Hash of the rules that decided.'),
  latency_ms: z.number(),
});

/**
 * Answer to `POST /v1/risk-check` with `Prefer: return=minimal` (RFC 7240): the parts of the full answer that a caller acts
 * on. `device` is set only with a `token`.
 */
export const minimalAnswer = riskCheckAnswer.pick({
  id: true,
  decision: true,
  score: true,
  step_up: true,
  device: true,
});

export type MinimalAnswer = z.infer<typeof minimalAnswer>;

/** Answer to `POST /v1/events`. */
export const eventAnswer = z.object({ device: deviceAnswer.optional() });
export type EventAnswer = z.infer<typeof eventAnswer>;

const proofAnswer = z.object({
  issuer: z.string(),
  subject: z.string(),
  subject_space: z.string().meta({ description: 'Space that the id belongs to.' }),
  acr: z.string().nullable(),
  amr: z.array(z.string()),
  auth_time: z.number().meta({ description: 'Epoch seconds.' }),
  expires_at: moment,
});

/** What a valid proof shows. */
export type ProofAnswer = z.infer<typeof proofAnswer>;

/** Answer to `POST /v1/step-up/verify`. */
export const verifyAnswer = z.discriminatedUnion('valid', [
  z.object({ valid: z.literal(true), proof: proofAnswer }),
  z.object({
    valid: z.literal(false),
    code: z.string(),
    message: z.string(),
    step_up: stepUpAnswer.describe('What the client has to ask for.'),
  }),
]);

export type VerifyAnswer = z.infer<typeof verifyAnswer>;

const knownDevice = z.object({
  id: z.string(),
  trusted: z.boolean(),
  trusted_until: moment.nullable(),
  revoked_at: moment.nullable(),
  first_seen: moment,
  last_seen: moment,
  client: z.string().nullable().meta({ description: 'Browser and operating system as last seen.' }),
});

export type KnownDeviceAnswer = z.infer<typeof knownDevice>;

/** Answer to `GET /v1/subjects/{id}/devices`. */
export const devicesAnswer = z.object({ devices: z.array(knownDevice) });

/** Answer to `GET /v1/subjects/{id}`. */
export const subjectAnswer = z.object({
  subject: z.string(),
  baseline: z
    .object({
      first_seen: moment,
      last_seen: moment,
      learned: z.number().meta({ description: 'Requests and reported successes that it was learned from.' }),
      places: z.array(
        z.object({
          lat: z.number(),
          lon: z.number(),
          accuracy_km: z.number(),
          country: z.string().nullable(),
          city: z.string().nullable(),
          last_seen: moment,
        }),
      ),
      countries: z.array(z.object({ code: z.string(), last_seen: moment })),
      networks: z.number().meta({ description: 'How many networks are known; the store does not keep which.' }),
      sessions: z.array(z.object({ started_at: moment, last_seen: moment, country: z.string().nullable() })),
      devices: z.array(knownDevice),
    })
    .nullable(),
  counters: z.record(z.string(), z.number()).describe('Counters of the subject, by name of their fact.'),
});

export type SubjectAnswer = z.infer<typeof subjectAnswer>;

export type RiskCheckAnswer = z.infer<typeof riskCheckAnswer>;

/** The answer to a token that was presented by itself. */
export function verifyAnswerOf(presented: Presented): VerifyAnswer {
  if (presented.valid) return { valid: true, proof: proofAnswerOf(presented.proof) };
  const { error, demand } = presented;
  return { valid: false, code: error.code, message: error.message, step_up: demandAnswer(demand, error) };
}

function proofAnswerOf(proof: Proof): ProofAnswer {
  return {
    issuer: proof.issuer,
    subject: proof.subject,
    subject_space: proof.space,
    acr: proof.acr,
    amr: [...(proof.amr ?? [])],
    auth_time: proof.authTime,
    expires_at: isoOf(proof.expiresAt * 1000),
  };
}

/** Epoch milliseconds as RFC 3339 in UTC, whole seconds. */
export function isoOf(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** Why a proof that was sent is not enough. */
export type ProofFault = NonNullable<NonNullable<CheckResult['stepUp']>['error']>;

/** A requirement for an answer; `error` is why the proof that was sent is not enough. */
export function demandAnswer(requirement: Requirement, error: ProofFault | null): StepUpAnswer {
  return {
    acr_values: [...requirement.acrValues],
    amr_values: [...requirement.amrValues],
    max_age: requirement.maxAgeSeconds,
    single_use: requirement.singleUse,
    www_authenticate: challengeOf(requirement, error),
  };
}

/** The challenge of a step-up (RFC 9470), with the reason why a proof that was sent is not enough. */
export function challengeOf(requirement: Requirement, error: ProofFault | null): string {
  if (error === null) return wwwAuthenticate(requirement);
  const { code, message } = error;
  return wwwAuthenticate(requirement, INNER_CODES.has(code) ? { code } : { code, description: message });
}

/** Codes whose messages mention hosts, issuers or the store, which the client must not see. */
const INNER_CODES: ReadonlySet<string> = new Set([
  'issuer_unknown',
  'keys_cooling',
  'keys_unavailable',
  'no_issuer',
  'spend_unrecorded',
  'verifier_fault',
]);
