import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { versionOf } from '../data/directory.ts';
import { type Live, live } from '../data/live.ts';
import { messageOf } from '../model/error-text.ts';
import type { FactCatalog } from '../model/facts.ts';
import { compileRules } from './compile.ts';
import type { UnmetAcrValues } from './draft-rule.ts';
import { RulesError } from './problems.ts';
import type { RuleText } from './rule-file.ts';
import type { RuleSet } from './ruleset.ts';

/**
 * Reads the rule files of a directory: every `*.json` but hidden files, `*.test.json` and `*.schema.json`, by name.
 *
 * @throws RulesError when the directory or a file cannot be read or is not UTF-8
 */
export function readRuleFiles(dir: string): Promise<RuleText[]> {
  return readTexts(dir, isRuleFile);
}

/**
 * Reads the test files (`*.test.json`) of a directory by name.
 *
 * @throws RulesError when the directory or a file cannot be read or is not UTF-8
 */
export function readRuleTestFiles(dir: string): Promise<RuleText[]> {
  return readTexts(dir, (name) => !name.startsWith('.') && name.endsWith('.test.json'));
}

/**
 * Reads and compiles the rules of a directory.
 *
 * @throws RulesError that lists every problem
 */
export async function loadRules(dir: string, catalog: FactCatalog, unmet?: UnmetAcrValues): Promise<RuleSet> {
  return compileRules(await readRuleFiles(dir), catalog, unmet);
}

/** What to watch, and who hears of it. */
export interface WatchOptions {
  readonly dir: string;
  readonly catalog: FactCatalog;
  /** As for `compileRules`. */
  readonly unmet?: UnmetAcrValues;
  /** The set that is live already; a reload that comes out the same is not announced. */
  readonly current: RuleSet;
  /** Called with a new set once it is whole and valid: swap one reference, and every check sees the old or the new set. */
  readonly onSwap: (ruleSet: RuleSet) => void;
  /** Called when a change is refused; the current set stays. */
  readonly onRefused: (error: RulesError) => void;
  /** Time between two looks at the directory, in milliseconds. Default: 1,000. */
  readonly intervalMs?: number;
}

/** A directory under watch. `problem` says why the last change was refused, for `/readyz` and health. */
export type RulesWatch = Pick<Live<RuleSet>, 'problem' | 'reload' | 'close'>;

/**
 * Watches a directory of rule files. A change is taken over as a whole after it validates; a file that is half written,
 * empty or wrong, and a directory without rules, are refused.
 */
export function watchRules(options: WatchOptions): RulesWatch {
  const { dir, catalog, unmet, current, onSwap, onRefused, intervalMs = 1_000 } = options;
  return live<RuleSet, string | null | undefined>({
    version: () => versionOf(dir, isRuleFile),
    load: () => loadRules(dir, catalog, unmet),
    first: { version: undefined, value: current },
    isSame: (next, { revision }) => next.revision === revision,
    onSwap,
    onProblem: (error) => onRefused(asRulesError(error, resolve(dir), DIRECTORY)),
    intervalMs,
  });
}

function isRuleFile(name: string): boolean {
  return (
    name.endsWith('.json') && !name.startsWith('.') && !name.endsWith('.test.json') && !name.endsWith('.schema.json')
  );
}

async function readTexts(dir: string, wanted: (name: string) => boolean): Promise<RuleText[]> {
  let names: string[];
  try {
    names = (await readdir(dir)).filter(wanted).sort();
  } catch (error) {
    throw asRulesError(error, resolve(dir), DIRECTORY);
  }
  return Promise.all(names.map((name) => readText(dir, name)));
}

async function readText(dir: string, name: string): Promise<RuleText> {
  try {
    const bytes = await readFile(join(dir, name));
    return { name, text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch (error) {
    throw asRulesError(error, name, 'a readable UTF-8 file');
  }
}

const DIRECTORY = 'the directory of the rule files, which RULES_DIR or --dir names';

function asRulesError(error: unknown, file: string, expected: string): RulesError {
  if (error instanceof RulesError) return error;
  const message = `Cannot be read: ${messageOf(error)}. Expected ${expected}.`;
  return new RulesError([{ file, rule: null, path: '', code: 'file_unreadable', message }]);
}
