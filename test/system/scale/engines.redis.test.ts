import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { send } from '../../support/servers/http.ts';
import { keysWith } from '../../support/servers/keys.ts';
import { type Service, startService } from '../../support/servers/program.ts';
import {
  type RedisCluster,
  type RedisServer,
  redisCli,
  startRedis,
  startRedisCluster,
  startSentinels,
} from '../../support/servers/redis.ts';
import { KEY, post } from '../../support/servers/stepgate.ts';
import { AUDIENCE, goodClaims, ISSUER, type SigningKey, sign, signingKey } from '../../support/step-up/tokens.ts';
import { until } from '../../support/until.ts';

/** More than a slow machine needs, so that only what is gone is missing. */
const PATIENT = { STORE_TIMEOUT_MS: '5000' };

const checked = z.object({
  decision: z.string(),
  score: z.number(),
  reasons: z.array(z.object({ code: z.string(), points: z.number() })),
  signals: z.record(z.string(), z.object({ state: z.string(), facts: z.record(z.string(), z.unknown()).optional() })),
  degraded: z.array(z.object({ part: z.string() })),
  step_up: z.object({ satisfied: z.boolean(), error: z.object({ code: z.string() }).nullish() }).nullish(),
});
const granted = z.object({ device: z.object({ token: z.string() }) });
const stored = z.object({ baseline: z.object({ learned: z.number() }).nullable() });

/** Processes have to start, and servers to find out that one of them is gone. */
const TIME_LIMIT_MS = 120_000;

/** An engine in a process of its own. */
interface EngineProcess extends Service {
  /** Posts JSON and reads the answer as JSON. */
  call(path: string, body: object): Promise<{ readonly status: number; readonly answer: unknown }>;
}

/** Engines of the running test, ended after it whatever became of it. */
let running: EngineProcess[] = [];

/** As many engines over one Redis, with the default rules and the same secrets, each of them ready. */
async function engines(count: number, url: string, more: NodeJS.ProcessEnv = {}): Promise<readonly EngineProcess[]> {
  const secret = 'a-secret-that-all-engines-of-a-test-share';
  const environment = {
    ...{ PORT: '0', API_KEYS: keysWith('tester', KEY), PRIVACY_KEY: secret, DEVICE_TOKEN_SECRET: secret },
    ...{ RULES_DIR: join(import.meta.dirname, '../../../rules'), IP_LISTS_DIR: '/nonexistent', REDIS_URL: url },
    // Places come with the requests.
    ...{ GEO_DATA: 'none', ...PATIENT, ...more },
  };
  const start = async (): Promise<EngineProcess> => {
    const service = await startService(environment);
    await until(async () => (await fetch(`${service.url}/readyz`)).status === 200);
    const call: EngineProcess['call'] = async (path, body) => {
      const { status, text } = await post(`${service.url}${path}`, JSON.stringify(body));
      return { status, answer: text === '' ? null : JSON.parse(text) };
    };
    return { ...service, call };
  };
  const started = await Promise.all(Array.from({ length: count }, start));
  running.push(...started);
  return started;
}
afterEach(async () => {
  await Promise.all(running.map((engine) => engine.stop()));
  running = [];
});

const HOME = { lat: 52.37, lon: 4.89, country: 'NL', city: 'Amsterdam', accuracy_km: 10 };
const FAR = { lat: -23.55, lon: -46.63, country: 'BR', city: 'São Paulo', accuracy_km: 10 };

function person(name: string) {
  return {
    subject: name,
    ip: '89.98.229.250',
    session: `session-of-${name}`,
    user_agent: 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
    device: { fingerprint: `fingerprint-of-${name}` },
    geo: HOME,
  };
}

