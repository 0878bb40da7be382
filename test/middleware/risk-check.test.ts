import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { proofsByIssuers } from '../../src/middleware/local-proofs.ts';
import { createStepgateClient, type StepgateClientOptions } from '../../src/sdk/client.ts';
import { FAULTS, impostor } from '../servers/faulty.ts';
import { KEY, type Workshop, workshop } from '../servers/stepgate.ts';
import { expressShop, honoShop, type Shop, type ShopOptions } from './shops.ts';

const CHROME = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';

const RULES = {
  version: 1,
  actions: { checkout: {}, account: {}, feed: {} },
  trust: { days: 30, on_step_up: true },
  rules: [
    {
      id: 'large',
      when: { action: 'checkout', 'context.amount': { gte: 1000 } },
      then: { decision: 'step-up', acr_values: ['urn:stepgate:su'], max_age: 300, reason: 'large_order' },
    },
    {
      id: 'account',
      when: { action: 'account', 'subject.id': 'ann' },
      then: { decision: 'step-up', reason: 'account_guarded' },
    },
    { id: 'root', when: { 'subject.id': 'root' }, then: { decision: 'deny', reason: 'root_refused' } },
  ],
};

let shop: Workshop;

beforeAll(async () => {
  shop = await workshop();
});
beforeEach(() => writeFile(join(shop.dir, 'default.json'), JSON.stringify(RULES)));
afterEach(() => shop.tidy());
afterAll(() => shop.close());

describe.each([
  ['Hono', honoShop],
  ['Express', expressShop],
])('riskCheck() for %s', (_name, open) => {
  /** A shop in front of `stepgate`, or of a real one. */
  async function openShop(more: Partial<ShopOptions['risk']> = {}, client: Partial<StepgateClientOptions> = {}) {
    const url = client.url ?? (await shop.start()).server.url;
    const asking = createStepgateClient({ key: KEY, ...client, url });
    const proofs = proofsByIssuers({ issuers: [] });
    const opened = await open({ risk: { client: asking, ...more }, proof: { proofs } });
    shop.onTidy(opened.stop);
    return opened;
  }

  const order = (opened: Shop, body: object, headers: Record<string, string> = {}) =>
    fetch(`${opened.url}/checkout`, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'Content-Type': 'application/json', 'User-Agent': CHROME, 'X-User': 'ann', ...headers },
      body: JSON.stringify(body),
    });

  test('lets an allowed request on: the handler has the decision and reads the body again', async () => {
    const opened = await openShop();
    const response = await order(opened, { amount: 10, note: 'as a gift' });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      failed: false,
      decision: 'allow',
      order: { amount: 10, note: 'as a gift' },
    });
  });

  test('answers a step-up with the challenge of RFC 9470 and a problem document, and never calls the handler', async () => {
    const opened = await openShop();
    const response = await order(opened, { amount: 1000 });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toMatch(
      /^Bearer error="insufficient_user_authentication", .*acr_values="urn:stepgate:su", max_age="300"$/,
    );
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toMatchObject({
      status: 401,
      code: 'step_up_required',
      acr_values: ['urn:stepgate:su'],
      max_age: 300,
      check: expect.any(String),
    });
    expect(opened.served).toEqual([]);
  });

  test('answers a deny with 403 and says no reason to the client', async () => {
    const opened = await openShop();
    const response = await order(opened, { amount: 10 }, { 'X-User': 'root' });
    expect(response.status).toBe(403);
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ status: 403, code: 'access_denied' });
    expect(text).not.toContain('root_refused');
    expect(opened.served).toEqual([]);
  });

  test.each(
    Object.entries(FAULTS).flatMap(([why, faults]) =>
      Object.entries(faults).map(([what, answer]) => [what, why, answer] as const),
    ),
  )('with a Stepgate that %s does as onFailure says (%s)', async (_what, why, answer) => {
    const stand = await impostor(answer);
    shop.onTidy(stand.stop);
    const timeoutMs = why === 'timeout' ? 50 : 10_000;
    const statuses: number[] = [];
    for (const onFailure of [undefined, 'deny', 'allow'] as const) {
      const opened = await openShop({}, { url: stand.url, timeoutMs, ...(onFailure !== undefined && { onFailure }) });
      const response = await order(opened, { amount: 10 });
      statuses.push(response.status);
      if (onFailure === undefined) {
        expect(response.headers.get('www-authenticate')).toContain('insufficient_user_authentication');
      }
      if (onFailure === 'allow') expect(await response.json()).toMatchObject({ failed: true, decision: 'allow' });
    }
    expect(statuses).toEqual([401, 403, 200]);
  });

  test('with a wrong key ends in the error handler of the app, even where failures are allowed', async () => {
    const opened = await openShop({}, { key: 'not-the-key-of-anybody', onFailure: 'allow' });
    expect((await order(opened, { amount: 10 })).status).toBe(500);
    expect(opened.errors).toMatchObject([{ code: 'unauthorized' }]);
    expect(opened.served).toEqual([]);
  });
});
