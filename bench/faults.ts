/**
 * What checks are answered, how much longer they take, and how soon all is well again after each fault of `test/system/faults/`: of
 * Redis, of a key endpoint, of the disk, of the clock, of the process itself, and a flood. 32 connections, the default rules,
 * the default budget of the store. Prints one table with a line for each fault, then the bars.
 * Run: `npm run bench -- faults`
 */
import { z } from 'zod';
import { LISTS_LOOKED_AT_MS } from '../src/data/lists/lists-file.ts';
import { FETCH_TIMEOUT_MS } from '../src/step-up/keys.ts';
import { CLOCK_SCENARIOS, startClockStand } from '../test/support/faults/clock.ts';
import { FULL_DISK, LISTED_LATER, startDiskStand } from '../test/support/faults/disk.ts';
import { KEY_SCENARIOS, startKeyStand } from '../test/support/faults/keys.ts';
import { SCENARIOS, type Scenario, startStand } from '../test/support/faults/scenarios.ts';
import { startService, stopUnderLoad } from '../test/support/faults/stop.ts';
import { HEAP_MIB, introduce, startSmallService, stranger } from '../test/support/faults/strangers.ts';
import { metricsOf } from '../test/support/servers/metrics.ts';
import { freePort, startRedis, until } from '../test/support/servers/redis.ts';
import { KEY as TESTER_KEY } from '../test/support/servers/stepgate.ts';
import { bar } from './bar.ts';
import { percentile, rawRequest, type Stretch, stretch } from './servers/load.ts';
import { KEY, type ServerProcess } from './servers/process.ts';
import { traffic } from './servers/traffic.ts';

const CONNECTIONS = 32;
/** Each connection rests so long between two checks: steady, and less than the machine can do. */
const REST_MS = 50;
const PHASE_MS = 3000;
/** After how long full answers have to be there again, and how much longer they are looked for. */
const MAX_RECOVERY_MS = 2500;
const LOOKED_FOR_MORE_MS = 1500;
const LOOK_MS = 1000;
const BUDGET_MS = 50;
const ALLOWANCE_MS = 20;
/** Where the fault itself keeps the machine busy (a build, a flood in a small heap), and no wait has a limit that a setting says. */
const MAX_BUSY_MS = 1000;
/** Until a process has started in the place of one that was stopped. */
const MAX_RESTART_MS = 10_000;
/** So many full answers in a row are a recovery. */
const IN_A_ROW = 20;

const ENVIRONMENT = {
  PORT: '0',
  API_KEYS: `bench:${KEY},tester:${TESTER_KEY}`,
  STORE_TIMEOUT_MS: String(BUDGET_MS),
  // What a run must not depend on; places are looked up where journeys matter.
  IP_LISTS_DIR: '/nonexistent',
};

const answered = z.object({
  decision: z.enum(['allow', 'step-up', 'deny']),
  degraded: z.array(z.unknown()),
  signals: z.object({ ip: z.object({ facts: z.record(z.string(), z.unknown()).optional() }) }),
});
type Answered = z.infer<typeof answered>;

/** One answer of a stretch; null is what is no decision. */
interface Seen {
  readonly atMs: number;
  readonly answer: Answered | null;
}

/** What a fault happens to, and how it is told that all is well. */
interface Stage<S> {
  /** What fails. */
  readonly of: string;
  readonly stand: S;
  readonly service: ServerProcess;
  /** Makes the next request, while all is well and while it is not. */
  readonly next: { readonly well: () => Buffer; readonly faulty: () => Buffer };
  /** No check may take longer, in ms. */
  readonly mostMs: number;
  /** In ms; default {@link MAX_RECOVERY_MS}. */
  readonly mostRecoveryMs?: number;
  readonly isWell: (answer: Answered) => boolean;
}

async function measure(service: ServerProcess, next: () => Buffer, forMs = PHASE_MS) {
  const seen: Seen[] = [];
  const see = (status: number, body: string): void => {
    const parsed = status === 200 ? answered.safeParse(JSON.parse(body)) : null;
    seen.push({ atMs: performance.now(), answer: parsed?.success === true ? parsed.data : null });
  };
  const load = await stretch(service.url, { connections: CONNECTIONS, forMs, next, see, restMs: REST_MS });
  return { load, seen };
}

