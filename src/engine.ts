import { assembleEngine, type EngineSecrets } from './app/assemble-engine.ts';
import { randomFractions } from './app/assembly.ts';
import { type EventAnswer, type RiskCheckAnswer, type VerifyAnswer, verifyAnswerOf } from './contract/answer.ts';
import type { EventInput, RiskCheckInput, VerifyInput } from './contract/body.ts';
import { noGeo } from './data/geo/no-geo.ts';
import { NO_REPUTATION } from './data/lists/standing.ts';
import { check } from './engine/check.ts';
import { recordEvent } from './engine/event.ts';
import { verify } from './engine/verify.ts';
import { answerOf, deviceOf } from './http/answer.ts';
import { checkRequestOf, shownTokenOf, subjectEventOf, subjectSpaces } from './http/wire.ts';
import type { Json, JsonObject } from './model/facts.ts';
import type { GeoSource } from './model/geo.ts';
import type { Reputation } from './model/reputation.ts';
import { StoreError } from './model/store-error.ts';
import { parseTrustedProxies } from './net/client-ip.ts';
import { compileRules } from './rules/compile.ts';
import type { RuleText } from './rules/rule-file.ts';
import type { RuleSet } from './rules/ruleset.ts';
import { FACT_CATALOG } from './signals/index.ts';
import { type IssuerEntry, stepUpIssuers } from './step-up/issuers.ts';
import { memoryStore } from './store/memory.ts';
import type { Store } from './store/store.ts';

/** What an engine is created with. Only `rules` is required. */
export interface EngineOptions {
  /** Rule files, or a function that gives the rules in force where they may be replaced. */
  readonly rules: readonly RuleText[] | (() => RuleSet);
  /** Default: an embedded store in memory, on the clock of the engine. */
  readonly store?: Store;
  /** Default: none, so that places are unknown. */
  readonly geo?: GeoSource;
  /** Address lists. Default: none, so that categories are unknown. */
  readonly lists?: () => Reputation;
  /** Entries as in the setting STEP_UP_ISSUERS. Default: none, so that every proof is refused. */
  readonly issuers?: readonly IssuerEntry[];
  /** Default: secrets of this engine alone; what it stores and signs is of no use to another one. */
  readonly secrets?: EngineSecrets;
  /** CIDRs of proxies whose forwarding headers are believed, as in the setting TRUSTED_PROXIES. Default: none. */
  readonly trustedProxies?: string;
  /** Epoch milliseconds. Default: the clock. A clock of your own plays weeks in seconds. */
  readonly now?: () => number;
  /** Numbers from 0 to below 1, of which ids and the default secrets are made. Default: the secure random source. */
  readonly random?: () => number;
  /**
   * Takes what follows an answer: the baseline learns from it. Default: `check` resolves when that is done. Never rejects on the
   * store's account.
   */
  readonly later?: (learning: Promise<void>) => void;
}

/** An engine inside your own program. Bodies and answers are those of the HTTP API. */
export interface EmbeddedEngine {
  /**
   * Decides about one request, as `POST /v1/risk-check`. Never rejects on the store's account: the answer is then degraded.
   *
   * @throws {ProblemError} `invalid_request` with the faults of the body
   */
  check(body: RiskCheckInput): Promise<RiskCheckAnswer>;
  /**
   * Takes in an outcome, as `POST /v1/events`.
   *
   * @throws {ProblemError} `invalid_request` with the faults of the body
   * @throws {StoreError} when the store did not take it; report it again
   */
  record(body: EventInput): Promise<EventAnswer>;
  /**
   * Judges a step-up token by itself, as `POST /v1/step-up/verify`.
   *
   * @throws {ProblemError} `invalid_request` with the faults of the body
   */
  verify(body: VerifyInput): Promise<VerifyAnswer>;
}

/**
 * Creates an engine.
 *
 * @throws {RulesError} when the rules cannot be used
 * @throws {ZodError} when the issuers cannot be used
 * @throws {DeviceSecretError} when a secret for device tokens is missing or shorter than 32 bytes
 */
export function createEngine(options: EngineOptions): EmbeddedEngine {
  const now = options.now ?? (() => Date.now());
  const random = options.random ?? randomFractions();
  const { later } = options;
  const engine = assembleEngine({
    rules: rulesOf(options.rules),
    store: options.store ?? memoryStore({ now }),
    geo: options.geo ?? noGeo(),
    lists: options.lists ?? (() => NO_REPUTATION),
    issuers: stepUpIssuers.parse(options.issuers ?? []),
    secrets: options.secrets ?? { deviceTokens: [secretFrom(random)], privacyKey: secretFrom(random) },
    now,
    random,
  });
  const trust = { trusted: parseTrustedProxies(options.trustedProxies ?? ''), declared: null };
  const context = () => ({ nowMs: engine.now(), trust, spaces: subjectSpaces(engine.verifier) });
  return {
    check: async (body) => {
      const startedMs = now();
      const { result, learn } = await check(engine, checkRequestOf(jsonOf(body), context()));
      const answer = answerOf(result, now() - startedMs);
      const learning = withoutStore(learn());
      if (later === undefined) await learning;
      else later(learning);
      return answer;
    },
    record: async (body) => {
      const { device } = await recordEvent(engine, subjectEventOf(jsonOf(body), context()));
      return device === null ? {} : { device: deviceOf(device) };
    },
    verify: async (body) => verifyAnswerOf(await verify(engine, shownTokenOf(jsonOf(body), context()))),
  };
}

function rulesOf(rules: EngineOptions['rules']): () => RuleSet {
  if (typeof rules === 'function') return rules;
  const compiled = compileRules(rules, FACT_CATALOG);
  return () => compiled;
}

/** What cannot be learned while the store is away is lost, as in the service. */
async function withoutStore(learning: Promise<void>): Promise<void> {
  try {
    await learning;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
  }
}

/** What JSON leaves of a body: a Date is its text, an undefined key is left out. */
function jsonOf(body: RiskCheckInput | EventInput | VerifyInput): JsonObject {
  const json: Json = JSON.parse(JSON.stringify(body));
  return json as JsonObject;
}

function secretFrom(random: () => number): string {
  return Array.from({ length: 48 }, () => Math.floor(random() * 36).toString(36)).join('');
}
