import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DataError } from '../src/data/data-error.ts';
import { buildGeo, copyGeo } from '../src/data/geo/build-geo.ts';
import { publishLists } from '../src/data/lists/lists-file.ts';
import { compileRules } from '../src/rules/compile.ts';
import { readRuleFiles } from '../src/rules/load.ts';
import { RulesError } from '../src/rules/problems.ts';
import { FACT_CATALOG } from '../src/signals/index.ts';
import { bundleClient } from './build-client.ts';

/** What wrangler's `[build]` runs before it bundles: all that the Worker carries and that is made from files here. */
const ROOT = resolve(import.meta.dirname, '..');
const BUILD = join(ROOT, 'build/worker');

/** A directory of the settings; a relative one is meant from here, wherever wrangler runs. */
const folderOf = (name: string, fallback: string): string => resolve(ROOT, process.env[name]?.trim() || fallback);

/** The rule files of `RULES_DIR` as one module; rules that cannot be used stop the deploy. */
async function bundleRules(): Promise<void> {
  const dir = folderOf('RULES_DIR', 'rules');
  const files = await readRuleFiles(dir);
  const { revision, ruleCount } = compileRules(files, FACT_CATALOG);
  writeFileSync(join(BUILD, 'rules.json'), JSON.stringify(files));
  console.log(`${ruleCount} rules of ${dir} are bundled (${revision})`);
}

/**
 * What is built in `GEO_DIR` becomes assets, else the data of geoip-lite, with `GEO_DATA=country` its countries alone. With
 * `GEO_DATA=none` there are none.
 */
async function bundleGeo(): Promise<void> {
  const out = join(BUILD, 'assets/geo');
  const data = process.env.GEO_DATA?.trim() || 'city';
  if (data === 'none') {
    rmSync(out, { recursive: true, force: true });
    return console.log('no geo data is bundled (GEO_DATA=none)');
  }
  const { manifest, files, bytes } =
    (await copyGeo(folderOf('GEO_DIR', 'data/geo'), out)) ??
    (await buildGeo({ source: null, out, level: data === 'country' ? 'country' : 'city' }));
  const { source, level } = manifest.about;
  const size = `${(bytes / 1e6).toFixed(1)} MB in ${files} files`;
  console.log(`geo data of ${source.name}, ${source.data_at.slice(0, 10)}, ${level} level: ${size}`);
}

/** The compiled lists of `IP_LISTS_DIR` become assets. */
async function bundleLists(): Promise<void> {
  const dir = folderOf('IP_LISTS_DIR', 'data/ip');
  const lists = await publishLists(dir, join(BUILD, 'assets/ip'));
  console.log(
    lists.length === 0
      ? `no address list is built in ${dir}: the ip signal will say off (stepgate lists update builds the default feeds)`
      : `${lists.length} address lists of ${dir}: ${lists.map(({ name }) => name).join(', ')}`,
  );
}

mkdirSync(BUILD, { recursive: true });
writeFileSync(join(BUILD, 'client.json'), JSON.stringify(await bundleClient()));
try {
  await bundleRules();
  await bundleGeo();
  await bundleLists();
} catch (error) {
  if (!(error instanceof RulesError || error instanceof DataError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
