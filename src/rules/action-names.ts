import { DEFAULT_ACTION, exactNames, type KnownActions } from './actions.ts';
import type { Comparison } from './comparison.ts';
import { comparisonsOf } from './condition.ts';
import type { DeclaredActions } from './declared-actions.ts';
import type { DraftRule } from './draft-rule.ts';
import { type Events, SUCCESS_EVENTS } from './file-settings.ts';
import { add, type Findings } from './findings.ts';
import { nearMiss } from './problems.ts';
import type { OpenedFile } from './rule-file.ts';

/**
 * Reports probable typos of action names: a name in `when` that `actions` lacks, or a name in `actions` that no rule uses
 * although a rule uses a similar one, unless both have routes. A rule that misses its action by a typo looks like a rule that
 * never matches.
 */
export function findNearMisses(files: readonly OpenedFile[], drafts: readonly DraftRule[], findings: Findings): void {
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
      for (const { word, nearest } of nearMissesIn(comparison, declared)) {
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
    // Similar names that both have routes are different actions: cart.add and card.add, account.lock and account.unlock.
    const others = routed.has(action) ? judged.filter((other) => !routed.has(other)) : judged;
    const nearest = named.has(action) ? undefined : nearMiss(action, others);
    if (nearest === undefined) continue;
    const message = `No rule names the action "${action}". Correct it, or name it in a rule.`;
    add(findings, file, ['actions', action], 'unknown_action', message, { nearest });
  }
}

/** Names in a comparison that are almost those of declared actions. */
function nearMissesIn(
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

/** Reports events whose stated action does not exist. */
export function findUndeclaredEvents(files: readonly OpenedFile[], known: KnownActions, findings: Findings): void {
  if (findings.incomplete) return;
  for (const { name: file, body } of files) {
    for (const [event, action] of Object.entries(body.events ?? {})) {
      if (action === undefined || known.has(action)) continue;
      const message = `No file declares the action "${action}". Correct it, or declare it: "actions": { "${action}": {} }.`;
      add(findings, file, ['events', event], 'unknown_action', message, { nearest: known.nearest(action) });
    }
  }
}

/** Events without a declared action in files where an action has trust of its own, which the event may be meant to grant. */
export function eventWarnings(events: Events, actions: DeclaredActions, known: KnownActions): string[] {
  const trusting = [...actions].flatMap(([action, { entry }]) => (entry.trust?.days === undefined ? [] : [action]));
  if (trusting.length === 0) return [];
  return SUCCESS_EVENTS.flatMap((event) => {
    const action = events[event];
    if (known.has(action)) return [];
    return `events: ${event} is the action "${action}", which no file declares, so the trust of ${trusting.join(', ')} does not apply to it; name its action: "events": { "${event}": "${trusting[0]}" }`;
  });
}
