import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import * as z from 'zod';
import { DEFAULT_MAX_AGE_SECONDS, type Decision, type Requirement, stricter } from '../model/decision.ts';
import type { FactCatalog } from '../model/facts.ts';
import type { SuccessEvent } from '../model/request.ts';
import { DEFAULT_ACTION, exactNames, type KnownActions, knownActions } from './actions.ts';
import type { Comparison, Condition } from './comparison.ts';
import { boundActions, comparisonsOf, compileCondition, conjunctsOf, factReader, resolveFact } from './condition.ts';
import {
  byPlace,
  byWeight,
  type CompiledRules,
  type DecisionRule,
  evaluateRules,
  type RuleGroup,
  type ScoringRule,
} from './evaluate.ts';
import { traceRules } from './explain.ts';
import { parseStrictJson } from './json.ts';
import { MATCHES_INPUT_LIMIT } from './operators.ts';
import {
  formatPath,
  nearestWord,
  nearMiss,
  type RuleProblem,
  type RuleProblemCode,
  RulesError,
  showFound,
} from './problems.ts';
import type { MessagePart } from './reason.ts';
import type { ActionPolicy, RoutePattern, RuleSet } from './ruleset.ts';
import { decisionSchema, LANGUAGE_KEYS, pointsSchema, ruleFileSchema, ruleSchema } from './schema.ts';

/** The text of one rule file under its name, as in the answer's `rule.file`. */
export interface RuleText {
  readonly name: string;
  readonly text: string;
}

/** What holds where no file says otherwise. */
const RULE_DEFAULTS = {
  levels: { medium: 30, high: 70 },
  floor: 'step-up',
  decision: 'allow',
  undeclared: 'step-up',
  trust: { days: 30, onStepUp: true },
  learn: 'decision',
  events: { 'login.succeeded': 'login', 'step_up.succeeded': 'step_up' },
} as const;

const fileShape = ruleFileSchema(z.unknown());
// When and then are looked at apart, each by its own checks.
const ruleShape = ruleSchema(z.unknown().optional(), z.unknown().optional());
type RuleFile = z.infer<typeof fileShape>;
type RuleHead = z.infer<typeof ruleShape>;
type ActionEntry = NonNullable<RuleFile['actions']>[string];

/** A file that has the right shape around its rules. */
interface OpenedFile {
  readonly name: string;
  readonly body: RuleFile;
}

/** A rule that compiled, before the rules are put into relation. */
interface DraftRule {
  readonly file: string;
  readonly index: number;
  readonly head: RuleHead;
  readonly when: Condition;
  readonly message: readonly MessagePart[];
  readonly then: z.infer<typeof pointsSchema> | z.infer<typeof decisionSchema>;
  readonly dryRun: boolean;
}

/** All problems of one run, and whether anything could not be read far enough to judge what refers to it. */
interface Findings {
  readonly problems: RuleProblem[];
  incomplete: boolean;
}

/**
 * Compiles rule files to a rule set. The order of the files does not matter: they are sorted by name first.
 *
 * @param files at least one rule has to be in them
 * @param catalog the facts that signals measure; `score` and the free facts are added
 * @param unmet the acr values that no configured issuer can ever meet; none where that is not known
 * @throws RulesError that lists every problem found in any of the files
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
  const settings = mergeSettings(opened, findings);
  const actions = mergeActions(opened, findings);
  const drafts = opened.flatMap((file) => compileFile(file, catalog, findings));
  for (const draft of drafts) findUnmet(draft, unmet, findings);
  findNearMisses(opened, drafts, findings);
  const known = knownActions(actions.keys(), drafts);
  findUndeclaredEvents(opened, known, findings);
  const rules = relate(drafts, findings);
  if (findings.problems.length === 0 && rules.length === 0) {
    const message = 'There are no rules, so nothing would ever be judged. Add at least one.';
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
  const strangers: ActionPolicy = {
    learn: 'event',
    floor: stricter(settings.floor, settings.undeclared),
    guarded: true,
    trust: { ...settings.trust, onStepUp: false },
  };
  return {
    revision: revisionOf(opened),
    files: opened.map((file) => file.name),
    ruleCount: rules.length,
    routes: routesOf(actions),
    warnings: [
      ...drafts.flatMap((draft) => [...patternWarnings(draft, drafts), ...pathWarnings(draft)]),
      ...eventWarnings(settings.events, actions, known),
    ],
    singleUse: rules.flatMap((rule) =>
      'requirement' in rule && rule.requirement?.singleUse === true ? [rule.id] : [],
    ),
    policyFor: (action) => policies.get(action) ?? (known.has(action) ? policy : strangers),
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

/** Those of the acr values that no issuer can ever meet. */
export type UnmetAcrValues = (acrValues: readonly string[]) => readonly string[];

