import { z } from 'zod';
import { DEFAULT_MAX_AGE_SECONDS, type Requirement } from '../decision.ts';
import type { Engine } from '../engine.ts';
import { judgeProof } from '../step-up/requirement.ts';
import { spend } from '../step-up/spend.ts';
import type { Proof, ProofError } from '../step-up/verifier.ts';
import { normaliseSubject } from '../subject.ts';
import { isoOf } from './answer.ts';
import { jsonBody } from './body.ts';
import type { AppDeps } from './deps.ts';
import type { Route } from './route.ts';
import { subjectField, tokenField, validated } from './wire.ts';

const verifyBody = z.strictObject({
  token: tokenField,
  subject: subjectField.nullish().meta({ description: 'Whose proof it must be; left out, anybody’s is taken.' }),
  acr_values: z.array(z.string().min(1).max(256)).max(16).nullish(),
  amr_values: z.array(z.string().min(1).max(64)).max(16).nullish(),
  max_age: z.int().min(0).max(31_536_000).nullish().meta({ description: 'Seconds; 600 where left out.' }),
  single_use: z.boolean().nullish().meta({ description: 'True spends the proof: it is not valid a second time.' }),
});

const verifyAnswer = z.object({
  valid: z.boolean(),
  code: z.string().optional(),
  message: z.string().optional(),
  proof: z
    .object({
      issuer: z.string(),
      subject: z.string(),
      acr: z.string().nullable(),
      amr: z.array(z.string()),
      auth_time: z.number().meta({ description: 'Epoch seconds.' }),
      expires_at: z.string().meta({ format: 'date-time' }),
    })
    .optional(),
});

type VerifyAnswer = z.infer<typeof verifyAnswer>;

/** `POST /v1/step-up/verify`: is this token proof enough? Answers 200 either way. */
export function stepUpRoutes(deps: AppDeps): Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/step-up/verify',
      access: 'key',
      summary: 'Judge a step-up token by itself',
      body: verifyBody,
      answers: { 200: { description: 'Whether the token is proof enough, and why not', schema: verifyAnswer } },
      handle: async (c) => {
        const body = validated(verifyBody, await jsonBody(c, deps.readBody));
        return c.json(await verify(deps.scopeOf(c).engine, body));
      },
    },
  ];
}

async function verify(engine: Engine, body: z.output<typeof verifyBody>): Promise<VerifyAnswer> {
  if (engine.verifier === null) {
    return { valid: false, code: 'no_issuer', message: 'no issuer is configured; set STEP_UP_ISSUERS' };
  }
  const nowMs = engine.now();
  const verdict = await engine.verifier.verify(body.token, nowMs);
  if (!verdict.valid) return refused(verdict.error);
  const { proof } = verdict;
  const requirement: Requirement = {
    acrValues: body.acr_values ?? [],
    amrValues: body.amr_values ?? [],
    maxAgeSeconds: body.max_age ?? DEFAULT_MAX_AGE_SECONDS,
    singleUse: body.single_use ?? false,
    unsatisfiable: false,
  };
  const subject = body.subject ?? normaliseSubject(proof.subject);
  const judged = judgeProof(proof, requirement, { subject, session: null, nowMs });
  if (!judged.satisfied) return refused(judged.error);
  const spent = requirement.singleUse ? await spend(engine, proof, nowMs) : null;
  return spent === null ? { valid: true, proof: proofOf(proof) } : refused(spent);
}

function refused({ code, message }: ProofError): VerifyAnswer {
  return { valid: false, code, message };
}

function proofOf(proof: Proof): NonNullable<VerifyAnswer['proof']> {
  return {
    issuer: proof.issuer,
    subject: proof.subject,
    acr: proof.acr,
    amr: [...proof.amr],
    auth_time: proof.authTime,
    expires_at: isoOf(proof.expiresAt * 1000),
  };
}
