import { z } from 'zod';

const factValue = z.union([z.number(), z.string(), z.boolean(), z.array(z.string())]);
const facts = z.record(z.string(), factValue);

/** The part of a decision record that the demo shows. */
export const decisionRecord = z.object({
  type: z.literal('decision'),
  /** Id of the check, as in its answer. */
  id: z.string(),
  /** Pseudonyms; null if the request had none. */
  subject: z.string().nullable(),
  address: z.string().nullable(),
  occurred_at: z.string(),
  action: z.string(),
  decision: z.enum(['allow', 'step-up', 'deny']),
  score: z.number(),
  level: z.enum(['low', 'medium', 'high']),
  rule: z.object({ id: z.string() }).nullable(),
  reasons: z.array(z.object({ code: z.string(), rule: z.string().nullable(), points: z.number(), facts })),
  step_up: z.object({ satisfied: z.boolean(), error: z.string().nullable() }).nullable(),
  facts,
  signals: z.record(z.string(), z.object({ state: z.string(), why: z.string().optional() })),
});

export type DecisionRecord = z.infer<typeof decisionRecord>;
export type FactValue = z.infer<typeof factValue>;