function findUnmet({ file, index, head, then }: DraftRule, unmet: UnmetAcrValues, findings: Findings): void {
  if (!('decision' in then) || then.decision !== 'step-up') return;
  for (const value of unmet(then.acr_values ?? [])) {
    const message = `No issuer ranks "${value}", so no proof could ever meet the rule. Correct it, or add it to an acr_order of STEP_UP_ISSUERS.`;
    add(findings, file, ['rules', index, 'then', 'acr_values'], 'acr_unranked', message, { rule: head.id });
  }
}

/**
 * Names that are a slip of the finger away from a declared one: in `when`, one that `actions` does not hold; in `actions`, one that
 * no rule names beside one that a rule names, unless both have routes. A rule that is never asked looks exactly like one that never matches.
 */
function findNearMisses(files: readonly OpenedFile[], drafts: readonly DraftRule[], findings: Findings): void {
  const entries = files.flatMap(({ name: file, body }) =>
    Object.entries(body.actions ?? {}).map(([action, { routes }]) => ({ file, action, routes })),
  );
  const declared = new Set(entries.map(({ action }) => action));
  if (declared.size === 0) return;
  if (entries.some(({ routes }) => routes !== undefined)) declared.add(DEFAULT_ACTION);
  const named = new Set<string>();
  for (const { file, head, when } of drafts) {
    for (const comparison of comparisonsOf(when)) {
      if (comparison.fact !== 'action') continue;
      for (const name of exactNames(comparison)) named.add(name);
      for (const { word, nearest } of strangersIn(comparison, declared)) {
        const message = `No file declares the action "${word}". Correct it, or declare it: "actions": { "${word}": {} }.`;
        findings.problems.push({
          file,
          rule: head.id,
          path: comparison.path,
          code: 'unknown_action',
          message,
          nearest,
        });
      }
    }
  }
  const routed = new Set(entries.filter(({ routes }) => routes !== undefined).map(({ action }) => action));
  const judged = [...declared].filter((action) => named.has(action));
  for (const { file, action } of entries) {
    // Two names that each have routes of their own are two actions: cart.add and card.add, account.lock and account.unlock.
    const others = routed.has(action) ? judged.filter((other) => !routed.has(other)) : judged;
    const nearest = named.has(action) ? undefined : nearMiss(action, others);
    if (nearest === undefined) continue;
    const message = `No rule names the action "${action}". Correct it, or name it in a rule.`;
    add(findings, file, ['actions', action], 'unknown_action', message, { nearest });
  }
}

/** Events that a file takes for an action which does not exist. */
function findUndeclaredEvents(files: readonly OpenedFile[], known: KnownActions, findings: Findings): void {
  if (findings.incomplete) return;
  for (const { name: file, body } of files) {
    for (const [event, action] of Object.entries(body.events ?? {})) {
      if (action === undefined || known.has(action)) continue;
      const message = `No file declares the action "${action}". Correct it, or declare it: "actions": { "${action}": {} }.`;
      add(findings, file, ['events', event], 'unknown_action', message, { nearest: known.nearest(action) });
    }
  }
}

/** Events whose action is not declared, where some action has a trust of its own that they may have been meant to have. */
function eventWarnings(events: Events, actions: Actions, known: KnownActions): string[] {
  const trusting = [...actions].flatMap(([action, { entry }]) => (entry.trust?.days === undefined ? [] : [action]));
  if (trusting.length === 0) return [];
  return SUCCESS_EVENTS.flatMap((event) => {
    const action = events[event];
    if (known.has(action)) return [];
    return `events: ${event} is the action "${action}", which no file declares, so it follows no trust of an action (${trusting.join(', ')}); state which one it is: "events": { "${event}": "${trusting[0]}" }`;
  });
}

