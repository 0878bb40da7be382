import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { GeoSource } from '../model/geo.ts';
import type { Reputation } from '../model/reputation.ts';
import type { RuleSet } from '../rules/ruleset.ts';
import type { Metrics } from './metrics.ts';

/** What is read at the moment of a scrape. */
export interface ScrapeSources {
  readonly rules: () => RuleSet;
  readonly reputation: () => Reputation;
  readonly geo: GeoSource;
  /** Real clock, epoch milliseconds. */
  readonly now: () => number;
}

/** Upper bounds in seconds: fine around a Redis round trip, coarse beyond any gateway's timeout. */
const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5];

/** Counts into its own Prometheus registry, so that two servers in one process stay separate. */
export function prometheusMetrics(sources: ScrapeSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const checks = new Counter({
    name: 'stepgate_checks_total',
    help: 'Checks answered, by outcome and by the rule that decided (`none`: the default or the floor).',
    labelNames: ['decision', 'rule'],
    registers,
  });
  const latency = new Histogram({
    name: 'stepgate_check_duration_seconds',
    help: 'Time from the arrival of a check to its answer.',
    labelNames: ['decision'],
    buckets: LATENCY_BUCKETS,
    registers,
  });
  const degraded = new Counter({
    name: 'stepgate_degraded_checks_total',
    help: 'Checks decided without a part of their input.',
    labelNames: ['part'],
    registers,
  });
  const devices = new Counter({
    name: 'stepgate_devices_total',
    help: 'Checks by device.state: a jump of `drifted` or `new` over all subjects is a browser update, not an attack.',
    labelNames: ['state'],
    registers,
  });
  const reusedTokens = new Counter({
    name: 'stepgate_device_tokens_reused_total',
    help: 'Checks with a device token that two holders have used (`device.token_reused`): a stolen cookie, or a browser profile that was copied.',
    registers,
  });
  const keyProofs = new Counter({
    name: 'stepgate_device_key_proofs_total',
    help: 'Proofs of possession of a page’s key, by `valid` or `refused`; code says why.',
    labelNames: ['state', 'code'],
    registers,
  });
  const credentials = new Counter({
    name: 'stepgate_session_credentials_total',
    help: 'Gateway calls by what came of their session token: `none`, `accepted`, `refused`, `unread`, `ambiguous`; code says why.',
    labelNames: ['state', 'code'],
    registers,
  });
  const undeclared = new Counter({
    name: 'stepgate_undeclared_actions_total',
    help: 'Checks of an action that no rule file declares; the decision record has its name.',
    registers,
  });
  const dryRun = new Counter({
    name: 'stepgate_dry_run_matches_total',
    help: 'Matches of rules in dry run.',
    labelNames: ['rule'],
    registers,
  });
  const storeErrors = new Counter({
    name: 'stepgate_store_errors_total',
    help: 'Operations of the store that failed.',
    labelNames: ['operation', 'code'],
    registers,
  });
  const storeEvictions = new Counter({
    name: 'stepgate_store_evictions_total',
    help: 'Entries that the embedded store evicted before they expired. If there are more than a few, use Redis or a larger heap.',
    labelNames: ['kind'],
    registers,
  });
  const learnFailures = new Counter({
    name: 'stepgate_learn_failures_total',
    help: 'Answers that went out while what they teach was not stored.',
    labelNames: ['code'],
    registers,
  });
  const recordFailures = new Counter({
    name: 'stepgate_record_failures_total',
    help: 'Decision records that no sink took.',
    registers,
  });
  const rightsRefused = new Counter({
    name: 'stepgate_rights_refused_total',
    help: 'Calls that were refused because the API key of the caller lacks the right.',
    labelNames: ['caller', 'right'],
    registers,
  });
  const keyFetches = new Counter({
    name: 'stepgate_key_fetches_total',
    help: 'Key fetches by outcome: `fetched`; `stale`: failed, cached keys are used; `failed`: no keys.',
    labelNames: ['issuer', 'outcome'],
    registers,
  });
  const deviceSessions = new Counter({
    name: 'stepgate_device_sessions_total',
    help: 'Device bound sessions by step, `register` or `refresh`, and outcome: `live`, or why not.',
    labelNames: ['step', 'outcome'],
    registers,
  });
  gauge('stepgate_rules_info', 'Live rules: 1, labelled with their revision.', ['revision'], registers, (set) =>
    set({ revision: sources.rules().revision }, 1),
  );
  gauge('stepgate_rules_count', 'Number of live rules.', [], registers, (set) => set({}, sources.rules().ruleCount));
  gauge('stepgate_list_age_days', 'Age of the data of each address list.', ['list', 'category'], registers, (set) => {
    for (const list of sources.reputation().status(sources.now())) {
      set({ list: list.name, category: list.category ?? 'none' }, list.ageDays);
    }
  });
  gauge('stepgate_list_judged', '1 while a list is current and used.', ['list'], registers, (set) => {
    for (const list of sources.reputation().status(sources.now())) set({ list: list.name }, list.judged ? 1 : 0);
  });
  gauge('stepgate_list_ranges', 'Number of ranges in each address list.', ['list'], registers, (set) => {
    for (const list of sources.reputation().status(sources.now())) set({ list: list.name }, list.ranges);
  });
  gauge(
    'stepgate_geo_age_days',
    'Age of the geo data; absent if the source does not state it.',
    ['source'],
    registers,
    (set) => {
      const { name, ageDays } = sources.geo.status(sources.now());
      if (ageDays !== null) set({ source: name }, ageDays);
    },
  );

  return {
    checked(result, seconds) {
      checks.inc({ decision: result.decision, rule: result.rule?.id ?? 'none' });
      latency.observe({ decision: result.decision }, seconds);
      const device = result.signals.device?.facts['device.state'];
      if (device !== undefined) devices.inc({ state: String(device) });
      if (result.signals.device?.facts['device.token_reused'] === true) reusedTokens.inc();
      const keyProof = result.signals.device?.facts['device.key_proof'];
      const fault = result.signals.device?.facts['device.key_proof_code'];
      if (keyProof !== undefined) keyProofs.inc({ state: String(keyProof), code: String(fault ?? '') });
      const { 'session.credential': state, 'session.code': code } = result.signals.session?.facts ?? {};
      if (state !== undefined) credentials.inc({ state: String(state), code: String(code ?? '') });
      for (const { part } of result.degraded) degraded.inc({ part });
      for (const rule of result.dryRun.rules) dryRun.inc({ rule });
      if (result.reasons.some(({ code }) => code === 'action_undeclared')) undeclared.inc();
    },
    learnFailed: (code) => learnFailures.inc({ code }),
    storeFailed: (operation, code) => storeErrors.inc({ operation, code }),
    storeEvicted: (kind) => storeEvictions.inc({ kind }),
    recordFailed: () => recordFailures.inc(),
    rightRefused: (caller, right) => rightsRefused.inc({ caller, right }),
    keysAsked: (issuer, outcome) => keyFetches.inc({ issuer, outcome }),
    deviceSession: (step, outcome) => deviceSessions.inc({ step, outcome }),
    render: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}

/** A gauge that is collected at each scrape, so that removed lists disappear. */
function gauge<Label extends string>(
  name: string,
  help: string,
  labelNames: readonly Label[],
  registers: Registry[],
  read: (set: (labels: Partial<Record<Label, string>>, value: number) => void) => void,
): void {
  new Gauge({
    name,
    help,
    labelNames: [...labelNames],
    registers,
    collect() {
      this.reset();
      read((labels, value) => this.set(labels, value));
    },
  });
}