const isFull = ({ degraded }: Answered): boolean => degraded.length === 0;

/** Cells of one line of the table. */
type Row = readonly [
  fault: string,
  decided: string,
  degraded: string,
  p50: string,
  p99: string,
  most: string,
  addedP50: string,
  addedP99: string,
  addedMost: string,
  recovery: string,
];

const WIDTHS = [52, 20, 10, 8, 8, 8, 10, 10, 10, 19] as const;
const HEAD: Row = [
  'fault',
  'allow/step-up/deny %',
  'degraded %',
  'p50 ms',
  'p99 ms',
  'most ms',
  'added p50',
  'added p99',
  'added most',
  'well again after ms',
];

function tell(row: Row): void {
  console.log(row.map((cell, n) => (n === 0 ? cell.padEnd(WIDTHS[0]) : cell.padStart(WIDTHS[n] ?? 0))).join(' '));
}

function rowOf(
  fault: string,
  load: Stretch,
  answers: readonly (Answered | null)[],
  well: Stretch | null,
  recovery: string,
): Row {
  const share = (holds: (one: Answered) => boolean): string =>
    ((100 * answers.filter((one) => one !== null && holds(one)).length) / answers.length).toFixed(0);
  const ms = (part: number): string => percentile(load, part).toFixed(1);
  const added = (part: number): string => {
    if (well === null) return '-';
    const more = percentile(load, part) - percentile(well, part);
    return `${more < 0 ? '' : '+'}${more.toFixed(1)}`;
  };
  const decided = (['allow', 'step-up', 'deny'] as const).map((wanted) => share(({ decision }) => decision === wanted));
  return [
    fault,
    decided.join('/'),
    share((one) => !isFull(one)),
    ms(0.5),
    ms(0.99),
    ms(1),
    added(0.5),
    added(0.99),
    added(1),
    recovery,
  ];
}

/** Bars are printed below the table. */
const bars: (() => void)[] = [];

function demand(name: string, value: string, holds: boolean, wanted: string): void {
  bars.push(() => bar(name, value, holds, wanted));
}

/** Under load: the fault, and how long after its end all is well again. */
async function suffer<S>(stage: Stage<S>, { name, begin, end }: Scenario<S>, well: Stretch, phaseMs = PHASE_MS) {
  const { of, stand, service, next, mostMs, mostRecoveryMs = MAX_RECOVERY_MS, isWell } = stage;
  const begun = begin(stand);
  const fault = await measure(service, next.faulty, phaseMs);
  await begun;
  // The load goes on while the fault ends, however long that takes.
  let endedMs = Number.POSITIVE_INFINITY;
  const ended = end(stand).then(() => {
    endedMs = performance.now();
  });
  const seen: Seen[] = [];
  while (performance.now() < endedMs + mostRecoveryMs + LOOKED_FOR_MORE_MS)
    seen.push(...(await measure(service, next.well, LOOK_MS)).seen);
  await ended;
  const after = seen.filter(({ atMs }) => atMs >= endedMs);
  const isBack = ({ answer }: Seen): boolean => answer !== null && isWell(answer);
  const back = after.findIndex((_, n) => after.length >= n + IN_A_ROW && after.slice(n, n + IN_A_ROW).every(isBack));
  const recoveryMs = back === -1 ? null : (after[back]?.atMs ?? endedMs) - endedMs;
  const answers = fault.seen.map(({ answer }) => answer);
  tell(rowOf(`${of} ${name}`, fault.load, answers, well, recoveryMs === null ? 'not in time' : recoveryMs.toFixed(0)));

  const most = percentile(fault.load, 1);
  const errors = [...fault.seen, ...seen].filter(({ answer }) => answer === null).length;
  demand(`longest check while ${of} ${name}`, `${most.toFixed(1)} ms`, most <= mostMs, `at most ${mostMs} ms`);
  demand(`answers other than a decision while ${of} ${name} and after`, `${errors}`, errors === 0, 'none');
  const isInTime = recoveryMs !== null && recoveryMs <= mostRecoveryMs;
  const took = recoveryMs === null ? 'not' : `${recoveryMs.toFixed(0)} ms`;
  demand(`full answers again after ${of} ${name}`, took, isInTime, `within ${mostRecoveryMs} ms`);
}

