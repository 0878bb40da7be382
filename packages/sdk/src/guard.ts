import { demandAnswer, type ProofAnswer } from '../../../src/contract/answer.ts';
import { deviceCookie } from '../../../src/contract/cookies.ts';
import { REGISTRATION_HEADER } from '../../../src/contract/device-session.ts';
import { DEFAULT_MAX_AGE_SECONDS, DEFAULT_REQUIREMENT } from '../../../src/model/decision.ts';
import { demandOf, statedRequirement } from '../../../src/step-up/requirement.ts';
import type { Decided, RiskCheck, StepgateClient, StoodIn } from './client.ts';
import { StepgateError } from './error.ts';
import {
  addressFinder,
  type ClientAddressOptions,
  headerReader,
  type IncomingRequest,
  requestParts,
  stepUpToken,
  TOKEN_SOURCES,
  type TokenSource,
} from './incoming.ts';
import type { ProofJudge } from './proof-judge.ts';
import { denyRefusal, type Refusal, type StepUpPage, stepUpRefusal } from './refusal.ts';

/** A value, or a function of the request; `C` is the framework's context. */
export type PerRequest<C, T> = (context: C) => T | Promise<T>;

/** Options of `riskCheck()`; `C` is the framework's context. */
export interface RiskCheckOptions<C> {
  readonly client: StepgateClient;
  /** An action of the rule files. */
  readonly action: string | PerRequest<C, string>;
  /** Who is logged in, by the id in the `sub` of step-up tokens; null if nobody is. */
  readonly subject: PerRequest<C, string | null>;
  /** Space of those ids, if the issuers have several (`subjects` in STEP_UP_ISSUERS). */
  readonly subjectSpace?: string;
  /** Session id of the application. */
  readonly session?: PerRequest<C, string | null>;
  /** Facts `context.*`. A body that is read here can still be read by the handler. */
  readonly context?: PerRequest<C, RiskCheck['context']>;
  readonly resource?: PerRequest<C, RiskCheck['resource']>;
  /** Facts `subject.properties.*`. */
  readonly subjectProperties?: PerRequest<C, RiskCheck['subject_properties']>;
  /** Default: forwarding headers are ignored and the connection's peer is the client. */
  readonly clientAddress?: ClientAddressOptions;
  /** Where to look for a step-up token; the first source that has one is used. Default `header`, then `cookie`. */
  readonly token?: readonly TokenSource[];
  /** Where to redirect navigations for a step-up. Default: they are answered 401 as well. */
  readonly stepUpPage?: StepUpPage;
  /**
   * Judges the step-up while Stepgate gives no usable answer and the client's `onFailure` is `step-up`. Without it such a step-up
   * cannot be passed until Stepgate answers again.
   */
  readonly proofs?: ProofJudge;
  /** Epoch milliseconds. Default: the clock. */
  readonly now?: () => number;
}

/** Options of `requireStepUp()`; `C` is the framework's context. */
export interface RequireStepUpOptions<C> {
  /** Judges the proof: `proofsByStepgate(client)` or `proofsByIssuers({ issuers })`. */
  readonly proofs: ProofJudge;
  /** Who is logged in, by the id in the `sub` of step-up tokens; null if nobody is. */
  readonly subject: PerRequest<C, string | null>;
  /** Space of those ids, if the issuers have several (`subjects` in STEP_UP_ISSUERS). */
  readonly subjectSpace?: string;
  /** Session id, if step-up tokens have one. Default: any session of the subject. */
  readonly session?: PerRequest<C, string | null>;
  /** Any one of these satisfies. Default: any step-up. */
  readonly acrValues?: readonly string[];
  /** All of these methods are required (RFC 8176). */
  readonly amrValues?: readonly string[];
  /**
   * Greatest age of the authentication, in seconds. Default 600. 0 requires a log-in made for this request: the challenge has
   * `max_age=0`, and the log-in counts once, as with `singleUse`.
   */
  readonly maxAgeSeconds?: number;
  /** A log-in counts once, whichever of its tokens is sent; the challenge asks for a new one. Default false. */
  readonly singleUse?: boolean;
  /** Where to look for a step-up token; the first source that has one is used. Default `header`, then `cookie`. */
  readonly token?: readonly TokenSource[];
  /** Where to redirect navigations for a step-up. Default: they are answered 401 as well. */
  readonly stepUpPage?: StepUpPage;
}

/** The decision that a handler behind `riskCheck()` gets. */
export type RiskDecision = Decided | StoodIn;

/** A request that continues, with the value for its handler and headers for its answer, or the response that ends it. */
export type Guarded<T> =
  | { readonly goesOn: true; readonly value: T; readonly headers: readonly (readonly [name: string, value: string])[] }
  | { readonly goesOn: false; readonly refusal: Refusal };

/** Decides about one request; `context` is the framework's. */
export type Guard<C, T> = (request: IncomingRequest, context: C) => Promise<Guarded<T>>;

