import { createHash } from 'node:crypto';
import { assembleEngine, type EngineSecrets } from '../../app/assemble-engine.ts';
import { compileList } from '../../data/lists/lists.ts';
import { createReputation } from '../../data/lists/standing.ts';
import { check } from '../../engine/check.ts';
import type { Engine } from '../../engine/engine.ts';
import { recordEvent } from '../../engine/event.ts';
import type { CheckResult } from '../../model/decision.ts';
import type { LocalGeoSource } from '../../model/geo.ts';
import type { PossessionVerifier } from '../../model/possession.ts';
import type { Category } from '../../model/reputation.ts';
import type { DeviceClaim, EventType } from '../../model/request.ts';
import { DEFAULT_SPACE, USER_TYPE } from '../../model/subject.ts';
import { parseAddress } from '../../net/ip.ts';
import type { RuleSet } from '../../rules/ruleset.ts';
import { stepUpIssuers } from '../../step-up/issuers.ts';
import type { Store } from '../../store/store.ts';
import { EPOCH_MS, type Traits } from './browser.ts';
import type { Chance } from './chance.ts';
import type { AddressLists } from './geography.ts';
import { type LocalIssuer, localIssuer } from './issuer.ts';

/** What a simulation is played with: the very parts of the engine, chosen by an entry. */
export interface SimulationParts {
  readonly rules: RuleSet;
  readonly geo: LocalGeoSource;
  /** An empty store on the simulation's clock with room for `keys` baselines and as many counters. */
  readonly store: (now: () => number, keys: number) => Store;
}

/** An engine on a clock of its own. */
export interface Stage {
  readonly engine: Engine;
  readonly clock: { ms: number };
  readonly issuer: LocalIssuer;
  readonly newId: () => string;
}

/** An engine with an empty store at the first moment of a simulation. */
export async function raise(parts: SimulationParts, lists: AddressLists, chance: Chance, keys: number): Promise<Stage> {
  const clock = { ms: EPOCH_MS };
  const now = (): number => clock.ms;
  const issuer = await localIssuer();
  const reputation = reputationOf(lists);
  const { audience, jwks } = issuer;
  const engine = assembleEngine({
    rules: () => parts.rules,
    store: parts.store(now, keys),
    geo: parts.geo,
    lists: () => reputation,
    issuers: stepUpIssuers.parse([{ issuer: issuer.issuer, audience, jwks, algorithms: ['ES256'] }]),
    secrets: OF_SIMULATIONS,
    now,
    random: chance.next,
  });
  return { engine: { ...engine, possession: believing(now) }, clock, issuer, newId: () => chance.hex(26) };
}

/** The same stage over a store of its own. */
export function withStore(stage: Stage, parts: SimulationParts, keys: number): Stage {
  return { ...stage, engine: { ...stage.engine, store: parts.store(() => stage.clock.ms, keys) } };
}

/**
 * A proof of possession is the name of the key: who has a key is what is played, and how it signs is not. It is for any request of the
 * moment, as if it had just been made.
 */
function believing(now: () => number): PossessionVerifier {
  return {
    verify: async (name) => {
      const thumbprint = createHash('sha256').update(name).digest('base64url');
      const [htm, htu] = ['POST', 'https://simulation.example/'];
      return { valid: true, claims: { thumbprint, htm, htu, iat: now() / 1000, jti: name, ath: null } };
    },
  };
}

/** Nothing that a simulation signs or hides leaves it; fixed secrets keep it repeatable. */
const OF_SIMULATIONS: EngineSecrets = {
  deviceTokens: ['the-device-token-secret-of-simulations'],
  privacyKey: 'simulation',
};

/** SpaceX. */
const SATELLITE_ASN = 14593;

function reputationOf({ satellite, ...lists }: AddressLists) {
  const compiled = Object.entries(lists).map(([category, lines]) =>
    compiledList(category, category as Exclude<Category, 'private'>, 'text', lines),
  );
  const stations = satellite.map((block) => `${block},${SATELLITE_ASN}`);
  return createReputation([...compiled, compiledList('asn', 'asn', 'asn_csv', stations)], []);
}

function compiledList(
  name: string,
  category: Exclude<Category, 'private'> | 'asn',
  format: 'text' | 'asn_csv',
  lines: readonly string[],
) {
  const config = {
    name,
    category,
    source: 'simulation',
    format,
    column: 0,
    minCount: 0,
    // Lists of a simulation are always fresh: how old ones are judged is not what is measured here.
    maxAgeDays: 10_000,
    maxCoverage: 0.25,
    licence: 'none',
  };
  return compileList(lines.join('\n'), config, { updatedAtMs: EPOCH_MS, etag: null, lastModified: null }, null);
}

/** One request as the gateway or the application sends it. */
export interface Sent {
  readonly subject: string;
  readonly action: string;
  readonly address: string;
  /** What the client shows, or null for a script that shows no device. */
  readonly traits: Traits | null;
  /** Default: that of the traits. */
  readonly userAgent?: string;
  readonly context: { readonly amount?: number; readonly new_payee?: boolean };
  readonly atMs: number;
  readonly session: string | null;
  /** The device token from the client's cookie. */
  readonly token: string | null;
  /** Name of the key whose possession the browser proves. */
  readonly key: string | null;
}

/** Checks a request at its moment, and lets the engine learn from its answer. */
export async function ask(stage: Stage, sent: Sent, proof: string | null = null): Promise<CheckResult> {
  stage.clock.ms = Math.max(stage.clock.ms, sent.atMs);
  const { result, learn } = await check(stage.engine, {
    ...observedOf(sent),
    ...userOf(sent.subject),
    action: sent.action,
    credential: null,
    actor: null,
    proof: proof === null ? null : { token: proof },
    resource: { type: null, id: null, properties: {} },
    subjectProperties: {},
    context: sent.context,
    dryRun: false,
  });
  await learn();
  return result;
}

/** Reports what has come of a log-in. */
export async function tell({ engine }: Stage, type: EventType, sent: Sent): Promise<void> {
  await recordEvent(engine, { ...observedOf(sent), ...userOf(sent.subject), type, trustDevice: false });
}

/** Pseudonymous strangers who log in, or fail to, from the address of a request just before it. */
export async function crowd(
  stage: Stage,
  sent: Sent,
  { strangers, failures }: { readonly strangers: number; readonly failures: number },
  chance: Chance,
): Promise<void> {
  const stranger = (): Sent => ({
    ...sent,
    subject: `stranger-${chance.hex(12)}`,
    session: null,
    token: null,
    key: null,
  });
  for (let one = 0; one < strangers; one++) await ask(stage, { ...stranger(), traits: null });
  for (let one = 0; one < failures; one++) await tell(stage, 'login.failed', { ...stranger(), traits: null });
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
  key,
  atMs,
}: Omit<Sent, 'action' | 'context' | 'subject'>) {
  const parsed = parseAddress(address);
  const device: DeviceClaim | null =
    (traits === null || traits.fingerprint === null) && token === null && key === null
      ? null
      : {
          fingerprint: traits?.fingerprint ?? null,
          token,
          confidence: null,
          bot: null,
          malformed: false,
          components: traits?.components ?? {},
          ...(key !== null && { keyProof: { jws: key, method: 'POST', target: '/' } }),
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
