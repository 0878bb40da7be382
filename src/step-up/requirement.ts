import type { Requirement } from '../model/decision.ts';
import type { Proof, ProofError, ProofTerms } from '../model/proof.ts';
import { isProofOf, type NamedSubject, USER_TYPE } from '../model/subject.ts';
import { ranksAtLeast } from './claims.ts';
import type { IssuerSettings } from './issuer.ts';
import { show } from './refusal.ts';

/** The acr value that every step-up meets, at any issuer: a token with `su: true` has no `acr`. */
export const ANY_STEP_UP = 'urn:stepgate:su';

/** Who presents the proof, and when. An anonymous request has no valid proof. */
export interface Presentation extends NamedSubject {
  /** Session of the request; null accepts a proof of any session. */
  readonly session: string | null;
  /** The real clock. */
  readonly nowMs: number;
  /**
   * Epoch seconds of the subject's last loss of trust; a proof up to then does not count. Default 0: none, or unknown.
   */
  readonly proofsNotBefore?: number;
}

/** Whether a proof meets a requirement, and why not. */
export type ProofResult = { readonly satisfied: true } | { readonly satisfied: false; readonly error: ProofError };

/**
 * Whether a valid proof meets a requirement. Pure. The age limit is the smaller of the issuer's and the requirement's;
 * exactly at the limit still counts. From `exp` plus tolerance on the proof is expired.
 *
 * Codes: `requirement_unsatisfiable`, `subject_mismatch`, `session_mismatch`, those of the proof's own flaw
 * (`actor_not_subject`, `exp_implausible`, `amr_invalid`, `auth_time_missing`), `acr_invalid`, `acr_missing`, `acr_unknown`,
 * `acr_too_low`, `acr_mismatch`, `amr_missing`, `not_stepped_up`, `expired`, `token_too_old`, `proof_before_revocation`.
 */
export function judgeProof(proof: Proof, requirement: Requirement, presentation: Presentation): ProofResult {
  const error =
    (requirement.unsatisfiable
      ? problem('requirement_unsatisfiable', 'the rules that matched exclude one another; no proof meets them all')
      : null) ??
    bindingProblem(proof, presentation) ??
    proof.flaw ??
    acrProblem(proof, requirement) ??
    amrProblem(proof, requirement) ??
    (proof.steppedUp ? null : notSteppedUp(proof)) ??
    ageProblem(proof, requirement, presentation.nowMs) ??
    revocationProblem(proof, presentation);
  return error === null ? { satisfied: true } : { satisfied: false, error };
}

function problem(code: string, message: string, suspicious = false): ProofError {
  return { code, message, suspicious };
}

function bindingProblem(proof: Proof, presentation: Presentation): ProofError | null {
  const { session } = presentation;
  if (!isProofOf(proof, presentation)) return subjectMismatch(proof, presentation);
  if (session !== null && proof.session !== null && proof.session !== session) {
    return problem(
      'session_mismatch',
      `the proof is of session ${show(proof.session)}, the request of ${show(session)}; set session_claim to null where these are different kinds of session`,
      true,
    );
  }
  return null;
}

/** Names space and type where they are the difference: the same id in two spaces would look like a match. */
function subjectMismatch(proof: Proof, { subject, subjectSpace, subjectType }: Presentation): ProofError {
  const found = `the proof is of ${show(proof.subject)}`;
  if (subject === null) return problem('subject_mismatch', `${found}, the request is anonymous`);
  const asked = `the request is of ${show(subject)}`;
  if (subjectType !== USER_TYPE) {
    return problem('subject_mismatch', `${found}, a user; ${asked}, of type ${show(subjectType)}`, true);
  }
  return proof.space === subjectSpace
    ? problem('subject_mismatch', `${found}, ${asked}`, true)
    : problem(
        'subject_mismatch',
        `${found} in the subject space ${show(proof.space)}, ${asked} in the subject space ${show(subjectSpace)}`,
        true,
      );
}

/** Whether a proof shows one of the classes, and all of the methods, as for {@link judgeProof}; it may be of any age. */
export function showsMethods(proof: Proof, methods: Pick<Requirement, 'acrValues' | 'amrValues'>): boolean {
  return acrProblem(proof, methods) === null && amrProblem(proof, methods) === null;
}

function acrProblem(proof: Proof, { acrValues }: Pick<Requirement, 'acrValues'>): ProofError | null {
  if (acrValues.length === 0 || acrValues.includes(ANY_STEP_UP)) return null;
  const expected = acrValues.map(show).join(' or ');
  if (proof.acrFlaw !== undefined) return problem('acr_invalid', proof.acrFlaw);
  if (proof.acr === null) return problem('acr_missing', `the token has no acr, expected ${expected}`);
  const found = `acr is ${show(proof.acr)}`;
  const order = proof.acrOrder;
  if (order === undefined) {
    return acrValues.includes(proof.acr) ? null : problem('acr_mismatch', `${found}, expected ${expected}`);
  }
  const ranks = order.map(show).join(' < ');
  if (!order.includes(proof.acr)) {
    return problem('acr_unknown', `${found}, which is not in the order ${ranks}; expected ${expected}`);
  }
  if (!acrValues.some((value) => order.includes(value))) {
    return problem('acr_unknown', `the rule asks for ${expected}, which is not in the order ${ranks}`);
  }
  return ranksAtLeast(proof.acr, acrValues, order)
    ? null
    : problem('acr_too_low', `${found}, expected at least ${expected} in the order ${ranks}`);
}

function amrProblem(proof: Proof, { amrValues }: Pick<Requirement, 'amrValues'>): ProofError | null {
  const missing = amrValues.filter((method) => proof.amr?.includes(method) !== true);
  return missing.length === 0
    ? null
    : problem('amr_missing', `amr is ${show(proof.amr ?? undefined)}, it lacks ${missing.map(show).join(' and ')}`);
}

