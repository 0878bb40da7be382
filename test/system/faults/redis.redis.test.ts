import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { listConfigSchema } from '../../../src/data/lists/lists.ts';
import { buildLists } from '../../../src/data/lists/lists-file.ts';
import { parseAddress } from '../../../src/net/ip.ts';
import { addressCountersKey, baselineKey } from '../../../src/store/keys.ts';
import { pseudonymizer } from '../../../src/store/pseudonym.ts';
import { SCENARIOS, type Stand, startStand } from '../../support/faults/scenarios.ts';
import { issuer } from '../../support/issuer.ts';
import { type Answered, type Load, startLoad } from '../../support/servers/load.ts';
import { metricsOf } from '../../support/servers/metrics.ts';
import { startProxy } from '../../support/servers/proxy.ts';
import { type RedisServer, startRedis } from '../../support/servers/redis.ts';
import { post, shippedRules, type Workshop, workshop } from '../../support/servers/stepgate.ts';
import { until } from '../../support/until.ts';

const HOME = '89.98.229.250';
const TOR_EXIT = '185.220.101.1';
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0';

/** `STORE_TIMEOUT_MS`: wide enough that a slow machine reaches a healthy server in time. */
const BUDGET_MS = 100;

/** Where answers or refusals of the store must be in time, a machine that is busy for a moment must not count as a slow store. */
const WIDE_BUDGET_MS = 1000;

/** A deny that needs nothing of the store. */
const NO_SCRIPTS = {
  version: 1,
  rules: [
    {
      id: 'no-scripts-from-tor',
      when: { 'client.bot': true, 'ip.categories': { has: 'tor' } },
      then: { decision: 'deny', reason: 'script_from_tor' },
    },
  ],
};

let shop: Workshop;
let redis: RedisServer;
let environment: NodeJS.ProcessEnv;
const idp = issuer();

beforeAll(async () => {
  shop = await workshop();
  redis = await startRedis();
  const lists = `${shop.dir}/lists`;
  const tor = listConfigSchema.parse({ name: 'tor', category: 'tor', format: 'text', source: 'tor.txt' });
  const text = `${TOR_EXIT}\n`;
  await buildLists([{ config: tor, text, updatedAtMs: Date.now(), etag: null, lastModified: null }], { dir: lists });
  const rules = await shippedRules(shop.dir);
  await writeFile(join(rules, 'scripts.json'), JSON.stringify(NO_SCRIPTS));
  environment = {
    REDIS_URL: redis.url,
    RULES_DIR: rules,
    IP_LISTS_DIR: lists,
    STORE_TIMEOUT_MS: String(BUDGET_MS),
    LOG_LEVEL: 'error',
    STEP_UP_ISSUERS: JSON.stringify([idp.entry()]),
  };
});

afterEach(() => shop.tidy());

afterAll(async () => {
  await shop.close();
  await redis.stop();
});

const KINDS = ['plain', 'proven', 'single-use', 'bot', 'browse'] as const;
type Kind = (typeof KINDS)[number];
type Checked = Answered<Kind>;

const SUBJECTS = 40;
const subjectOf = (kind: Kind, phase: string, n: number): string => `${kind}-${phase}-${n % SUBJECTS}`;

async function bodyOf(kind: Kind, phase: string, n: number): Promise<object> {
  const subject = subjectOf(kind, phase, n);
  const body = {
    subject,
    action: 'report.view',
    ip: HOME,
    session: subject,
    user_agent: FIREFOX,
    device: { fingerprint: `of ${subject}` },
  };
  switch (kind) {
    case 'plain':
      return body;
    case 'proven':
      return { ...body, step_up_token: await idp.proof(subject) };
    case 'single-use':
      return { ...body, action: 'payment.payee.add', step_up_token: await idp.proof(subject) };
    case 'bot':
      return { ...body, action: 'login', ip: TOR_EXIT, user_agent: 'python-requests/2.32' };
    case 'browse':
      return { ...body, action: 'catalogue.browse' };
  }
}

/** Why a store that is away fails. */
const OUTAGES = ['timeout', 'unreachable', 'circuit_open'];

/** Every signal that asks the store about such a request. */
const NEED_THE_STORE = ['client', 'device', 'familiarity', 'geo', 'ip', 'session', 'travel', 'velocity'];

