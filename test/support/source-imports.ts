import { readFileSync } from 'node:fs';

/** One import or re-export of a source file. */
export interface SourceImport {
  readonly specifier: string;
  readonly onlyTypes: boolean;
}

const IMPORT = /^\s*(?:import|export)\s+(type\s+)?(?:([^'";]*?)\s+from\s+)?['"]([^'"]+)['"]/gm;
const DYNAMIC_IMPORT = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

/** The imports of a TypeScript file, types included. */
export function importsOf(path: string): readonly SourceImport[] {
  const text = readFileSync(path, 'utf8');
  const found: SourceImport[] = [];
  for (const [, keyword, clause = '', specifier = ''] of text.matchAll(IMPORT)) {
    const named = /^\{([\s\S]*)\}$/.exec(clause.trim())?.[1];
    const onlyTypes =
      keyword !== undefined ||
      named
        ?.split(',')
        .filter((name) => name.trim() !== '')
        .every((name) => name.trim().startsWith('type ')) === true;
    found.push({ specifier, onlyTypes });
  }
  for (const [, specifier = ''] of text.matchAll(DYNAMIC_IMPORT)) found.push({ specifier, onlyTypes: false });
  return found;
}
