import { pino } from 'pino';
import type { Log, LogLevel } from './log.ts';
import type { RecordSink } from './sinks.ts';

/** Where lines go. */
export interface LineStream {
  write(line: string): void;
}

/**
 * Standard output. Lines of one turn of the event loop leave in one write, the last ones when the process exits. A reader
 * that goes away ends the writing and nothing else.
 */
export function standardOutput(): LineStream {
  const output = pino.destination({ dest: 1, sync: true });
  let waiting = '';
  const flush = (): void => {
    const lines = waiting;
    waiting = '';
    if (lines !== '') output.write(lines);
  };
  process.once('exit', flush);
  return {
    write(line) {
      if (waiting === '') setImmediate(flush);
      waiting += line;
    },
  };
}

/**
 * Operational log and decision records as JSON lines on one stream. Records are written at level `info`, so `LOG_LEVEL`
 * `warn` and above keeps them back.
 */
export function pinoLines(level: LogLevel, stream: LineStream): { readonly log: Log; readonly records: RecordSink } {
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream);
  return {
    log: {
      error: (message, fields = {}) => logger.error(fields, message),
      warn: (message, fields = {}) => logger.warn(fields, message),
      info: (message, fields = {}) => logger.info(fields, message),
      debug: (message, fields = {}) => logger.debug(fields, message),
    },
    records: (record) => {
      if (!logger.isLevelEnabled('info')) return;
      // The same output as pino, which serialises each field separately and takes twice as long.
      const time = pino.stdTimeFunctions.isoTime();
      stream.write(`{"level":${logger.levels.values.info}${time},${JSON.stringify(record).slice(1)}\n`);
    },
  };
}
