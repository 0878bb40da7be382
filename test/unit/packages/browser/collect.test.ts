import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

const run = promisify(execFile);

describe('without a window', () => {
  test('Everything can be imported, and no device is made up', async () => {
    const script = resolve(import.meta.dirname, '../../../../packages/browser/src/script.ts');
    const code = `import { collectDevice } from ${JSON.stringify(script)}; console.log(JSON.stringify(await collectDevice()))`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code]);
    expect(JSON.parse(stdout)).toEqual({ state: 'absent', why: 'no_window', header: null });
  });
});