const without = (parts: readonly string[], left: string): string[] => parts.filter((part) => part !== left);
const codesOf = ({ answer }: Checked): string[] => answer.reasons.map(({ code }: { code: string }) => code);
const partsOf = ({ answer }: Checked): string[] => answer.degraded.map(({ part }: { part: string }) => part);
const whysOf = ({ answer }: Checked): string[] => answer.degraded.map(({ why }: { why: string }) => why);
const isFull = ({ answer }: Checked): boolean => answer.degraded.length === 0;

function underLoad(url: string): Load<Kind> {
  const load = startLoad({
    url: `${url}/v1/risk-check`,
    connections: 32,
    kinds: KINDS,
    body: bodyOf,
    patienceMs: 2 * WIDE_BUDGET_MS,
  });
  shop.onTidy(() => load.stop());
  return load;
}

/** Waits until each kind of check has been answered this often in this phase, as wanted. */
function eachAnswered(load: Load<Kind>, phase: string, times: number, wanted: (one: Checked) => boolean) {
  return until(() =>
    KINDS.every((kind) => {
      const answers = load.answers.filter((one) => one.kind === kind && one.phase === phase);
      return answers.filter(wanted).length >= times;
    }),
  );
}

/** What holds for every answer, however much of the store was there. */
function expectDecisions(load: Load<Kind>): void {
  expect(load.failures).toEqual([]);
  expect(new Set(load.answers.map(({ status }) => status))).toEqual(new Set([200]));
  for (const one of load.answers) {
    const { decision, signals } = one.answer;
    expect(['allow', 'step-up', 'deny']).toContain(decision);
    for (const part of partsOf(one)) expect(signals[part].state).toBe('failed');
    if (one.kind === 'plain' && !isFull(one)) expect(decision).not.toBe('allow');
    if (one.kind === 'proven') expect(decision).toBe('allow');
    if (one.kind === 'bot') expect(decision).toBe('deny');
  }
}

/** What holds for an answer that was given while nothing at all could be had of the store. */
function expectDegraded(one: Checked, why: readonly string[] = OUTAGES): void {
  const { answer, kind } = one;
  // An exit of Tor has no place to travel from, with or without a store.
  expect(partsOf(one).sort()).toEqual(kind === 'bot' ? without(NEED_THE_STORE, 'travel') : NEED_THE_STORE);
  for (const found of whysOf(one)) expect(why).toContain(found);
  switch (kind) {
    case 'plain':
      expect(answer).toMatchObject({ decision: 'step-up', score: 0, rule: null, step_up: { satisfied: false } });
      expect(codesOf(one)).toEqual(['degraded']);
      return;
    case 'proven':
      expect(answer).toMatchObject({ decision: 'allow', score: 0, step_up: { satisfied: true, single_use: false } });
      expect(codesOf(one)).toEqual(['degraded', 'step_up_satisfied']);
      return;
    case 'single-use':
      expect(answer).toMatchObject({
        decision: 'step-up',
        step_up: { satisfied: false, single_use: true, error: { code: 'spend_unrecorded' } },
      });
      return;
    case 'bot':
      expect(answer.decision).toBe('deny');
      return;
    case 'browse':
      expect(answer.decision).toBe('allow');
      expect(codesOf(one)).toEqual([]);
  }
}

const pseudonym = pseudonymizer('x'.repeat(48));