/** What a comparison with the action names that is nearly, but not quite, declared. */
function strangersIn(
  comparison: Comparison,
  declared: ReadonlySet<string>,
): readonly { readonly word: string; readonly nearest: string }[] {
  const near = (word: string, candidates: Iterable<string>) => {
    const nearest = nearMiss(word, candidates);
    return nearest === undefined ? [] : [{ word, nearest }];
  };
  const { operator, operand } = comparison;
  if (operator !== 'starts_with' || typeof operand !== 'string') {
    return exactNames(comparison).flatMap((name) => (declared.has(name) ? [] : near(name, declared)));
  }
  if ([...declared].some((name) => name.startsWith(operand))) return [];
  return near(operand, new Set([...declared].flatMap((name) => name.match(/^.*?\.|^.*\./g) ?? [])));
}

/** Patterns on texts that a client can make as long as it likes, and nothing in the files that looks at the length. */
function patternWarnings({ file, head, when }: DraftRule, drafts: readonly DraftRule[]): string[] {
  const guarded = (fact: string): boolean =>
    drafts.some((draft) =>
      [...comparisonsOf(draft.when)].some(
        (each) => each.fact === fact && each.operator === 'longer_than' && Number(each.operand) <= MATCHES_INPUT_LIMIT,
      ),
    );
  return [...comparisonsOf(when)].flatMap(({ fact, operator, path, measured }) => {
    if (operator !== 'matches' || (measured && fact !== 'resource.id') || guarded(fact)) return [];
    return `${file} › ${path} (rule ${head.id}): a text of more than ${MATCHES_INPUT_LIMIT} characters is unknown to this pattern; read all of it with starts_with, ends_with or contains, catch it with "longer_than": ${MATCHES_INPUT_LIMIT}, or let a route guard it`;
  });
}

const EXACT: readonly string[] = ['eq', 'ne', 'in', 'not_in'];
const PARTIAL: readonly string[] = ['starts_with', 'ends_with', 'contains'];

/** Paths that a rule compares `resource.id` with and that no request behind a gateway has. */
function pathWarnings({ file, head, when }: DraftRule): string[] {
  return [...comparisonsOf(when)].flatMap(({ fact, operator, operand, path }) => {
    const isExact = EXACT.includes(operator);
    if (fact !== 'resource.id' || !(isExact || PARTIAL.includes(operator))) return [];
    const texts = (Array.isArray(operand) ? operand : [operand]).filter((each) => typeof each === 'string');
    return texts.flatMap((text) => {
      const told = isExact ? text.toLowerCase().replace(/(?<=.)\/$/, '') : text.toLowerCase();
      if (told === text || !(isExact ? text.startsWith('/') : text.includes('/'))) return [];
      return `${file} › ${path} (rule ${head.id}): no request behind a gateway has "${text}" in its path: paths are told in lower case and without a slash at the end; write "${told}"`;
    });
  });
}

function add(
  findings: Findings,
  file: string,
  path: readonly PropertyKey[],
  code: RuleProblemCode,
  message: string,
  more: { readonly rule?: string | null; readonly nearest?: string | undefined } = {},
): void {
  findings.problems.push({
    file,
    rule: more.rule ?? null,
    path: formatPath(path),
    code,
    message,
    ...(more.nearest === undefined ? {} : { nearest: more.nearest }),
  });
}

function openFile({ name, text }: RuleText, findings: Findings): RuleFile | null {
  const json = parseStrictJson(text);
  if (!json.ok) {
    for (const { path, code, message } of json.problems) {
      findings.problems.push({ file: name, rule: null, path, code, message });
    }
    return null;
  }
  const body = fileShape.safeParse(json.value);
  if (body.success) return body.data;
  addIssues(findings, body.error.issues, json.value, { file: name, path: [], rule: null });
  // Its rules and the names of its actions are still looked at, so that one run tells everything.
  const value = json.value;
  const rules = typeof value === 'object' && value !== null && 'rules' in value ? value.rules : undefined;
  return Array.isArray(rules) ? { rules, actions: readableActions(value) } : null;
}

/** The actions of a file that has not the right shape; of an entry that has not, its name and those of its routes that are right. */
function readableActions(file: unknown): Record<string, ActionEntry> {
  const found = valueAt(file, ['actions']);
  if (typeof found !== 'object' || found === null || Array.isArray(found)) return {};
  const read = (actions: object): Record<string, ActionEntry> | null =>
    fileShape.safeParse({ actions }).data?.actions ?? null;
  return Object.fromEntries(
    Object.entries(found).flatMap(([name, entry]) => {
      const routes = valueAt(entry, ['routes']);
      const right = Array.isArray(routes) ? routes.filter((route) => read({ [name]: { routes: [route] } })) : undefined;
      return Object.entries(read({ [name]: entry }) ?? read({ [name]: { routes: right } }) ?? {});
    }),
  );
}