/**
 * Asks Stepgate about each request: an allowed request continues, a step-up is answered 401 (or a redirect), a deny 403.
 *
 * @throws {StepgateError} `invalid_options`; the guard itself throws when Stepgate rejects the call, as for a wrong key
 */
export function riskGuard<C>(options: RiskCheckOptions<C>): Guard<C, RiskDecision> {
  const { client, action, now = () => Date.now() } = options;
  const findAddress = addressFinder(options.clientAddress ?? {});
  const sources = options.token ?? TOKEN_SOURCES;
  const page = checkedPage(options.stepUpPage);

  return async (request, context) => {
    const shown = requestParts(request, findAddress, sources);
    const [subject, session, name, resource, properties, facts] = await Promise.all([
      options.subject(context),
      options.session?.(context) ?? null,
      typeof action === 'string' ? action : action(context),
      options.resource?.(context),
      options.subjectProperties?.(context),
      options.context?.(context),
    ]);
    const decision = await client.riskCheck({
      action: name,
      subject,
      subject_space: options.subjectSpace,
      session,
      ...shown,
      resource,
      subject_properties: properties,
      context: facts,
    });
    if (decision.decision === 'allow')
      return { goesOn: true, value: decision, headers: deviceHeaders(decision, now()) };
    const check = decision.failed ? null : decision.id;
    // A step-up without a requirement cannot be challenged for, and must not become an allow.
    if (decision.decision === 'deny' || decision.step_up === undefined) return refused(denyRefusal(check));
    if (decision.failed && options.proofs !== undefined) {
      const { subjectSpace = null } = options;
      const token = shown.step_up_token;
      const question = { token, subject, subjectSpace, session, requirement: DEFAULT_REQUIREMENT };
      const judged = await options.proofs.judge(question);
      if (judged.valid) return { goesOn: true, value: { ...decision, decision: 'allow' }, headers: [] };
      if (!judged.failed) return refused(stepUpRefusal(request, judged.step_up, page, check));
    }
    return refused(stepUpRefusal(request, decision.step_up, page, check));
  };
}

/**
 * Requires a proof for each request, regardless of risk.
 *
 * @throws {StepgateError} `invalid_options`
 */
export function stepUpGuard<C>(options: RequireStepUpOptions<C>): Guard<C, ProofAnswer> {
  const { proofs, subjectSpace = null } = options;
  const { acrValues = [], amrValues = [], maxAgeSeconds = DEFAULT_MAX_AGE_SECONDS, singleUse = false } = options;
  if (!Number.isSafeInteger(maxAgeSeconds) || maxAgeSeconds < 0) {
    throw invalid(`maxAgeSeconds must be a whole number of seconds, found ${maxAgeSeconds}`);
  }
  const requirement = statedRequirement({ acrValues, amrValues, maxAgeSeconds, singleUse });
  if (requirement.singleUse && !proofs.canSpend) {
    const asked = singleUse ? 'singleUse' : 'maxAgeSeconds: 0';
    throw invalid(`${asked} needs a record of spent proofs: pass \`spend\` to proofsByIssuers`);
  }
  const sources = options.token ?? TOKEN_SOURCES;
  const page = checkedPage(options.stepUpPage);

  return async (request, context) => {
    const token = stepUpToken(headerReader(request), sources);
    const [subject, session] = await Promise.all([options.subject(context), options.session?.(context) ?? null]);
    const judged = await proofs.judge({ token, subject, subjectSpace, session, requirement });
    if (judged.valid) return { goesOn: true, value: judged.proof, headers: [] };
    const demand = judged.failed ? demandAnswer(demandOf(requirement, []), null) : judged.step_up;
    return refused(stepUpRefusal(request, demand, page, null));
  };
}

function refused(refusal: Refusal): Guarded<never> {
  return { goesOn: false, refusal };
}

/** For a device that has just become trusted: its cookie, and the invitation to bind it to a key. */
function deviceHeaders(decision: RiskDecision, nowMs: number): readonly (readonly [name: string, value: string])[] {
  if (decision.failed) return [];
  const { token, expires_at: expiresAt, secure_session_registration: invitation } = decision.device ?? {};
  return [
    ...(token === undefined || expiresAt === undefined
      ? []
      : [['Set-Cookie', deviceCookie(token, Date.parse(expiresAt), nowMs)] as const]),
    ...(invitation === undefined ? [] : [[REGISTRATION_HEADER, invitation] as const]),
  ];
}

function checkedPage(page: StepUpPage | undefined): StepUpPage | null {
  if (page === undefined) return null;
  for (const name of ['url', 'origin'] as const) {
    if (!URL.canParse(page[name]) || !/^https?:$/.test(new URL(page[name]).protocol)) {
      throw invalid(`stepUpPage.${name} must be an absolute http(s) address, found ${JSON.stringify(page[name])}`);
    }
  }
  return page;
}

function invalid(message: string): StepgateError {
  return new StepgateError('invalid_options', message);
}
