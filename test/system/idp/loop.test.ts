import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { advance, closeDay, issuerEntry, keysAreHad, openBank, stopClock } from '../../support/idp/bank.ts';
import { type IdentityProvider, identityProvider, LOA2 } from '../../support/idp/provider.ts';
import { parseChallenge, userAgent } from '../../support/idp/user-agent.ts';
import { type Workshop, workshop } from '../../support/servers/stepgate.ts';

let shop: Workshop;
let idp: IdentityProvider;

beforeAll(async () => {
  shop = await workshop();
});
afterAll(() => shop.close());
beforeEach(async () => {
  stopClock();
  idp = await identityProvider();
});
afterEach(() => closeDay(shop, idp));

test.each([
  ['names no class, since the challenge names the one of the issuer', {}, 0],
  ['permits a greater age than the issuer, since the challenge tells the smaller one', { max_age: 600 }, 601],
])('No client is sent round in circles by a rule that %s', async (_what, settings, ageSeconds) => {
  const bank = await openBank(shop, issuerEntry(idp, settings));
  await keysAreHad(bank);
  const alice = userAgent(idp, { account: 'alice', methods: ['pwd', 'otp'] });
  let tokens = await alice.authorize(ageSeconds > 0 ? { acrValues: [LOA2] } : {});
  advance(ageSeconds);
  const seen = [];
  for (let round = 0; round < 4; round += 1) {
    const answer = await bank.check('address.change', tokens.accessToken);
    if (answer.decision === 'allow') break;
    seen.push([answer.step_up?.error?.code, answer.step_up?.www_authenticate]);
    tokens = await alice.authorize(parseChallenge(answer.step_up?.www_authenticate ?? ''));
  }
  expect(seen).toHaveLength(1);
});