interface Place {
  readonly file: string;
  readonly path: readonly PropertyKey[];
  readonly rule: string | null;
}

/** Tells the issues of a zod schema as problems: each with what was found, unknown keys with the nearest known one. */
function addIssues(findings: Findings, issues: readonly z.core.$ZodIssue[], value: unknown, place: Place): void {
  for (const problem of schemaProblems(issues, value)) {
    const { path, code, message, nearest } = problem;
    add(findings, place.file, [...place.path, ...path], code, message, { rule: place.rule, nearest });
  }
}

/** One issue of a zod schema in the words of the rule language. */
export interface SchemaProblem {
  readonly path: readonly PropertyKey[];
  readonly code: RuleProblemCode;
  readonly message: string;
  readonly nearest: string | undefined;
}

/** Puts the issues that zod found in a value into the words of the rule language. */
export function schemaProblems(issues: readonly z.core.$ZodIssue[], value: unknown): SchemaProblem[] {
  return issues.flatMap((issue): SchemaProblem[] => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        path: [...issue.path, key],
        code: 'unknown_key',
        message: `The key "${key}" means nothing here. Remove it or correct its spelling.`,
        nearest: nearestWord(key, LANGUAGE_KEYS),
      }));
    }
    const found = valueAt(value, issue.path);
    const options = issue.code === 'invalid_value' ? issue.values.map(String) : [];
    const nearest = typeof found === 'string' ? nearestWord(found, options) : undefined;
    const message = `${issue.message}. Found ${found === undefined ? 'nothing' : showFound(found)}.`;
    return [{ path: issue.path, code: 'shape', message, nearest }];
  });
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let node = value;
  for (const key of path) {
    if (typeof node !== 'object' || node === null || !Object.hasOwn(node, key)) return undefined;
    node = (node as { readonly [key: PropertyKey]: unknown })[key];
  }
  return node;
}

function compileFile(file: OpenedFile, catalog: FactCatalog, findings: Findings): DraftRule[] {
  return (file.body.rules ?? []).flatMap((value, index) => {
    const draft = compileRule(file, value, index, catalog, findings);
    if (draft === null) findings.incomplete = true;
    return draft ?? [];
  });
}

function compileRule(
  file: OpenedFile,
  value: unknown,
  index: number,
  catalog: FactCatalog,
  findings: Findings,
): DraftRule | null {
  const before = findings.problems.length;
  const path = ['rules', index];
  const rule =
    typeof value === 'object' && value !== null && 'id' in value && typeof value.id === 'string' ? value.id : null;
  const place: Place = { file: file.name, path, rule };
  const head = ruleShape.safeParse(value);
  if (!head.success) addIssues(findings, head.error.issues, value, place);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const parts: { readonly when?: unknown; readonly then?: unknown; readonly description?: unknown } = value;
  const then = parseThen(parts.then, { ...place, path: [...path, 'then'] }, findings);
  const scoreAllowed = then === null || 'decision' in then;
  const when = compileCondition(parts.when, [...path, 'when'], {
    catalog,
    scoreAllowed,
    report: (at, code, message, nearest) => add(findings, file.name, at, code, message, { rule, nearest }),
  });
  const message = cutDescription(parts.description, place, catalog, scoreAllowed, findings);
  if (findings.problems.length > before || !head.success || then === null || when === null) return null;
  const dryRun = head.data.mode === 'dry_run' || file.body.mode === 'dry_run';
  return { file: file.name, index, head: head.data, when, message, then, dryRun };
}

function parseThen(value: unknown, place: Place, findings: Findings): DraftRule['then'] | null {
  const has = (key: string): boolean => typeof value === 'object' && value !== null && key in value;
  if (!has('points') && !has('decision')) {
    const message = `Expected {"points": …} or {"decision": …}, found ${value === undefined ? 'nothing' : showFound(value)}.`;
    add(findings, place.file, place.path, 'shape', message, { rule: place.rule });
    return null;
  }
  const then = has('decision') ? decisionSchema.safeParse(value) : pointsSchema.safeParse(value);
  if (then.success) return then.data;
  // The union's own issue names no options, and a misspelt decision deserves the nearest.
  const options = decisionSchema.options.map((option) => option.shape.decision.value);
  for (const issue of then.error.issues) {
    if (issue.code === 'invalid_union') {
      const found = valueAt(value, ['decision']);
      const message = `Expected one of ${options.join(', ')}; found ${showFound(found)}.`;
      const nearest = typeof found === 'string' ? nearestWord(found, options) : undefined;
      add(findings, place.file, [...place.path, 'decision'], 'shape', message, { rule: place.rule, nearest });
    } else {
      addIssues(findings, [issue], value, place);
    }
  }
  return null;
}

