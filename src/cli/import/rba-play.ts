import { LRUCache } from 'lru-cache';
import { assembleEngine, type EngineSecrets } from '../../app/assemble-engine.ts';
import { noGeo } from '../../data/geo/no-geo.ts';
import { check } from '../../engine/check.ts';
import { recordEvent } from '../../engine/event.ts';
import { assertedPlace } from '../../model/asserted-place.ts';
import type { Decision } from '../../model/decision.ts';
import type { Reputation } from '../../model/reputation.ts';
import type { EventType } from '../../model/request.ts';
import { DEFAULT_SPACE, USER_TYPE } from '../../model/subject.ts';
import { parseAddress } from '../../net/ip.ts';
import type { RuleSet } from '../../rules/ruleset.ts';
import { memoryStore } from '../../store/memory.ts';
import type { RbaRow } from './rba-rows.ts';
import { median, newHistories } from './re-asks.ts';

/** How the rows are played. */
export interface RbaOptions {
  readonly rules: RuleSet;
  /** Most users that are remembered at once; whoever was not seen for longest is forgotten. */
  readonly users: number;
  /** Only users of one of so many groups are played, each with all of his log-ins. */
  readonly oneIn: number;
  /** Whether a browser keeps the device token that a step-up earns; else it comes as if for the first time. */
  readonly cookies: boolean;
  /** Numbers from 0 to below 1, of which ids are made. */
  readonly random: () => number;
}

/** Decisions on log-ins with the right password. */
export interface RbaCounts {
  logins: number;
  asked: number;
  denied: number;
}

/** What a file came to. */
export interface RbaReport {
  readonly rulesRevision: string;
  readonly cookies: boolean;
  /** Rows of users that were played, and how many of them had a wrong password. */
  readonly rows: number;
  readonly failed: number;
  /** Rows of users outside of the group that was played. */
  readonly skipped: number;
  /** Rows with an earlier moment than one before them; they are played at the latter. */
  readonly outOfOrder: number;
  /** Baselines dropped for lack of room: their users begin again. */
  readonly forgotten: number;
  /** Honest log-ins, by how many came before. */
  readonly honest: readonly (RbaCounts & { readonly logins_before: string })[];
  /** Those of them that came from the address of an attacker. */
  readonly attackAddresses: RbaCounts;
  readonly takeovers: RbaCounts;
  /** Median share of log-ins asked, of users with so many log-ins, beside the published one. */
  readonly medians: readonly {
    readonly logins: number;
    readonly users: number;
    readonly found: number | null;
    readonly published: number;
  }[];
}

/**
 * Median re-authentication rates of the model of Freeman et al. at a threshold that stops 99 % of targeted attackers, over IP
 * address and user agent.
 *
 * @see https://doi.org/10.1145/3546069 figure 4
 */
const PUBLISHED: readonly (readonly [logins: number, rate: number])[] = [
  [5, 0.41],
  [12, 0.33],
  [20, 0.2],
  [39, 0.07],
];

/** Log-ins that came before, from these numbers on. */
const PHASES = [
  ['0', 0],
  ['1-4', 1],
  ['5-11', 5],
  ['12-19', 12],
  ['20-38', 20],
  ['39 and more', 39],
] as const;

/** More than any baseline takes; with it, the store is bounded by its number of keys. */
const BYTES_PER_KEY = 8192;

const SECRETS: EngineSecrets = { deviceTokens: ['the-device-token-secret-of-imports'], privacyKey: 'import' };

/**
 * Plays the rows through the engine on the clock of the file. A wrong password is reported as a failure. With the right one the
 * log-in is checked; honest people prove themselves when asked, thieves cannot. Memory is bounded by `users`, not by the file.
 */
