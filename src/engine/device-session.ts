import { type Baseline, bindDevice, hasLiveTrust } from '../model/baseline.ts';
import { keyHash } from '../model/device-key.ts';
import type { SessionFault, SessionInvitation, SessionOwner, SignedChallenge } from '../model/device-session.ts';
import { holderOf } from '../model/device-token.ts';
import type { Engine } from './engine.ts';

/** How long a bound cookie lasts: after it, the browser proves possession again. */
export const BOUND_SECONDS = 600;
/** A challenge for a proof that is given at once. */
const CHALLENGE_SECONDS = 120;
/** One that is kept for the next refresh, shortly before or after the cookie expires. */
const EARLY_CHALLENGE_SECONDS = BOUND_SECONDS + 300;

/** What a browser is answered about its session. */
export type SessionAnswer =
  /** Possession was proven: the cookie shows it, and the challenge is for the next time. */
  | { readonly state: 'live'; readonly sessionId: string; readonly cookie: string; readonly challenge: string }
  /** The browser is to sign this challenge first. */
  | {
      readonly state: 'challenged';
      readonly sessionId: string;
      readonly challenge: string;
      readonly fault: SessionFault;
    }
  /** The session is over: the browser forgets it. */
  | { readonly state: 'ended'; readonly sessionId: string; readonly fault: SessionFault }
  | { readonly state: 'refused'; readonly fault: SessionFault };

/** What a browser sent; null for what it did not send. */
export interface SentRegistration {
  readonly response: string | null;
  readonly deviceToken: string | null;
}

/** The same for a refresh. */
export interface SentRefresh extends SentRegistration {
  readonly sessionId: string | null;
}

/** Invites the browser of a device that has just become trusted by a proof; null unless sessions are offered. */
export function inviteDevice(
  { deviceSessions, newId }: Pick<Engine, 'deviceSessions' | 'newId'>,
  owner: SessionOwner,
  nowMs: number,
): SessionInvitation | null {
  return deviceSessions.offered ? deviceSessions.invite(owner, newId(), nowMs) : null;
}

/**
 * Binds a device to the key that its browser registers. Takes two network waits: to spend the challenge, and to write the record.
 *
 * @throws {StoreError} if the store would not take it
 */
export async function registerSession(engine: Engine, sent: SentRegistration): Promise<SessionAnswer> {
  const nowMs = engine.now();
  if (sent.response === null) return refused('response_missing');
  const verdict = await engine.deviceSessions.verifyRegistration(sent.response, nowMs);
  if (!verdict.valid) return refused(verdict.fault);
  const { value: registration } = verdict;
  const fault = await ownershipFault(engine, registration, sent.deviceToken, nowMs);
  if (fault !== null) return refused(fault);
  if (!(await spendChallenge(engine, registration.challenge, nowMs))) return refused('challenge_spent');

  const { device, subject, thumbprint, sessionId } = registration;
  let isBound = false;
  await engine.store.updateBaseline(subject, (before) => {
    const after = bindDevice(before, {
      id: device,
      key: { kind: 'dbsc', hash: keyHash(thumbprint), since: Math.floor(nowMs / 1000) },
      trustedAt: registration.challenge.issuedAt,
    });
    isBound = after !== null;
    return after;
  });
  return isBound ? live(engine, sessionId, { device, thumbprint }, nowMs) : refused('trust_ended');
}

/**
 * Takes a proof that the key of a session is still in the hands of its browser. One network wait: challenge and record are asked
 * for together. A session whose device is not trusted any more, or is bound to another key, is ended.
 *
 * @throws {StoreError} if the store gave no answer: the session stays as it is
 */
export async function refreshSession(engine: Engine, sent: SentRefresh): Promise<SessionAnswer> {
  const { deviceSessions, store } = engine;
  const nowMs = engine.now();
  const { sessionId } = sent;
  const session = sessionId === null ? null : deviceSessions.readSession(sessionId);
  if (sessionId === null || session === null) return refused('session_unknown');
  const { device, subject, thumbprint } = session;
  const mismatch = await ownershipFault(engine, session, sent.deviceToken, nowMs);
  if (mismatch !== null) return refused(mismatch);
  const challenged = (fault: SessionFault): SessionAnswer => {
    const challenge = deviceSessions.challenge(sessionId, engine.newId(), CHALLENGE_SECONDS, nowMs);
    return { state: 'challenged', sessionId, challenge, fault };
  };
  if (sent.response === null) return challenged('response_missing');
  const verdict = await deviceSessions.verifyRefresh(sessionId, sent.response, nowMs);
  if (!verdict.valid) return verdict.fault === 'challenge_expired' ? challenged(verdict.fault) : refused(verdict.fault);
  const [isFirst, stored] = await Promise.all([
    spendChallenge(engine, verdict.value, nowMs),
    store.readSubject(subject, nowMs),
  ]);
  // Its answer may have been lost, so an honest browser gets another try; a copied proof is of no use for that.
  if (!isFirst) return challenged('challenge_spent');
  const { baseline } = stored ?? {};
  const isHeld = baseline != null && holdsKey(baseline.value, device, keyHash(thumbprint), nowMs / 1000);
  return isHeld
    ? live(engine, sessionId, { device, thumbprint }, nowMs)
    : { state: 'ended', sessionId, fault: 'trust_ended' };
}

function live(
  { deviceSessions, newId }: Engine,
  sessionId: string,
  proof: { readonly device: string; readonly thumbprint: string },
  nowMs: number,
): SessionAnswer {
  return {
    state: 'live',
    sessionId,
    cookie: deviceSessions.bind(proof, BOUND_SECONDS, nowMs),
    challenge: deviceSessions.challenge(sessionId, newId(), EARLY_CHALLENGE_SECONDS, nowMs),
  };
}

/** Only the browser that holds the subject's device token may bind its device or prove it. */
async function ownershipFault(
  { deviceTokens }: Engine,
  { device, subject }: SessionOwner,
  token: string | null,
  nowMs: number,
): Promise<SessionFault | null> {
  const verdict = token === null ? null : await deviceTokens.verify(token, nowMs);
  if (verdict?.state !== 'genuine') return 'device_token_missing';
  const isOwn = verdict.device === device && holderOf(verdict, subject, nowMs / 1000) !== null;
  return isOwn ? null : 'device_mismatch';
}

/** True the first time. */
function spendChallenge(
  { store, pseudonym }: Engine,
  { id, expiresAt }: SignedChallenge,
  nowMs: number,
): Promise<boolean> {
  const ttl = Math.max(1, Math.ceil(expiresAt - nowMs / 1000));
  return store.spendProof(pseudonym('proof', JSON.stringify(['dbsc', id])), ttl, 0, nowMs);
}

function holdsKey({ devices }: Baseline, id: string, hash: string, now: number): boolean {
  const known = devices.find((each) => each.id === id);
  if (known === undefined || !hasLiveTrust(known, now)) return false;
  return (known.keys ?? []).some((key) => key.kind === 'dbsc' && key.hash === hash);
}

function refused(fault: SessionFault): SessionAnswer {
  return { state: 'refused', fault };
}
