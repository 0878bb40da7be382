import { assembleEngine, type EngineSecrets } from '../../app/assemble-engine.ts';
import { compileList } from '../../data/lists/lists.ts';
import { createReputation } from '../../data/lists/standing.ts';
import { check } from '../../engine/check.ts';
import type { Engine } from '../../engine/engine.ts';
import { recordEvent } from '../../engine/event.ts';
import type { CheckResult } from '../../model/decision.ts';
import type { LocalGeoSource } from '../../model/geo.ts';
import type { Category } from '../../model/reputation.ts';
import type { DeviceClaim, EventType } from '../../model/request.ts';
import { DEFAULT_SPACE, USER_TYPE } from '../../model/subject.ts';
import { parseAddress } from '../../net/ip.ts';
import type { RuleSet } from '../../rules/ruleset.ts';
import { stepUpIssuers } from '../../step-up/issuers.ts';
import type { Store } from '../../store/store.ts';
import { DAY_MS, EPOCH_MS, HOUR_MS, type Traits } from './browser.ts';
import { type Chance, chanceOf } from './chance.ts';
import { type AddressLists, buildWorld, type World } from './geography.ts';
import { type LocalIssuer, localIssuer } from './issuer.ts';
import { type Act, actsOf, clearingsUntil, PEOPLE, type Person, type PersonKind, personOf } from './people.ts';
import { type Ledger, ledger, type Report } from './report.ts';
import { type Attempt, attemptsOf, type Loot, THIEVES, type ThiefClass } from './thieves.ts';

