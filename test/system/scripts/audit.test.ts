import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'stepgate-audit-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the audit where npm prints this; npm itself ends with 1 for a vulnerability and for a registry that fails alike. */
function audited(prints: string, ...args: string[]): { readonly code: number | null; readonly told: string } {
  const npm = join(folder, 'npm');
  writeFileSync(npm, `#!/bin/sh\ncat <<'END'\n${prints}\nEND\nexit 1\n`);
  chmodSync(npm, 0o755);
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/audit.ts'), ...args], {
    encoding: 'utf8',
    env: { ...process.env, PATH: [folder, process.env.PATH].join(delimiter) },
  });
  return { code: status, told: stdout + stderr };
}

const NOTHING = JSON.stringify({ auditReportVersion: 2, vulnerabilities: {} });
const ONE = JSON.stringify({
  vulnerabilities: { leaky: { name: 'leaky', severity: 'high', range: '<1.2.3', via: [] } },
});
const REFUSED = JSON.stringify({ message: '405 Method Not Allowed - POST https://registry.example/', statusCode: 405 });

test('An audit that finds nothing passes', () => {
  expect(audited(NOTHING)).toEqual({ code: 0, told: '0 production packages with a known vulnerability\n' });
});

test('A known vulnerability fails, and is named with its range', () => {
  const { code, told } = audited(ONE);
  expect(code).toBe(1);
  expect(told).toContain('leaky <1.2.3: high');
});

test.each([
  ['a registry that refuses', REFUSED, '405 Method Not Allowed'],
  ['an answer that is no report', '{}', 'neither a report nor an error'],
  ['no answer at all', '', 'no JSON'],
  ['a page of a proxy', '<html>please log in</html>', 'no JSON'],
])(
  '%s is never told as "nothing found": it is said loudly, and fails where an audit is required',
  (_what, prints, why) => {
    const { code, told } = audited(prints);
    expect(code).toBe(0);
    expect(told).toContain('!!! NOT AUDITED');
    expect(told).toContain(why);
    expect(told).not.toContain('0 production packages');
    expect(audited(prints, '--required').code).toBe(1);
  },
);
