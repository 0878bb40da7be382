import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { stepgate } from '../../support/cli.ts';

const HEADER =
  'index,Login Timestamp,User ID,Round-Trip Time [ms],IP Address,Country,Region,City,ASN,User Agent String,Browser Name and Version,OS Name and Version,Device Type,Login Successful,Is Attack IP,Is Account Takeover';
const ROW =
  '0,2020-02-03 12:43:30.772,-7,583.0,81.167.144.58,NO,Vestland,Bergen,29695,Mozilla/5.0,Firefox 20.0,iOS 13.4,mobile,True,False,False';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'stepgate-import-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

test('Import rba plays a file or standard input, and prints text or JSON', async () => {
  const csv = join(dir, 'rba-dataset.csv');
  await writeFile(csv, `${HEADER}\n${ROW}\n`);
  const text = await stepgate(['import', 'rba', csv]);
  expect(text).toMatchObject({ code: 0, stderr: '' });
  expect(text.stdout).toMatch(/^1 rows, 0 with a wrong password/);
  expect(text.stdout).toMatch(/after 39 log-ins\s+0\s+7\.00 %/);
  const json = await stepgate(['import', 'rba', '-', '--json'], { input: `${HEADER}\r\n${ROW}\r\n` });
  const report = JSON.parse(json.stdout);
  expect(report.rows).toBe(1);
  expect(report.honest[0]).toEqual({ logins_before: '0', logins: 1, asked: 1, denied: 0 });
});

test('Import rba ends with 2 and the number of the line that it cannot read, or the file that is not there', async () => {
  const csv = join(dir, 'bad.csv');
  await writeFile(csv, `${HEADER}\n${ROW}\n${ROW.replace('True', 'maybe')}\n`);
  const bad = await stepgate(['import', 'rba', csv]);
  expect(bad.code).toBe(2);
  expect(bad.stderr).toBe('line 3: Login Successful is "maybe", expected True or False\n');
  const missing = await stepgate(['import', 'rba', join(dir, 'none.csv')]);
  expect(missing.code).toBe(2);
  expect(missing.stderr).toContain('ENOENT');
});