/** Parts of the engine, chosen by an entry. */
export interface SimulationParts {
  readonly rules: RuleSet;
  readonly geo: LocalGeoSource;
  /** An empty store on the simulation's clock with room for every person's baseline and a day's counters. */
  readonly store: (now: () => number) => Store;
  /** Told about every few thousand requests, and never needed. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** How much is played. */
export interface SimulationSize {
  /** The same seed gives the same report. */
  readonly seed: string;
  /** Weeks of honest traffic. */
  readonly weeks: number;
  readonly peoplePerKind: number;
  readonly thievesPerClass: number;
  /** Random addresses from which the world is made; at least 20,000 are needed. */
  readonly samples: number;
  /** Most countries in which people live. */
  readonly countries: number;
}

/** Half a year, so that trust expires and is earned again. */
export const DEFAULT_SIZE: SimulationSize = {
  seed: '1',
  weeks: 26,
  peoplePerKind: 10,
  thievesPerClass: 200,
  samples: 150_000,
  countries: 60,
};

/** Log-ins that a person has behind them before they are counted; those before are reported as cold start. */
const LEARNING_LOGINS = 10;

const VICTIM_DAYS = 21;

/**
 * Plays honest users for some weeks, and thieves against users of the same kinds, all through one engine in order of
 * time. Reports who was allowed, asked and denied, and why. An honest user who is asked proves themselves; a thief
 * never can. Deterministic for a seed.
 */
export async function simulate(parts: SimulationParts, size: SimulationSize): Promise<Report> {
  const { seed, weeks, peoplePerKind, thievesPerClass, samples, countries } = size;
  const chance = chanceOf(seed);
  const world = buildWorld(parts.geo, chance.fork('world'), { samples, countries });
  const book = ledger({ seed, weeks, peoplePerKind, thievesPerClass, rulesRevision: parts.rules.revision });
  const stage = await raise(parts, world, chance.fork('engine'));
  const turns = [
    ...honestTurns(stage, world, book, chance.fork('people'), { peoplePerKind, weeks }),
    ...thiefTurns(stage, world, book, chance.fork('thieves'), thievesPerClass),
  ].sort((a, b) => a.atMs - b.atMs);
  for (const [index, { atMs, play }] of turns.entries()) {
    stage.clock.ms = atMs;
    await play();
    if (index % 5000 === 0) parts.onProgress?.(index, turns.length);
  }
  parts.onProgress?.(turns.length, turns.length);
  return book.close();
}

/** One thing that happens at one moment. */
interface Turn {
  readonly atMs: number;
  readonly play: () => Promise<void>;
}

interface Stage {
  readonly engine: Engine;
  readonly clock: { ms: number };
  readonly issuer: LocalIssuer;
  readonly newId: () => string;
}

async function raise(parts: SimulationParts, world: World, chance: Chance): Promise<Stage> {
  const clock = { ms: EPOCH_MS };
  const now = (): number => clock.ms;
  const issuer = await localIssuer();
  const reputation = reputationOf(world.lists);
  const { audience, jwks } = issuer;
  const engine = assembleEngine({
    rules: () => parts.rules,
    store: parts.store(now),
    geo: parts.geo,
    lists: () => reputation,
    issuers: stepUpIssuers.parse([{ issuer: issuer.issuer, audience, jwks, algorithms: ['ES256'] }]),
    secrets: OF_SIMULATIONS,
    now,
    random: chance.next,
  });
  return { engine, clock, issuer, newId: () => chance.hex(26) };
}

/** Nothing that a simulation signs or hides leaves it; fixed secrets keep it repeatable. */
const OF_SIMULATIONS: EngineSecrets = {
  deviceTokens: ['the-device-token-secret-of-simulations'],
  privacyKey: 'simulation',
};

function reputationOf(lists: AddressLists) {
  const compiled = Object.entries(lists).map(([category, lines]) =>
    compileList(
      lines.join('\n'),
      {
        name: category,
        category: category as Exclude<Category, 'private'>,
        source: 'simulation',
        format: 'text',
        column: 0,
        minCount: 0,
        // Lists of a simulation are always fresh: how old ones are judged is not what is measured here.
        maxAgeDays: 10_000,
        maxCoverage: 0.25,
        licence: 'none',
      },
      { updatedAtMs: EPOCH_MS, etag: null, lastModified: null },
      null,
    ),
  );
  return createReputation(compiled, []);
}

/** What a browser keeps, and which sessions are live. */
interface Jar {
  readonly tokens: Map<string, { readonly token: string; readonly clearing: number }>;
  readonly sessions: Set<string>;
}

function tokenIn(jar: Jar, person: Person, browser: string, atMs: number): string | null {
  const kept = jar.tokens.get(browser);
  return kept !== undefined && kept.clearing === clearingsUntil(person, atMs) ? kept.token : null;
}

function honestTurns(
  stage: Stage,
  world: World,
  book: Ledger,
  chance: Chance,
  { peoplePerKind, weeks }: { readonly peoplePerKind: number; readonly weeks: number },
): Turn[] {
  return kindsOfPeople().flatMap((kind) =>
    Array.from({ length: peoplePerKind }, (_, index) => {
      const own = chance.fork(`${kind}-${index}`);
      const person = personOf(kind, `${kind}-${index}`, world, own);
      const jar: Jar = { tokens: new Map(), sessions: new Set() };
      let logins = 0;
      return actsOf(person, EPOCH_MS, EPOCH_MS + weeks * 7 * DAY_MS, own.fork('acts')).map((act) => ({
        atMs: act.atMs,
        play: async () => {
          const result = await playHonest(stage, person, jar, act);
          if (result === null) return;
          const measured = logins >= LEARNING_LOGINS;
          if (act.action === 'login' && !act.mistyped) logins++;
          book.honest(kind, act.action === 'login' ? 'login' : 'request', measured, result);
        },
      }));
    }).flat(),
  );
}

/** Null if the act does not happen, because its session failed or was cleared. */
async function playHonest(stage: Stage, person: Person, jar: Jar, act: Act): Promise<CheckResult | null> {
  const { engine } = stage;
  const clearing = clearingsUntil(person, act.atMs);
  const session = `${act.session}/${clearing}`;
  if (act.action !== 'login' && !jar.sessions.has(session)) return null;
  const sent = {
    subject: person.id,
    action: act.action,
    address: act.address,
    traits: act.browser.traitsAt(act.atMs),
    context: act.context,
    atMs: act.atMs,
    session: act.action === 'login' ? null : session,
  };
  const token = (): string | null => tokenIn(jar, person, act.browser.id, act.atMs);
  const first = await ask(stage, { ...sent, token: token(), proof: null });
  let allowed = first.decision === 'allow';
  if (act.mistyped) {
    await tell(engine, 'login.failed', { ...sent, token: token() });
    return first;
  }
  if (first.decision === 'step-up') {
    const proof = await stage.issuer.sign(person.id, stage.newId(), act.atMs);
    const again = await ask(stage, { ...sent, token: token(), proof });
    allowed = again.decision === 'allow';
    if (again.device?.token != null) jar.tokens.set(act.browser.id, { token: again.device.token, clearing });
  }
  if (allowed && act.action === 'login') {
    await tell(engine, 'login.succeeded', { ...sent, session, token: token() });
    jar.sessions.add(session);
  }
  return first;
}

function thiefTurns(stage: Stage, world: World, book: Ledger, chance: Chance, thievesPerClass: number): Turn[] {
  const kinds = kindsOfPeople();
  return (Object.keys(THIEVES) as ThiefClass[]).flatMap((thief) =>
    Array.from({ length: thievesPerClass }, (_, index) => {
      const kind = kinds[index % kinds.length] ?? 'one_city';
      const own = chance.fork(`${thief}-${index}`);
      return robbery(stage, world, book, own, { thief, kind, index });
    }).flat(),
  );
}

/** Three weeks of a victim's life, and then the thief. */
function robbery(
  stage: Stage,
  world: World,
  book: Ledger,
  chance: Chance,
  { thief, kind, index }: { readonly thief: ThiefClass; readonly kind: PersonKind; readonly index: number },
): Turn[] {
  const victim = personOf(kind, `victim-${thief}-${index}`, world, chance);
  const jar: Jar = { tokens: new Map(), sessions: new Set() };
  const startMs = EPOCH_MS + chance.whole(0, 3) * 7 * DAY_MS;
  const life = actsOf(victim, startMs, startMs + VICTIM_DAYS * DAY_MS, chance.fork('acts'));
  const last = life.findLast(({ action, mistyped }) => action === 'login' && !mistyped);
  if (last === undefined) return [];
  // Stolen sessions are used while they live: minutes to hours after the log-in.
  const theftMs = last.atMs + chance.between(0.2, 10) * HOUR_MS;
  const session = `${last.session}/${clearingsUntil(victim, last.atMs)}`;
  const loot: Loot = { victim, browser: last.browser, session, address: last.address };
  const attempts = attemptsOf(thief, loot, theftMs, world, chance.fork('thief'));
  const open = book.thief(thief, kind);
  return [
    ...life
      .filter(({ atMs }) => atMs < theftMs)
      .map((act) => ({
        atMs: act.atMs,
        play: async () => {
          await playHonest(stage, victim, jar, act);
        },
      })),
    ...attempts.map((attempt, turn) => ({
      atMs: attempt.atMs,
      play: async () => {
        const result = await playThief(stage, victim, jar, loot, attempt, chance.fork(`turn-${turn}`));
        open.tried(attempt.matters, result);
      },
    })),
  ];
}

async function playThief(
  stage: Stage,
  victim: Person,
  jar: Jar,
  loot: Loot,
  attempt: Attempt,
  chance: Chance,
): Promise<CheckResult> {
  const sent = {
    action: attempt.action,
    address: attempt.address,
    traits: attempt.traits,
    userAgent: attempt.userAgent,
    context: attempt.context,
    atMs: attempt.atMs,
    session: attempt.session === null ? null : loot.session,
  };
  for (let failure = 0; failure < attempt.failuresBefore; failure++) {
    const stranger = { ...sent, subject: `stranger-${chance.hex(12)}`, token: null };
    await ask(stage, { ...stranger, proof: null });
    await tell(stage.engine, 'login.failed', stranger);
  }
  // The thief's copy of the token is from when the victim still had it.
  const kept = attempt.token === null ? undefined : jar.tokens.get(loot.browser.id);
  const token = kept?.token ?? null;
  const result = await ask(stage, { ...sent, subject: victim.id, token, proof: null });
  if (result.decision === 'allow' && attempt.action === 'login') {
    // The password is right, so the application reports a success, and the engine learns the wrong person.
    await tell(stage.engine, 'login.succeeded', { ...sent, subject: victim.id, session: chance.hex(16), token });
  }
  return result;
}

interface Sent {
  readonly subject: string;
  readonly action: string;
  readonly address: string;
  readonly traits: Traits | null;
  readonly userAgent?: string;
  readonly context: { readonly amount?: number; readonly new_payee?: boolean };
  readonly atMs: number;
  readonly session: string | null;
  readonly token: string | null;
}

async function ask({ engine }: Stage, sent: Sent & { readonly proof: string | null }): Promise<CheckResult> {
  const { result, learn } = await check(engine, {
    ...observedOf(sent),
    ...userOf(sent.subject),
    action: sent.action,
    credential: null,
    actor: null,
    proof: sent.proof === null ? null : { token: sent.proof },
    resource: { type: null, id: null, properties: {} },
    subjectProperties: {},
    context: sent.context,
    dryRun: false,
  });
  await learn();
  return result;
}

async function tell(engine: Engine, type: EventType, sent: Omit<Sent, 'action' | 'context'>): Promise<void> {
  await recordEvent(engine, {
    ...observedOf(sent),
    ...userOf(sent.subject),
    type,
    trustDevice: false,
  });
}

function userOf(subject: string) {
  return { subject, subjectSpace: DEFAULT_SPACE, subjectType: USER_TYPE };
}

function observedOf({
  address,
  session,
  userAgent,
  traits,
  token,
  atMs,
}: Omit<Sent, 'action' | 'context' | 'subject'>) {
  const parsed = parseAddress(address);
  const device: DeviceClaim | null =
    traits === null
      ? null
      : {
          fingerprint: traits.fingerprint,
          token,
          confidence: null,
          bot: null,
          malformed: false,
          components: traits.components,
        };
  return {
    address: parsed,
    noAddress: parsed === null ? ('malformed' as const) : null,
    session,
    userAgent: userAgent ?? traits?.userAgent ?? null,
    device,
    place: null,
    occurredAtMs: Math.round(atMs),
  };
}

function kindsOfPeople(): PersonKind[] {
  return Object.keys(PEOPLE) as PersonKind[];
}