function notSteppedUp(proof: Proof): ProofError {
  return problem('not_stepped_up', `the token shows no step-up: ${proof.stepUpFlaw ?? 'its mark is missing'}`);
}

function ageProblem(proof: Proof, requirement: Requirement, nowMs: number): ProofError | null {
  const now = nowMs / 1000;
  if (now >= proof.expiresAt + proof.toleranceSeconds) {
    return problem('expired', `exp ${proof.expiresAt} (tolerance ${proof.toleranceSeconds} s) is past`);
  }
  const limit = Math.min(proof.maxAgeSeconds, requirement.maxAgeSeconds);
  // Each method that the rule names has to be fresh, where the token states when it was used.
  const moments = requirement.amrValues.map((method) => proof.amrTimes?.get(method) ?? proof.authTime);
  const age = now - Math.min(proof.authTime, ...moments);
  return age <= limit
    ? null
    : problem('token_too_old', `the subject authenticated ${Math.floor(age)} s ago, allowed are at most ${limit} s`);
}

function revocationProblem(proof: Proof, { nowMs, proofsNotBefore = 0 }: Presentation): ProofError | null {
  const at = provenAt(proof, nowMs);
  return at > proofsNotBefore
    ? null
    : problem(
        'proof_before_revocation',
        `the subject authenticated at ${at}; trust was taken away at ${proofsNotBefore}, and proofs up to that second no longer count`,
      );
}

/** The second in which the subject authenticated, capped at now in case the provider's clock is ahead. */
export function provenAt({ authTime }: Pick<Proof, 'authTime'>, nowMs: number): number {
  return Math.floor(Math.min(authTime, nowMs / 1000));
}

/** Greatest age of a log-in made for one request, in seconds: the way back from the provider takes time. */
const MADE_FOR_REQUEST_SECONDS = 60;

/**
 * A caller's own requirement. `maxAgeSeconds` 0 asks for a log-in made for this request, as `max_age=0` does in OpenID
 * Connect Core, section 3.1.2.1: at most a minute old, because the way back takes time, and spent by the request.
 */
export function statedRequirement(stated: Omit<Requirement, 'unsatisfiable'>): Requirement {
  const plain = { ...stated, unsatisfiable: false };
  return stated.maxAgeSeconds > 0 ? plain : { ...plain, maxAgeSeconds: MADE_FOR_REQUEST_SECONDS, singleUse: true };
}

/**
 * What a client has to ask its provider for: the requirement together with the terms of its issuer, or of all issuers
 * where that is unknown. Without the terms, a token that answers the challenge exactly could be rejected every time. Where
 * no acr value of the rule meets an issuer's terms, those of the rule are kept.
 *
 * Single use asks for `max_age=0`: from an existing log-in a provider issues more tokens without asking the person, and
 * that log-in may be spent. The proof itself is judged by the requirement's own age.
 */
export function demandOf(requirement: Requirement, terms: readonly ProofTerms[]): Requirement {
  const asked = requirement.singleUse ? { ...requirement, maxAgeSeconds: 0 } : requirement;
  if (terms.length === 0) return asked;
  const acrValues = new Set(terms.flatMap((each) => acrValuesUnder(each, requirement.acrValues)));
  const maxAgeSeconds = Math.min(asked.maxAgeSeconds, Math.max(...terms.map((each) => each.maxAgeSeconds)));
  return { ...requirement, acrValues: [...acrValues], maxAgeSeconds };
}

/** The issuer's own values come first, because a provider uses the first one it knows. */
function acrValuesUnder({ acrValues: own, acrOrder }: ProofTerms, asked: readonly string[]): readonly string[] {
  if (own === null) return asked;
  if (asked.length === 0 || asked.includes(ANY_STEP_UP)) return [...own, ...asked];
  const reaches = (acr: string, wanted: readonly string[]): boolean =>
    acrOrder === null ? wanted.includes(acr) : ranksAtLeast(acr, wanted, acrOrder);
  const enough = asked.filter((acr) => reaches(acr, own));
  if (enough.length > 0) return enough;
  const stronger = own.filter((acr) => reaches(acr, asked));
  return stronger.length > 0 ? stronger : asked;
}

/**
 * What single use cannot guarantee with these issuers, for authors of rules; null without a gap. `rules` are the ids of
 * the rules that ask for single use.
 */
export function singleUseGap(
  rules: readonly string[],
  issuers: readonly Pick<IssuerSettings, 'name' | 'authTime'>[],
): string | null {
  const silent = issuers.filter(({ authTime }) => authTime === 'or_iat').map(({ name }) => name);
  if (rules.length === 0 || silent.length === 0) return null;
  return (
    `single_use (${rules.join(', ')}) spends one token of ${silent.join(', ')}, not the log-in: its tokens may lack auth_time, ` +
    'so another token of the same log-in counts again; set "auth_time": "required" where the provider sends it'
  );
}

/**
 * Acr values of a rule that no issuer can meet, because every issuer has an order and none lists the value. Empty as soon
 * as one issuer has no order, since it may emit any value. {@link ANY_STEP_UP} is always met.
 */
export function unrankedAcrValues(
  acrValues: readonly string[],
  issuers: readonly Pick<IssuerSettings, 'acrOrder'>[],
): readonly string[] {
  if (issuers.length === 0 || issuers.some(({ acrOrder }) => acrOrder === null)) return [];
  return acrValues.filter(
    (value) => value !== ANY_STEP_UP && !issuers.some(({ acrOrder }) => acrOrder?.includes(value) === true),
  );
}