/** Cuts a description at its `{fact}` placeholders. */
function cutDescription(
  description: unknown,
  place: Place,
  catalog: FactCatalog,
  scoreAllowed: boolean,
  findings: Findings,
): MessagePart[] {
  if (typeof description !== 'string') return [];
  // Split by one capture group: texts stand at even places, names at odd ones.
  return description.split(/\{([A-Za-z][\p{L}\p{N}_.:-]*)\}/u).flatMap((part, i): MessagePart[] => {
    if (i % 2 === 0) return part === '' ? [] : [part];
    const resolved = resolveFact(part, catalog, scoreAllowed);
    if (resolved !== 'free' && 'code' in resolved) {
      const { code, message, nearest } = resolved;
      add(findings, place.file, [...place.path, 'description'], code, message, { rule: place.rule, nearest });
      return [];
    }
    return [{ fact: part, read: factReader(part) }];
  });
}

/** Checks what rules say about one another and builds them, each after the rules that overrule it. */
function relate(drafts: readonly DraftRule[], findings: Findings): (ScoringRule | DecisionRule)[] {
  const byId = new Map<string, DraftRule>();
  for (const draft of drafts) {
    const first = byId.get(draft.head.id);
    if (first === undefined) byId.set(draft.head.id, draft);
    else {
      const message = `The id "${draft.head.id}" is taken by rules[${first.index}] of ${first.file}. Ids are unique over all files.`;
      add(findings, draft.file, ['rules', draft.index, 'id'], 'duplicate_id', message, { rule: draft.head.id });
    }
  }
  const overruledBy = new Map<string, DraftRule[]>();
  for (const draft of drafts) {
    if (!('over' in draft.then)) continue;
    for (const [i, id] of (draft.then.over ?? []).entries()) {
      const target = byId.get(id);
      const wrong = wrongTarget(draft, id, target, byId.keys());
      if (wrong === null) overruledBy.set(id, [...(overruledBy.get(id) ?? []), draft]);
      // The rule named may stand in a part that could not be read.
      else if (target !== undefined || !findings.incomplete) {
        const path = ['rules', draft.index, 'then', 'over', i];
        add(findings, draft.file, path, 'over_unknown', wrong.message, { rule: draft.head.id, nearest: wrong.nearest });
      }
    }
  }
  for (const [id, overrulers] of overruledBy) {
    const target = byId.get(id);
    const always = target && overrulers.find((each) => alwaysOverrules(each, target, overruledBy));
    if (target === undefined || always === undefined) continue;
    const message = `Never binds: "${always.head.id}" overrules it whenever it matches. Narrow that rule or remove this one.`;
    add(findings, target.file, ['rules', target.index], 'never_binds', message, { rule: id });
  }
  const order = overOrder(drafts, overruledBy, findings);
  if (order === null) return [];
  const decisions = new Map<string, DecisionRule>();
  return order.map((draft, overRank) => {
    const { head, then, file, dryRun, when, message } = draft;
    const code = then.reason ?? defaultCode(head.id);
    const shared = { id: head.id, file, code, dryRun, when, message };
    if ('points' in then) return { ...shared, points: then.points };
    const overrulers = (overruledBy.get(head.id) ?? []).flatMap((each) => decisions.get(each.head.id) ?? []);
    const { decision } = then;
    const rule = { ...shared, decision, requirement: requirementOf(then), overruledBy: overrulers, overRank };
    decisions.set(head.id, rule);
    return rule;
  });
}

function wrongTarget(
  draft: DraftRule,
  id: string,
  target: DraftRule | undefined,
  ids: Iterable<string>,
): { readonly message: string; readonly nearest?: string | undefined } | null {
  if (target === undefined) return { message: `over names no rule "${id}".`, nearest: nearestWord(id, ids) };
  if (id === draft.head.id) return { message: `"${id}" overrules itself. Name another rule.` };
  if ('points' in target.then) {
    return {
      message: `over names the scoring rule "${id}"; only decision rules can be overruled. Use negative points.`,
    };
  }
  return null;
}

