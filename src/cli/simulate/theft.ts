import type { Baseline } from '../../model/baseline.ts';
import type { CheckResult, Decision } from '../../model/decision.ts';
import { DEFAULT_SPACE, USER_TYPE } from '../../model/subject.ts';
import { subjectPseudonym } from '../../store/keys.ts';
import { DAY_MS, EPOCH_MS, HOUR_MS } from './browser.ts';
import type { Chance } from './chance.ts';
import { FREQUENCIES, type Frequency } from './frequencies.ts';
import type { World } from './geography.ts';
import { emptyJars, type Jars, keyIn, playHonest, tokenIn, unborn } from './honest.ts';
import type { PersonKind } from './people/kinds.ts';
import { personOf } from './people/life.ts';
import { ask, crowd, raise, type Sent, type SimulationParts, type Stage, tell, withStore } from './stage.ts';
import { type Attempt, attemptsOf, canRob, type Loot, type ThiefClass } from './thieves.ts';
import { type Act, actsOf } from './visits.ts';

/** Somebody with some weeks or years behind them, at the moment of a theft. */
export interface Victim {
  readonly kind: PersonKind;
  readonly frequency: Frequency;
  readonly loot: Loot;
  readonly theftMs: number;
  /** All that the engine has learned of the victim. */
  readonly baseline: Baseline | null;
  readonly jars: Jars;
  /** The victim's next log-in after the theft with the browser that was robbed. */
  readonly next: Act | null;
}

/** What one thief came to. */
export interface Theft {
  readonly thief: ThiefClass;
  readonly victim: PersonKind;
  /** The victim's browser has a key. */
  readonly keyed: boolean;
  /** What each of the five tries met, in order. */
  readonly tries: readonly Decision[];
  /** A try was asked for a step-up that the thief could answer, and let in on that. */
  readonly answered: boolean;
  /** A payment or a change of credentials was allowed. */
  readonly took: boolean;
  /** A page of the account was shown. */
  readonly looked: boolean;
  /**
   * Of thieves who got in with a copied token: whether the victim was asked at the next log-in with the live token; null for
   * all others.
   */
  readonly discovered: boolean | null;
  /** Why tries were not allowed. */
  readonly reasons: ReadonlySet<string>;
}

/** Room for one victim and the strangers around a theft. */
const KEYS_OF_ONE = 600;

/** Log-ins before a theft, at least and on average. */
const LEAST_LOGINS = 5;
const USUAL_LOGINS = 18;

/** A stage for thefts, on which every victim has a store of their own. */
export function raiseForThefts(parts: SimulationParts, world: World, chance: Chance): Promise<Stage> {
  return raise(parts, world.lists, chance, KEYS_OF_ONE);
}

/** Plays the life of a victim up to the theft. Null for a life with too few log-ins. */
export async function victimOf(
  stage: Stage,
  parts: SimulationParts,
  world: World,
  {
    id,
    kind,
    frequency,
    pays,
  }: { readonly id: string; readonly kind: PersonKind; readonly frequency: Frequency; readonly pays: number },
  chance: Chance,
): Promise<Victim | null> {
  const spanDays = FREQUENCIES[frequency].meanDays * USUAL_LOGINS;
  const person = personOf({ id, kind, household: id, spanDays }, world, chance);
  const acts = actsOf(person, { frequency, pays }, EPOCH_MS, EPOCH_MS + 2 * spanDays * DAY_MS, chance.fork('acts'));
  const logins = acts.filter(({ action }) => action === 'login');
  const last = logins.filter(({ atMs }) => atMs < EPOCH_MS + spanDays * DAY_MS).at(-1);
  if (last === undefined || logins.indexOf(last) < LEAST_LOGINS - 1) return null;
  // Stolen sessions are used while they live: minutes to hours after the log-in.
  const theftMs = last.atMs + chance.between(0.2, 10) * HOUR_MS;
  const own = withStore(stage, parts, KEYS_OF_ONE);
  stage.clock.ms = EPOCH_MS;
  const jars = emptyJars();
  const life = unborn();
  for (const [index, act] of acts.entries()) {
    if (act.atMs >= theftMs) break;
    await playHonest(own, person, jars, life, act, chance.fork(`act-${index}`));
  }
  const stored = await own.engine.store.readSubject(pseudonymOf(own, id), theftMs);
  return {
    kind,
    frequency,
    loot: {
      victim: person,
      browser: last.browser,
      session: last.session,
      address: last.address,
      token: tokenIn(jars, last.jar, theftMs),
      key: keyIn(person, last.jar),
    },
    theftMs,
    baseline: stored?.baseline?.value ?? null,
    jars,
    next: logins.find(({ atMs, jar }) => atMs > last.atMs && jar === last.jar) ?? null,
  };
}

