import * as z from 'zod';
import { live } from '../data/live.ts';
import { messageOf } from '../model/error-text.ts';
import type { FactCatalog } from '../model/facts.ts';
import { compileRules } from '../rules/compile.ts';
import type { UnmetAcrValues } from '../rules/draft-rule.ts';
import { RulesError } from '../rules/problems.ts';
import type { RuleSet } from '../rules/ruleset.ts';

/** The part of a KV namespace that is used. */
export interface RulesNamespace {
  get(key: string): Promise<string | null>;
}

/** Key of the rules. All files are in one value, so that a change is atomic. */
export const RULES_KEY = 'rules';

/** The value: `build/worker/rules.json`, written by `npm run build:worker`. */
const ruleFiles = z.array(z.strictObject({ name: z.string().min(1), text: z.string() }));

export interface RulesInKvOptions {
  readonly namespace: RulesNamespace;
  readonly catalog: FactCatalog;
  /** As for `compileRules`. */
  readonly unmet?: UnmetAcrValues;
  /** Active until the namespace has rules, and again when those are deleted. */
  readonly bundled: RuleSet;
  /** Shortest time between two reads, in milliseconds. */
  readonly everyMs: number;
  readonly onSwap: (ruleSet: RuleSet) => void;
  /** Called once for each new value that is refused; the current rules stay active. */
  readonly onRefused: (error: RulesError) => void;
}

/** Rules in a KV namespace that replace the bundled ones. */
export interface RulesInKv {
  /** The next read if it is due, to run outside the path of the request; null otherwise. */
  due(nowMs: number): (() => Promise<void>) | null;
  /** Why the stored value is not active; null if it is, or nothing is stored. */
  problem(): string | null;
}

/**
 * Reloads rules from a namespace. A value is activated as a whole if it is valid; otherwise, and while the namespace cannot be read,
 * the current rules stay active.
 */
export function rulesInKv(options: RulesInKvOptions): RulesInKv {
  const { namespace, catalog, unmet, bundled, everyMs, onSwap, onRefused } = options;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  const rules = live<RuleSet, string | null>({
    version: async () => {
      try {
        return await namespace.get(RULES_KEY);
      } catch (error) {
        throw new Error(`the KV namespace RULES_KV cannot be read: ${messageOf(error)}`, { cause: error });
      }
    },
    load: (value) => (value === null ? bundled : compileRules(filesOf(value), catalog, unmet)),
    first: { version: null, value: bundled },
    isSame: (next, { revision }) => next.revision === revision,
    onSwap,
    onProblem: (error) => {
      if (error instanceof RulesError) onRefused(error);
    },
  });
  return {
    due: (nowMs) => {
      if (nowMs - lookedAtMs < everyMs) return null;
      lookedAtMs = nowMs;
      return rules.look;
    },
    problem: () => rules.problem()?.message ?? null,
  };
}

function filesOf(value: string): z.output<typeof ruleFiles> {
  const parsed = ruleFiles.safeParse(jsonOf(value));
  if (parsed.success) return parsed.data;
  const message =
    'The value is not a list of {"name", "text"}. Expected the file that `npm run build:worker` writes, build/worker/rules.json.';
  throw new RulesError([{ file: `KV › ${RULES_KEY}`, rule: null, path: '', code: 'file_unreadable', message }]);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
