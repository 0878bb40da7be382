import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test.each(['list-presets.ts', 'generate.ts'])('What scripts/%s writes is what the code says', async (name) => {
  const script = resolve(import.meta.dirname, '../../../scripts', name);
  const { stderr } = await promisify(execFile)(process.execPath, [script, '--check']);
  expect(stderr).toBe('');
});
