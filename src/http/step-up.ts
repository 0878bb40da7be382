import type { z } from 'zod';
import { verifyAnswer, verifyAnswerOf } from '../contract/answer.ts';
import { verifyBody } from '../contract/body.ts';
import type { Engine } from '../engine/engine.ts';
import { DEFAULT_MAX_AGE_SECONDS } from '../model/decision.ts';
import type { Proof } from '../model/proof.ts';
import { normaliseSubject, USER_TYPE } from '../model/subject.ts';
import { ANYBODY, type Presented, present, type ShownToken } from '../step-up/present.ts';
import { statedRequirement } from '../step-up/requirement.ts';
import { spend } from '../step-up/spend.ts';
import { subjectPseudonym } from '../store/keys.ts';
import { retryAfterOf } from './answer.ts';
import type { Route } from './api-route.ts';
import { jsonBody } from './body.ts';
import type { AppDeps } from './deps.ts';
import { jsonReply } from './reply.ts';
import { spaceDemanded, spaceNamed, subjectSpaces, validated } from './wire.ts';

/** `POST /v1/step-up/verify`: is this token proof enough? Answers 200 either way. */
export function stepUpRoutes(deps: AppDeps): Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/step-up/verify',
      access: 'check',
      summary: 'Verify a step-up token by itself',
      body: verifyBody,
      answers: { 200: { description: 'Whether the token is proof enough, and why not', schema: verifyAnswer } },
      handle: async (c) => {
        const body = validated(verifyBody, await jsonBody(c, deps.readBody));
        const presented = await verify(deps.scopeOf(c).engine, body);
        return jsonReply(verifyAnswerOf(presented), 200, retryAfterOf(presented.valid ? null : presented.error));
      },
    },
  ];
}

async function verify(engine: Engine, body: z.output<typeof verifyBody>): Promise<Presented> {
  const nowMs = engine.now();
  const requirement = statedRequirement({
    acrValues: body.acr_values ?? [],
    amrValues: body.amr_values ?? [],
    maxAgeSeconds: body.max_age ?? DEFAULT_MAX_AGE_SECONDS,
    singleUse: body.single_use ?? false,
  });
  const spaces = subjectSpaces(engine.verifier);
  const shown: ShownToken = {
    token: body.token ?? null,
    requirement,
    subject: body.subject ?? ANYBODY,
    subjectSpace: spaceShown(body, spaces),
    subjectType: body.subject_type ?? USER_TYPE,
    session: body.session ?? null,
    nowMs,
  };
  return present(
    engine.verifier,
    shown,
    (proof) => spend(engine, proof, nowMs),
    (proof) => proofsNotBefore(engine, proof, nowMs),
  );
}

/** Read within the time that a check has for the store, and counted nowhere. Without the store nothing is known, as in a check. */
async function proofsNotBefore(
  { store, pseudonym }: Engine,
  { subject, space }: Proof,
  nowMs: number,
): Promise<number> {
  const id = normaliseSubject(subject) ?? subject;
  const key = subjectPseudonym(pseudonym, { space, type: USER_TYPE, id });
  const asked = { key, address: null, country: null };
  const history = await store.recordAttempt({ atMs: nowMs, write: false, subject: asked, address: null, device: null });
  return history.subject?.state === 'read' ? (history.subject.value.baseline?.proofsNotBefore ?? 0) : 0;
}

/** Anybody's proof may be of any space, unless the caller names one. */
function spaceShown(
  { subject, subject_space: named }: z.output<typeof verifyBody>,
  spaces: readonly string[],
): string | null {
  if (subject != null) return spaceDemanded(named, spaces);
  return named == null ? null : spaceNamed(named, spaces);
}
