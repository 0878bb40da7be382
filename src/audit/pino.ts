import { pino } from 'pino';
import type { LogLevel } from '../settings.ts';
import type { Log } from './log.ts';
import type { RecordSink } from './sinks.ts';

/** Where lines go. */
export interface LineStream {
  write(line: string): void;
}

/** Standard output. A reader that goes away ends the writing and nothing else. */
export function standardOutput(): LineStream {
  return pino.destination({ dest: 1, sync: true });
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
      if (logger.isLevelEnabled('info')) logger.info(record);
    },
  };
}