describe('over a cluster of three masters with replicas', { timeout: TIME_LIMIT_MS }, () => {
  let cluster: RedisCluster;
  let alone: RedisServer;
  beforeAll(async () => {
    [cluster, alone] = await Promise.all([startRedisCluster({ replicas: 1 }), startRedis()]);
  });
  afterAll(() => Promise.all([cluster.stop(), alone.stop()]));

  test('Three processes asked in turn answer as one process does: counts, places, trust and spent proofs are shared', async () => {
    const key = await signingKey();
    const issuer = { STEP_UP_ISSUERS: JSON.stringify([issuerWith(key)]) };
    const nowS = Math.floor(Date.now() / 1000);
    const proof = await sign(key, { sub: 'ann', jti: 'once', iat: nowS, auth_time: nowS, exp: nowS + 600 });
    const three = await tell(await engines(3, cluster.url, issuer), proof, nowS);
    const one = await tell(await engines(1, alone.url, issuer), proof, nowS);
    expect(three).toEqual(one);

    // The story is one in which each of these matters.
    const codes = new Set(one.flatMap(({ reasons }) => reasons.map(({ code }) => code)));
    expect([...codes]).toEqual(expect.arrayContaining(['impossible_travel', 'new_device', 'step_up_satisfied']));
    const attempts = one.map(({ signals }) => signals.velocity?.facts?.['subject.attempts_1m']);
    expect(attempts).toEqual(expect.arrayContaining([1, 2, 3, 4, 5, 6]));
    const states = one.map(({ signals }) => signals.device?.facts?.['device.state']);
    expect(states).toEqual(expect.arrayContaining(['new', 'trusted', 'mismatch']));
    const spent = one.filter(({ step_up }) => step_up?.satisfied === true);
    expect(spent).toHaveLength(1);
  });

  test('Over a cluster of three masters with replicas while slots move from master to master every check is answered in full and counted once', async () => {
    const [first, second] = await engines(2, cluster.url);
    const [from, to] = await cluster.masters();
    if (first === undefined || second === undefined || from === undefined || to === undefined)
      throw new Error('too few');
    const subjects = Array.from({ length: 200 }, (_, i) => `mover-${i}`);
    const at = new Date(Date.now() - 60_000).toISOString();
    const load = loadOf([first, second], (n) => ({
      ...person(subjects[n % subjects.length] ?? ''),
      action: 'login',
      occurred_at: at,
    }));
    await until(() => load.answers.length > subjects.length);
    const ids = await Promise.all([from, to].map(async ({ admin }) => String(await admin.cluster('MYID'))));
    await redisCli(
      ...[
        '--cluster',
        'reshard',
        `127.0.0.1:${from.port}`,
        '--cluster-from',
        ids[0] ?? '',
        '--cluster-to',
        ids[1] ?? '',
      ],
      ...['--cluster-slots', '600', '--cluster-yes'],
    );
    const after = load.answers.length;
    await until(() => load.answers.length > after + subjects.length);
    await load.stop();

    expect(load.failures).toEqual([]);
    expect(load.answers.filter(({ degraded }) => degraded.length > 0)).toEqual([]);
    for (const subject of subjects) {
      const counts = load.answers.filter((one) => one.subject === subject).map(({ attempts }) => attempts);
      // Two checks of one subject may overtake each other on their way, but each has a number of its own.
      expect(counts.toSorted((a, b) => a - b)).toEqual(counts.map((_, i) => i + 1));
    }
  });

  test('A master that is lost is replaced by its replica: every check is decided, and nothing is learned blindly', async () => {
    const [first, second] = await engines(2, cluster.url, { STORE_TIMEOUT_MS: '500' });
    const [lost] = await cluster.masters();
    if (first === undefined || second === undefined || lost === undefined) throw new Error('too few');
    let phase = 'before';
    const load = loadOf([first, second], (n) => ({
      ...person(`${phase}-${n}`),
      action: 'payment.transfer',
      context: { amount: 10 },
    }));
    await until(() => load.answers.length > 50);
    phase = 'lost';
    await lost.kill();
    const others = cluster.nodes.filter((node) => node !== lost);
    await until(async () => (await mastersAmong(others)) === 3);
    await until(() => allFull(load.answers.slice(-60)));
    phase = 'after';
    const begun = load.answers.length;
    await until(() => load.answers.length > begun + 60);
    await load.stop();
    await lost.start();

    expect(load.failures).toEqual([]);
    const blind = load.answers.filter(({ degraded }) => degraded.includes('velocity'));
    expect(blind.length).toBeGreaterThan(0);
    expect(blind.filter(({ decision }) => decision === 'allow')).toEqual([]);
    expect(allFull(load.answers.filter(({ subject }) => subject.startsWith('after-')))).toBe(true);
    for (const { subject } of blind.slice(0, 20)) expect(await learnedBy(first, subject), subject).toBe(0);
  });
});

describe('behind three sentinels', { timeout: TIME_LIMIT_MS }, () => {
  test('The replica takes over from a lost master, and the engines go on without a restart', async () => {
    const setUp = await startSentinels();
    try {
      const [first, second] = await engines(2, setUp.url, { STORE_TIMEOUT_MS: '500' });
      if (first === undefined || second === undefined) throw new Error('too few');
      const [master, replica] = setUp.servers;
      await first.call('/v1/events', { type: 'login.succeeded', ...person('known') });
      await until(async () => (await replica.admin.keys('*baseline')).length > 0);
      let phase = 'before';
      const load = loadOf([first, second], (n) => ({ ...person(`${phase}-${n}`), action: 'login' }));
      await until(() => load.answers.length > 50);
      phase = 'lost';
      await master.kill();
      await until(async () => String((await replica.admin.role())[0]) === 'master');
      await until(() => allFull(load.answers.slice(-60)));
      await load.stop();

      expect(load.failures).toEqual([]);
      const blind = load.answers.filter(({ degraded }) => degraded.length > 0);
      expect(blind.length).toBeGreaterThan(0);
      expect(blind.filter(({ decision }) => decision === 'allow')).toEqual([]);
      expect(await learnedBy(first, 'known')).toBe(1);
      expect(await learnedBy(second, 'known')).toBe(1);
    } finally {
      await setUp.stop();
    }
  });
});

function issuerWith(key: SigningKey) {
  return {
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: { keys: [key.jwk] },
    algorithms: [key.alg],
    step_up: { claim: 'su', equals: goodClaims().su },
  };
}