export async function playRba(
  rows: AsyncIterable<RbaRow>,
  { rules, users, oneIn, cookies, random }: RbaOptions,
  onProgress?: (rows: number) => void,
): Promise<RbaReport> {
  const clock = { ms: 0 };
  const now = (): number => clock.ms;
  const totals = { rows: 0, failed: 0, skipped: 0, outOfOrder: 0, forgotten: 0 };
  let asn: number | null = null;
  const reputation: Reputation = {
    configured: true,
    // Whether an address is an attacker's is what is to be found out, so that no list tells.
    standing: () => ({ categories: [], lists: [], asn }),
    status: () => [],
  };
  const engine = assembleEngine({
    rules: () => rules,
    store: memoryStore({
      now,
      maxKeys: users,
      maxBytes: 2 * users * BYTES_PER_KEY,
      onEvict: (kind) => {
        if (kind === 'baseline') totals.forgotten++;
      },
    }),
    geo: noGeo(),
    lists: () => reputation,
    issuers: [],
    secrets: SECRETS,
    now,
    random,
  });
  const known = new LRUCache<string, Past>({ max: users });
  const histories = newHistories(PUBLISHED.map(([logins]) => logins));
  const honest = PHASES.map(([logins_before]) => ({ logins_before, ...noCounts() }));
  const attackAddresses = noCounts();
  const takeovers = noCounts();

  const play = async (row: RbaRow): Promise<void> => {
    const past = known.get(row.user) ?? { logins: 0, asked: 0, tokens: new Map<string, string>() };
    const client = row.userAgent ?? '';
    const observed = observedOf(row, cookies ? (past.tokens.get(client) ?? null) : null, clock.ms);
    const record = (type: EventType, trustDevice = false) =>
      recordEvent(engine, { ...observed, type, trustDevice: trustDevice && cookies });
    if (!row.successful) {
      totals.failed++;
      await record('login.failed');
      return;
    }
    const { result, learn } = await check(engine, {
      ...observed,
      action: 'login',
      credential: null,
      actor: null,
      proof: null,
      resource: { type: null, id: null, properties: {} },
      subjectProperties: {},
      context: {},
      dryRun: false,
    });
    await learn();
    const { decision } = result;
    if (row.takeover) {
      add(takeovers, decision);
      await record(decision === 'allow' ? 'login.succeeded' : 'step_up.failed');
      return;
    }
    const phase = honest.findLast((_counts, index) => past.logins >= (PHASES[index]?.[1] ?? 0));
    if (phase !== undefined) add(phase, decision);
    if (row.attackIp) add(attackAddresses, decision);
    if (decision !== 'deny') {
      const { device } = await record('login.succeeded', decision === 'step-up');
      if (device !== null && device.token !== null) past.tokens.set(client, device.token);
    }
    past.logins++;
    if (decision !== 'allow') past.asked++;
    histories.add(past);
    known.set(row.user, past);
  };

  for await (const row of rows) {
    if (row.atMs < clock.ms) totals.outOfOrder++;
    clock.ms = Math.max(clock.ms, row.atMs);
    if (groupOf(row.user, oneIn) !== 0) {
      totals.skipped++;
      continue;
    }
    asn = row.asn;
    totals.rows++;
    await play(row);
    if (totals.rows % PROGRESS_ROWS === 0) onProgress?.(totals.rows + totals.skipped);
  }
  return {
    rulesRevision: rules.revision,
    cookies,
    ...totals,
    honest,
    attackAddresses,
    takeovers,
    medians: PUBLISHED.map(([logins, published]) => {
      const shares = histories.at(logins);
      return { logins, users: shares.users, found: median(shares), published };
    }),
  };
}

const PROGRESS_ROWS = 20_000;

/** What a user has met so far. */
interface Past {
  logins: number;
  asked: number;
  /** Device tokens by user agent. */
  readonly tokens: Map<string, string>;
}

function observedOf(row: RbaRow, token: string | null, atMs: number) {
  const address = parseAddress(row.ip);
  const { country, region, city, userAgent } = row;
  return {
    subject: row.user,
    subjectSpace: DEFAULT_SPACE,
    subjectType: USER_TYPE,
    address,
    noAddress: address === null ? ('malformed' as const) : null,
    session: null,
    userAgent,
    device: {
      // The only trait in the set is the user agent: a fingerprint that many share.
      fingerprint: userAgent,
      token,
      confidence: null,
      bot: null,
      malformed: false,
      components: componentsOf(row),
    },
    place: assertedPlace({ country, region, city }),
    occurredAtMs: atMs,
  };
}

function componentsOf({ browser, os, deviceType }: RbaRow): { readonly [name: string]: string } {
  const named = { browser, os, type: deviceType };
  return Object.fromEntries(Object.entries(named).flatMap(([name, value]) => (value === null ? [] : [[name, value]])));
}

function noCounts(): RbaCounts {
  return { logins: 0, asked: 0, denied: 0 };
}

function add(counts: RbaCounts, decision: Decision): void {
  counts.logins++;
  if (decision === 'step-up') counts.asked++;
  if (decision === 'deny') counts.denied++;
}

/** One of `groups` groups of users, the same for all rows of one user (FNV-1a). */
function groupOf(user: string, groups: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < user.length; index++) hash = Math.imul(hash ^ user.charCodeAt(index), 0x01000193);
  return (hash >>> 0) % groups;
}
