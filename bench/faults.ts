/**
 * What checks are answered, and how long they take, while Redis fails in each of the ways of `test/faults/scenarios.ts`: 32
 * connections, the default rules, the default budget of the store. Prints a table with a line for each fault, then the bars.
 * Run: `npm run bench -- faults`
 */
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { SCENARIOS, type Scenario, startStand } from '../test/faults/scenarios.ts';
import { until } from '../test/servers/redis.ts';
import { bar } from './bar.ts';
import { percentile, type Stretch, stretch } from './servers/load.ts';
import { KEY, startProcess } from './servers/process.ts';
import { traffic } from './servers/traffic.ts';

const CONNECTIONS = 32;
/** Each connection rests so long between two checks: steady, and less than the machine can do. */
const REST_MS = 50;
const PHASE_MS = 3000;
/** How long it is looked for full answers after a fault, and after how long they have to be there. */
const RECOVERY_MS = 4000;
const MOST_RECOVERY_MS = 2500;
const BUDGET_MS = 50;
const ALLOWANCE_MS = 20;

const stand = await startStand();
const service = await startProcess(fileURLToPath(new URL('../src/node.ts', import.meta.url)), {
  PORT: '0',
  REDIS_URL: stand.url,
  API_KEYS: `bench:${KEY}`,
  STORE_TIMEOUT_MS: String(BUDGET_MS),
});
await until(async () => (await fetch(`${service.url}/readyz`)).status === 200);
const next = (await traffic(service.url))(service.url);

/** One answer of a stretch. */
interface Seen {
  readonly atMs: number;
  /** `allow`, `step-up`, `deny`, or the status of what is no decision. */
  readonly decision: string;
  readonly isFull: boolean;
}

const answered = z.object({ decision: z.string(), degraded: z.array(z.unknown()) });

async function measure(forMs: number): Promise<{ load: Stretch; seen: readonly Seen[] }> {
  const seen: Seen[] = [];
  const see = (status: number, body: string): void => {
    const atMs = performance.now();
    if (status !== 200) seen.push({ atMs, decision: `${status}`, isFull: false });
    else {
      const { decision, degraded } = answered.parse(JSON.parse(body));
      seen.push({ atMs, decision, isFull: degraded.length === 0 });
    }
  };
  const load = await stretch(service.url, { connections: CONNECTIONS, forMs, next, see, restMs: REST_MS });
  return { load, seen };
}

const DECISIONS = ['allow', 'step-up', 'deny'];

function share(seen: readonly Seen[], holds: (one: Seen) => boolean): number {
  return (100 * seen.filter(holds).length) / seen.length;
}

/** One line of the table. */
interface Row {
  readonly fault: string;
  readonly decided: string;
  readonly degraded: string;
  readonly p50: string;
  readonly p99: string;
  readonly most: string;
  readonly recovery: string;
}

const HEAD: Row = {
  fault: 'Redis',
  decided: 'allow/step-up/deny %',
  degraded: 'degraded %',
  p50: 'p50 ms',
  p99: 'p99 ms',
  most: 'most ms',
  recovery: 'full again after ms',
};

function rowOf(fault: string, { load, seen }: Awaited<ReturnType<typeof measure>>, recovery: string): Row {
  const ms = (part: number): string => percentile(load, part).toFixed(1);
  return {
    fault,
    decided: DECISIONS.map((decision) => share(seen, (one) => one.decision === decision).toFixed(0)).join('/'),
    degraded: share(seen, ({ isFull }) => !isFull).toFixed(0),
    p50: ms(0.5),
    p99: ms(0.99),
    most: ms(1),
    recovery,
  };
}

function tell(row: Row): void {
  const { fault, decided, degraded, p50, p99, most, recovery } = row;
  console.log(
    [
      fault.padEnd(40),
      decided.padStart(20),
      ...[degraded, p50, p99, most].map((cell) => cell.padStart(10)),
      recovery.padStart(19),
    ].join(' '),
  );
}

/** So many full answers in a row are a recovery. */
const IN_A_ROW = 20;

/** Under load: the fault, and how long after its end answers are full again. */
async function suffer({ name, begin, end }: Scenario) {
  await begin(stand, BUDGET_MS);
  const fault = await measure(PHASE_MS);
  // The load goes on while the fault ends, however long that takes.
  let endedMs = Number.POSITIVE_INFINITY;
  const ended = end(stand).then(() => {
    endedMs = performance.now();
  });
  const seen: Seen[] = [];
  while (performance.now() < endedMs + RECOVERY_MS) seen.push(...(await measure(RECOVERY_MS / 4)).seen);
  await ended;
  const after = seen.filter(({ atMs }) => atMs >= endedMs);
  const back = after.findIndex(
    (_, n) => after.length >= n + IN_A_ROW && after.slice(n, n + IN_A_ROW).every(({ isFull }) => isFull),
  );
  const recoveryMs = back === -1 ? null : (after[back]?.atMs ?? endedMs) - endedMs;
  tell(rowOf(name, fault, recoveryMs === null ? 'not in time' : recoveryMs.toFixed(0)));
  const errors = [...fault.seen, ...seen].filter(({ decision }) => !DECISIONS.includes(decision)).length;
  return { name, fault, recoveryMs, errors };
}

await measure(PHASE_MS);
tell(HEAD);
tell(rowOf('is well', await measure(PHASE_MS), '-'));
const suffered = [];
for (const scenario of SCENARIOS) suffered.push(await suffer(scenario));
for (const { name, fault, recoveryMs, errors } of suffered) {
  const most = percentile(fault.load, 1);
  const wanted = `at most ${BUDGET_MS + ALLOWANCE_MS} ms`;
  bar(`longest check while Redis ${name}`, `${most.toFixed(1)} ms`, most <= BUDGET_MS + ALLOWANCE_MS, wanted);
  bar(`answers other than a decision while Redis ${name} and after`, `${errors}`, errors === 0, 'none');
  const isBack = recoveryMs !== null && recoveryMs <= MOST_RECOVERY_MS;
  const took = recoveryMs === null ? 'not' : `${recoveryMs.toFixed(0)} ms`;
  bar(`full answers again after Redis ${name}`, took, isBack, `within ${MOST_RECOVERY_MS} ms`);
}
await service.stop();
await stand.stop();
