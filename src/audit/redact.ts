import type { FactValue, MeasuredFacts } from '../facts.ts';

/**
 * Facts that name a person, an address, a device or a session, or that the caller chose freely. They never reach a
 * record; `erased` says that they were there.
 */
const ERASED_FACTS: ReadonlySet<string> = new Set([
  'subject.id',
  'resource.id',
  'session.id',
  'ip.address',
  'device.id',
]);
const ERASED_PREFIXES: readonly string[] = ['context.', 'resource.properties.', 'subject.properties.'];

/** Facts that may be kept, and the names of those that were left out. */
export interface Redacted {
  readonly facts: { readonly [name: string]: FactValue };
  readonly erased: readonly string[];
}

/** Leaves out every fact whose value could name somebody; the names of facts are kept. */
export function redact(facts: MeasuredFacts): Redacted {
  const kept: { [name: string]: FactValue } = {};
  const erased: string[] = [];
  for (const name in facts) {
    const value = facts[name];
    if (isErased(name)) erased.push(name);
    else if (value !== undefined) kept[name] = value;
  }
  return { facts: kept, erased };
}

function isErased(name: string): boolean {
  for (const prefix of ERASED_PREFIXES) if (name.startsWith(prefix)) return true;
  return ERASED_FACTS.has(name);
}
