import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, type Bank, issuerEntry, openBank } from '../../support/idp/bank.ts';
import { type IdentityProvider, identityProvider, LOA1 } from '../../support/idp/provider.ts';
import { parseChallenge, type UserAgent, userAgent } from '../../support/idp/user-agent.ts';
import { type RedisServer, startRedis } from '../../support/servers/redis.ts';
import { startWorker, type WorkerServer } from '../../support/servers/worker.ts';

let dir: string;
let redis: RedisServer;
let worker: WorkerServer;
let idp: IdentityProvider;
let bank: Bank;
let alice: UserAgent;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'stepgate-bank-'));
  redis = await startRedis();
  idp = await identityProvider();
  const start = async (settings: { readonly [name: string]: string }) => {
    worker = await startWorker({
      rulesDir: dir,
      vars: { ...settings, STORE_TIMEOUT_MS: 10_000 },
      secrets: { REDIS_URL: redis.url },
    });
    return { server: worker, lines: worker.lines() };
  };
  bank = await openBank({ dir, start }, issuerEntry(idp));
  alice = userAgent(idp, { account: 'alice', methods: ['pwd', 'otp'] });
}, 120_000);

afterAll(async () => {
  await worker.stop();
  await idp.stop();
  await redis.stop();
  await rm(dir, { recursive: true });
});

const asked = ({ step_up }: Answer) => parseChallenge(step_up?.www_authenticate ?? '');
const errorOf = ({ step_up }: Answer) => step_up?.error?.code;

test('A person of a real provider is challenged, steps up as the challenge says, and is let through', async () => {
  const session = await alice.authorize();
  const challenged = await bank.check('payment.transfer', session.accessToken);
  expect(challenged.decision).toBe('step-up');
  expect(errorOf(challenged)).toBe('acr_too_low');
  expect(challenged.signals.step_up?.facts).toMatchObject({ 'step_up.acr': LOA1 });

  const steppedUp = await alice.authorize(asked(challenged));
  const allowed = await bank.check('payment.transfer', steppedUp.accessToken);
  expect(allowed).toMatchObject({ decision: 'allow', step_up: { satisfied: true }, degraded: [] });
});

test('A single-use proof serves one request, however many come at once', async () => {
  const steppedUp = await alice.authorize(asked(await bank.check('payout.approve')));
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => bank.check('payout.approve', steppedUp.accessToken)),
  );
  expect(answers.map(({ decision }) => decision).sort()).toEqual(['allow', ...Array(7).fill('step-up')]);
  expect(answers.filter(({ decision }) => decision === 'step-up').map(errorOf)).toEqual(Array(7).fill('replayed'));
});

test('The proof of one person is none of another, and a token that was changed is none at all', async () => {
  const { accessToken } = await alice.authorize(asked(await bank.check('payment.transfer')));
  const foreign = await bank.check('payment.transfer', accessToken, { subject: 'bob' });
  expect(foreign.decision).toBe('step-up');
  const changed = await bank.check('payment.transfer', `${accessToken.slice(0, -6)}AAAAAA`);
  expect(changed.decision).toBe('step-up');
  expect(errorOf(changed)).toBe('signature_invalid');
});
