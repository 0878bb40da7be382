import * as z from 'zod';
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
  /** Why what stands there is not in force; null while it is, or nothing stands there. */
  problem(): string | null;
}

/**
 * Looks after the rules in a namespace. A value counts as a whole after it validates; one that is no rules at all, or wrong
 * ones, is refused, and the set in force goes on. So it does when the namespace cannot be read.
 */
export function rulesInKv(options: RulesInKvOptions): RulesInKv {
  const { namespace, catalog, unmet, bundled, everyMs, onSwap, onRefused } = options;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let seen: string | null = null;
  let revision = bundled.revision;
  let unreadable: string | null = null;
  let refused: string | null = null;

  const take = (value: string | null): void => {
    try {
      const next = value === null ? bundled : compileRules(filesOf(value), catalog, unmet);
      refused = null;
      if (next.revision === revision) return;
      revision = next.revision;
      onSwap(next);
    } catch (error) {
      if (!(error instanceof RulesError)) throw error;
      refused = error.message;
      onRefused(error);
    }
  };
  const look = async (): Promise<void> => {
    let value: string | null;
    try {
      value = await namespace.get(RULES_KEY);
      unreadable = null;
    } catch (error) {
      unreadable = `the KV namespace RULES_KV cannot be read: ${error instanceof Error ? error.message : String(error)}`;
      return;
    }
    if (value === seen) return;
    seen = value;
    take(value);
  };
  return {
    due: (nowMs) => {
      if (nowMs - lookedAtMs < everyMs) return null;
      lookedAtMs = nowMs;
      return look;
    },
    problem: () => unreadable ?? refused,
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
