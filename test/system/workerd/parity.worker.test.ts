import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { chanceOf } from '../../../src/cli/simulate/chance.ts';
import { keysWith } from '../../support/servers/keys.ts';
import { type RedisServer, startRedis } from '../../support/servers/redis.ts';
import { KEY, post, type Workshop, workshop } from '../../support/servers/stepgate.ts';
import { workerCode } from '../../support/servers/worker.ts';
import { startWorkerd } from '../../support/servers/workerd.ts';

const DOC = join(import.meta.dirname, '../../../docs/workers.md');
const START = '<!-- parity:start -->';
const END = '<!-- parity:end -->';

const DAY_MS = 86_400_000;
const CHECKS = 200;

const answer = z.object({
  id: z.string(),
  decision: z.enum(['allow', 'step-up', 'deny']),
  score: z.number(),
  level: z.string(),
  reasons: z.array(z.object({ code: z.string() }).loose()),
  rule: z.unknown(),
  signals: z.unknown(),
  degraded: z.array(z.unknown()),
});
type Answer = z.output<typeof answer>;

/** One step of the recorded traffic: a check, or an event that teaches. */
interface Step {
  readonly path: '/v1/risk-check' | '/v1/events';
  readonly body: object;
}

/** A server that the traffic is played to. */
interface Subject {
  readonly name: string;
  readonly url: string;
  /** All that it has logged so far. */
  readonly log: () => string;
}

const CITIES = [
  { ip: '89.98.229.250', geo: { lat: 52.37, lon: 4.89, country: 'NL', city: 'Amsterdam', accuracy_km: 5 } },
  { ip: '2a02:a45f:1::7', geo: { lat: 52.35, lon: 4.92, country: 'NL', city: 'Amsterdam', accuracy_km: 20 } },
  { ip: '201.27.183.128', geo: { lat: -23.55, lon: -46.63, country: 'BR', city: 'São Paulo', accuracy_km: 10 } },
  { ip: '71.167.126.34', geo: { lat: 40.71, lon: -74.0, country: 'US', city: 'New York', accuracy_km: 10 } },
] as const;
const DEVICES = [
  { fingerprint: '5d41402abc4b2a76b9719d911017c592', components: { canvas: 'a1', fonts: 'b2' } },
  { fingerprint: '7d793037a0760186574b0282f2f435e7', components: { canvas: 'z9', fonts: 'y8' } },
] as const;
const AGENTS = [
  'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36',
  'curl/8.5.0',
] as const;
const ACTIONS = ['login', 'order.view', 'payment.transfer', 'catalogue.browse', 'login', 'request'] as const;

/** Ten people over two weeks, mostly at home, sometimes on the road, sometimes somebody else who guesses. The same on every run. */
function traffic(nowMs: number): readonly Step[] {
  const chance = chanceOf('parity');
  // From a Monday, so that hour and weekday are the same in every run.
  const monday = Math.floor((nowMs - 4 * DAY_MS) / (7 * DAY_MS)) * 7 * DAY_MS + 4 * DAY_MS - 14 * DAY_MS;
  const steps: Step[] = [];
  for (let i = 0; i < CHECKS; i += 1) {
    const person = i % 10;
    const isHome = chance.happens(0.7);
    const city = isHome ? CITIES[person % 2] : chance.pick(CITIES);
    const device = isHome ? DEVICES[0] : chance.pick(DEVICES);
    const at = {
      subject: `person-${person}`,
      ip: city?.ip,
      geo: chance.happens(0.9) ? city?.geo : null,
      device: chance.happens(0.9)
        ? { ...device, fingerprint: `${person}${device.fingerprint.slice(1)}`, bot: !isHome }
        : null,
      user_agent: isHome ? AGENTS[0] : chance.pick(AGENTS),
      occurred_at: new Date(monday + i * 90 * 60_000 + chance.whole(0, 600_000)).toISOString(),
    };
    // Somebody guesses passwords first.
    const guesses = !isHome && chance.happens(0.3) ? 6 : 0;
    for (let n = 0; n < guesses; n += 1) steps.push({ path: '/v1/events', body: { ...at, type: 'login.failed' } });
    const context = { amount: chance.whole(0, 3000) };
    steps.push({ path: '/v1/risk-check', body: { ...at, action: chance.pick(ACTIONS), context } });
    if (isHome && chance.happens(0.6)) steps.push({ path: '/v1/events', body: { ...at, type: 'login.succeeded' } });
  }
  return steps;
}

