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

/** The key under which the rules stand: all files in one value, so that no request sees half of a change. */
export const RULES_KEY = 'rules';

/** What stands there: the file that `npm run build:worker` writes, `build/worker/rules.json`. */
const ruleFiles = z.array(z.strictObject({ name: z.string().min(1), text: z.string() }));

/** Which namespace, and whom to tell. */
export interface RulesInKvOptions {
  readonly namespace: RulesNamespace;
  readonly catalog: FactCatalog;
  /** As for `compileRules`. */
  readonly unmet?: UnmetAcrValues;
  /** The rules that the Worker carries: in force until there are newer ones, and again when those are deleted. */
  readonly bundled: RuleSet;
  /** Least time between two looks, in milliseconds. */
  readonly everyMs: number;
  readonly onSwap: (ruleSet: RuleSet) => void;
  /** Called once for each new value that is refused; the current set goes on. */
  readonly onRefused: (error: RulesError) => void;
}

/** Rules in a KV namespace that replace those that the Worker carries. */
export interface RulesInKv {
  /** The next look, when it is due: to be run beside the request, never waited for by it. Null otherwise. */
  due(nowMs: number): (() => Promise<void>) | null;
  /** Why what is stored there is not in force; null while it is, or nothing is stored. */
  problem(): string | null;
}

/**
 * Follows the rules in a namespace. A value counts as a whole after it validates; one that is refused, and a namespace that cannot be
 * read, leave the set in force as it is.
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
