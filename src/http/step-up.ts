import type { z } from 'zod';
import { DEFAULT_MAX_AGE_SECONDS } from '../decision.ts';
import type { Engine } from '../engine.ts';
import { ANYBODY, present, type ShownToken } from '../step-up/present.ts';
import { statedRequirement } from '../step-up/requirement.ts';
import { spend } from '../step-up/spend.ts';
import type { Proof } from '../step-up/verifier.ts';
import { normaliseSubject } from '../subject.ts';
import { type VerifyAnswer, verifyAnswer, verifyAnswerOf } from './answer.ts';
import { jsonBody } from './body.ts';
import type { AppDeps } from './deps.ts';
import { jsonReply } from './reply.ts';
import type { Route } from './route.ts';
import { validated, verifyBody } from './wire.ts';

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
        return jsonReply(await verify(deps.scopeOf(c).engine, body));
      },
    },
  ];
}

async function verify(engine: Engine, body: z.output<typeof verifyBody>): Promise<VerifyAnswer> {
  const nowMs = engine.now();
  const requirement = statedRequirement({
    acrValues: body.acr_values ?? [],
    amrValues: body.amr_values ?? [],
    maxAgeSeconds: body.max_age ?? DEFAULT_MAX_AGE_SECONDS,
    singleUse: body.single_use ?? false,
  });
  const shown: ShownToken = {
    token: body.token ?? null,
    requirement,
    subject: body.subject ?? ANYBODY,
    session: body.session ?? null,
    nowMs,
  };
  const presented = await present(
    engine.verifier,
    shown,
    (proof) => spend(engine, proof, nowMs),
    (proof) => proofsNotBefore(engine, proof, nowMs),
  );
  return verifyAnswerOf(presented);
}

/** Read within the time that a check has for the store, and counted nowhere. Without the store nothing is known, as in a check. */
async function proofsNotBefore({ store, pseudonym }: Engine, { subject }: Proof, nowMs: number): Promise<number> {
  const key = pseudonym('subject', normaliseSubject(subject) ?? subject);
  const asked = { key, address: null, country: null };
  const history = await store.recordAttempt({ atMs: nowMs, write: false, subject: asked, address: null, device: null });
  return history.subject?.state === 'read' ? (history.subject.value.baseline?.proofsNotBefore ?? 0) : 0;
}
