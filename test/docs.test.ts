import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { playCase } from '../src/cli/play.ts';
import { geoipLiteSource } from '../src/geo/geoip-lite.ts';
import { riskCheckAnswer } from '../src/http/answer.ts';
import { compileRules } from '../src/rules/compile.ts';
import { loadRules } from '../src/rules/load.ts';
import { runRuleTests } from '../src/rules/test-runner.ts';
import { FACT_CATALOG } from '../src/signals/index.ts';

const ROOT = join(import.meta.dirname, '..');

function jsonBlocks(path: string): string[] {
  const text = readFileSync(join(ROOT, path), 'utf8');
  return [...text.matchAll(/```json\n([\s\S]*?)```/g)].map(([, block = '']) => block);
}

test('the README is short enough to be read, and its rule file is one that the service would take', () => {
  expect(readFileSync(join(ROOT, 'README.md'), 'utf8').split('\n').length).toBeLessThanOrEqual(250);
  const [answer = '', rules = ''] = jsonBlocks('README.md');
  expect(compileRules([{ name: 'readme.json', text: rules }], FACT_CATALOG).ruleCount).toBe(3);
  // The answer is cut short where it says "…", so that only its keys are held against the contract.
  const keys = Object.keys(JSON.parse(answer));
  expect(Object.keys(riskCheckAnswer.shape)).toEqual(expect.arrayContaining(keys));
});

test('the rule and the test file of docs/rules.md work as written', async () => {
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