/** Lets one thief try, against a victim as they were at the moment of the theft. Null when the class cannot rob this victim. */
export async function rob(
  stage: Stage,
  parts: SimulationParts,
  world: World,
  thief: ThiefClass,
  victim: Victim,
  chance: Chance,
): Promise<Theft | null> {
  const { loot, theftMs, baseline } = victim;
  if (!canRob(thief, loot)) return null;
  stage.clock.ms = theftMs;
  const own = withStore(stage, parts, KEYS_OF_ONE);
  if (baseline !== null) await own.engine.store.updateBaseline(pseudonymOf(own, loot.victim.id), () => baseline);
  const tries: Decision[] = [];
  const reasons = new Set<string>();
  let [answered, took, looked] = [false, false, false];
  const held: Held = { stolen: loot.token, earned: null };
  for (const [turn, attempt] of attemptsOf(thief, loot, theftMs, world, chance.fork('attempts')).entries()) {
    const met = await attemptOne(own, loot, attempt, held, chance.fork(`turn-${turn}`));
    held.earned = met.shown ?? held.earned;
    if (attempt.token === 'stolen') held.stolen = met.shown;
    if (attempt.counts) tries.push(met.result.decision);
    if (attempt.counts && met.result.decision !== 'allow') for (const code of codesOf(met.result)) reasons.add(code);
    if (attempt.counts && met.answered) answered = true;
    if (met.took && attempt.counts) took = true;
    if (attempt.action === 'profile.view' && met.result.decision === 'allow') looked = true;
  }
  const isIn = tries.includes('allow');
  const discovered = isIn && thief.startsWith('token_') ? await isDiscovered(own, victim, chance.fork('next')) : null;
  return {
    thief,
    victim: victim.kind,
    keyed: loot.key !== null,
    tries,
    answered,
    took,
    looked,
    discovered,
    reasons,
  };
}

/** Whether the victim is asked at the next log-in; null when there is none while the token lives. */
async function isDiscovered(stage: Stage, { loot, jars, next }: Victim, chance: Chance): Promise<boolean | null> {
  if (next === null) return null;
  const act = { ...next, atMs: Math.max(next.atMs, stage.clock.ms + HOUR_MS) };
  if (tokenIn(jars, act.jar, act.atMs) === null) return null;
  const own = { tokens: new Map(jars.tokens), sessions: new Map<string, string>() };
  const met = await playHonest(stage, loot.victim, own, unborn(), act, chance);
  return met === null ? null : met.result.decision !== 'allow';
}

/** The tokens in the thief's browser, which keeps each one that an answer hands out. */
interface Held {
  stolen: string | null;
  earned: string | null;
}

async function attemptOne(
  stage: Stage,
  loot: Loot,
  attempt: Attempt,
  held: Readonly<Held>,
  chance: Chance,
): Promise<{
  readonly result: CheckResult;
  readonly answered: boolean;
  readonly took: boolean;
  /** The token that the browser shows from now on. */
  readonly shown: string | null;
}> {
  const token = attempt.token === null ? null : held[attempt.token];
  const isLogin = attempt.action === 'login';
  const sent: Sent = {
    subject: loot.victim.id,
    action: attempt.action,
    address: attempt.address,
    traits: attempt.traits,
    userAgent: attempt.userAgent,
    context: attempt.action === 'payment.transfer' ? payment(chance) : {},
    atMs: attempt.atMs,
    session: attempt.session === null ? null : loot.session,
    token,
    key: attempt.key === 'own' ? `thief-of-${loot.victim.id}` : attempt.key === 'victim' ? loot.key : null,
  };
  const { onDevice, failures } = attempt.before;
  for (let other = 0; other < onDevice; other++) {
    await ask(stage, { ...sent, subject: `stranger-${chance.hex(12)}`, token: null, key: null });
  }
  await crowd(stage, sent, { strangers: failures, failures }, chance);
  const result = await ask(stage, sent);
  let isIn = result.decision === 'allow';
  let answered = false;
  let shown = result.device?.token ?? token;
  if (result.decision === 'step-up' && attempt.answers !== null) {
    const proof = await stage.issuer.sign(sent.subject, stage.newId(), attempt.atMs, attempt.answers);
    const again = await ask(stage, { ...sent, token: shown }, proof);
    answered = again.decision === 'allow';
    isIn = answered;
    shown = again.device?.token ?? shown;
  }
  if (!isIn || !isLogin) {
    return { result, answered, took: isIn && attempt.action === 'payment.transfer', shown };
  }
  // The password is right, so the application reports a success, and the engine learns the wrong person.
  const session = chance.hex(16);
  await tell(stage, 'login.succeeded', { ...sent, session, token: shown });
  let took = false;
  for (const action of ['payment.transfer', 'password.change']) {
    const context = action === 'payment.transfer' ? payment(chance) : {};
    const inside = { ...sent, action, context, session, token: shown, atMs: attempt.atMs + 60_000 };
    const { decision, device } = await ask(stage, inside);
    took ||= decision === 'allow';
    shown = device?.token ?? shown;
  }
  return { result, answered, took, shown };
}

/** To a payee that the account knows, below every limit. */
function payment(chance: Chance): { readonly amount: number; readonly new_payee: boolean } {
  return { amount: chance.whole(50, 900), new_payee: false };
}

/** Codes that speak against a request; trust speaks for it. */
function codesOf({ reasons }: CheckResult): string[] {
  return reasons.filter(({ points }) => points >= 0).map(({ code }) => code);
}

function pseudonymOf({ engine }: Stage, id: string) {
  return subjectPseudonym(engine.pseudonym, { space: DEFAULT_SPACE, type: USER_TYPE, id });
}
