import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { compileRules } from '../src/rules/compile.ts';
import { readRuleFiles } from '../src/rules/load.ts';
import { RulesError } from '../src/rules/problems.ts';
import { FACT_CATALOG } from '../src/signals/index.ts';
import { bundleClient } from './build-client.ts';

/** What wrangler's `[build]` runs before it bundles: all that the Worker carries and that is made from files here. */
const BUILD = resolve(import.meta.dirname, '../build/worker');

/** The rule files of `RULES_DIR` as one module; rules that cannot be used stop the deploy. */
async function bundleRules(): Promise<void> {
  const dir = process.env.RULES_DIR ?? resolve(import.meta.dirname, '../rules');
  const files = await readRuleFiles(dir);
  const { revision, ruleCount } = compileRules(files, FACT_CATALOG);
  writeFileSync(join(BUILD, 'rules.json'), JSON.stringify(files));
  console.log(`${ruleCount} rules of ${dir} are bundled (${revision})`);
}

mkdirSync(BUILD, { recursive: true });
writeFileSync(join(BUILD, 'client.json'), JSON.stringify(await bundleClient()));
try {
  await bundleRules();
} catch (error) {
  if (!(error instanceof RulesError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
