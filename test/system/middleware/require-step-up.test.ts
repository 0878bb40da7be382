import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createStepgateClient } from '../../../packages/sdk/src/client.ts';
import { proofsByStepgate } from '../../../packages/sdk/src/proof-judge.ts';
import { proofsByIssuers } from '../../../packages/sdk/src/proofs.ts';
import type { IssuerEntry } from '../../../src/step-up/issuers.ts';
import { advance, type Bank, closeDay, openDay } from '../../support/idp/bank.ts';
import { API, CLASSES, type IdentityProvider, LOA1, LOA2, OTHER_API } from '../../support/idp/provider.ts';
import { parseChallenge, type UserAgent } from '../../support/idp/user-agent.ts';
import { expressShop, honoShop, type Shop, type ShopOptions } from '../../support/middleware/shops.ts';
import { standIn } from '../../support/servers/stand-in.ts';
import { KEY, type Workshop, workshop } from '../../support/servers/stepgate.ts';

let work: Workshop;
let idp: IdentityProvider;
let bank: Bank;
let alice: UserAgent;

beforeAll(async () => {
  work = await workshop();
});
afterAll(() => work.close());
beforeEach(async () => {
  ({ idp, bank, alice } = await openDay(work));
});
afterEach(() => closeDay(work, idp));

const clientOf = (url: string) => createStepgateClient({ url, key: KEY, timeoutMs: 30_000, onFailure: 'allow' });

const byStepgate = () => proofsByStepgate(clientOf(bank.url));

function byIssuers() {
  const entry: IssuerEntry = {
    preset: 'oidc',
    issuer: idp.issuer,
    audience: API,
    typ: 'at+jwt',
    step_up: { acr_values: [LOA2] },
    acr_order: CLASSES.map(({ acr }) => acr),
  };
  const spent = new Set<string>();
  const spend = async (id: string) => !spent.has(id) && spent.add(id).has(id);
  return proofsByIssuers({ issuers: [entry], spend });
}