/** The line of a stage while nothing fails. The stretch before it warms the service up. */
async function wellOn<S>({ of, service, next }: Stage<S>): Promise<Stretch> {
  await measure(service, next.well);
  const { load, seen } = await measure(service, next.well);
  const answers = seen.map(({ answer }) => answer);
  tell(rowOf(`${of}: all is well`, load, answers, null, '-'));
  return load;
}

async function sufferAll<S>(stage: Stage<S>, scenarios: readonly Scenario<S>[]): Promise<void> {
  const well = await wellOn(stage);
  for (const scenario of scenarios) await suffer(stage, scenario, well);
}

const isReady = async ({ url }: ServerProcess): Promise<boolean> => (await fetch(`${url}/readyz`)).status === 200;

/** The same requests over and over. */
function round(requests: readonly Buffer[]): () => Buffer {
  let sent = 0;
  return () => requests[sent++ % requests.length] ?? Buffer.alloc(0);
}

async function redisFaults(): Promise<void> {
  const stand = await startStand(BUDGET_MS);
  const service = await startService({ ...ENVIRONMENT, REDIS_URL: stand.url });
  await until(() => isReady(service));
  const next = (await traffic(service.url))(service.url);
  const mostMs = BUDGET_MS + ALLOWANCE_MS;
  await sufferAll(
    { of: 'Redis', stand, service, next: { well: next, faulty: next }, mostMs, isWell: isFull },
    SCENARIOS,
  );
  await service.stop();
  await stand.stop();
}

const SUBJECTS = 200;

async function keyFaults(): Promise<void> {
  const stand = await startKeyStand();
  const [issuer] = z.tuple([z.record(z.string(), z.unknown())]).parse(JSON.parse(stand.issuers));
  // As if the issuer had been away for long: its keys are asked for all the time, and those of before are of no use.
  const STEP_UP_ISSUERS = JSON.stringify([{ ...issuer, keys_cache_s: 1, stale_keys_s: 0 }]);
  const service = await startService({ ...ENVIRONMENT, GEO_DATA: 'none', STEP_UP_ISSUERS });
  const subjects = Array.from({ length: SUBJECTS }, (_, n) => `proven-${n}`);
  const proven = await Promise.all(
    subjects.map(async (subject) =>
      rawRequest(`${service.url}/v1/risk-check`, KEY, {
        subject,
        action: 'admin.users',
        ip: '89.98.229.250',
        device: { fingerprint: `of ${subject}` },
        step_up_token: await stand.signer.proof(subject),
      }),
    ),
  );
  const next = round(proven);
  const mostMs = FETCH_TIMEOUT_MS + ALLOWANCE_MS;
  await sufferAll(
    { of: 'the key endpoint', stand, service, next: { well: next, faulty: next }, mostMs, isWell: isFull },
    KEY_SCENARIOS,
  );
  await service.stop();
  await stand.stop();
}

async function diskFaults(): Promise<void> {
  const stand = await startDiskStand();
  const service = await startService({ ...ENVIRONMENT, GEO_DATA: 'none', IP_LISTS_DIR: stand.dir });
  const next = round([
    rawRequest(`${service.url}/v1/risk-check`, KEY, { action: 'catalogue.browse', ip: LISTED_LATER }),
  ]);
  await sufferAll(
    {
      of: 'the disk of the lists',
      stand,
      service,
      next: { well: next, faulty: next },
      mostMs: MAX_BUSY_MS,
      mostRecoveryMs: LISTS_LOOKED_AT_MS + MAX_RECOVERY_MS,
      isWell: ({ signals }) => JSON.stringify(signals.ip.facts?.['ip.categories']) === '["tor"]',
    },
    [FULL_DISK],
  );
  await service.stop();
  await stand.stop();
}

async function clockFaults(): Promise<void> {
  const redis = await startRedis();
  const stand = await startClockStand({ ...ENVIRONMENT, REDIS_URL: redis.url });
  const { service } = stand;
  await until(() => isReady(service));
  const next = (await traffic(service.url))(service.url);
  const mostMs = BUDGET_MS + ALLOWANCE_MS;
  await sufferAll(
    { of: 'the clock', stand, service, next: { well: next, faulty: next }, mostMs, isWell: isFull },
    CLOCK_SCENARIOS,
  );
  await service.stop();
  await redis.stop();
}

