import { type Answered, type Load, startLoad } from '../servers/load.ts';
import type { Service } from '../servers/program.ts';
import { until } from '../until.ts';

/** What came of it when a busy service was told to stop. */
export interface Stopped {
  readonly exitCode: number | null;
  /** From SIGTERM to the end of the process, in ms. */
  readonly exitMs: number;
  /** Of all requests that were answered, before the signal and after it. */
  readonly answers: readonly Answered<'check'>[];
  /** When it was told, by `performance.now()`. */
  readonly toldMs: number;
  /** Requests that found nobody listening. */
  readonly refused: number;
  /** Requests that reached the service and got no whole answer. */
  readonly lost: readonly unknown[];
}

const CONNECTIONS = 32;
/** Checks that are answered before the signal. */
const BEFORE = 10 * CONNECTIONS;
const PATIENCE_MS = 10_000;

/** The subject of the `n`th check of such a load, which nothing else names. */
export const stoppedSubject = (n: number): string => `stopped-${n}`;

/**
 * Sends SIGTERM to a service that 32 kept connections keep busy, each with a check of a new subject after
 * the other; between two of them it rests for `restMs`, default 0.
 */
export async function stopUnderLoad(
  service: Service,
  bodyOf: (subject: string) => object,
  { restMs = 0 }: { readonly restMs?: number } = {},
): Promise<Stopped> {
  const load: Load<'check'> = startLoad({
    url: `${service.url}/v1/risk-check`,
    connections: CONNECTIONS,
    kinds: ['check'],
    body: async (_kind, _phase, n) => bodyOf(stoppedSubject(n)),
    patienceMs: PATIENCE_MS,
    restMs,
  });
  await until(() => load.answers.length >= BEFORE || load.failures.length > 0);
  const toldMs = performance.now();
  const exitCode = await service.stop();
  const exitMs = performance.now() - toldMs;
  await load.stop();
  const isRefusal = (error: unknown): boolean =>
    error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
  return {
    exitCode,
    exitMs,
    toldMs,
    answers: load.answers,
    refused: load.failures.filter(isRefusal).length,
    lost: load.failures.filter((error) => !isRefusal(error)),
  };
}
