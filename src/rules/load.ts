import { type FSWatcher, watch } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
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

/** What to watch, and whom to tell. */
export interface WatchOptions {
  readonly dir: string;
  readonly catalog: FactCatalog;
  /** As for `compileRules`. */
  readonly unmet?: UnmetAcrValues;
  /** The set that is live already; a reload that comes out the same is not announced. */
  readonly current: RuleSet;
  /** Called with a new set once it is whole and valid: swap one reference, and every check sees the old or the new set. */
  readonly onSwap: (ruleSet: RuleSet) => void;
  /** Called when a change is refused; the current set goes on. */
  readonly onRefused: (error: RulesError) => void;
  /** How long the directory has to be quiet before it is read, in milliseconds. Default: 100. */
  readonly debounceMs?: number;
}

/** A directory under watch. */
export interface RulesWatch {
  /** Why the last change was refused, for `/readyz` and health; null while what is on disk is what is live. */
  lastError(): RulesError | null;
  /** Reads the directory now, as on SIGHUP; resolves when the outcome has been announced. */
  reload(): Promise<void>;
  /** Stops watching; a reload under way announces nothing any more. */
  close(): void;
}

/**
 * Watches a directory of rule files. A change is taken over as a whole after it validates; a file that is half written,
 * empty or wrong, and a directory without rules, are refused. Reloads never overlap.
 *
 * @throws when the directory cannot be watched
 */
export function watchRules(options: WatchOptions): RulesWatch {
  const { dir, catalog, unmet, onSwap, onRefused, debounceMs = 100 } = options;
  let revision = options.current.revision;
  let refused: RulesError | null = null;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();

  const refuse = (error: unknown): void => {
    if (closed) return;
    refused = asRulesError(error, resolve(dir), DIRECTORY);
    onRefused(refused);
  };
  const reload = async (): Promise<void> => {
    let loaded: RuleSet;
    try {
      loaded = await loadRules(dir, catalog, unmet);
    } catch (error) {
      refuse(error);
      return;
    }
    if (closed) return;
    refused = null;
    if (loaded.revision === revision) return;
    onSwap(loaded);
    revision = loaded.revision;
  };
  const queueReload = (): Promise<void> => {
    // A listener that throws must not keep later reloads from happening; whoever awaits this one learns of it.
    const next = running.catch(() => undefined).then(reload);
    running = next;
    return next;
  };
  const watcher: FSWatcher = watch(dir, (_event, name) => {
    // Without a name nobody knows what changed. `..data` is what Kubernetes swaps when a ConfigMap changes.
    if (name !== null && !isRuleFile(name) && name !== '..data') return;
    clearTimeout(timer);
    timer = setTimeout(() => void queueReload().catch(refuse), debounceMs);
    timer.unref();
  });
  watcher.on('error', refuse);
  watcher.unref();
  return {
    lastError: () => refused,
    reload: queueReload,
    close: () => {
      closed = true;
      clearTimeout(timer);
      watcher.close();
    },
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
  const reason = error instanceof Error ? error.message : String(error);
  const message = `Cannot be read: ${reason}. Expected ${expected}.`;
  return new RulesError([{ file, rule: null, path: '', code: 'file_unreadable', message }]);
}