/** A check of the story. */
interface Asked {
  readonly subject: string;
  readonly action: string;
  readonly [more: string]: unknown;
}

/** One story, told to the engines in turn: each hears only a part of it. */
async function tell(asked: readonly EngineProcess[], proof: string, nowS: number) {
  let turn = 0;
  const next = (): EngineProcess => {
    const engine = asked[turn++ % asked.length];
    if (engine === undefined) throw new Error('there is no engine');
    return engine;
  };
  const at = (secondsAgo: number) => ({ occurred_at: new Date((nowS - secondsAgo) * 1000).toISOString() });
  const answers: z.infer<typeof checked>[] = [];
  let taught = 0;
  const check = async (body: Asked): Promise<void> => {
    const { status, answer } = await next().call('/v1/risk-check', body);
    expect(status, JSON.stringify(answer)).toBe(200);
    answers.push(checked.parse(answer));
    // What an answer teaches is written after it was sent.
    if (body.action === 'payment.transfer' && answers.at(-1)?.decision === 'allow') {
      taught += 1;
      await until(async () => (await learnedBy(next(), body.subject)) === taught);
    }
  };
  const event = async (body: object): Promise<unknown> => {
    const { status, answer } = await next().call('/v1/events', body);
    expect(status, JSON.stringify(answer)).toBe(202);
    return answer;
  };

  await check({ ...person('ann'), action: 'login', ...at(86_400) });
  const grant = await event({ ...person('ann'), type: 'step_up.succeeded', trust_device: true, ...at(86_390) });
  taught = await learnedBy(next(), 'ann');
  const { token } = granted.parse(grant).device;
  const own = { ...person('ann'), device: { ...person('ann').device, token } };
  await event({ ...own, type: 'login.succeeded', ...at(1800) });
  taught += 1;
  for (let i = 0; i < 6; i += 1) await check({ ...own, action: 'profile.view', ...at(3600 - i) });
  await check({ ...own, ...person('bob'), device: own.device, action: 'login', ...at(3500) });
  for (let i = 0; i < 4; i += 1) await event({ ...person('cat'), type: 'login.failed', ...at(1200 - i) });
  await check({ ...person('cat'), action: 'login', ...at(1190) });
  await check({ ...own, action: 'payment.transfer', context: { amount: 5000 }, ...at(900) });
  await check({
    ...person('ann'),
    device: { fingerprint: 'stolen' },
    ip: '201.27.183.128',
    geo: FAR,
    action: 'login',
    ...at(600),
  });
  for (let i = 0; i < 2; i += 1) {
    await check({ ...own, action: 'payment.transfer', context: { amount: 5000 }, step_up_token: proof, ...at(60) });
  }
  await event({ ...own, type: 'session.revoked', ...at(30) });
  await check({ ...own, action: 'profile.view', ...at(20) });
  // The age of a proof is measured by the real clock.
  for (const { signals } of answers) delete signals.step_up?.facts?.['step_up.age_s'];
  return answers;
}

interface LoadAnswer {
  readonly subject: string;
  readonly decision: string;
  readonly degraded: readonly string[];
  readonly attempts: number;
}

/** Checks without a pause over eight connections, the engines in turn. */
function loadOf(asked: readonly EngineProcess[], bodyOf: (n: number) => { readonly subject: string }) {
  const answers: LoadAnswer[] = [];
  const failures: unknown[] = [];
  let sent = 0;
  let goes = true;
  const connection = async (): Promise<void> => {
    while (goes) {
      const engine = asked[sent % asked.length];
      const body = bodyOf(sent++);
      try {
        const { status, answer } = (await engine?.call('/v1/risk-check', body)) ?? { status: 0, answer: null };
        const { decision, degraded, signals } = checked.parse(answer);
        if (status !== 200) failures.push(status);
        answers.push({
          subject: body.subject,
          decision,
          degraded: degraded.map(({ part }) => part),
          attempts: z.number().catch(Number.NaN).parse(signals.velocity?.facts?.['subject.attempts_1m']),
        });
      } catch (error) {
        failures.push(error);
      }
      // Steady, not as much as can be: the servers and the engines need the machine too.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const all = Promise.all(Array.from({ length: 8 }, connection));
  return {
    answers,
    failures,
    stop: async () => {
      goes = false;
      await all;
    },
  };
}

function allFull(answers: readonly LoadAnswer[]): boolean {
  return answers.every(({ degraded }) => degraded.length === 0);
}

async function mastersAmong(nodes: readonly RedisServer[]): Promise<number> {
  const roles = await Promise.all(nodes.map(async ({ admin }) => String((await admin.role())[0])));
  return roles.filter((role) => role === 'master').length;
}

/** How often the subject has been learned from; 0 where nothing is stored. */
async function learnedBy(engine: EngineProcess, subject: string): Promise<number> {
  const { status, text } = await send(`${engine.url}/v1/subjects/${subject}`, {
    headers: { Authorization: `Bearer ${KEY}` },
  });
  return status === 404 ? 0 : (stored.parse(JSON.parse(text)).baseline?.learned ?? 0);
}
