import { decodeProtectedHeader } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RETRY_MS } from '../../../src/step-up/keys.ts';
import {
  type Answer,
  advance,
  closeDay,
  issuerEntry,
  keysAreHad,
  openBank,
  stopClock,
} from '../../support/idp/bank.ts';
import { type IdentityProvider, identityProvider, LOA2 } from '../../support/idp/provider.ts';
import { type UserAgent, userAgent } from '../../support/idp/user-agent.ts';
import { type Workshop, workshop } from '../../support/servers/stepgate.ts';

const KEYS = '/jwks';
const DISCOVERY = '/.well-known/openid-configuration';
/** Default of keys_cooldown_s. */
const COOLDOWN = 30;
/** Far enough for keys to be past the age at which they are asked for again, not far enough for tokens to expire. */
const CACHE_AGE = 600;
/** The provider’s log-in lies long back in these tests, and its age is not what they look at. */
const ENTRY = { max_age: 7200 };
const ACTION = 'address.change';

let shop: Workshop;
let idp: IdentityProvider;
let alice: UserAgent;

beforeAll(async () => {
  shop = await workshop();
});
afterAll(() => shop.close());
beforeEach(() => stopClock());
afterEach(() => closeDay(shop, idp));

async function provider(isStarted = true): Promise<void> {
  idp = await identityProvider({ isStarted });
  alice = userAgent(idp, { account: 'alice', methods: ['pwd', 'otp'] });
}

async function bankWithKeys() {
  const bank = await openBank(shop, issuerEntry(idp, ENTRY));
  await keysAreHad(bank);
  return bank;
}

/** A new access token of alice, signed with the key that the provider uses now. */
async function newToken(): Promise<string> {
  return (await alice.authorize({ acrValues: [LOA2] })).accessToken;
}

const keyFetches = () => idp.asked.get(KEYS) ?? 0;
const outcomeOf = ({ decision, step_up }: Answer) => step_up?.error?.code ?? decision;

describe('the preset `oidc`', () => {
  test('The preset `oidc` finds the keys by the provider’s own discovery document ahead of the first proof, and keeps them', async () => {
    await provider();
    const bank = await bankWithKeys();
    const fetched = [idp.asked.get(DISCOVERY), keyFetches()];
    expect(fetched).not.toContain(0);
    for (let count = 0; count < 3; count += 1) {
      expect(outcomeOf(await bank.check(ACTION, await newToken()))).toBe('allow');
    }
    expect([idp.asked.get(DISCOVERY), keyFetches()]).toEqual(fetched);
  });

  test('The preset `oidc` takes no keys by a discovery document that speaks for another issuer', async () => {
    await provider();
    const other = await identityProvider();
    shop.onTidy(() => other.stop());
    const bank = await openBank(shop, issuerEntry(idp, { discovery: `${other.issuer}${DISCOVERY}` }));
    const answer = await bank.check(ACTION, await newToken());
    expect(answer.decision).toBe('step-up');
    expect(answer.step_up?.error).toEqual({
      code: 'keys_unavailable',
      message:
        `the keys of ${idp.issuer} are not available: the discovery document at ${other.issuer}${DISCOVERY} is for issuer ` +
        `${other.issuer}, expected ${idp.issuer}`,
    });
    expect(other.asked.get(KEYS)).toBeUndefined();
  });

  test('The preset `oidc` takes no token of a provider that is not configured, however genuine', async () => {
    await provider();
    const other = await identityProvider();
    shop.onTidy(() => other.stop());
    const bank = await bankWithKeys();
    const stranger = userAgent(other, { account: 'alice', methods: ['pwd', 'otp'] });
    const { accessToken } = await stranger.authorize({ acrValues: [LOA2] });
    expect(outcomeOf(await bank.check(ACTION, accessToken))).toBe('issuer_unknown');
  });
});

