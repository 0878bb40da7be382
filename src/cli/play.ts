import { assembleEngine, type EngineSecrets } from '../app/assemble-engine.ts';
import { randomFractions } from '../app/assembly.ts';
import { check } from '../engine/check.ts';
import { recordEvent } from '../engine/event.ts';
import type { Checked } from '../engine/settle.ts';
import { checkRequestOf, subjectEventOf } from '../http/wire.ts';
import { isObject, type JsonObject } from '../model/facts.ts';
import type { GeoSource } from '../model/geo.ts';
import { CATEGORIES, type Reputation, type Standing } from '../model/reputation.ts';
import { DEFAULT_SPACE } from '../model/subject.ts';
import { parseTrustedProxies } from '../net/client-ip.ts';
import { parseAddress } from '../net/ip.ts';
import type { RuleSet } from '../rules/ruleset.ts';
import type { PlayedCase } from '../rules/test-runner.ts';
import { memoryStore } from '../store/memory.ts';

/** In a case, placeholder of the last device token issued before. */
const LAST_TOKEN = '$token';

/** Nothing that a case signs or hides leaves it, so that fixed secrets do. */
const OF_CASES: EngineSecrets = { deviceTokens: ['the-device-token-secret-of-cases!'], privacyKey: 'cases' };

/** What a played case is judged with. */
export interface PlayParts {
  readonly rules: RuleSet;
  readonly geo: GeoSource;
}

/**
 * Plays a whole case, its history first, through an engine of its own: an empty embedded store, the case's clock, the
 * case's standings instead of lists. Rejects when a body is not one the service would take.
 */
export async function playCase({ rules, geo }: PlayParts, played: Omit<PlayedCase, 'file' | 'name'>): Promise<Checked> {
  const clock = { ms: played.atMs };
  const now = (): number => clock.ms;
  const reputation = standingsAsReputation(played.standings);
  const engine = assembleEngine({
    rules: () => rules,
    store: memoryStore({ now }),
    geo,
    lists: () => reputation,
    issuers: [],
    secrets: OF_CASES,
    now,
    random: randomFractions(),
  });
  let token: string | null = null;
  const context = (body: JsonObject) => ({
    nowMs: now(),
    trust: { trusted: parseTrustedProxies(''), declared: null },
    spaces: spacesIn(body),
  });
  const answered = async (body: JsonObject): Promise<Checked> => {
    const checked = await check(engine, checkRequestOf(withToken(body, token), context(body)));
    await checked.learn();
    token = checked.result.device?.token ?? token;
    return checked;
  };
  for (const step of played.history) {
    clock.ms = step.atMs;
    if ('check' in step) await answered(step.check);
    else {
      const { device } = await recordEvent(engine, subjectEventOf(withToken(step.event, token), context(step.event)));
      token = device?.token ?? token;
    }
  }
  clock.ms = played.atMs;
  return answered(played.request);
}

function withToken(body: JsonObject, token: string | null): JsonObject {
  const { device } = body;
  if (!isObject(device) || device.token !== LAST_TOKEN) return body;
  const { token: _placeholder, ...claims } = device;
  return { ...body, device: token === null ? claims : { ...claims, token } };
}

/** A case knows no issuers: the space that it names is one. */
function spacesIn({ subject_space: named }: JsonObject): readonly string[] {
  return [DEFAULT_SPACE, ...(typeof named === 'string' ? [named] : [])];
}

const UNLISTED: Standing = { categories: [], lists: [], asn: null };

function standingsAsReputation(standings: { readonly [address: string]: readonly string[] }): Reputation {
  const byAddress = new Map<string, Standing>();
  for (const [text, names] of Object.entries(standings)) {
    const address = parseAddress(text);
    if (address === null) throw new Error(`standings: ${JSON.stringify(text)} is no IP address`);
    const categories = CATEGORIES.filter((category) => names.includes(category));
    const unknownName = names.find((name) => !categories.some((category) => category === name));
    if (unknownName !== undefined) {
      throw new Error(`standings["${text}"]: ${JSON.stringify(unknownName)} must be one of ${CATEGORIES.join(', ')}`);
    }
    byAddress.set(address.text, { categories: [...categories].sort(), lists: ['test-case'], asn: null });
  }
  return {
    configured: true,
    standing: (address) => byAddress.get(address.text) ?? UNLISTED,
    status: () => [],
  };
}
