import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test('Tables, rule schemas and OpenAPI document are what the code says', async () => {
  const script = resolve(import.meta.dirname, '../../../scripts/generate.ts');
  const { stderr } = await promisify(execFile)(process.execPath, [script, '--check']);
  expect(stderr).toBe('');
});
