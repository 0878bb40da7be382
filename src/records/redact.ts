import type { FactValue, MeasuredFacts } from '../model/facts.ts';

/**
 * Facts that identify a person, address, device or session, or that the caller chose freely. They never reach a record;
 * `erased` names those that were present.
 */
const ERASED_FACTS: ReadonlySet<string> = new Set([
  'subject.id',
  'subject.type',
  'resource.id',
  'session.id',
  'session.actor',
  'ip.address',
  'device.id',
]);
const ERASED_PREFIXES: readonly string[] = ['context.', 'resource.properties.', 'subject.properties.'];

/**
 * A copy of facts in which all that could identify someone are undefined. Their names are added to `erased`, each once.
 */
export function redact(facts: MeasuredFacts, erased: string[]): MeasuredFacts {
  const kept: { [name: string]: FactValue | undefined } = { ...facts };
  for (const name in kept) {
    if (!isErased(name) || kept[name] === undefined) continue;
    kept[name] = undefined;
    if (!erased.includes(name)) erased.push(name);
  }
  return kept;
}

function isErased(name: string): boolean {
  const before = judged.get(name);
  if (before !== undefined) return before;
  const is = ERASED_FACTS.has(name) || ERASED_PREFIXES.some((prefix) => name.startsWith(prefix));
  judged.set(name, is);
  return is;
}

/** Pure results. Signals and rules name the facts, so that there are only so many. */
const judged = new Map<string, boolean>();
