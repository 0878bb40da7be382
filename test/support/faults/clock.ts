import { type Service, startService } from '../servers/program.ts';
import type { Scenario } from './scenarios.ts';

/** A service in a process whose wall clock can be set. */
export interface ClockStand {
  readonly service: Service;
}

/** One way in which the wall clock of a service is set wrong, and right again. */
export interface ClockScenario extends Scenario<ClockStand> {
  readonly stepMs: number;
}

const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;

export async function startClockStand(environment: NodeJS.ProcessEnv): Promise<ClockStand> {
  const clock = new URL('../servers/stepped-clock.ts', import.meta.url).pathname;
  return { service: await startService(environment, ['--import', clock]) };
}

/** Each reads on after "the clock ". */
export const CLOCK_SCENARIOS: readonly ClockScenario[] = [
  scenario('goes back by an hour', -HOUR_MS),
  scenario('goes back by a year', -YEAR_MS),
  scenario('goes forward by an hour', HOUR_MS),
  scenario('goes forward by a year', YEAR_MS),
];

function scenario(name: string, stepMs: number): ClockScenario {
  return { name, stepMs, begin: ({ service }) => service.tell(stepMs), end: ({ service }) => service.tell(0) };
}