describe('a change of keys while traffic flows', () => {
  test('A change of keys while traffic flows costs one fetch, lets new tokens in at once and leaves old ones good while their key is published', async () => {
    await provider();
    const bank = await bankWithKeys();
    const before = await newToken();
    expect(outcomeOf(await bank.check(ACTION, before))).toBe('allow');
    const fetched = keyFetches();
    advance(COOLDOWN);

    const kid = await idp.rotate();
    const fresh = [await newToken(), await newToken(), await newToken()];
    expect(fresh.map((token) => decodeProtectedHeader(token).kid)).toEqual(fresh.map(() => kid));
    const traffic = [...fresh, before, ...fresh, before];
    const answers = await Promise.all(traffic.map((token) => bank.check(ACTION, token)));
    expect(answers.map(outcomeOf)).toEqual(traffic.map(() => 'allow'));
    expect(keyFetches()).toBe(fetched + 1);
  });

  test('A change of keys while traffic flows within the cooldown of the last fetch holds new tokens up until it has passed, and suspects nobody', async () => {
    await provider();
    const bank = await bankWithKeys();
    const fetched = keyFetches();
    await idp.rotate();
    const token = await newToken();
    const early = await bank.check(ACTION, token);
    expect(early.decision).toBe('step-up');
    expect(early.step_up?.error?.code).toBe('keys_cooling');
    expect(early.degraded).toEqual([{ part: 'step_up', why: 'keys_cooling' }]);
    expect(keyFetches()).toBe(fetched);
    advance(COOLDOWN);
    const late = await bank.check(ACTION, token);
    expect(outcomeOf(late)).toBe('allow');
    expect(late.signals.velocity?.facts).toMatchObject({ 'subject.failures_10m': 0 });
  });

  test('A change of keys while traffic flows ends the old tokens once their key is withdrawn and the keys are asked for again', async () => {
    await provider();
    const bank = await bankWithKeys();
    const [first, second] = [await newToken(), await newToken()];
    await idp.rotate();
    idp.retireOldKeys();
    expect(outcomeOf(await bank.check(ACTION, first))).toBe('allow');
    advance(CACHE_AGE);
    expect(outcomeOf(await bank.check(ACTION, second))).toBe('key_unknown');
    expect(outcomeOf(await bank.check(ACTION, await newToken()))).toBe('allow');
  });
});

describe('a provider that is down', () => {
  /** @see https://github.com/auth0/node-jwks-rsa/issues/385 */
  test('A provider that is down leaves tokens of known keys good; one of an unknown key leaves the step-up standing, never a 5xx', async () => {
    await provider();
    const bank = await bankWithKeys();
    const known = [await newToken(), await newToken()] as const;
    await idp.rotate();
    const unknown = await newToken();
    await idp.stop();

    advance(CACHE_AGE);
    expect(outcomeOf(await bank.check(ACTION, known[0]))).toBe('allow');
    expect(bank.lines.map((line) => JSON.parse(line))).toContainEqual(
      expect.objectContaining({ msg: 'the keys of an issuer could not be fetched', issuer: idp.issuer, stale: true }),
    );
    const metrics = await (await fetch(`${bank.url}/metrics`)).text();
    expect(metrics).toContain(`stepgate_key_fetches_total{issuer="${idp.issuer}",outcome="stale"} 1`);
    const inDoubt = [{ part: 'step_up', why: 'keys_unavailable' }];
    const answers = await Promise.all([unknown, known[1], unknown, known[0]].map((token) => bank.check(ACTION, token)));
    expect(answers.map(outcomeOf)).toEqual(['keys_unavailable', 'allow', 'keys_unavailable', 'allow']);
    expect(answers[0]?.decision).toBe('step-up');
    expect(answers[0]?.step_up?.error?.message).toContain('cannot be reached');
    expect(answers.map(({ degraded }) => degraded)).toEqual([inDoubt, [], inDoubt, []]);
    expect(await bank.missingKeys()).toEqual([]);

    await idp.start();
    advance(COOLDOWN);
    expect(outcomeOf(await bank.check(ACTION, unknown))).toBe('allow');
  });

  /** @see https://github.com/micronaut-projects/micronaut-security/issues/155 */
  test('A provider that is down at the first start is told by /readyz, and its tokens count without a restart once it is back', async () => {
    await provider();
    const token = await newToken();
    await idp.stop();
    const bank = await openBank(shop, issuerEntry(idp, ENTRY));
    expect(await bank.missingKeys()).toEqual([idp.issuer]);
    const answer = await bank.check(ACTION, token);
    expect(answer.decision).toBe('step-up');
    expect(outcomeOf(answer)).toBe('keys_unavailable');

    await idp.start();
    advance(RETRY_MS / 1000);
    expect(outcomeOf(await bank.check(ACTION, token))).toBe('allow');
    expect(await bank.missingKeys()).toEqual([]);
  });
});
