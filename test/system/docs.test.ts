import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { glob, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { playCase } from '../../src/cli/play.ts';
import { riskCheckAnswer } from '../../src/contract/answer.ts';
import { geoipLiteSource } from '../../src/data/geo/local-geo.ts';
import { readFeeds } from '../../src/data/lists/lists-file.ts';
import { compileRules } from '../../src/rules/compile.ts';
import { loadRules } from '../../src/rules/load.ts';
import { runRuleTests } from '../../src/rules/test-runner.ts';
import { FACT_CATALOG } from '../../src/signals/index.ts';
import { post, type Workshop, workshop } from '../support/servers/stepgate.ts';

const ROOT = join(import.meta.dirname, '../..');

let shop: Workshop;

beforeAll(async () => {
  shop = await workshop();
});

afterEach(() => shop.tidy());

afterAll(() => shop.close());

function blocks(path: string, language: string): string[] {
  const text = readFileSync(join(ROOT, path), 'utf8');
  return [...text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, block = '']) => block);
}

const jsonBlocks = (path: string): string[] => blocks(path, 'json');

test('Every link of the documents leads to a file of the project, and to a heading that is there', async () => {
  const broken: string[] = [];
  for await (const path of glob(['*.md', 'docs/**/*.md', 'examples/**/*.md', 'bench/*.md'], { cwd: ROOT })) {
    const prose = withoutCode(readFileSync(join(ROOT, path), 'utf8'));
    for (const [, target = ''] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      const [file = '', heading] = target.split('#');
      if (/^[a-z]+:/.test(target)) continue;
      const found = file === '' ? path : join(dirname(path), file);
      if (!existsSync(join(ROOT, found))) broken.push(`${path}: ${target}`);
      else if (heading !== undefined && !headingsOf(found).includes(heading)) broken.push(`${path}: ${target}`);
    }
  }
  expect(broken).toEqual([]);
});

function withoutCode(markdown: string): string {
  return markdown.replaceAll(/^```[\s\S]*?^```/gm, '');
}

/** The anchors that GitHub makes of the headings of a page. */
function headingsOf(path: string): readonly string[] {
  const prose = withoutCode(readFileSync(join(ROOT, path), 'utf8'));
  return [...prose.matchAll(/^#{1,6} (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** Path and body of each `curl` in a block, with `'"$NAME"'` and the like replaced by the shell's variable. */
function calls(block: string, variables: { readonly [name: string]: string } = {}) {
  return [...block.matchAll(/curl -s http:\/\/127\.0\.0\.1:8787(\S+) .*? -d (?:'(\{[\s\S]*?\})'|"(\{.*\})")$/gm)].map(
    ([, path = '', single, double = '']) => ({
      path,
      body: (single ?? double.replaceAll('\\"', '"')).replace(
        /'"\$(\w+)"'|\$(\w+)/g,
        (all, a, b) => variables[a ?? b] ?? all,
      ),
    }),
  );
}

/** What a shortened answer of the docs shows: everything but what is cut short and what is another at each call. */
function shownOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shownOf);
  if (typeof value !== 'object' || value === null) return value;
  const own = ['id', 'latency_ms', 'rules_revision'];
  const isAnswer = 'latency_ms' in value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, inner]) => key !== '…' && !(isAnswer && own.includes(key)) && !String(inner).includes('…'))
      .map(([key, inner]) => [key, shownOf(inner)]),
  );
}

test('The README is short enough to be read, and its rule file is one that the service takes beside the default rules', () => {
  expect(readFileSync(join(ROOT, 'README.md'), 'utf8').split('\n').length).toBeLessThanOrEqual(250);
  const [answer = '', rules = ''] = jsonBlocks('README.md');
  const defaults = readFileSync(join(ROOT, 'rules/default.json'), 'utf8');
  const alone = compileRules([{ name: 'default.json', text: defaults }], FACT_CATALOG).ruleCount;
  const both = [
    { name: 'default.json', text: defaults },
    { name: 'readme.json', text: rules },
  ];
  expect(compileRules(both, FACT_CATALOG).ruleCount).toBe(alone + 3);
  const keys = Object.keys(JSON.parse(answer));
  expect(Object.keys(riskCheckAnswer.shape)).toEqual(expect.arrayContaining(keys));
});

test('The calls of the README get the answer that it shows', async () => {
  const { server } = await shop.start({ RULES_DIR: join(ROOT, 'rules') });
  const answers: unknown[] = [];
  for (const { path, body } of calls(blocks('README.md', 'sh')[1] ?? '')) {
    const { status, text } = await post(`${server.url}${path}`, body);
    expect([200, 202], text).toContain(status);
    answers.push(JSON.parse(text));
  }
  expect(answers).toHaveLength(2);
  const shown = shownOf(JSON.parse(jsonBlocks('README.md')[0] ?? '')) as { reasons: object[] };
  expect(answers[1]).toMatchObject({
    ...shown,
    reasons: expect.arrayContaining(shown.reasons.map((reason) => expect.objectContaining(reason))),
  });
});

test('The step-up without a provider of docs/step-up.md goes as written there', async () => {
  const [made = '', used = ''] = blocks('docs/step-up.md', 'sh');
  const [, script = ''] = /<<'JS'\n([\s\S]*?)\nJS\n/.exec(made) ?? [];
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module'], {
    cwd: ROOT,
    input: script,
    encoding: 'utf8',
  });
  const [, issuers = '', token = ''] = /^export STEP_UP_ISSUERS='(.*)' TOKEN='(.*)'$/m.exec(stdout) ?? [];
  expect(token, stderr).not.toBe('');

  const { server } = await shop.start({ RULES_DIR: join(ROOT, 'rules'), STEP_UP_ISSUERS: issuers });
  const answers: unknown[] = [];
  for (const { path, body } of calls(used, { TOKEN: token })) {
    const { status, text } = await post(`${server.url}${path}`, body);
    expect(status, text).toBe(200);
    answers.push(JSON.parse(text));
  }
  expect(answers).toEqual([
    expect.objectContaining({ valid: true }),
    expect.objectContaining({
      decision: 'allow',
      reasons: expect.arrayContaining([expect.objectContaining({ code: 'step_up_satisfied' })]),
      device: { id: expect.any(String), token: expect.any(String), expires_at: expect.any(String) },
    }),
  ]);
});

test('The feeds.json of docs/lists.md is one that the service takes', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'stepgate-feeds-'));
  shop.onTidy(() => rm(dir, { recursive: true }));
  await writeFile(join(dir, 'feeds.json'), jsonBlocks('docs/lists.md')[0] ?? '');
  const names = (await readFeeds(dir)).map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['tor-exits', 'office', 'partner-vpn']));
  expect(names).not.toContain('x4bnet-datacenter-v4');
});

test('The rule and the test file of docs/rules.md work as written', async () => {
  const [rule = '', tests = ''] = jsonBlocks('docs/rules.md');
  expect(compileRules([{ name: 'page.json', text: `{"rules":[${rule}]}` }], FACT_CATALOG).ruleCount).toBe(1);

  const rules = await loadRules(join(ROOT, 'rules'), FACT_CATALOG);
  const geo = geoipLiteSource();
  const report = await runRuleTests(
    rules,
    [{ name: 'page.test.json', text: tests }],
    async (played) => {
      const { result, facts } = await playCase({ rules, geo }, played);
      return { ...result, facts };
    },
    FACT_CATALOG,
  );
  expect(report.cases.filter(({ ok }) => !ok)).toEqual([]);
  expect(report).toMatchObject({ passed: 2, failed: 0, problems: [] });
});
