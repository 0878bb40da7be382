import type { FactCatalog, Facts, JsonObject } from '../../src/model/facts.ts';
import { compileRules } from '../../src/rules/compile.ts';
import { type RuleProblem, RulesError } from '../../src/rules/problems.ts';
import type { RuleSet } from '../../src/rules/ruleset.ts';

/** A few facts of each type. */
export const catalog: FactCatalog = {
  action: { type: 'string', meaning: 'What the subject does.' },
  'subject.id': { type: 'string', meaning: 'Who.' },
  'resource.id': { type: 'string', meaning: 'To what.' },
  'travel.speed_kmh': { type: 'number', unit: 'km/h', meaning: 'Speed since the last sighting.' },
  'travel.distance_km': { type: 'number', unit: 'km', meaning: 'Distance from the last sighting.' },
  'subject.attempts_1m': { type: 'number', unit: '1', meaning: 'Checks in the last minute.' },
  'device.state': { type: 'string', values: ['trusted', 'known', 'new'], meaning: 'State of the device.' },
  'device.trusted': { type: 'boolean', meaning: 'Whether the device holds a live token.' },
  'device.age_days': { type: 'number', unit: 'days', meaning: 'Age of the device.' },
  'ip.address': { type: 'string', meaning: 'Address.' },
  'ip.asn': { type: 'number', unit: '1', meaning: 'Network operator.' },
  'ip.categories': { type: 'list', values: ['tor', 'vpn', 'attack'], meaning: 'What lists say.' },
  'geo.country': { type: 'string', meaning: 'Country.' },
  'client.agent': { type: 'string', meaning: 'User agent.' },
};

/** Facts with what is given; everything else is unknown. */
export function factsOf(
  measured: { readonly [name: string]: unknown } = {},
  free: { readonly context?: JsonObject; readonly resource?: JsonObject; readonly subject?: JsonObject } = {},
): Facts {
  return {
    measured: Object.assign(Object.create(null), measured),
    context: free.context ?? {},
    resourceProperties: free.resource ?? {},
    subjectProperties: free.subject ?? {},
  };
}

/** Compiles rules as one file. */
export function setOf(rules: readonly unknown[], rest: { readonly [key: string]: unknown } = {}): RuleSet {
  return compileRules([{ name: 'test.json', text: JSON.stringify({ ...rest, rules }) }], catalog);
}

/** A rule that denies when the condition holds. */
export function deny(when: unknown, id = 'deny'): object {
  return { id, when, then: { decision: 'deny' } };
}

/** A scoring rule. */
export function points(when: unknown, value: number, id = 'points'): object {
  return { id, when, then: { points: value } };
}

/** A decision rule. */
export function decides(id: string, when: unknown, then: object, more: object = {}): object {
  return { id, when, then, ...more };
}

/** Whether a condition holds, does not, or is unknown, as the trace tells it. */
export function truthOf(when: unknown, facts: Facts): 'true' | 'false' | 'unknown' {
  const outcome = setOf([deny(when)]).trace(facts).rules[0]?.outcome;
  return outcome === 'hit' ? 'true' : outcome === 'missed' ? 'false' : 'unknown';
}

/** What is wrong with a file given as text or as rules. */
export function problemsOf(file: string | readonly unknown[]): readonly RuleProblem[] {
  const text = typeof file === 'string' ? file : JSON.stringify({ rules: file });
  return problemsOfFiles([{ name: 'test.json', text }]);
}

/** What is wrong with several files. */
export function problemsOfFiles(files: readonly { readonly name: string; readonly text: string }[]) {
  try {
    compileRules(files, catalog);
  } catch (error) {
    if (error instanceof RulesError) return error.problems;
    throw error;
  }
  return [];
}