/** How many of the subjects of a phase have a baseline. */
async function learnedIn(phase: string, server = redis): Promise<number> {
  const subjects = KINDS.flatMap((kind) => Array.from({ length: SUBJECTS }, (_, n) => subjectOf(kind, phase, n)));
  return server.admin.exists(...subjects.map((subject) => baselineKey(pseudonym('subject', subject))));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

const readiness = async (url: string): Promise<number> => (await fetch(`${url}/readyz`)).status;

async function readyServer(more: NodeJS.ProcessEnv = {}) {
  const started = await shop.start({ ...environment, ...more });
  await expect.poll(() => readiness(started.server.url)).toBe(200);
  return { ...started, url: started.server.url };
}

describe('under load', () => {
  /**
   * @see https://github.com/redis/ioredis/issues/76
   * @see https://github.com/redis/ioredis/issues/1604
   */
  describe.each(SCENARIOS)('Redis $name', ({ name, leaves, begin, end }) => {
    const budgetMs = leaves === 'nothing' ? BUDGET_MS : WIDE_BUDGET_MS;
    let stand: Stand;
    beforeAll(async () => {
      stand = await startStand(budgetMs);
    });
    afterAll(() => stand.stop());

    test('Every check is decided, nothing is learned where it is degraded, metrics tell it, and it recovers by itself', async () => {
      const { url, lines } = await readyServer({ REDIS_URL: stand.url, STORE_TIMEOUT_MS: String(budgetMs) });
      const load = underLoad(url);
      load.enter('before');
      await eachAnswered(load, 'before', 5, isFull);
      await expect.poll(() => learnedIn('before', stand.redis)).toBeGreaterThan(0);

      await begin(stand);
      // What was asked before the fault may be answered within it.
      load.enter('between');
      await load.settled();
      load.enter(name);
      await eachAnswered(load, name, 10, () => true);
      if (leaves === 'nothing') await until(() => load.answers.some((one) => whysOf(one).includes('circuit_open')));
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
      if (leaves === 'all') expect(await readiness(url)).toBe(200);
      load.enter('after');
      await load.settled();

      await end(stand);
      await eachAnswered(load, 'after', 10, isFull);
      await load.stop();
      await expect.poll(() => readiness(url)).toBe(200);

      expectDecisions(load);
      const during = load.answers.filter(({ phase }) => phase === name);
      if (leaves === 'all') expect(during.filter(isFull).length).toBeGreaterThan(during.length / 2);
      else for (const one of during) expectDegraded(one, leaves === 'refusals' ? ['rejected', ...OUTAGES] : OUTAGES);
      if (leaves !== 'all') expect(await learnedIn(name, stand.redis)).toBe(0);
      await expect.poll(() => learnedIn('after', stand.redis)).toBeGreaterThan(0);
      // Where the store is back, so is single use; a check that found it late has no time left to spend.
      const again = load.answers.filter((one) => one.phase === 'after' && one.kind === 'single-use' && isFull(one));
      expect(again.map(({ answer }) => answer.decision)).toContain('allow');
      // Half of them wait no longer than the store may take: most find the circuit open, or a refusal.
      expect(median(during.map(({ ms }) => ms))).toBeLessThan(2 * budgetMs);
      const told = await metricsOf(url);
      const failed = (code: string): number =>
        told('stepgate_store_errors_total', { operation: 'recordAttempt', code });
      if (leaves === 'nothing') expect(failed('circuit_open')).toBeGreaterThan(0);
      if (leaves === 'refusals') expect(failed('rejected')).toBeGreaterThan(0);
      // Each part of each answer is counted, no more and no less.
      for (const part of NEED_THE_STORE) {
        const missing = load.answers.filter((one) => partsOf(one).includes(part)).length;
        expect(told('stepgate_degraded_checks_total', { part })).toBe(missing);
      }
      for (const decision of ['allow', 'step-up', 'deny']) {
        const decided = load.answers.filter(({ answer }) => answer.decision === decision).length;
        expect(told('stepgate_checks_total', { decision })).toBe(decided);
      }
      // A store that is away is a warning; an error would be the service's own.
      expect(lines).toEqual([]);
    });
  });

  test('Redis is restarted empty on its port: no check fails, and its scripts are known again', async () => {
    const { url, lines } = await readyServer();
    const load = underLoad(url);
    for (const round of ['first', 'second', 'third']) {
      load.enter(round);
      await eachAnswered(load, round, 5, isFull);
      await redis.kill();
      await redis.start();
    }
    load.enter('last');
    await eachAnswered(load, 'last', 10, isFull);
    await load.stop();
    expectDecisions(load);
    // A store that is away is a warning; an error would be the service's own.
    expect(lines).toEqual([]);
  });
});

test('With no Redis at its start, the service starts, is not ready, decides at the floor, and is ready once Redis is there', async () => {
  await redis.kill();
  const { server } = await shop.start(environment);
  const { url } = server;
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  const notReady = await fetch(`${url}/readyz`);
  expect(notReady.status).toBe(503);
  expect(await notReady.json()).toMatchObject({
    ready: false,
    store: { driver: 'redis', reachable: false, problem: expect.any(String) },
  });
  const load = underLoad(url);
  load.enter('away');
  await eachAnswered(load, 'away', 10, () => true);
  load.enter('there');
  await load.settled();
  await redis.start();
  await eachAnswered(load, 'there', 10, isFull);
  await load.stop();
  expect(await readiness(url)).toBe(200);
  expectDecisions(load);
  for (const one of load.answers) if (one.phase === 'away') expectDegraded(one);
  expect(await learnedIn('away')).toBe(0);
});

test('With one record that cannot be read, a check names the part, keeps the floor and learns nothing, though the store would take it', async () => {
  const { url } = await readyServer({ STORE_TIMEOUT_MS: '10000' });
  const address = parseAddress(HOME);
  if (address === null) throw new Error(`${HOME} is an address`);
  const key = addressCountersKey(pseudonym('network', address.networkKey), pseudonym('address', address.counterKey));
  await redis.admin.set(key, 'no tally', 'EX', 600);
  shop.onTidy(() => redis.admin.del(key));
  const phase = 'unreadable';
  const answers = new Map<Kind, Checked['answer']>();
  for (const kind of KINDS) {
    const { status, text } = await post(`${url}/v1/risk-check`, JSON.stringify(await bodyOf(kind, phase, 0)));
    expect(status, text).toBe(200);
    answers.set(kind, JSON.parse(text));
  }
  for (const kind of ['plain', 'proven', 'single-use'] as const) {
    expect(answers.get(kind).degraded).toEqual([{ part: 'ip', why: 'rejected' }]);
  }
  expect(answers.get('plain').decision).toBe('step-up');
  expect(answers.get('proven')).toMatchObject({ decision: 'allow', step_up: { satisfied: true } });
  // The store is there to record the spending, so that even this proof counts.
  expect(answers.get('single-use')).toMatchObject({
    decision: 'allow',
    step_up: { satisfied: true, single_use: true },
  });
  expect(answers.get('bot')).toMatchObject({ decision: 'deny', degraded: [] });
  // The server ends when all that its answers teach is done.
  await shop.tidy();
  expect(await learnedIn(phase)).toBe(0);
});

describe('network waits of one check over HTTP', () => {
  async function waits(kind: Kind, phase: string) {
    const proxy = await startProxy(redis.port, { countsTurns: true });
    shop.onTidy(() => proxy.stop());
    const { url } = await readyServer({ REDIS_URL: `redis://127.0.0.1:${proxy.port}`, STORE_TIMEOUT_MS: '10000' });
    const before = proxy.turns();
    const { status, text } = await post(`${url}/v1/risk-check`, JSON.stringify(await bodyOf(kind, phase, 0)));
    const atAnswer = proxy.turns() - before;
    expect(status, text).toBe(200);
    return { answer: JSON.parse(text), atAnswer, afterwards: () => proxy.turns() - before };
  }

  test('A check needs one network wait, and none after the answer where nothing is learned', async () => {
    const { answer, atAnswer, afterwards } = await waits('plain', 'waits');
    expect(answer).toMatchObject({ decision: 'step-up', degraded: [] });
    expect(atAnswer).toBe(1);
    expect(await learnedIn('waits')).toBe(0);
    expect(afterwards()).toBe(1);
  });

  test('A check needs one network wait, and what is learned is written after the answer', async () => {
    const { answer, atAnswer, afterwards } = await waits('proven', 'waits');
    expect(answer).toMatchObject({ decision: 'allow', degraded: [], device: { token: expect.any(String) } });
    expect(atAnswer).toBe(1);
    expect(await learnedIn('waits')).toBe(0);
    await expect.poll(() => learnedIn('waits')).toBe(1);
    // The check has just read what it builds on, so that writing it is all that is left to wait for.
    await expect.poll(afterwards).toBe(2);
  });

  test('Two when a single-use proof is spent', async () => {
    const { answer, atAnswer } = await waits('single-use', 'spends');
    expect(answer).toMatchObject({ decision: 'allow', degraded: [], step_up: { satisfied: true, single_use: true } });
    expect(atAnswer).toBe(2);
  });
});

test('A hundred checks of one subject at once count a hundred attempts, each its own', async () => {
  const { url } = await readyServer({ STORE_TIMEOUT_MS: '10000' });
  const occurred_at = new Date(Math.floor(Date.now() / 1000) * 1000).toISOString();
  const body = JSON.stringify({ ...(await bodyOf('plain', 'counted', 0)), occurred_at });
  const answers = await Promise.all(Array.from({ length: 100 }, () => post(`${url}/v1/risk-check`, body)));
  const counts = answers.map(({ text }) => JSON.parse(text).signals.velocity.facts['subject.attempts_1m'] as number);
  expect(counts.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
});
