import { decodeJwt } from 'jose';
import { allowedReturn } from '../contract/step-up-page.ts';
import type { Engine } from '../engine/engine.ts';
import { verify } from '../engine/verify.ts';
import type { Proof } from '../model/proof.ts';
import { normaliseSubject, USER_TYPE } from '../model/subject.ts';
import type { IssuerSettings } from '../step-up/issuer.ts';
import { ANY_STEP_UP, demandOf, statedRequirement } from '../step-up/requirement.ts';
import { type PendingSeal, type PendingStepUp, pendingCookieName } from './pending.ts';
import { type Provider, ProviderError, type ProviderFailure } from './provider.ts';

/** Where the gateway hands a browser over to this service, on the application's own host. */
export const BROKER_PATH = '/.stepgate';
export const START_PATH = `${BROKER_PATH}/step-up`;
export const CALLBACK_PATH = `${BROKER_PATH}/callback`;

/** Longest value that a browser keeps in one cookie together with its name. */
const MAX_COOKIE_VALUE_LENGTH = 3900;

/** Performs step-ups as the OpenID Connect client of the issuers that have a `client_id`. */
export interface Broker {
  readonly seal: PendingSeal;
  /** By the name of the issuer's entry. */
  readonly providers: ReadonlyMap<string, { readonly settings: IssuerSettings; readonly provider: Provider }>;
}

/** A session that steps up. */
export interface SteppingUp {
  readonly session: Proof;
  /** The session's token, where it is a JWT of the issuer. */
  readonly token: string | null;
}

/** What a browser asks for when it starts a step-up. */
export interface StepUpWish {
  /** Scheme and host that the browser uses. */
  readonly site: string;
  readonly acrValues: readonly string[];
  readonly maxAgeSeconds: number;
  /** Where to go afterwards, by the word of the browser; anything but an allowed URL leads to the start page. */
  readonly returnTo: string | null;
  readonly returnHosts: readonly string[];
}

/** A started step-up, or why there is none. */
export type Started =
  | {
      readonly state: 'started';
      readonly href: string;
      readonly cookie: { readonly name: string; readonly value: string };
    }
  | { readonly state: 'failed'; readonly why: ProviderFailure; readonly detail: string; readonly returnTo: string };

/** An ended step-up: the proof, or why there is none. */
export type Finished =
  | { readonly state: 'proven'; readonly token: string; readonly expiresAt: number; readonly pending: PendingStepUp }
  | {
      readonly state: 'failed';
      readonly why: ProviderFailure | 'other_person';
      readonly detail: string;
      readonly pending: PendingStepUp;
    };

/** Starts a step-up at the provider of the session's issuer, else at the first one that knows the same people. */
export async function startStepUp(
  { seal, providers }: Broker,
  { verifier, now }: Pick<Engine, 'verifier' | 'now'>,
  { session, token }: SteppingUp,
  wish: StepUpWish,
): Promise<Started> {
  const hosts = wish.returnHosts.length > 0 ? wish.returnHosts : [new URL(wish.site).host];
  const returnTo = (allowedReturn(wish.returnTo ?? '', hosts) ?? new URL('/', wish.site)).href;
  const failed = (why: ProviderFailure, detail: string): Started => ({ state: 'failed', why, detail, returnTo });
  const own = providers.get(session.issuer);
  const chosen = own ?? [...providers.values()].find(({ settings }) => settings.subjects === session.space);
  if (chosen === undefined) {
    return failed('provider_failed', `no issuer with a client_id knows the subjects of ${session.issuer}`);
  }
  const redirectUri = wish.site + CALLBACK_PATH;
  // What the issuer's entry needs as well: a link may ask for less than any proof has to show.
  const { acrValues, maxAgeSeconds } = demandOf(
    {
      acrValues: wish.acrValues,
      amrValues: [],
      maxAgeSeconds: wish.maxAgeSeconds,
      singleUse: false,
      unsatisfiable: false,
    },
    verifier?.terms(chosen.settings.name) ?? [],
  );
  try {
    const started = await chosen.provider.start({
      redirectUri,
      acrValues: acrValues.filter((value) => value !== ANY_STEP_UP),
      maxAgeSeconds,
      idTokenHint: own !== undefined && isIdToken(token, own.settings) ? token : null,
    });
    const sealed = await sealedWithin(
      seal,
      {
        issuer: chosen.settings.name,
        state: started.state,
        nonce: started.nonce,
        verifier: started.verifier,
        subject: session.subject,
        space: session.space,
        session: session.session,
        acrValues: [...acrValues],
        maxAgeSeconds,
        returnTo,
        redirectUri,
      },
      now(),
    );
    if (sealed === null) return failed('provider_failed', 'the step-up does not fit into a cookie');
    return { state: 'started', href: started.href, cookie: { name: pendingCookieName(started.state), value: sealed } };
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    return failed(error.code, error.message);
  }
}

