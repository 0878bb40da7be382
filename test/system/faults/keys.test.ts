import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FETCH_TIMEOUT_MS, RETRY_MS } from '../../../src/step-up/keys.ts';
import { KEY_SCENARIOS, type KeyStand, startKeyStand } from '../../support/faults/keys.ts';
import { advance, stopClock } from '../../support/idp/bank.ts';
import { issuer } from '../../support/issuer.ts';
import { metricsOf } from '../../support/servers/metrics.ts';
import { KEY, post, shippedRules, type Workshop, workshop } from '../../support/servers/stepgate.ts';

const HOME = '89.98.229.250';
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0';
/** How old keys are when they are asked for again, in seconds: the default of `keys_cache_s`. */
const CACHE_AGE_S = 600;
/** Default of `keys_cooldown_s`. */
const KEYS_COOLDOWN_S = 30;
const CALLERS = 32;

// Processes and time limits of their own, on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 });

let shop: Workshop;
let stand: KeyStand;
let url: string;
beforeEach(async () => {
  shop = await workshop();
  stand = await startKeyStand();
  stopClock();
});
afterEach(async () => {
  await shop.close();
  await stand.stop();
  vi.useRealTimers();
});

async function start(): Promise<void> {
  ({ url } = (
    await shop.start({ RULES_DIR: await shippedRules(shop.dir), STEP_UP_ISSUERS: stand.issuers, LOG_LEVEL: 'error' })
  ).server);
}

/** One check of a subject on a new device, which takes a step-up; with this token as its proof. */
async function check(subject: string, token?: string) {
  const body = {
    subject,
    action: 'report.view',
    ip: HOME,
    user_agent: FIREFOX,
    device: { fingerprint: `of ${subject}` },
    step_up_token: token,
  };
  const sentMs = performance.now();
  const { status, text } = await post(`${url}/v1/risk-check`, JSON.stringify(body));
  expect(status, text).toBe(200);
  return { ms: performance.now() - sentMs, answer: JSON.parse(text) };
}
type Checked = Awaited<ReturnType<typeof check>>;

/** So many checks at once, each of a subject of its own with a proof of its own. */
async function burst(phase: string, signer = stand.signer): Promise<Checked[]> {
  const subjects = Array.from({ length: CALLERS }, (_, n) => `${phase}-${n}`);
  const proofs = await Promise.all(subjects.map((subject) => signer.proof(subject)));
  return Promise.all(subjects.map((subject, n) => check(subject, proofs[n])));
}

/** What is stored about the subjects of a burst. */
async function learnedIn(phase: string): Promise<number> {
  const known = await Promise.all(
    Array.from({ length: CALLERS }, async (_, n) => {
      const headers = { Authorization: `Bearer ${KEY}` };
      return (await fetch(`${url}/v1/subjects/${phase}-${n}`, { headers })).json();
    }),
  );
  return known.filter((subject) => (subject.baseline?.learned ?? 0) > 0).length;
}

const fetches = async (outcome: string): Promise<number> =>
  (await metricsOf(url))('stepgate_key_fetches_total', { issuer: stand.signer.name, outcome });
const undecided = async (): Promise<number> =>
  (await metricsOf(url))('stepgate_degraded_checks_total', { part: 'step_up' });

const missingKeys = async (): Promise<string[]> => (await (await fetch(`${url}/readyz`)).json()).issuers.missing_keys;

function expectUnavailable({ answer }: Checked, why = ''): void {
  expect(answer).toMatchObject({
    decision: 'step-up',
    degraded: [{ part: 'step_up', why: 'keys_unavailable' }],
    step_up: { satisfied: false, error: { code: 'keys_unavailable', message: expect.stringContaining(why) } },
  });
  expect(answer.step_up.error.message).toContain(stand.signer.name);
  expect(answer.device?.token).toBeUndefined();
  // A proof that nobody could judge is no failed attempt of the subject.
  expect(answer.signals.velocity.facts['subject.failures_10m']).toBe(0);
}

function expectProven({ answer }: Checked): void {
  expect(answer).toMatchObject({ decision: 'allow', degraded: [], step_up: { satisfied: true } });
}

const failing = KEY_SCENARIOS.filter(({ leaves }) => leaves === 'nothing');
const hanging = KEY_SCENARIOS.filter(({ hangs }) => hangs);