/** The answers to the checks of the traffic. Each step waits until what the one before teaches is stored. */
async function play({ name, url, log }: Subject, steps: readonly Step[]): Promise<Answer[]> {
  await expect.poll(async () => (await fetch(`${url}/readyz`)).status).toBe(200);
  const answers: Answer[] = [];
  for (const { path, body } of steps) {
    const { status, text } = await post(`${url}${path}`, JSON.stringify(body));
    expect(status, `${name}: ${text}`).toBe(path === '/v1/events' ? 202 : 200);
    if (path === '/v1/events') continue;
    const told = answer.parse(JSON.parse(text));
    answers.push(told);
    await expect.poll(() => log().includes(`"check":"${told.id}"`), { interval: 2, timeout: 10_000 }).toBe(true);
  }
  return answers;
}

/** What has to be the same everywhere. */
function essence(answers: readonly Answer[]) {
  return answers.map(({ id: _id, ...told }) => told);
}

function column(answers: readonly Answer[]): string[] {
  const count = (decision: Answer['decision']): string =>
    String(answers.filter((told) => told.decision === decision).length);
  const reasons = answers.flatMap((told) => told.reasons);
  return [
    count('allow'),
    count('step-up'),
    count('deny'),
    String(answers.reduce((sum, { score }) => sum + score, 0)),
    `${reasons.length}, ${new Set(reasons.map(({ code }) => code)).size} codes`,
    `\`${createHash('sha256')
      .update(JSON.stringify(essence(answers)))
      .digest('hex')
      .slice(0, 12)}\``,
  ];
}

const ROWS = ['allow', 'step-up', 'deny', 'sum of scores', 'reasons', 'hash of all answers'];

function tableOf(columns: readonly (readonly [string, readonly string[]])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line([`of ${CHECKS} checks`, ...columns.map(([name]) => name)]),
    line(['---', ...columns.map(() => '---')]),
    ...ROWS.map((row, i) => line([row, ...columns.map(([, cells]) => cells[i] ?? '')])),
  ].join('\n');
}

let shop: Workshop;
let redis: RedisServer;
let code: string;

beforeAll(async () => {
  [shop, redis, code] = await Promise.all([workshop(), startRedis(), workerCode()]);
});

afterAll(async () => {
  await shop?.close();
  await redis?.stop();
});

test('The same traffic gets the same decisions, scores, reasons and facts on every runtime and store', async () => {
  const steps = traffic(Date.now());
  const settings = {
    PRIVACY_KEY: 'p'.repeat(32),
    DEVICE_TOKEN_SECRET: 'd'.repeat(32),
    LOG_LEVEL: 'debug',
    GEO_DATA: 'none',
    STORE_TIMEOUT_MS: '5000',
  };
  const onNode = async (name: string, more: NodeJS.ProcessEnv): Promise<Subject> => {
    const { server, lines } = await shop.start({ RULES_DIR: 'rules', ...settings, ...more });
    return { name, url: server.url, log: () => lines.slice(-20).join('') };
  };
  const onWorkers = async (name: string, durableObjects: { readonly [binding: string]: string }): Promise<Subject> => {
    const vars = { ...settings, API_KEYS: keysWith('tester', KEY), REDIS_URL: redis.url };
    const worker = await startWorkerd(code, { vars, durableObjects });
    shop.onTidy(() => worker.stop());
    return { name, url: worker.url, log: () => worker.output().slice(-20_000) };
  };
  const subjects = [
    () => onNode('Node, embedded store', {}),
    () => onNode('Node, Redis', { REDIS_URL: redis.url }),
    () => onWorkers('Worker, Redis, a connection for each request', {}),
    () => onWorkers('Worker, Redis, pool', { REDIS_POOL: 'RedisPool' }),
  ];
  const played: (readonly [string, Answer[]])[] = [];
  for (const open of subjects) {
    await redis.admin.flushall();
    const subject = await open();
    played.push([subject.name, await play(subject, steps)]);
  }
  const [[, first] = ['', []]] = played;
  expect(first).toHaveLength(CHECKS);
  for (const [name, answers] of played) {
    expect(
      answers.flatMap(({ degraded }) => degraded),
      name,
    ).toEqual([]);
    expect(essence(answers), name).toEqual(essence(first));
  }

  const table = tableOf(played.map(([name, answers]) => [name, column(answers)] as const));
  const doc = readFileSync(DOC, 'utf8');
  const [before = '', rest = ''] = doc.split(START);
  const [told = '', after = ''] = rest.split(END);
  // PARITY=write takes the new figures over after the rules were changed.
  if (process.env.PARITY === 'write') writeFileSync(DOC, `${before}${START}\n${table}\n${END}${after}`);
  else expect(told.trim(), 'the table of docs/workers.md').toBe(table);
}, 180_000);
