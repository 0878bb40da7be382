import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { playCase } from '../../src/cli/play.ts';
import { noGeo } from '../../src/data/geo/no-geo.ts';
import { compileRules } from '../../src/rules/compile.ts';
import { readRuleFiles, readRuleTestFiles } from '../../src/rules/load.ts';
import { runRuleTests } from '../../src/rules/test-runner.ts';
import { FACT_CATALOG } from '../../src/signals/index.ts';

const RULES = resolve(import.meta.dirname, '../../rules');

describe.each(['bank', 'shop', 'sso'])('the policy %s', (name) => {
  const dir = join(RULES, name);

  it('A policy builds on the default one, without warnings, and its own cases hit each of its own rules', async () => {
    const files = await readRuleFiles(dir);
    const rules = compileRules(files, FACT_CATALOG);
    expect(rules.files.toSorted()).toEqual(['default.json', `${name}.json`].toSorted());
    expect(rules.warnings).toEqual([]);
    const play = async (played: Parameters<typeof playCase>[1]) => {
      const { result, facts } = await playCase({ rules, geo: noGeo() }, played);
      return { ...result, facts };
    };
    const report = await runRuleTests(rules, await readRuleTestFiles(dir), play, FACT_CATALOG, ['default.json']);
    expect(report.cases.filter(({ ok }) => !ok)).toEqual([]);
    expect(report).toMatchObject({ ok: true, neverHit: [] });
  });

  it('Every rule of a policy says what it misses and whom it hits by mistake', async () => {
    const files = await readRuleFiles(dir);
    const rules = files.flatMap(({ text }) => JSON.parse(text).rules as { readonly [key: string]: unknown }[]);
    const without = rules.filter((rule) => rule.known_gaps === undefined && rule.false_positives === undefined);
    expect(without.map(({ id }) => id)).toEqual([]);
  });
});
