import { beforeEach, describe, expect, test } from 'vitest';
import { type ConnectionLog, connectionLog } from '../../../src/node/connection-log.ts';
import { type LogFields, noLog } from '../../../src/records/log.ts';

const SERVER = '127.0.0.1:6379';
const REFUSED = 'Redis cannot be reached: ECONNREFUSED';

let nowMs: number;
let lines: { level: string; message: string; fields: LogFields | undefined }[];
let connections: ConnectionLog;

beforeEach(() => {
  nowMs = 0;
  lines = [];
  const at = (level: string) => (message: string, fields?: LogFields) => void lines.push({ level, message, fields });
  connections = connectionLog({ ...noLog, warn: at('warn'), info: at('info') }, () => nowMs);
});

/** Fails once in each second of a time. */
function failFor(seconds: number, server = SERVER): void {
  for (let second = 0; second < seconds; second += 1) {
    connections.failed(REFUSED, server);
    nowMs += 1000;
  }
}

describe('connectionLog', () => {
  test('The log names the server once when its connection is lost, whatever the number of attempts', () => {
    failFor(60);
    expect(lines).toEqual([
      { level: 'warn', message: 'no connection to Redis', fields: { server: SERVER, problem: REFUSED } },
    ]);
  });

  test('The log reminds of a server that stays away once a minute, with how long it has been away', () => {
    failFor(181);
    expect(lines.slice(1)).toEqual(
      [60, 120, 180].map((down_s) => ({
        level: 'warn',
        message: 'still no connection to Redis',
        fields: { server: SERVER, problem: REFUSED, down_s },
      })),
    );
  });

  test('The log says once that a server is back, and nothing of one that was never away', () => {
    connections.connected(SERVER);
    expect(lines).toEqual([]);
    failFor(7);
    connections.connected(SERVER);
    connections.connected(SERVER);
    expect(lines.slice(1)).toEqual([
      { level: 'info', message: 'connected to Redis again', fields: { server: SERVER, down_s: 7 } },
    ]);
    failFor(1);
    expect(lines.at(-1)).toMatchObject({ message: 'no connection to Redis' });
  });

  test('The log shows another reason for a lost connection at once, and each reason once a minute', () => {
    failFor(2);
    for (let i = 0; i < 5; i += 1) {
      connections.failed('Redis refused a command: WRONGPASS', SERVER);
      connections.failed(REFUSED, SERVER);
    }
    expect(lines.map(({ fields }) => fields?.problem)).toEqual([REFUSED, 'Redis refused a command: WRONGPASS']);
  });

  test('The log keeps the servers of a cluster apart', () => {
    failFor(2, 'a:6379');
    failFor(2, 'b:6379');
    connections.connected('b:6379');
    expect(lines.map(({ message, fields }) => [message, fields?.server])).toEqual([
      ['no connection to Redis', 'a:6379'],
      ['no connection to Redis', 'b:6379'],
      ['connected to Redis again', 'b:6379'],
    ]);
  });
});
