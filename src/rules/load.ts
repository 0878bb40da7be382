import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { versionOf } from '../data/directory.ts';
import { type Live, live } from '../data/live.ts';
import { messageOf } from '../model/error-text.ts';
import type { FactCatalog } from '../model/facts.ts';
import { baseName, extendedPath, withoutReplaced } from './base-file.ts';
import { compileRules } from './compile.ts';
import type { UnmetAcrValues } from './draft-rule.ts';
import { RulesError } from './problems.ts';
import type { RuleText } from './rule-file.ts';
import type { RuleSet } from './ruleset.ts';

/**
 * Reads the rule files of a directory by name: every `*.json` except hidden files, `*.test.json` and `*.schema.json`; and the base
 * of each one that `extends` it, without what the file replaces.
 *
 * @throws RulesError when the directory or a file cannot be read or is not UTF-8
 */
export async function readRuleFiles(dir: string): Promise<RuleText[]> {
  const own = await readTexts(dir, isRuleFile);
  const bases = own.map(async (file) => {
    const path = extendedPath(file);
    if (path === null) return [];
    const base = await readText(dir, path);
    return [withoutReplaced({ ...base, name: baseName(path) }, file)];
  });
  return [...own, ...(await Promise.all(bases)).flat()];
}

/**
 * Reads the test files (`*.test.json`) of a directory, by name.
 *
 * @throws RulesError when the directory or a file cannot be read or is not UTF-8
 */
export function readRuleTestFiles(dir: string): Promise<RuleText[]> {
  return readTexts(dir, (name) => !name.startsWith('.') && name.endsWith('.test.json'));
}

/**
 * Reads and compiles the rules of a directory.
 *
 * @throws RulesError with every problem
 */
export async function loadRules(dir: string, catalog: FactCatalog, unmet?: UnmetAcrValues): Promise<RuleSet> {
  return compileRules(await readRuleFiles(dir), catalog, unmet);
}

/** What to watch, and callbacks. */
export interface WatchOptions {
  readonly dir: string;
  readonly catalog: FactCatalog;
  /** As for `compileRules`. */
  readonly unmet?: UnmetAcrValues;
  /** The current rule set; a reload that gives the same one is not announced. */
  readonly current: RuleSet;
  /** Called with a complete, valid new set. Swap one reference, so that every check sees either the old or the new set. */
  readonly onSwap: (ruleSet: RuleSet) => void;
  /** Called when a change is rejected; the current set stays in use. */
  readonly onRefused: (error: RulesError) => void;
  /** Poll interval in milliseconds. Default: 1,000. */
  readonly intervalMs?: number;
}

/** A watched directory. `problem` is why the last change was rejected, for `/readyz` and health. */
export type RulesWatch = Pick<Live<RuleSet>, 'problem' | 'reload' | 'close'>;

/**
 * Watches a directory of rule files. A change takes effect as a whole once it is valid. A partly written, empty or invalid
 * file and a directory without rules are rejected.
 */
export function watchRules(options: WatchOptions): RulesWatch {
  const { dir, catalog, unmet, current, onSwap, onRefused, intervalMs = 1_000 } = options;
  return live<RuleSet, string | null | undefined>({
    version: versionWithBases(dir),
    load: () => loadRules(dir, catalog, unmet),
    first: { version: undefined, value: current },
    isSame: (next, { revision }) => next.revision === revision,
    onSwap,
    onProblem: (error) => onRefused(asRulesError(error, resolve(dir), DIRECTORY)),
    intervalMs,
  });
}

/** Identifies the version of the rule files and of their bases. Files are read again only when one of the directory changes. */
function versionWithBases(dir: string): () => Promise<string | null> {
  let read: { readonly version: string; readonly bases: readonly string[] } | null = null;
  return async () => {
    const version = await versionOf(dir, isRuleFile);
    if (version === null) return null;
    if (read?.version !== version) {
      const files = await readTexts(dir, isRuleFile).catch(() => []);
      read = { version, bases: files.flatMap((file) => extendedPath(file) ?? []) };
    }
    const bases = read.bases.map((path) => versionOf(join(dir, dirname(path)), (name) => name === baseName(path)));
    return JSON.stringify([version, ...(await Promise.all(bases))]);
  };
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
  const message = `Cannot read it: ${messageOf(error)}. Expected ${expected}.`;
  return new RulesError([{ file, rule: null, path: '', code: 'file_unreadable', message }]);
}
