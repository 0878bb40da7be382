import type { FactValue, MeasuredFacts } from '../model/facts.ts';

/**
 * Facts that name a person, an address, a device or a session, or that the caller chose freely. They never reach a
 * record; `erased` says that they were there.
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
 * A copy of facts without any whose value could name somebody: those are undefined in it. Their names are added to
 * `erased`, each once.
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
