import { expect, test } from 'vitest';
import type { LogLevel } from '../../../src/records/log.ts';
import { consoleLines, type LineConsole } from '../../../src/worker/console.ts';
import { recordOf } from '../../support/record-of.ts';
import { NOW_MS } from '../../support/scene.ts';

/** Everything that is written from here on, with the method that took it. */
function listening() {
  const heard: [keyof LineConsole, Record<string, unknown>][] = [];
  const hear = (method: keyof LineConsole) => (line: string) => heard.push([method, JSON.parse(line)]);
  const to: LineConsole = { error: hear('error'), warn: hear('warn'), info: hear('info'), debug: hear('debug') };
  return { heard, linesAt: (level: LogLevel) => consoleLines(level, { to, now: () => NOW_MS }) };
}

test('Lines look as those of Node do, and each goes out by the method of its level', () => {
  const { heard, linesAt } = listening();
  const { log } = linesAt('debug');
  log.error('e', { a: 1 });
  log.warn('w');
  log.info('i');
  log.debug('d');
  const time = '2026-11-25T02:00:00.000Z';
  expect(heard).toEqual([
    ['error', { level: 50, time, a: 1, msg: 'e' }],
    ['warn', { level: 40, time, msg: 'w' }],
    ['info', { level: 30, time, msg: 'i' }],
    ['debug', { level: 20, time, msg: 'd' }],
  ]);
});

test.each([
  ['silent', []],
  ['error', ['error']],
  ['warn', ['error', 'warn']],
  ['info', ['error', 'warn', 'info', 'info']],
] as const)('LOG_LEVEL %s lets through %j, decision records among info', async (level, expected) => {
  const { heard, linesAt } = listening();
  const { log, records } = linesAt(level);
  log.error('e');
  log.warn('w');
  log.info('i');
  log.debug('d');
  records((await recordOf({ subject: 'ann', action: 'login' })).record);
  expect(heard.map(([method]) => method)).toEqual(expected);
});

test('A record is written as it is, redacted already', async () => {
  const { heard, linesAt } = listening();
  const { record } = await recordOf({ subject: 'ann', action: 'login' });
  linesAt('info').records(record);
  expect(heard).toEqual([['info', { time: '2026-11-25T02:00:00.000Z', ...record }]]);
});
