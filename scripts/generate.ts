import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { createApp } from '../src/app/app.ts';
import { assembleEngine } from '../src/app/assemble-engine.ts';
import { SETTING_TOPICS, SETTINGS } from '../src/app/settings.ts';
import { noGeo } from '../src/data/geo/no-geo.ts';
import { NO_REPUTATION } from '../src/data/lists/standing.ts';
import type { RequestScope } from '../src/http/api-route.ts';
import { readStream } from '../src/http/body.ts';
import type { AppDeps } from '../src/http/deps.ts';
import type { FactCatalog, FactSpec } from '../src/model/facts.ts';
import { noLog } from '../src/records/log.ts';
import { noMetrics } from '../src/records/metrics.ts';
import { noRecords } from '../src/records/sinks.ts';
import { compileRules } from '../src/rules/compile.ts';
import { OPERATORS } from '../src/rules/operators.ts';
import { rulesJsonSchema, ruleTestsJsonSchema } from '../src/rules/schema.ts';
import { FACT_CATALOG, SIGNALS } from '../src/signals/index.ts';
import { REQUEST_FACTS } from '../src/signals/request.ts';
import { memoryStore } from '../src/store/memory.ts';
import { gatewaysSummary, gatewaysTable } from './gateways-table.ts';

const ROOT = resolve(import.meta.dirname, '..');

/** A file made from the code: its path, and its text from the text that it has now. */
interface Generated {
  readonly path: string;
  readonly make: (before: string) => string | Promise<string>;
}

const GENERATED: readonly Generated[] = [
  { path: 'README.md', make: (before) => withTables(before, { gateways: gatewaysSummary }) },
  { path: 'docs/settings.md', make: (before) => withTables(before, { settings: settingsTables }) },
  { path: 'docs/forward-auth.md', make: (before) => withTables(before, { gateways: gatewaysTable }) },
  { path: 'docs/rules.md', make: (before) => withTables(before, { facts: factLists, operators: operatorList }) },
  { path: 'rules/rules.schema.json', make: () => json(rulesJsonSchema(FACT_CATALOG)) },
  { path: 'rules/rules.test.schema.json', make: () => json(ruleTestsJsonSchema(FACT_CATALOG)) },
  { path: 'docs/openapi.json', make: async () => json(await openApi()) },
];

/** Puts each table between its markers: `<!-- facts:start -->` … `<!-- facts:end -->`. */
function withTables(before: string, tables: { readonly [name: string]: () => string }): string {
  let text = before;
  for (const [name, table] of Object.entries(tables)) {
    const start = `<!-- ${name}:start -->`;
    const end = `<!-- ${name}:end -->`;
    const from = text.indexOf(start);
    const to = text.indexOf(end, from);
    if (from === -1 || to === -1) {
      throw new Error(`${start} … ${end} are missing; put both markers where the table belongs`);
    }
    text = `${text.slice(0, from + start.length)}\n${table()}\n${text.slice(to)}`;
  }
  return text;
}

/** The facts of each signal, as lists. */
function factLists(): string {
  const groups: [string, FactCatalog][] = [
    ['request', REQUEST_FACTS],
    ...SIGNALS.map(({ name, facts }): [string, FactCatalog] => [name, facts]),
  ];
  return groups
    .map(([group, facts]) => {
      const lines = Object.entries(facts).map(
        ([name, spec]) => `- ${code(name)} (${typeOf(spec)}): ${meaningOf(spec)}`,
      );
      return `\n### ${group}\n\n${lines.join('\n')}\n`;
    })
    .join('');
}

function typeOf({ type, unit }: FactSpec): string {
  return unit === undefined || unit === '1' ? type : `${type}, ${unit}`;
}

function meaningOf({ meaning, values }: FactSpec): string {
  return values === undefined || values.length > MAX_VALUES ? meaning : `${meaning}: ${values.map(code).join(', ')}`;
}

/** A longer list of values (families of browsers) would drown the line; the JSON Schema of the rules has it. */
const MAX_VALUES = 10;

function operatorList(): string {
  return Object.entries(OPERATORS)
    .map(([name, { left, meaning }]) => `- ${code(name)} (${left.join(', ') || 'free facts'}): ${meaning}`)
    .join('\n');
}

function settingsTables(): string {
  return SETTING_TOPICS.map((topic) => {
    const rows = Object.values(SETTINGS).filter((setting) => setting.topic === topic);
    return `\n## ${topic}\n\n${table(['name', 'meaning', 'default'], rows.map(settingRow))}\n`;
  }).join('');
}

type Setting = Pick<(typeof SETTINGS)[keyof typeof SETTINGS], 'name' | 'meaning' | 'fallback' | 'only'>;

function settingRow({ name, meaning, fallback, only }: Setting): readonly string[] {
  return [code(name), only === null ? meaning : `${meaning} (${only === 'node' ? 'Node' : 'Workers'} only)`, fallback];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function code(text: string): string {
  return `\`${text}\``;
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** The document exactly as a running service answers with it. */
async function openApi(): Promise<object> {
  const rules = compileRules(
    [{ name: 'none.json', text: '{"version":1,"rules":[{"id":"none","when":{},"then":{"decision":"allow"}}]}' }],
    FACT_CATALOG,
  );
  const scope: RequestScope = {
    engine: assembleEngine({
      rules: () => rules,
      store: memoryStore({ now: () => 0 }),
      geo: noGeo(),
      lists: () => NO_REPUTATION,
      issuers: [],
      secrets: { deviceTokens: ['-'.repeat(32)], privacyKey: '-' },
      now: () => 0,
      random: () => 0,
    }),
    later: () => undefined,
  };
  const deps: AppDeps = {
    scopeOf: () => scope,
    findCaller: () => null,
    readBody: readStream,
    trust: { trusted: { kind: 'none' }, declared: null },
    gateway: { sessionCookie: null, stepUpUrl: null, returnHosts: [], publicUrl: null },
    clientScripts: null,
    metrics: noMetrics,
    records: noRecords,
    log: noLog,
    elapsedMs: () => 0,
    isStopping: () => false,
    storeWarning: null,
    rulesProblem: () => null,
  };
  const response = await createApp(deps).request('/openapi.json');
  return (await response.json()) as object;
}

function textAt(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}

const isCheck = process.argv.includes('--check');
for (const { path, make } of GENERATED) {
  const file = join(ROOT, path);
  const before = textAt(file);
  const after = await make(before);
  if (before === after) continue;
  if (isCheck) {
    console.error(`${relative(process.cwd(), file)} is not what the code says; run \`npm run generate\``);
    process.exitCode = 1;
  } else {
    writeFileSync(file, after);
    console.log(`wrote ${relative(process.cwd(), file)}`);
  }
}