describe.each([
  ['Hono, proofs by Stepgate', honoShop, byStepgate],
  ['Express, proofs by its issuers', expressShop, byIssuers],
])('requireStepUp() for %s', (_name, open, judge) => {
  async function openShop(more: Partial<ShopOptions['proof']> = {}): Promise<Shop> {
    const opened = await open({
      risk: { client: clientOf(bank.url) },
      proof: { proofs: judge(), maxAgeSeconds: 300, token: ['header', 'cookie', 'bearer'], ...more },
    });
    work.onTidy(opened.stop);
    return opened;
  }

  async function payOut(shop: Shop, headers: Record<string, string> = {}, user = 'alice') {
    const response = await fetch(`${shop.url}/payout`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(user !== '' && { 'X-User': user }), ...headers },
      body: JSON.stringify({ iban: 'DE02' }),
    });
    const challenge = response.headers.get('www-authenticate') ?? '';
    return { status: response.status, challenge, body: await response.json() };
  }

  const bearer = (accessToken: string) => ({ Authorization: `Bearer ${accessToken}` });

  test('A client follows the challenge to the provider and comes back with what is enough', async () => {
    const shop = await openShop();
    const challenged = await payOut(shop);
    expect(challenged).toMatchObject({
      status: 401,
      body: { code: 'step_up_required', acr_values: [LOA2], max_age: 300 },
    });
    expect(shop.served).toEqual([]);

    const { accessToken } = await alice.authorize(parseChallenge(challenged.challenge));
    const taken = await payOut(shop, bearer(accessToken));
    expect(taken).toMatchObject({
      status: 200,
      body: { proof: { issuer: idp.issuer, subject: 'alice', acr: LOA2, amr: ['pwd', 'otp'] }, body: { iban: 'DE02' } },
    });
  });

  test.each([
    ['header', (token: string) => ({ 'X-Step-Up-Token': token })],
    ['cookie', (token: string) => ({ Cookie: `a=1; __Host-stepgate-su=${token}` })],
    ['bearer', (token: string) => ({ Authorization: `Bearer ${token}` })],
  ] as const)('The token is taken from %s where that is listed', async (source, carry) => {
    const { accessToken } = await alice.authorize({ acrValues: [LOA2] });
    const headers: Record<string, string> = carry(accessToken);
    expect((await payOut(await openShop({ token: [source] }), headers)).status).toBe(200);
    expect((await payOut(await openShop({ token: [] }), headers)).status).toBe(401);
  });

  test('A proof that is too weak, too old, of an ID token, for another API or of somebody else is challenged', async () => {
    const shop = await openShop();
    const weak = await alice.authorize({ acrValues: [LOA1] });
    expect((await payOut(shop, bearer(weak.accessToken))).challenge).toMatch(/acr_too_low|not_stepped_up/);

    const mail = await alice.authorize({ acrValues: [LOA2], resource: OTHER_API });
    expect((await payOut(shop, bearer(mail.accessToken))).challenge).toContain('audience_mismatch');
    const strong = await alice.authorize({ acrValues: [LOA2] });
    expect((await payOut(shop, bearer(strong.idToken))).challenge).toContain('typ_not_allowed');
    expect((await payOut(shop, bearer(strong.accessToken), 'mallory')).challenge).toContain('subject_mismatch');

    advance(301);
    expect((await payOut(shop, bearer(strong.accessToken))).challenge).toContain('token_too_old');
    const refreshed = await alice.refresh(strong);
    expect((await payOut(shop, bearer(refreshed.accessToken))).challenge).toContain('token_too_old');
    expect(shop.served).toEqual([]);
  });

  test('Nobody’s proof is any: without a log-in even a valid token is challenged', async () => {
    const shop = await openShop();
    const { accessToken } = await alice.authorize({ acrValues: [LOA2] });
    expect((await payOut(shop, bearer(accessToken), '')).status).toBe(401);
  });

  test('One single-use proof that is shown many times at once is accepted once', async () => {
    const shop = await openShop({ singleUse: true });
    const { accessToken } = await alice.authorize({ acrValues: [LOA2] });
    const answers = await Promise.all(Array.from({ length: 8 }, () => payOut(shop, bearer(accessToken))));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ challenge }) => challenge.includes('replayed'))).toHaveLength(7);
    advance(1);
    const again = await alice.authorize(parseChallenge((await payOut(shop)).challenge));
    expect((await payOut(shop, bearer(again.accessToken))).status).toBe(200);
  });

  test('What is single-use asks for a log-in of now, and takes no other token of one that was spent', async () => {
    const shop = await openShop({ singleUse: true });
    const first = await alice.authorize({ acrValues: [LOA2] });
    expect((await payOut(shop, bearer(first.accessToken))).status).toBe(200);
    advance(20);
    const refreshed = await alice.refresh(first);
    expect((await payOut(shop, bearer(refreshed.accessToken))).challenge).toContain('replayed');
    const minted = await alice.authorize({ acrValues: [LOA2], maxAge: 300 });
    expect(minted.pages).toEqual([]);
    const refused = await payOut(shop, bearer(minted.accessToken));
    expect(refused).toMatchObject({ status: 401, body: { max_age: 0 } });
    expect(refused.challenge).toContain('replayed');

    const asked = await alice.authorize(parseChallenge(refused.challenge));
    expect(asked.pages).toHaveLength(1);
    expect((await payOut(shop, bearer(asked.accessToken))).status).toBe(200);
    expect(shop.served).toHaveLength(2);
  });

  test('A greatest age of 0 is met by a log-in of now, once, and by nothing else', async () => {
    const shop = await openShop({ maxAgeSeconds: 0 });
    const before = await alice.authorize({ acrValues: [LOA2] });
    advance(300);
    const challenged = await payOut(shop, bearer(before.accessToken));
    expect(challenged).toMatchObject({ status: 401, body: { max_age: 0 } });
    expect(challenged.challenge).toContain('token_too_old');

    const { accessToken, pages } = await alice.authorize(parseChallenge(challenged.challenge));
    expect(pages).toHaveLength(1);
    // The way back from the provider takes time.
    advance(3);
    expect((await payOut(shop, bearer(accessToken))).status).toBe(200);
    const again = await payOut(shop, bearer(accessToken));
    expect(again).toMatchObject({ status: 401, body: { max_age: 0 } });
    expect(again.challenge).toContain('replayed');
    expect(shop.served).toHaveLength(1);
  });

  test('Methods are asked for beside the class', async () => {
    const shop = await openShop({ amrValues: ['hwk'] });
    const { accessToken } = await alice.authorize({ acrValues: [LOA2] });
    expect((await payOut(shop, bearer(accessToken))).challenge).toContain('amr_missing');
  });

  /** @see https://github.com/UsefulSoftwareCo/executor/pull/1665 keys that could not be fetched ended in a 500 */
  test('A provider that is away turns a token of a new key into a challenge, and takes one of a known key', async () => {
    const shop = await openShop();
    const known = await alice.authorize({ acrValues: [LOA2] });
    expect((await payOut(shop, bearer(known.accessToken))).status).toBe(200);
    await idp.rotate();
    const unknown = await alice.authorize({ acrValues: [LOA2] });
    await idp.stop();
    advance(60);
    expect((await payOut(shop, bearer(unknown.accessToken))).status).toBe(401);
    expect((await payOut(shop, bearer(known.accessToken))).status).toBe(200);
  });
});

