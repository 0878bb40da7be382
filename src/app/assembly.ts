import { stackOf } from '../model/error-text.ts';
import type { ListStatus } from '../model/reputation.ts';
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

/** The rules in force, and what is said when others want to take their place. */
export interface LiveRules {
  readonly current: () => RuleSet;
  /** Puts a whole and valid set in force: every check sees the old or the new one. */
  readonly swap: (next: RuleSet) => void;
  /** The set in force goes on. */
  readonly refuse: (error: RulesError) => void;
}

/** Begins with this set. */
export function liveRules(first: RuleSet, log: Log, { stepUpIssuers }: Pick<Settings, 'stepUpIssuers'>): LiveRules {
  let rules = first;
  tellOfRoutes(log, rules);
  warnOfSingleUse(log, rules, stepUpIssuers);
  return {
    current: () => rules,
    swap: (next) => {
      rules = next;
      log.info('new rules are live', { revision: next.revision, rules: next.ruleCount, files: next.files });
      tellOfRoutes(log, next);
      warnOfSingleUse(log, next, stepUpIssuers);
    },
    refuse: (error) => log.error('changed rules were refused, the old ones go on', { problem: error.message }),
  };
}

/** An origin may answer methods that no route names (`PROPFIND`, `PATCH`); whoever wrote the routes should know. */
function tellOfRoutes(log: Log, { routes, warnings }: RuleSet): void {
  for (const warning of warnings) log.warn(`rules: ${warning}`);
  const open = openMethods(routes).map(({ path, methods }) => `${methods.join(', ')} ${path}`);
  if (open.length > 0) {
    // Meant so as a rule, as in the default policy: `rules lint` is where to ask about it.
    log.info('these routes name methods; any other method there is judged as the default action, not as theirs', {
      action: DEFAULT_ACTION,
      routes: open,
    });
  }
}

/** A rule that asks for a log-in of its own has to know where it gets no more than a token of its own. */
function warnOfSingleUse(log: Log, { singleUse }: RuleSet, issuers: Settings['stepUpIssuers']): void {
  const gap = singleUseGap(singleUse, issuers);
  if (gap !== null) log.warn(gap);
}

/** What a list past its age says is unknown from now on; somebody should bring it up to date. */
export function warnOfStaleList(log: Log, { name, category, ageDays, maxAgeDays }: ListStatus): void {
  log.warn('an address list is past its age: its category is unknown until `stepgate lists update` or a new build', {
    list: name,
    category,
    age_days: Math.floor(ageDays),
    max_age_days: maxAgeDays,
  });
}

/** A variable that is set in vain was meant to do something. */
export function warnOfIgnored(log: Log, { ignored, misspelt }: Settings): void {
  if (ignored.length > 0) log.warn('these settings mean nothing on this runtime', { settings: ignored });
  for (const { name, nearest } of misspelt) {
    log.warn('a variable of the environment looks like a setting and is none', { variable: name, nearest });
  }
}

/** The secrets of the settings. */
export function secretsOf({ deviceTokenSecrets, privacyKey }: Settings): EngineSecrets {
  return { deviceTokens: deviceTokenSecrets, privacyKey };
}

/** The acr values of a rule that none of the configured issuers can meet. */
export function unmetBy({ stepUpIssuers }: Settings): UnmetAcrValues {
  return (acrValues) => unrankedAcrValues(acrValues, stepUpIssuers);
}

/** How the keys of the configured issuers are fetched: each fetch is counted and logged. */
export function watchedKeys({ log, metrics }: { readonly log: Log; readonly metrics: Metrics }): KeyFetching {
  return {
    onRefetch: ({ issuer, outcome, why, stale }) => {
      metrics.keysAsked(issuer, stale ? 'stale' : outcome);
      if (outcome === 'failed') log.warn('the keys of an issuer cannot be had', { issuer, why, stale });
      else log.debug('the keys of an issuer were fetched', { issuer });
    },
  };
}

/** Work that follows answers. */
export interface Afterwork {
  /** Runs it in a turn of its own, so that the answer leaves first. Resolves when it ended, well or not. */
  readonly add: (work: () => Promise<void>) => Promise<void>;
  /** Resolves when nothing runs any more. */
  readonly settled: () => Promise<void>;
}

/** None yet. Work that fails is logged. */
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

/** Numbers from 0 to below 1 from the runtime's secure random source, fetched many at a time. */
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
