import { type Broker, START_PATH } from '../broker/broker.ts';
import { pendingSeal } from '../broker/pending.ts';
import { oidcProvider } from '../broker/provider.ts';
import type { GatewaySettings } from '../http/deps.ts';
import { stackOf } from '../model/error-text.ts';
import type { ListStatus } from '../model/reputation.ts';
import type { PageSettings } from '../pages/page.ts';
import type { Log } from '../records/log.ts';
import type { Metrics } from '../records/metrics.ts';
import { DEFAULT_ACTION } from '../rules/actions.ts';
import type { UnmetAcrValues } from '../rules/draft-rule.ts';
import type { RulesError } from '../rules/problems.ts';
import { openMethods } from '../rules/route-table.ts';
import type { RuleSet } from '../rules/ruleset.ts';
import { singleUseGap, unrankedAcrValues } from '../step-up/requirement.ts';
import type { EngineSecrets, KeyFetching } from './assemble-engine.ts';
import type { Settings } from './settings.ts';

/** The active rules, and the log messages of a reload. */
export interface LiveRules {
  readonly current: () => RuleSet;
  /** Activates a complete, valid set: every check sees either the old or the new one. */
  readonly swap: (next: RuleSet) => void;
  /** Logs a rejected change; the active set stays. */
  readonly refuse: (error: RulesError) => void;
}

export function liveRules(first: RuleSet, log: Log, { stepUpIssuers }: Pick<Settings, 'stepUpIssuers'>): LiveRules {
  let rules = first;
  logRoutes(log, rules);
  warnOfSingleUse(log, rules, stepUpIssuers);
  return {
    current: () => rules,
    swap: (next) => {
      rules = next;
      log.info('new rules are live', { revision: next.revision, rules: next.ruleCount, files: next.files });
      logRoutes(log, next);
      warnOfSingleUse(log, next, stepUpIssuers);
    },
    refuse: (error) =>
      log.error('changed rules were rejected; the previous rules stay active', { problem: error.message }),
  };
}

/** Logs warnings, and methods that no route names although an origin may answer them (`PROPFIND`, `PATCH`). */
function logRoutes(log: Log, { routes, warnings }: RuleSet): void {
  for (const warning of warnings) log.warn(`rules: ${warning}`);
  const open = openMethods(routes).map(({ path, methods }) => `${methods.join(', ')} ${path}`);
  if (open.length > 0) {
    // Usually intended, as in the default policy, so this is no warning; `rules lint` reports it too.
    log.info('these routes list methods; any other method on them is judged as the default action', {
      action: DEFAULT_ACTION,
      routes: open,
    });
  }
}

/** Warns where single use spends a token instead of the log-in. */
function warnOfSingleUse(log: Log, { singleUse }: RuleSet, issuers: Settings['stepUpIssuers']): void {
  const gap = singleUseGap(singleUse, issuers);
  if (gap !== null) log.warn(gap);
}

/** Warns that a list is too old to be used. */
export function warnOfStaleList(log: Log, { name, category, ageDays, maxAgeDays }: ListStatus): void {
  log.warn('an address list is too old: its category is unknown until `stepgate lists update` or a new build', {
    list: name,
    category,
    age_days: Math.floor(ageDays),
    max_age_days: maxAgeDays,
  });
}

/** Warns of variables without effect. */
export function warnOfIgnored(log: Log, { ignored, misspelt }: Settings): void {
  if (ignored.length > 0) log.warn('these settings have no effect on this runtime', { settings: ignored });
  for (const { name, nearest } of misspelt) {
    log.warn('an environment variable looks like a misspelt setting', { variable: name, nearest });
  }
}

export function secretsOf({ deviceTokenSecrets, privacyKey }: Settings): EngineSecrets {
  return { deviceTokens: deviceTokenSecrets, privacyKey };
}

/** What gateways need. An issuer with a client brings a step-up page along. */
export function gatewayOf(settings: Settings): GatewaySettings {
  const isBrokered = settings.stepUpIssuers.some(({ client }) => client !== null);
  return { ...settings, stepUpUrl: settings.stepUpUrl ?? (isBrokered ? START_PATH : null) };
}

/** Performs step-ups at the issuers that have a client; null without any. */
export function brokerOf({ stepUpIssuers, deviceTokenSecrets }: Settings): Broker | null {
  const providers = new Map(
    stepUpIssuers.flatMap((settings) => {
      const { client, name } = settings;
      if (client === null) return [];
      // Called through the global object: workerd refuses its own `fetch` under another `this`.
      const provider = oidcProvider(client, { fetch: (input, init) => globalThis.fetch(input, init) });
      return [[name, { settings, provider }] as const];
    }),
  );
  return providers.size === 0 ? null : { seal: pendingSeal(deviceTokenSecrets), providers };
}

export function pagesOf({ siteName, pagesCss }: Settings): PageSettings {
  return { siteName, styleSheet: pagesCss };
}

/** Finds the acr values of a rule that no configured issuer can meet. */
export function unmetBy({ stepUpIssuers }: Settings): UnmetAcrValues {
  return (acrValues) => unrankedAcrValues(acrValues, stepUpIssuers);
}

/** Fetches the keys of issuers; counts and logs each fetch. */
export function watchedKeys({ log, metrics }: { readonly log: Log; readonly metrics: Metrics }): KeyFetching {
  return {
    onRefetch: ({ issuer, outcome, why, stale }) => {
      metrics.keysAsked(issuer, stale ? 'stale' : outcome);
      if (outcome === 'failed') log.warn('the keys of an issuer could not be fetched', { issuer, why, stale });
      else log.debug('the keys of an issuer were fetched', { issuer });
    },
  };
}

/** Work that runs after answers. */
export interface Afterwork {
  /** Runs work in a later turn, so that the answer is sent first. Resolves when the work ends, even if it failed. */
  readonly add: (work: () => Promise<void>) => Promise<void>;
  /** Resolves when no work is left. */
  readonly settled: () => Promise<void>;
}

/** Logs work that fails. */
export function afterwork(log: Log): Afterwork {
  const running = new Set<Promise<void>>();
  return {
    add: (work) => {
      const done = new Promise<void>((resolve) => {
        setImmediate(async () => {
          try {
            await work();
          } catch (error) {
            log.error('work after an answer failed', { error: stackOf(error) });
          }
          running.delete(done);
          resolve();
        });
      });
      running.add(done);
      return done;
    },
    settled: async () => {
      while (running.size > 0) await Promise.all(running);
    },
  };
}

/** Numbers from 0 to below 1 from the runtime's secure random source, generated in batches. */
export function randomFractions(): () => number {
  const words = new Uint32Array(256);
  let next = words.length;
  return () => {
    if (next === words.length) {
      crypto.getRandomValues(words);
      next = 0;
    }
    return (words[next++] ?? 0) / 2 ** 32;
  };
}
