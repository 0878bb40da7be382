import type { CheckResult } from '../../model/decision.ts';
import { type Cause, causeOf } from './cause.ts';
import type { Chance } from './chance.ts';
import type { Person } from './people/person.ts';
import { ask, crowd, type Sent, type Stage, tell } from './stage.ts';
import type { Act } from './visits.ts';

/** What the browsers of a simulation keep. */
export interface Jars {
  /** The device token by the name of the jar. */
  readonly tokens: Map<string, KeptToken>;
  /** The jar in which a live session's cookie is. */
  readonly sessions: Map<string, string>;
}

/** A token, as long as its cookie lives. */
export interface KeptToken {
  readonly token: string;
  readonly expiresAtMs: number;
}

/** Empty jars. */
export function emptyJars(): Jars {
  return { tokens: new Map(), sessions: new Map() };
}

/** The token that a jar sends at a moment; null when it has none or its cookie has expired. */
export function tokenIn(jars: Jars, jar: string, atMs: number): string | null {
  const kept = jars.tokens.get(jar);
  return kept !== undefined && kept.expiresAtMs > atMs ? kept.token : null;
}

/** The key in a jar: it is made with the jar and emptied with it. */
export function keyIn({ hasKeys }: Pick<Person, 'hasKeys'>, jar: string): string | null {
  return hasKeys ? jar : null;
}

/** What one honest person has met so far. */
export interface Biography {
  logins: number;
  readonly devices: Set<string>;
  readonly earned: Set<string>;
}

/** A person who has never logged in. */
export function unborn(): Biography {
  return { logins: 0, devices: new Set(), earned: new Set() };
}

/** What came of one act. */
export interface Met {
  readonly act: Act;
  readonly result: CheckResult;
  /** Log-ins of this person before this one. */
  readonly before: number;
  /** Set for a log-in that was asked or denied. */
  readonly cause: Cause | null;
  /** Asked, and not gone through with. */
  readonly gaveUp: boolean;
}

/**
 * Plays one act of an honest person, who proves themselves when asked. Null when it does not take place, since its session
 * has come to nothing or was cleared away.
 */
export async function playHonest(
  stage: Stage,
  person: Person,
  jars: Jars,
  life: Biography,
  act: Act,
  chance: Chance,
): Promise<Met | null> {
  const isLogin = act.action === 'login';
  if (!isLogin && jars.sessions.get(act.session) !== act.jar) return null;
  const traits = act.browser.traitsAt(act.atMs);
  const sent = (): Sent => ({
    subject: person.id,
    action: act.action,
    address: act.address,
    traits,
    context: act.context,
    atMs: act.atMs,
    session: isLogin ? null : act.session,
    token: tokenIn(jars, act.jar, act.atMs),
    key: keyIn(person, act.jar),
  });
  if (isLogin) {
    const others = person.crowdAt(act.atMs);
    if (others !== null) await crowd(stage, sent(), others, chance);
    for (let failure = 0; failure < act.failures; failure++) await tell(stage, 'login.failed', sent());
  }
  const device = act.browser.id;
  const kept = jars.tokens.get(act.jar);
  const past = {
    person: life.logins > 0,
    device: life.devices.has(device),
    earned: life.earned.has(device),
    token:
      kept === undefined ? ('none' as const) : kept.expiresAtMs > act.atMs ? ('live' as const) : ('expired' as const),
    showsTraits: traits.fingerprint !== null,
  };
  const asked = async (proof: string | null = null): Promise<CheckResult> => {
    const answer = await ask(stage, sent(), proof);
    const { device: named } = answer;
    if (named !== null && named.token !== null && named.expiresAtMs !== null) {
      jars.tokens.set(act.jar, { token: named.token, expiresAtMs: named.expiresAtMs });
    }
    return answer;
  };
  const result = await asked();
  const met = {
    act,
    result,
    before: life.logins,
    cause: isLogin && result.decision !== 'allow' ? causeOf(past, result) : null,
    gaveUp: result.decision === 'step-up' && !act.answers,
  };
  let allowed = result.decision === 'allow';
  if (result.decision === 'step-up' && act.answers) {
    const again = await asked(await stage.issuer.sign(person.id, stage.newId(), act.atMs));
    allowed = again.decision === 'allow';
    if (again.device !== null && again.device.token !== null) life.earned.add(device);
  }
  if (allowed && isLogin) {
    await tell(stage, 'login.succeeded', { ...sent(), session: act.session });
    jars.sessions.set(act.session, act.jar);
  }
  if (isLogin) {
    life.logins++;
    life.devices.add(device);
  }
  return met;
}
