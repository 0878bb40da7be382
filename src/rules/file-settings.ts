import type { Decision } from '../model/decision.ts';
import { isObject } from '../model/facts.ts';
import type { SuccessEvent } from '../model/request.ts';
import { add, type Findings } from './findings.ts';
import { showFound } from './problems.ts';
import type { OpenedFile, RuleFile } from './rule-file.ts';
import type { ActionPolicy } from './ruleset.ts';

/** Settings that apply where no file sets them. */
export const RULE_DEFAULTS = {
  levels: { medium: 30, high: 70 },
  floor: 'step-up',
  decision: 'allow',
  undeclared: 'step-up',
  trust: { days: 30, idleDays: null, onStepUp: true, acrValues: [], amrValues: [] },
  learn: 'decision',
  events: { 'login.succeeded': 'login', 'step_up.succeeded': 'step_up' },
} as const;

/** The action of each reported success. */
export type Events = { readonly [event in SuccessEvent]: string };

export const SUCCESS_EVENTS: readonly SuccessEvent[] = ['login.succeeded', 'step_up.succeeded'];

interface FileSettings {
  readonly levels: { readonly medium: number; readonly high: number };
  readonly floor: Decision;
  readonly decision: Decision;
  readonly undeclared: Decision;
  readonly trust: ActionPolicy['trust'];
  readonly events: Events;
}

/** Merges the settings of all files. Several files may set the same thing, but only to the same value. */
export function mergeSettings(files: readonly OpenedFile[], findings: Findings): FileSettings {
  const one = <Value>(path: readonly string[], pick: (body: RuleFile) => Value | undefined): Value | undefined =>
    agree(
      files.map((file) => ({ file: file.name, value: pick(file.body) })),
      path,
      findings,
    );
  const event = (type: SuccessEvent): string =>
    one(['events', type], (body) => body.events?.[type]) ?? RULE_DEFAULTS.events[type];
  return {
    levels: one(['levels'], (body) => body.levels) ?? RULE_DEFAULTS.levels,
    floor: one(['floor'], (body) => body.floor) ?? RULE_DEFAULTS.floor,
    decision: one(['default'], (body) => body.default) ?? RULE_DEFAULTS.decision,
    undeclared: one(['undeclared'], (body) => body.undeclared) ?? RULE_DEFAULTS.undeclared,
    trust: {
      days: one(['trust', 'days'], (body) => body.trust?.days) ?? RULE_DEFAULTS.trust.days,
      idleDays: one(['trust', 'idle_days'], (body) => body.trust?.idle_days) ?? RULE_DEFAULTS.trust.idleDays,
      onStepUp: one(['trust', 'on_step_up'], (body) => body.trust?.on_step_up) ?? RULE_DEFAULTS.trust.onStepUp,
      acrValues: one(['trust', 'acr_values'], (body) => body.trust?.acr_values) ?? RULE_DEFAULTS.trust.acrValues,
      amrValues: one(['trust', 'amr_values'], (body) => body.trust?.amr_values) ?? RULE_DEFAULTS.trust.amrValues,
    },
    events: {
      'login.succeeded': event('login.succeeded'),
      'step_up.succeeded': event('step_up.succeeded'),
    },
  };
}

export function agree<Value>(
  said: readonly { readonly file: string; readonly value: Value | undefined }[],
  path: readonly string[],
  findings: Findings,
): Value | undefined {
  const first = said.find((each) => each.value !== undefined);
  for (const each of said) {
    if (first === undefined || each.value === undefined) continue;
    if (canonicalJson(each.value) === canonicalJson(first.value)) continue;
    const message = `${each.file} sets ${showFound(each.value)}, but ${first.file} sets ${showFound(first.value)}. Set it once.`;
    add(findings, each.file, path, 'conflict', message);
  }
  return first?.value;
}

export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    isObject(each) ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1))) : each,
  );
}