/** Whether a rule matches whenever the other does, and nothing can take it out. */
function alwaysOverrules(
  draft: DraftRule,
  target: DraftRule,
  overruledBy: ReadonlyMap<string, readonly DraftRule[]>,
): boolean {
  if (overruledBy.has(draft.head.id) || (draft.dryRun && !target.dryRun)) return false;
  const met = conjunctsOf(target.when);
  return [...conjunctsOf(draft.when)].every((each) => met.has(each));
}

/** Rules in an order in which overrulers come first (ties by file, then id); null where they overrule in a circle. */
function overOrder(
  drafts: readonly DraftRule[],
  overruledBy: ReadonlyMap<string, readonly DraftRule[]>,
  findings: Findings,
): DraftRule[] | null {
  const place = (draft: DraftRule) => ({ id: draft.head.id, file: draft.file });
  let waiting = drafts.toSorted((a, b) => byPlace(place(a), place(b)));
  const order: DraftRule[] = [];
  const placed = new Set<DraftRule>();
  while (waiting.length > 0) {
    const ready = waiting.filter((each) => (overruledBy.get(each.head.id) ?? []).every((other) => placed.has(other)));
    if (ready.length === 0) {
      for (const each of waiting) {
        const message = `Rules overrule one another in a circle: ${waiting.map((other) => other.head.id).join(', ')}. Break it.`;
        add(findings, each.file, ['rules', each.index, 'then'], 'over_cycle', message, { rule: each.head.id });
      }
      return null;
    }
    for (const each of ready) placed.add(each);
    order.push(...ready);
    waiting = waiting.filter((each) => !placed.has(each));
  }
  return order;
}

function requirementOf(then: z.infer<typeof decisionSchema>): Requirement | null {
  if (then.decision !== 'step-up') return null;
  return {
    acrValues: [...new Set(then.acr_values)],
    amrValues: [...new Set(then.amr_values)],
    maxAgeSeconds: then.max_age ?? DEFAULT_MAX_AGE_SECONDS,
    singleUse: then.single_use ?? false,
    unsatisfiable: false,
  };
}

function defaultCode(id: string): string {
  return id
    .toLowerCase()
    .replace(/[^a-z0-9_]/g, '_')
    .replace(/^(?=\d)/, 'rule_')
    .slice(0, 64);
}

interface DraftGroup {
  readonly scoring: ScoringRule[];
  readonly decisions: DecisionRule[];
  readonly dryScoring: ScoringRule[];
  readonly dryDecisions: DecisionRule[];
}

function emptyGroup(): DraftGroup {
  return { scoring: [], decisions: [], dryScoring: [], dryDecisions: [] };
}

function indexByAction(rules: readonly (ScoringRule | DecisionRule)[]): {
  readonly general: RuleGroup;
  readonly byAction: ReadonlyMap<string, RuleGroup>;
} {
  const general = emptyGroup();
  const byAction = new Map<string, DraftGroup>();
  for (const rule of rules.toSorted(byAnswerOrder)) {
    const actions = boundActions(rule.when);
    if (actions === null) place(rule, general);
    for (const action of actions ?? []) {
      const group = byAction.get(action) ?? emptyGroup();
      byAction.set(action, group);
      place(rule, group);
    }
  }
  return { general, byAction };
}

function byAnswerOrder(a: ScoringRule | DecisionRule, b: ScoringRule | DecisionRule): number {
  return 'points' in a && 'points' in b
    ? byWeight(a, b)
    : Number('points' in b) - Number('points' in a) || byPlace(a, b);
}

function place(rule: ScoringRule | DecisionRule, into: DraftGroup): void {
  if ('points' in rule) (rule.dryRun ? into.dryScoring : into.scoring).push(rule);
  else (rule.dryRun ? into.dryDecisions : into.decisions).push(rule);
}

type Events = { readonly [event in SuccessEvent]: string };
const SUCCESS_EVENTS: readonly SuccessEvent[] = ['login.succeeded', 'step_up.succeeded'];

interface Settings {
  readonly levels: { readonly medium: number; readonly high: number };
  readonly floor: Decision;
  readonly decision: Decision;
  readonly undeclared: Decision;
  readonly trust: ActionPolicy['trust'];
  readonly events: Events;
}

