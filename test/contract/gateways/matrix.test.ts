import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GATEWAYS, gatewaysSummary, gatewaysTable } from '../../../scripts/gateways-table.ts';
import { SCENARIOS } from './scenarios.ts';

const root = join(import.meta.dirname, '../../..');

describe('the matrix of gateways', () => {
  test('The matrix of gateways has every scenario for every gateway, and each example is there', () => {
    expect(GATEWAYS.scenarios).toEqual(SCENARIOS.map(({ id, title }) => ({ id, title })));
    const ids = SCENARIOS.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { id, example, shown } of GATEWAYS.gateways) {
      expect(Object.keys(shown), id).toEqual(ids);
      if (example !== null) expect(existsSync(join(root, example)), example).toBe(true);
    }
    console.log(gatewaysTable());
  });

  test.each([
    { path: 'docs/forward-auth.md', table: gatewaysTable },
    { path: 'README.md', table: gatewaysSummary },
  ])('The matrix of gateways stands in $path as docs/gateways.json has it', ({ path, table }) => {
    const text = readFileSync(join(root, path), 'utf8');
    const marked = text.split('<!-- gateways:start -->')[1]?.split('<!-- gateways:end -->')[0];
    expect(marked?.trim()).toBe(table());
  });
});