/** The flood fills what the embedded store has room for; then the known subjects are looked at alone. */
async function flood(): Promise<void> {
  const service = await startSmallService(ENVIRONMENT);
  const to = `${service.url}/v1/risk-check`;
  const known = await introduce(service.url, SUBJECTS);
  const well = round(known.map((one) => rawRequest(to, KEY, { ...one, action: 'profile.view' })));
  let strangers = 0;
  const faulty = (): Buffer => (strangers % 10 === 0 ? well() : rawRequest(to, KEY, stranger(strangers)));
  const stage: Stage<null> = {
    of: 'the embedded store',
    stand: null,
    service,
    next: {
      well,
      faulty: () => {
        strangers += 1;
        return faulty();
      },
    },
    mostMs: MAX_BUSY_MS,
    isWell: (answer) => isFull(answer) && answer.decision === 'allow',
  };
  const before = await wellOn(stage);
  const residentMiB = service.residentMiB();
  const name = 'is flooded by strangers';
  await suffer(stage, { name, begin: async () => undefined, end: async () => undefined }, before, 10 * PHASE_MS);
  const grownMiB = service.residentMiB() - residentMiB;
  const told = await metricsOf(service.url);
  const evicted = (kind: string): number => told('stepgate_store_evictions_total', { kind });
  demand('tallies that gave way to the flood', `${evicted('tally')}`, evicted('tally') > 0, 'some');
  demand('baselines that gave way to the flood', `${evicted('baseline')}`, evicted('baseline') === 0, 'none');
  demand('memory that the flood took', `${grownMiB.toFixed(0)} MiB`, grownMiB < HEAP_MIB, `below ${HEAP_MIB} MiB`);
  await service.stop();
}

/** SIGTERM, and another process in its place. */
async function restart(): Promise<void> {
  const redis = await startRedis();
  const environment = { ...ENVIRONMENT, GEO_DATA: 'none', REDIS_URL: redis.url, PORT: String(await freePort()) };
  const service = await startService(environment);
  await until(() => isReady(service));
  const bodyOf = (subject: string): object => ({ subject, action: 'profile.view', ip: '89.98.229.250' });
  const warmUp = rawRequest(`${service.url}/v1/risk-check`, KEY, bodyOf('warm-up'));
  await measure(service, () => warmUp);
  const stopped = await stopUnderLoad(service, bodyOf, { restMs: REST_MS });
  const successor = await startService(environment);
  await until(() => isReady(successor));
  const recoveryMs = performance.now() - stopped.toldMs;
  const stretchOf = (wanted: (atMs: number) => boolean): Stretch => {
    const answers = stopped.answers.filter(({ atMs }) => wanted(atMs));
    return { perSecond: 0, latencies: answers.map(({ ms }) => ms).sort((a, b) => a - b) };
  };
  const [before, after] = [stretchOf((atMs) => atMs < stopped.toldMs), stretchOf((atMs) => atMs >= stopped.toldMs)];
  const answers = stopped.answers
    .filter(({ atMs }) => atMs >= stopped.toldMs)
    .map(({ answer }) => answered.safeParse(answer).data ?? null);
  tell(rowOf('the process gets SIGTERM', after, answers, before, recoveryMs.toFixed(0)));
  const { lost, refused, exitCode, exitMs } = stopped;
  demand('requests lost at SIGTERM', `${lost.length} of ${stopped.answers.length}`, lost.length === 0, 'none');
  demand('requests refused after SIGTERM', `${refused}`, refused > 0, 'some');
  demand('exit code after SIGTERM', `${exitCode}, after ${exitMs.toFixed(0)} ms`, exitCode === 0, '0');
  const most = percentile(after, 1);
  const mostMs = BUDGET_MS + ALLOWANCE_MS;
  demand('longest check after SIGTERM', `${most.toFixed(1)} ms`, most <= mostMs, `at most ${mostMs} ms`);
  const took = `${recoveryMs.toFixed(0)} ms`;
  demand('ready again after SIGTERM', took, recoveryMs <= MAX_RESTART_MS, `within ${MAX_RESTART_MS} ms`);
  await successor.stop();
  await redis.stop();
}

tell(HEAD);
for (const part of [redisFaults, keyFaults, diskFaults, clockFaults, restart, flood]) await part();
for (const judge of bars) judge();