/** What the files say for all rules; each thing may be said by several files, but only with one value. */
function mergeSettings(files: readonly OpenedFile[], findings: Findings): Settings {
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
      onStepUp: one(['trust', 'on_step_up'], (body) => body.trust?.on_step_up) ?? RULE_DEFAULTS.trust.onStepUp,
    },
    events: {
      'login.succeeded': event('login.succeeded'),
      'step_up.succeeded': event('step_up.succeeded'),
    },
  };
}

function agree<Value>(
  said: readonly { readonly file: string; readonly value: Value | undefined }[],
  path: readonly string[],
  findings: Findings,
): Value | undefined {
  const first = said.find((each) => each.value !== undefined);
  for (const each of said) {
    if (first === undefined || each.value === undefined) continue;
    if (canonicalJson(each.value) === canonicalJson(first.value)) continue;
    const message = `${each.file} says ${showFound(each.value)}, but ${first.file} says ${showFound(first.value)}. Say it once.`;
    add(findings, each.file, path, 'conflict', message);
  }
  return first?.value;
}

type Actions = ReadonlyMap<string, { readonly entry: ActionEntry; readonly routes: readonly string[] }>;

/** One entry per action: routes of all files together, everything else said with one value. */
function mergeActions(files: readonly OpenedFile[], findings: Findings): Actions {
  const names = new Set(files.flatMap((file) => Object.keys(file.body.actions ?? {})));
  const takenBy = new Map<string, { readonly action: string; readonly file: string }>();
  const actions = new Map<string, { entry: ActionEntry; routes: readonly string[] }>();
  for (const name of [...names].sort()) {
    const one = <Value>(path: readonly string[], pick: (entry: ActionEntry) => Value | undefined): Value | undefined =>
      agree(
        files.map(({ name: file, body }) => {
          const entry = body.actions?.[name];
          return { file, value: entry === undefined ? undefined : pick(entry) };
        }),
        ['actions', name, ...path],
        findings,
      );
    const entry: ActionEntry = {
      learn: one(['learn'], (each) => each.learn),
      floor: one(['floor'], (each) => each.floor),
      guarded: one(['guarded'], (each) => each.guarded),
      trust: {
        days: one(['trust', 'days'], (each) => each.trust?.days),
        on_step_up: one(['trust', 'on_step_up'], (each) => each.trust?.on_step_up),
      },
    };
    const routes = new Set<string>();
    for (const { name: file, body } of files) {
      for (const [i, route] of (body.actions?.[name]?.routes ?? []).entries()) {
        const key = routeKey(route);
        const taken = takenBy.get(key);
        if (taken !== undefined && taken.action !== name) {
          const message = `The route "${route}" already stands for "${taken.action}" in ${taken.file}. One route is one action.`;
          add(findings, file, ['actions', name, 'routes', i], 'conflict', message);
        }
        takenBy.set(key, taken ?? { action: name, file });
        routes.add(route);
      }
    }
    actions.set(name, { entry, routes: [...routes] });
  }
  return actions;
}

/** Routes that match the same requests have one key: case and the names of path parameters do not count. */
function routeKey(route: string): string {
  return route.toLowerCase().replace(/\{\w+\}/g, '{}');
}

function routesOf(actions: Actions): RoutePattern[] {
  return [...actions].flatMap(([action, { routes }]) =>
    routes.map((route) => {
      const space = route.indexOf(' ');
      return { method: route.slice(0, space), path: route.slice(space + 1), action };
    }),
  );
}

function policyOf(entry: ActionEntry, general: ActionPolicy): ActionPolicy {
  const floor = entry.floor ?? general.floor;
  return {
    learn: entry.learn ?? general.learn,
    floor,
    guarded: entry.guarded ?? floor !== 'allow',
    trust: {
      days: entry.trust?.days ?? general.trust.days,
      onStepUp: entry.trust?.on_step_up ?? general.trust.onStepUp,
    },
  };
}

/** Hash of what the files say: keys sorted and spacing gone, so that a mere reformatting is no new revision. */
function revisionOf(files: readonly OpenedFile[]): string {
  const said = files.map(({ name, body: { $schema: _, ...body } }) => [name, body]);
  return `sha256-${bytesToHex(sha256(utf8ToBytes(canonicalJson(said))))}`;
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
