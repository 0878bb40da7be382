import type { Log } from '../records/log.ts';

/** Logs the connections to Redis. Servers are `host:port`. */
export interface ConnectionLog {
  /** A connection failed or was lost. */
  readonly failed: (problem: string, server: string) => void;
  /** A connection is ready for commands. */
  readonly connected: (server: string) => void;
}

/** How often a server that stays away, and each further reason for it, is logged. */
const REMINDER_MS = 60_000;

interface Outage {
  readonly sinceMs: number;
  remindedMs: number;
  /** Problems logged since the last reminder. */
  readonly logged: Set<string>;
}

/**
 * Logs changes of state instead of attempts: a client tries to reconnect every second.
 *
 * @param elapsedMs monotonic clock in milliseconds
 */
export function connectionLog(log: Log, elapsedMs: () => number): ConnectionLog {
  const outages = new Map<string, Outage>();
  return {
    failed: (problem, server) => {
      const nowMs = elapsedMs();
      const outage = outages.get(server);
      if (outage === undefined) {
        outages.set(server, { sinceMs: nowMs, remindedMs: nowMs, logged: new Set([problem]) });
        log.warn('no connection to Redis', { server, problem });
      } else if (nowMs - outage.remindedMs >= REMINDER_MS) {
        outage.remindedMs = nowMs;
        outage.logged.clear();
        outage.logged.add(problem);
        log.warn('still no connection to Redis', { server, problem, down_s: seconds(nowMs - outage.sinceMs) });
      } else if (!outage.logged.has(problem)) {
        outage.logged.add(problem);
        log.warn('no connection to Redis', { server, problem });
      }
    },
    connected: (server) => {
      const outage = outages.get(server);
      if (outage === undefined) return;
      outages.delete(server);
      log.info('connected to Redis again', { server, down_s: seconds(elapsedMs() - outage.sinceMs) });
    },
  };
}

function seconds(ms: number): number {
  return Math.round(ms / 1000);
}
