import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { advance, type Bank, closeDay, MAX_AGE, openDay } from '../../support/idp/bank.ts';
import { type IdentityProvider, LOA2, OTHER_API } from '../../support/idp/provider.ts';
import { parseChallenge, type UserAgent, userAgent } from '../../support/idp/user-agent.ts';
import { KEY, type Workshop, workshop } from '../../support/servers/stepgate.ts';

let shop: Workshop;
let idp: IdentityProvider;
let bank: Bank;
let alice: UserAgent;

beforeAll(async () => {
  shop = await workshop();
});
afterAll(() => shop.close());
beforeEach(async () => {
  ({ idp, bank, alice } = await openDay(shop));
});
afterEach(() => closeDay(shop, idp));

/** Asks the hook as a gateway does for a `POST` to `path` with these headers of the client. */
async function ask(path: string, client: Record<string, string>) {
  const { status, headers } = await fetch(`${bank.url}/forward-auth`, {
    headers: {
      'X-Stepgate-Key': KEY,
      'X-Forwarded-Method': 'POST',
      'X-Forwarded-Uri': path,
      'X-Forwarded-Proto': 'https',
      'X-Forwarded-Host': 'shop.bank.example',
      ...client,
    },
  });
  return { status, headers, challenge: headers.get('www-authenticate') ?? '' };
}

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

test('A client follows the 401 to the provider and comes back with a bearer token that passes', async () => {
  const session = await alice.authorize();
  const challenged = await ask('/api/transfers', bearer(session.accessToken));
  expect(challenged.status).toBe(401);
  expect(challenged.challenge).toContain('acr_too_low');
  expect(challenged.headers.get('x-stepgate-subject')).toBe('alice');
  expect(parseChallenge(challenged.challenge)).toEqual({ acrValues: [LOA2], maxAge: MAX_AGE });

  const steppedUp = await alice.authorize(parseChallenge(challenged.challenge));
  const passed = await ask('/api/transfers', bearer(steppedUp.accessToken));
  expect(passed.status).toBe(200);
  expect(passed.headers.get('x-stepgate-reasons')).toBe('transfer_guarded,step_up_satisfied');
});

test('The stepped-up token may come beside the session’s own, and only for the same person', async () => {
  const session = await alice.authorize();
  const { accessToken } = await alice.authorize({ acrValues: [LOA2] });
  const beside = { ...bearer(session.accessToken), 'X-Step-Up-Token': accessToken };
  expect((await ask('/api/transfers', beside)).status).toBe(200);

  const mallory = userAgent(idp, { account: 'mallory', methods: ['pwd'] });
  const stolen = { ...bearer((await mallory.authorize()).accessToken), 'X-Step-Up-Token': accessToken };
  const answer = await ask('/api/transfers', stolen);
  expect(answer.status).toBe(401);
  expect(answer.challenge).toContain('subject_mismatch');
});

test('A bearer token passes a single-use route once', async () => {
  const { accessToken } = await alice.authorize({ acrValues: [LOA2] });
  expect((await ask('/api/payouts', bearer(accessToken))).status).toBe(200);
  const again = await ask('/api/payouts', bearer(accessToken));
  expect(again.status).toBe(401);
  expect(again.challenge).toContain('replayed');
  advance(2);
  const next = await alice.authorize(parseChallenge(again.challenge));
  expect(next.pages).not.toEqual([]);
  expect((await ask('/api/payouts', bearer(next.accessToken))).status).toBe(200);
});

test('A session refreshed long after the log-in is challenged for its age and keeps its subject', async () => {
  const tokens = await alice.authorize({ acrValues: [LOA2] });
  advance(MAX_AGE + 1);
  const answer = await ask('/api/transfers', bearer((await alice.refresh(tokens)).accessToken));
  expect(answer.status).toBe(401);
  expect(answer.challenge).toContain('token_too_old');
  expect(answer.headers.get('x-stepgate-subject')).toBe('alice');
});

test('An ID token and a token for another API make nobody a subject', async () => {
  const { idToken } = await alice.authorize({ acrValues: [LOA2] });
  const { accessToken } = await alice.authorize({ acrValues: [LOA2], resource: OTHER_API });
  for (const token of [idToken, accessToken]) {
    const { status, headers } = await ask('/api/transfers', bearer(token));
    expect([status, headers.get('x-stepgate-subject')]).toEqual([401, '']);
  }
});

test('A provider that is down turns an unknown key into a 401, never into a 5xx', async () => {
  const known = await alice.authorize({ acrValues: [LOA2] });
  await idp.rotate();
  const unknown = await alice.authorize({ acrValues: [LOA2] });
  await idp.stop();
  advance(60);
  expect((await ask('/api/transfers', bearer(unknown.accessToken))).status).toBe(401);
  const beside = { ...bearer(known.accessToken), 'X-Step-Up-Token': unknown.accessToken };
  expect((await ask('/api/transfers', beside)).status).toBe(200);
});
