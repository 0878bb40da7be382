import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { loadSettings } from '../src/app/settings.ts';
import { compileRules } from '../src/rules/compile.ts';
import { FACT_CATALOG } from '../src/signals/index.ts';

const ROOT = resolve(import.meta.dirname, '..');
const TSC = join(ROOT, 'node_modules/.bin/tsc');

/** A fenced block of a page. */
export interface Snippet {
  readonly page: string;
  /** Of its first line of text, counted from 1. */
  readonly line: number;
  readonly language: string;
  /** The words after the language: `server`, `browser`. */
  readonly place: string;
  readonly text: string;
}

/** A snippet that a reader could not use. */
export interface SnippetFault {
  /** `docs/checkout.md:31`. */
  readonly where: string;
  readonly message: string;
}

/** All fenced blocks of a page in Markdown. */
export function snippetsOf(page: string, markdown: string): readonly Snippet[] {
  const snippets: Snippet[] = [];
  for (const { 1: info = '', 2: text = '', index } of markdown.matchAll(/^```([^\n`]+)\n(.*?)^```$/gms)) {
    const [language = '', place = ''] = info.trim().split(/\s+/);
    const line = markdown.slice(0, index).split('\n').length + 1;
    snippets.push({ page, line, language, place, text });
  }
  return snippets;
}

/**
 * Holds snippets to what they are for. TypeScript is compiled against the packages of this repository, as `server` (Node) or `browser`; JavaScript
 * and shell are parsed. JSON is parsed unless it is shortened with `…`: a rule or rule file is then compiled together with the default
 * rules, and a list of issuers read as the setting STEP_UP_ISSUERS.
 *
 * @param dir where the programs are written to; emptied first, and inside this repository, so that its packages are found
 */
export function checkSnippets(snippets: readonly Snippet[], dir: string): readonly SnippetFault[] {
  return [
    ...snippets.filter(({ language }) => language === 'json').flatMap(jsonFaults),
    ...snippets.filter(({ language }) => language === 'sh').flatMap(shellFaults),
    ...programFaults(snippets, dir),
  ];
}

function faultAt({ page, line }: Snippet, message: string): SnippetFault {
  return { where: `${page}:${line}`, message };
}

const issuerList = z
  .array(z.union([z.looseObject({ preset: z.string() }), z.looseObject({ issuer: z.string() })]))
  .min(1);
const ruleFile = z.looseObject({ rules: z.array(z.unknown()) });
const oneRule = z.looseObject({ id: z.string(), when: z.unknown() });

function jsonFaults(snippet: Snippet): readonly SnippetFault[] {
  if (snippet.text.includes('…')) return [];
  try {
    const value: unknown = JSON.parse(snippet.text);
    if (issuerList.safeParse(value).success) {
      loadSettings({ STEP_UP_ISSUERS: snippet.text }, () => 'x'.repeat(48));
    } else if (ruleFile.safeParse(value).success) {
      compileBesideDefaults(snippet.text);
    } else if (oneRule.safeParse(value).success) {
      compileBesideDefaults(`{"rules":[${snippet.text}]}`);
    }
    return [];
  } catch (error) {
    return [faultAt(snippet, error instanceof Error ? error.message : String(error))];
  }
}

function compileBesideDefaults(text: string): void {
  const defaults = readFileSync(join(ROOT, 'rules/default.json'), 'utf8');
  const files = [
    { name: 'default.json', text: defaults },
    { name: 'snippet.json', text },
  ];
  compileRules(files, FACT_CATALOG);
}

function shellFaults(snippet: Snippet): readonly SnippetFault[] {
  const { status, stderr } = spawnSync('bash', ['-n'], { input: snippet.text, encoding: 'utf8' });
  return status === 0 ? [] : [faultAt(snippet, stderr.trim())];
}

const PROGRAMS: Readonly<Record<string, string>> = { ts: 'ts', js: 'js' };
/** What a program of each place may take for granted. */
const PLACES: Readonly<Record<string, { readonly lib: readonly string[]; readonly types: readonly string[] }>> = {
  server: { lib: ['es2024', 'webworker'], types: ['node'] },
  browser: { lib: ['es2024', 'dom', 'dom.iterable'], types: [] },
};

function programFaults(snippets: readonly Snippet[], dir: string): readonly SnippetFault[] {
  rmSync(dir, { recursive: true, force: true });
  const faults: SnippetFault[] = [];
  const written = new Map<string, Snippet[]>();
  for (const snippet of snippets) {
    const ending = PROGRAMS[snippet.language];
    if (ending === undefined) continue;
    const place = snippet.place === '' && ending === 'js' ? 'browser' : snippet.place;
    if (PLACES[place] === undefined) {
      faults.push(faultAt(snippet, `say where it runs: \`\`\`${ending} server or \`\`\`${ending} browser`));
      continue;
    }
    const name = `${snippet.page.replace(/[^A-Za-z0-9]+/g, '-')}-${snippet.line}.${ending}`;
    mkdirSync(join(dir, place), { recursive: true });
    // On the line that it has in its page, so that the compiler names that one.
    writeFileSync(join(dir, place, name), `${'\n'.repeat(snippet.line - 1)}${snippet.text}`);
    written.set(place, [...(written.get(place) ?? []), snippet]);
  }
  for (const [place, programs] of written) faults.push(...compiled(place, programs, join(dir, place)));
  return faults;
}

function compiled(place: string, programs: readonly Snippet[], dir: string): readonly SnippetFault[] {
  const config = {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      ...PLACES[place],
      typeRoots: [join(ROOT, 'node_modules/@types')],
      allowJs: true,
      checkJs: false,
      noUnusedLocals: false,
      noUnusedParameters: false,
    },
    include: ['*'],
    exclude: [],
  };
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify(config));
  const { status, stdout, stderr } = spawnSync(TSC, ['-p', dir, '--pretty', 'false'], { cwd: dir, encoding: 'utf8' });
  if (status === 0) return [];
  const faults = stdout.split('\n').flatMap((line) => {
    const [, name, at, message = ''] = /^([^\s(]+)\((\d+),\d+\): (.*)$/.exec(line) ?? [];
    const snippet = programs.find(({ page, line: first }) =>
      name?.startsWith(`${page.replace(/[^A-Za-z0-9]+/g, '-')}-${first}.`),
    );
    return snippet === undefined ? [] : [{ where: `${snippet.page}:${at}`, message }];
  });
  // Whatever else the compiler says must not pass for a success.
  return faults.length > 0 ? faults : [{ where: place, message: `${stdout}${stderr}`.trim() }];
}

/** The pages whose snippets are checked. */
export function pages(): readonly string[] {
  return [
    'README.md',
    ...globSync(['docs/*.md', 'examples/*/README.md', 'packages/*/README.md'], { cwd: ROOT }).sort(),
  ];
}

if (import.meta.main) {
  const snippets = pages().flatMap((page) => snippetsOf(page, readFileSync(join(ROOT, page), 'utf8')));
  const dir = join(ROOT, 'build/snippets');
  const faults = checkSnippets(snippets, dir);
  for (const { where, message } of faults) console.error(`${where}: ${message}`);
  if (faults.length > 0) process.exitCode = 1;
  else console.log(`${snippets.length} snippets of ${pages().length} pages hold`);
}
