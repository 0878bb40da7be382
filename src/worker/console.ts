import type { Log, LogFields, LogLevel } from '../records/log.ts';
import type { RecordSink } from '../records/sinks.ts';

/** Destination of lines by severity: `console`, whose methods Workers Logs distinguishes. */
export interface LineConsole {
  error(line: string): void;
  warn(line: string): void;
  info(line: string): void;
  debug(line: string): void;
}

/** As pino writes them, so that one pipeline reads the lines of Node and of Workers. */
const LEVELS = { error: 50, warn: 40, info: 30, debug: 20 } as const;

/** What each setting lets through. */
const THRESHOLDS = { silent: 60, ...LEVELS } as const satisfies { readonly [level in LogLevel]: number };

/**
 * Operational log and decision records as JSON lines, in the shape of those that the service writes on Node. Records are
 * written at level `info`, so `LOG_LEVEL` `warn` and above keeps them back.
 */
export function consoleLines(
  level: LogLevel,
  { to, now }: { readonly to: LineConsole; readonly now: () => number },
): { readonly log: Log; readonly records: RecordSink } {
  const write = (at: keyof typeof LEVELS, fields: object, message?: string): void => {
    if (LEVELS[at] < THRESHOLDS[level]) return;
    const line = { level: LEVELS[at], time: new Date(now()).toISOString(), ...fields };
    to[at](JSON.stringify(message === undefined ? line : { ...line, msg: message }));
  };
  const say =
    (at: keyof typeof LEVELS) =>
    (message: string, fields: LogFields = {}): void =>
      write(at, fields, message);
  return {
    log: { error: say('error'), warn: say('warn'), info: say('info'), debug: say('debug') },
    records: (record) => write('info', record),
  };
}