/** Seals a step-up so that a cookie holds it: without the query of the way back if need be, else back to the start page. Null if nothing helps. */
async function sealedWithin(seal: PendingSeal, stepUp: PendingStepUp, nowMs: number): Promise<string | null> {
  const { origin, pathname } = new URL(stepUp.returnTo);
  for (const returnTo of [stepUp.returnTo, origin + pathname, `${origin}/`]) {
    const sealed = await seal.seal({ ...stepUp, returnTo }, nowMs);
    if (sealed.length <= MAX_COOKIE_VALUE_LENGTH) return sealed;
  }
  return null;
}

/** Ends a step-up: redeems the provider's answer and judges the tokens as a check would. */
export async function finishStepUp(
  { providers }: Broker,
  engine: Engine,
  pending: PendingStepUp,
  query: URLSearchParams,
): Promise<Finished> {
  const failed = (why: ProviderFailure | 'other_person', detail: string): Finished => ({
    state: 'failed',
    why,
    detail,
    pending,
  });
  const chosen = providers.get(pending.issuer);
  if (chosen === undefined) return failed('expired', `the issuer ${pending.issuer} has no client any more`);
  const answer = new URL(pending.redirectUri);
  answer.search = query.toString();
  let tokens: readonly string[];
  try {
    tokens = await chosen.provider.finish(answer, pending);
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    return failed(error.code, error.message);
  }
  let refusal: Finished | null = null;
  for (const token of tokens) {
    const judged = await judgeToken(engine, pending, token);
    if (judged.state === 'proven') {
      if (token.length <= MAX_COOKIE_VALUE_LENGTH) return judged;
      refusal ??= failed(
        'provider_failed',
        `the proof has ${token.length} characters, a cookie holds ${MAX_COOKIE_VALUE_LENGTH}`,
      );
    } else if (refusal === null || judged.why !== 'provider_failed') {
      refusal = judged;
    }
  }
  return refusal ?? failed('provider_failed', 'the provider sent no token');
}

async function judgeToken(engine: Engine, pending: PendingStepUp, token: string): Promise<Finished> {
  const failed = (why: ProviderFailure | 'other_person', detail: string): Finished => ({
    state: 'failed',
    why,
    detail,
    pending,
  });
  const presented = await verify(engine, {
    token,
    requirement: {
      ...statedRequirement({
        acrValues: pending.acrValues,
        amrValues: [],
        maxAgeSeconds: pending.maxAgeSeconds,
        singleUse: false,
      }),
      // The request that needs the proof spends it.
      singleUse: false,
    },
    subject: normaliseSubject(pending.subject),
    subjectSpace: pending.space,
    subjectType: USER_TYPE,
    session: null,
    nowMs: engine.now(),
  });
  if (presented.valid) return { state: 'proven', token, expiresAt: presented.proof.expiresAt, pending };
  const { code, message } = presented.error;
  return failed(PERSONS_PART.get(code) ?? 'provider_failed', `${code}: ${message}`);
}

/** Refusals that the person can mend. */
const PERSONS_PART: ReadonlyMap<string, 'other_person' | 'too_weak'> = new Map([
  ['subject_mismatch', 'other_person'],
  ['acr_missing', 'too_weak'],
  ['acr_mismatch', 'too_weak'],
  ['acr_too_low', 'too_weak'],
  ['acr_unknown', 'too_weak'],
  ['amr_missing', 'too_weak'],
  ['not_stepped_up', 'too_weak'],
  ['token_too_old', 'too_weak'],
]);

/** Whether a verified token was made for the client, as an ID token is: only such a token is a hint. */
function isIdToken(token: string | null, { client }: IssuerSettings): token is string {
  if (token === null || client === null) return false;
  const { aud = [] } = decodeJwt(token);
  return [aud].flat().includes(client.id);
}
