import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { stricter } from '../model/decision.ts';
import type { FactCatalog } from '../model/facts.ts';
import { eventWarnings, findNearMisses, findUndeclaredEvents } from './action-names.ts';
import { knownActions } from './actions.ts';
import { findMissingBases } from './base-file.ts';
import type { Comparison } from './comparison.ts';
import { comparisonsOf } from './condition.ts';
import { mergeActions, policyOf, routesOf } from './declared-actions.ts';
import { compileFile, findUnmet, findUnmetTrust, type UnmetAcrValues } from './draft-rule.ts';
import { byPlace, type CompiledRules, evaluateRules } from './evaluate.ts';
import { traceRules } from './explain.ts';
import { canonicalJson, mergeSettings, RULE_DEFAULTS } from './file-settings.ts';
import { add, type Findings } from './findings.ts';
import { relate } from './overruling.ts';
import { RulesError } from './problems.ts';
import { compileRoutes } from './route-table.ts';
import { type OpenedFile, openFile, type RuleText } from './rule-file.ts';
import { indexByAction } from './rule-groups.ts';
import type { ActionPolicy, RuleSet } from './ruleset.ts';
import { pathWarnings, patternWarnings } from './warnings.ts';

/**
 * Compiles rule files to a rule set. Files are sorted by name first, so their order does not matter.
 *
 * @param files together they contain at least one rule
 * @param catalog the facts that signals measure; `score` and the free facts are added
 * @param unmet returns the acr values that no configured issuer can meet; default: none, the issuers are unknown
 * @throws RulesError with every problem of every file
 */
export function compileRules(
  files: readonly RuleText[],
  catalog: FactCatalog,
  unmet: UnmetAcrValues = () => [],
): RuleSet {
  const findings: Findings = { problems: [], incomplete: false };
  const sorted = [...files].sort((a, b) => (a.name === b.name ? 0 : a.name < b.name ? -1 : 1));
  const opened: OpenedFile[] = [];
  for (const [i, file] of sorted.entries()) {
    if (sorted[i - 1]?.name === file.name) {
      add(findings, file.name, [], 'duplicate_file', `Two files are named "${file.name}". Rename one.`);
    }
    const body = openFile(file, findings);
    if (body === null) findings.incomplete = true;
    else opened.push({ name: file.name, body });
  }
  findMissingBases(opened, files, findings);
  const settings = mergeSettings(opened, findings);
  const actions = mergeActions(opened, findings);
  const drafts = opened.flatMap((file) => compileFile(file, catalog, findings));
  for (const draft of drafts) findUnmet(draft, unmet, findings);
  for (const file of opened) findUnmetTrust(file, unmet, findings);
  findNearMisses(opened, drafts, findings);
  const known = knownActions(actions.keys(), drafts);
  findUndeclaredEvents(opened, known, findings);
  const rules = relate(drafts, findings);
  if (findings.problems.length === 0 && rules.length === 0) {
    const message = 'There are no rules. Add at least one.';
    add(findings, sorted[0]?.name ?? '', [], 'no_rules', message);
  }
  if (findings.problems.length > 0) {
    throw new RulesError(findings.problems.toSorted((a, b) => (a.file === b.file ? 0 : a.file < b.file ? -1 : 1)));
  }

  const tested = new Set(rules.flatMap(({ when }) => [...comparisonsOf(when)].flatMap(factsIn)));
  const compiled: CompiledRules = {
    ...indexByAction(rules),
    all: rules.toSorted(byPlace),
    levels: settings.levels,
    fallback: settings.decision,
    actions: known,
    undeclared: settings.undeclared,
  };
  const policy: ActionPolicy = {
    learn: RULE_DEFAULTS.learn,
    floor: settings.floor,
    guarded: false,
    trust: settings.trust,
  };
  const policies = new Map<string, ActionPolicy>();
  for (const [name, { entry }] of actions) policies.set(name, policyOf(entry, policy));
  const undeclaredPolicy: ActionPolicy = {
    learn: 'event',
    floor: stricter(settings.floor, settings.undeclared),
    guarded: true,
    trust: { ...settings.trust, onStepUp: false },
  };
  const routes = routesOf(actions);
  return {
    revision: revisionOf(opened),
    files: opened.map((file) => file.name),
    ruleCount: rules.length,
    routes,
    routeTable: compileRoutes(routes),
    warnings: [
      ...drafts.flatMap((draft) => [...patternWarnings(draft, drafts), ...pathWarnings(draft)]),
      ...eventWarnings(settings.events, actions, known),
    ],
    singleUse: rules.flatMap((rule) =>
      'requirement' in rule && rule.requirement?.singleUse === true ? [rule.id] : [],
    ),
    policyFor: (action) => policies.get(action) ?? (known.has(action) ? policy : undeclaredPolicy),
    actionOf: (event) => settings.events[event],
    declares: known.has,
    tests: (fact) => tested.has(fact),
    nearMiss: known.nearMiss,
    evaluate: (facts) => evaluateRules(compiled, facts),
    trace: (facts) => traceRules(compiled, facts),
  };
}

function factsIn({ fact, other }: Comparison): string[] {
  return other === null ? [fact] : [fact, other.fact];
}

/** Hash of the content: keys are sorted and whitespace dropped, so reformatting a file keeps its revision. */
function revisionOf(files: readonly OpenedFile[]): string {
  const said = files.map(({ name, body: { $schema: _, ...body } }) => [name, body]);
  return `sha256-${bytesToHex(sha256(utf8ToBytes(canonicalJson(said))))}`;
}
