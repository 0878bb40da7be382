import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

// Lists the files of `src/step-up/presets/` in `src/step-up/presets.ts`. Apart from the other generated files, which are made
// from code that imports the list.

const folder = resolve(import.meta.dirname, '../src/step-up/presets');
const file = `${folder}.ts`;
const names = readdirSync(folder)
  .map((name) => name.replace(/\.ts$/, ''))
  .sort();

const text = `// Written by \`npm run generate\` from the files in presets/.
${names.map((name) => `import { ${name} } from './presets/${name}.ts';`).join('\n')}

/** All presets, by name. */
export const PRESETS = [${names.join(', ')}] as const;

/** Values of \`preset\`. */
export const PRESET_NAMES: readonly string[] = PRESETS.map(({ name }) => name);
`;

if (readFileSync(file, 'utf8') !== text) {
  if (process.argv.includes('--check')) {
    console.error('src/step-up/presets.ts does not list the files in src/step-up/presets/; run `npm run generate`');
    process.exitCode = 1;
  } else {
    writeFileSync(file, text);
    console.log('wrote src/step-up/presets.ts');
  }
}