test.each([{ singleUse: true }, { maxAgeSeconds: 0 }])(
  'A requirement of %j is refused where nothing records spent proofs',
  async (more) => {
    const proofs = proofsByIssuers({ issuers: [] });
    const opened = honoShop({ risk: { client: clientOf(bank.url) }, proof: { proofs, ...more } });
    await expect(opened).rejects.toThrow('pass `spend` to proofsByIssuers');
  },
);

test('A spent proof is recorded under an id that names nobody', async () => {
  const told: { readonly id: string; readonly ttlSeconds: number }[] = [];
  const entry: IssuerEntry = { preset: 'oidc', issuer: idp.issuer, audience: API, step_up: { acr_values: [LOA2] } };
  const spend = async (id: string, ttlSeconds: number) => told.push({ id, ttlSeconds }) > 0;
  const { judge } = proofsByIssuers({ issuers: [entry], spend });
  const requirement = { acrValues: [], amrValues: [], maxAgeSeconds: 300, singleUse: true, unsatisfiable: false };
  const { accessToken } = await alice.authorize({ acrValues: [LOA2] });
  expect(
    await judge({ token: accessToken, subject: 'alice', subjectSpace: null, session: null, requirement }),
  ).toMatchObject({
    valid: true,
  });
  // The provider tells no session of the log-in, so that all of its marks are spent.
  expect(new Set(told.map(({ id }) => id)).size).toBe(4);
  for (const { id } of told) expect(id).toMatch(/^[0-9a-f]{64}$/);
});

test('A proof that Stepgate could not check is none, even for a client that allows on failure', async () => {
  const gone = await standIn(() => undefined);
  await gone.stop();
  const shop = await honoShop({
    risk: { client: clientOf(gone.url) },
    proof: { proofs: proofsByStepgate(clientOf(gone.url)) },
  });
  work.onTidy(shop.stop);
  const { accessToken } = await alice.authorize({ acrValues: [LOA2] });
  const response = await fetch(`${shop.url}/payout`, {
    method: 'POST',
    headers: { 'X-User': 'alice', 'X-Step-Up-Token': accessToken },
    body: '{}',
  });
  expect(response.status).toBe(401);
  expect(shop.served).toEqual([]);
});