describe.each(failing)('the key endpoint $name', ({ begin, end, why }) => {
  test('An endpoint that fails from the start delays no check for long, is fetched once a pause, and is used when it is back', async () => {
    await begin(stand);
    await start();
    const first = await burst('first');
    for (const one of first) expectUnavailable(one, why);
    // Generous: the checks share a processor with the service and its endpoint.
    for (const { ms } of first) expect(ms).toBeLessThan(4 * FETCH_TIMEOUT_MS);
    const next = await burst('next');
    for (const one of next) expectUnavailable(one, why);
    for (const { ms } of next) expect(ms).toBeLessThan(2 * FETCH_TIMEOUT_MS);
    expect(stand.asked()).toBeLessThanOrEqual(2);
    const asked = stand.asked();
    expect(await fetches('failed')).toBe(1);
    expect(await undecided()).toBe(2 * CALLERS);
    expect(await missingKeys()).toEqual([stand.signer.name]);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);

    advance(RETRY_MS / 1000 - 1);
    expectUnavailable(await check('first-0', await stand.signer.proof('first-0')), why);
    expect(stand.asked()).toBe(asked);
    expect((await learnedIn('first')) + (await learnedIn('next'))).toBe(0);

    await end(stand);
    advance(1);
    expectProven(await check('first-0', await stand.signer.proof('first-0')));
    for (const one of await burst('after')) expectProven(one);
    expect(stand.asked()).toBe(asked + 1);
    expect(await fetches('fetched')).toBe(1);
    expect(await undecided()).toBe(2 * CALLERS + 1);
    expect(await missingKeys()).toEqual([]);
    await expect.poll(() => learnedIn('after')).toBe(CALLERS);
  });

  test('An endpoint that fails later leaves known keys in use, and a new key waits for the cool-down without counting as a failure', async () => {
    await start();
    await vi.waitUntil(async () => (await missingKeys()).length === 0);
    for (const one of await burst('before')) expectProven(one);
    const asked = stand.asked();

    await begin(stand);
    advance(CACHE_AGE_S);
    for (const one of await burst('known')) expectProven(one);
    expect(await fetches('stale')).toBe(1);
    expect(await undecided()).toBe(0);
    const tried = stand.asked();
    expect(tried).toBeGreaterThan(asked);

    const renewed = issuer({ kid: 'k2' });
    for (const one of await burst('new', renewed)) expectUnavailable(one, why);
    advance(KEYS_COOLDOWN_S - 1);
    for (const one of await burst('still', renewed)) expectUnavailable(one, why);
    expect(stand.asked()).toBe(tried);
    expect((await learnedIn('new')) + (await learnedIn('still'))).toBe(0);
    expect(await undecided()).toBe(2 * CALLERS);

    await end({ ...stand, signer: renewed });
    advance(1);
    for (const one of await burst('renewed', renewed)) expectProven(one);
    expect(stand.asked()).toBe(tried + 1);
    await expect.poll(() => learnedIn('renewed')).toBe(CALLERS);
  });
});

describe.each(hanging)('the key endpoint $name', ({ begin, why }) => {
  test('No check without a token waits for it, and of those with one no more than the one that asks again', async () => {
    await begin(stand);
    await start();
    expectUnavailable(await check('ann', await stand.signer.proof('ann')), why);
    const asked = stand.asked();
    advance(RETRY_MS / 1000);
    const order: string[] = [];
    const proof = await stand.signer.proof('ann');
    const asks = check('ann', proof).then((one) => {
      order.push('the one that asks');
      return one;
    });
    await vi.waitUntil(() => stand.asked() > asked);
    const without = check('ben').then(() => order.push('one without a token'));
    const others = burst('others').then((all) => {
      order.push('the others');
      for (const one of all) expectUnavailable(one, why);
    });
    await Promise.all([without, others, asks.then((one) => expectUnavailable(one, why))]);
    expect(order.at(-1)).toBe('the one that asks');
    expect(stand.asked()).toBe(asked + 1);
  });
});

describe.each(KEY_SCENARIOS.filter(({ leaves }) => leaves === 'keys'))('the key endpoint $name', ({ begin, end }) => {
  test('The first proofs wait for it together, count, and no later one waits', async () => {
    await begin(stand);
    await start();
    for (const one of await burst('first')) expectProven(one);
    expect(stand.asked()).toBe(1);
    await end(stand);
    for (const one of await burst('next')) expectProven(one);
    expect(stand.asked()).toBe(1);
    expect(await fetches('fetched')).toBe(1);
    expect(await undecided()).toBe(0);
    await expect.poll(() => learnedIn('first')).toBe(CALLERS);
  });
});
